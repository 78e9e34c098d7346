"""Which words of a question are nowhere in a text: a text that never mentions oats seldom tells what oat flour costs.

The best sentence for such a question says something else, and a small model does not notice. So people are told, and
judge for themselves: of 12 questions that six bundled documents leave out this names a word for 8, of 60 that they
answer for 2; of the 1,025 about FairytaleQA's validation stories, worded freely, for 15%, and for 86% where the story
is another one (`python -m tests.benchmarks.passages --unmatched`, and `--stories FILE -n 400`).

It is worse to call a word missing that is there than to overlook one: words are compared without endings, accents and
hyphens, and what only frames a question is not looked for. English words alone, since other languages inflect too much;
in every language codes ("error E7") and years ("in 2031"), but no other numbers: few that are asked with are in a text.
Knows nothing of models.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from gistdesk.core.asked import asks_for_a_fact
from gistdesk.core.lexical import COMMON, NUMBER_OF_WORD, TOKEN

NOT_FOUND = "The answer was not found in the text."
"""The answer where none is in the text; it is never looked for in one."""

_LEAST_COMMON = 0.4
"""Share of English function words by which a question is English."""
_LEAST_ENGLISH, _FEWEST_ENGLISH = 0.04, 3
"""Share and number of the commonest English words by which a text is."""
_SHORTEST = 3
_MOST_CHARACTERS, _MOST_WORDS = 2_000, 32
"""Of a question; a pasted page is not one."""
_GERMAN, _ENGLISH = set("also am an die her in man so was war".split()), re.compile(r"\b(?:the|of|and|to|in|is)\b")
_FUNCTION_WORDS = COMMON | set(
    "across again against along always among another anybody anyone around behind below beside beyond bit cannot "
    "during each either else even ever every everybody everyone everything few has having just least less let "
    "likely lot might near neither never nobody nothing off often once otherwise over own per perhaps probably "
    "really several shall since somebody someone something still through till together too toward towards until "
    "upon us very via while within without yet".split()
)
_ABOUT_ASKING = set(
    "agreement answer answers article ask asked author big billion book briefly called cents chapter character "
    "characters contract cost costs deadline describe document dollars euros exactly explain far figure first "
    "happen happened happens heavy hello high hundred kind kinds large last letter like list long manual many mean "
    "meaning means memo mention mentioned million minutes much name named names need needed next now number o'clock "
    "okay old page paper paragraph part parts pence percent please policy pounds quick quickly reason reasons report "
    "second section sentence sentences short shortly simply sort state stated story summary sure table text thank "
    "thanks thing things third thousand title today type types want wanted word words writer yes".split()
)
"""What a question is made of, not what it asks about."""
_IRREGULAR = set(
    "ate became become began begin begun bought break bring broke broken brought build built came catch caught "
    "child children choose chose chosen come cried cries cry crying cut die died dies drank dried drink drive "
    "driven drove drunk dry dying eat eaten fall fallen feel feet fell felt fight find flew flown fly foot fought "
    "found fried gave get give given go goes going gone got grew grow grown half halves hear heard held hid hide "
    "hit hold keep kept knew knife knives know known laid lay lead leaf leave leaves led left lend lent lie lies "
    "life lives lose lost made main make makes making man meet men met mice mouse paid pay pays person put ran read "
    "ride rise risen rode rose run running runs said sang sat saw say says see seen sell send sent set shoot shot "
    "sing sit sleep slept sold speak spend spent spoke spoken stand steal stole stolen stood swam swim take taken "
    "takes taking taught teach teeth tell think thought threw throw thrown told tooth tried tries try understood "
    "use used uses using wake went win wives woke wolf wolves woman women won wore worn write written wrote".split()
)
"""Whose forms are spelled too differently to be compared."""
_CONTRACTION = re.compile(r"(?:'(?:s|m|re|ve|ll|d)|n't)$")
_CODE = re.compile(
    r"\b(?:code|error|part|model|section|article|clause|room|form|rule|flight|item|fehler|코드|오류)\s+"
    r"((?:[b-hj-z]\s|[a-z]{1,4}-?)\d[0-9a-z-]*)"
)
_YEAR = re.compile(
    r"\b(?:in|during|since|before|after|until|year|im jahr|seit)\s+((?:19|20)\d\d)(?![\w%.,-]*\d|\s*[%$€£])"
)
_SIGNS = str.maketrans({**dict.fromkeys("’‘ʼ`´", "'"), **dict.fromkeys("‐‑‒–—−", "-"), "ß": "ss", "ø": "o", "æ": "ae"})
_MARKS = re.compile("[\u0300-\u036f\u00ad]")
_ENDINGS = ("ing", "ied", "ies", "ed", "es", "s", "ly")


def unmatched_words(question: str, text: str) -> tuple[str, ...]:
    """The words as the question spells them, each once; none of a question for a summary or the like."""
    if not asks_for_a_fact(question):
        return ()
    question = unicodedata.normalize("NFC", question[:_MOST_CHARACTERS])
    plain, asked = _plain(text), _plain(question)
    missing: dict[str, str] = {}
    for match in (*_CODE.finditer(asked), *_YEAR.finditer(asked)):
        if not _holds_number(match[1], plain):
            missing[match[1]] = match[1].upper()
    words = _words(question)
    if _is_english(words) and _is_english_text(plain):
        for word in list(dict.fromkeys(words))[:_MOST_WORDS]:
            if _tells(_plain(word)) and not _holds(_plain(word), plain):
                missing.setdefault(_plain(word), word)
    return tuple(missing.values())


def unmatched_share(question: str, unmatched: Sequence[str]) -> float:
    """Of the words of an English question that say what it asks about, 0 to 1."""
    n_telling = len({_plain(word) for word in _words(question) if _tells(_plain(word))})
    return min(1.0, len(unmatched) / max(1, n_telling))


def has_digit(word: str) -> bool:
    """Whether it is a code or a year."""
    return any(character.isdigit() for character in word)


@lru_cache(maxsize=4)
def _plain(text: str) -> str:
    """In lower case, one spelling for signs, ligatures and wide digits, no accents; Hangul stays whole."""
    small = text.lower()
    if small.isascii():
        return small
    return unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", small.translate(_SIGNS))))


def _words(question: str) -> list[str]:
    return TOKEN.findall(unicodedata.normalize("NFC", question[:_MOST_CHARACTERS]))


def _is_english(words: Sequence[str]) -> bool:
    small = [_CONTRACTION.sub("", _plain(word)) for word in words]
    return sum(word in _FUNCTION_WORDS and word not in _GERMAN for word in small) >= _LEAST_COMMON * len(words) > 0


def _is_english_text(plain: str) -> bool:
    beginning = plain[: 10 * _MOST_CHARACTERS]
    n_english = len(_ENGLISH.findall(beginning))
    return n_english >= max(_FEWEST_ENGLISH, _LEAST_ENGLISH * len(beginning.split()))


def _tells(word: str) -> bool:
    """Whether a word says what is asked about."""
    bare = _CONTRACTION.sub("", word)
    is_framing = any(each in group for each in (word, bare) for group in (_FUNCTION_WORDS, _ABOUT_ASKING))
    base = re.sub(r"(?:s|es|ing)$", "", bare)  # keeps, goes, keeping; and giving, whose e is gone
    is_framing = is_framing or any(each in _IRREGULAR for each in (bare, base, base + "e", base.removesuffix("e")))
    is_word = word.isascii() and word[0].isalpha() and not has_digit(word) and len(bare) >= _SHORTEST
    return is_word and not is_framing and not word.endswith("n't")


def _holds(word: str, plain: str) -> bool:
    """Whether a text has a word in any of its forms, or the parts of a compound."""
    if re.search(rf"(?<![0-9a-z]){_pattern(word)}", plain):
        return True
    if word in NUMBER_OF_WORD and _holds_number(NUMBER_OF_WORD[word], plain):
        return True
    parts = [part for part in re.split(r"[-/.:,']", word) if part]
    if len(parts) > 1:
        together = r"[\W_]?".join(map(re.escape, parts))
        return bool(re.search(together, plain)) or all(not _tells(part) or _holds(part, plain) for part in parts)
    beginning = word[:-1] if len(word) > _SHORTEST + 1 else word
    return bool(re.search(r"(?<![0-9a-z])" + "[-.]?".join(beginning), plain))


def _pattern(word: str) -> str:
    """A word's beginning, up to its ending, in British and American spelling."""
    bare = re.sub(r"tre$", "ter", re.sub(r"'s?$", "", word))
    for ending in _ENDINGS:
        if bare.endswith(ending) and len(bare) - len(ending) >= _SHORTEST:
            bare = bare.removesuffix(ending)
            break
    if (len(bare) > _SHORTEST and bare[-1] == bare[-2]) or (len(bare) > _SHORTEST and bare[-1] in "eyi"):
        bare = bare[:-1]
    pattern = re.sub(r"ou?r", "ou?r", re.escape(bare))
    return re.sub(r"(?:er|re)$", "(?:er|re)", re.sub(r"[sz]", "[sz]", re.sub(r"ll?", "ll?", pattern)))


def _holds_number(word: str, plain: str) -> bool:
    """Its letters and digits, whatever stands between them."""
    runs = [run.lstrip("0") or run for run in re.findall(r"\d+|[^\W\d_]+", word)]
    return bool(re.search(r"(?<![0-9a-z])0*" + r"[\W_]{0,2}0*".join(map(re.escape, runs)) + r"(?![0-9])", plain))
