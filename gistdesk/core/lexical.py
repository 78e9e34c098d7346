"""Which words of a question or an answer are worth searching, how much of them a text holds, and where sentences end.

Numbers and names count most, then rare words; words are compared without their endings, Korean ones without their
particles. The library's search, the passages that chat looks up and the benchmark's are all ranked by this score.
On 1,156 questions about fairy tales (passages of 96 tokens; `tests/benchmarks/passages.py --stories FILE -n 150`) the
best passage held the answer in 57%, one of the best three in 72%; Okapi's BM25 had 53 and 70%.
Knows nothing of indexes, documents or models, and loads nothing: the window may use it, too.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence

_MOST_TERMS = 32
_BEGUN = 0.5
"""The value of a word that only begins a longer one, as pass does in passage."""

SENTENCE_END = re.compile(r"[.!?。！？…][\"'”’)\]]*\s|\n")
"""Divides running text for an index; `sentences` is more careful."""
_SENTENCE_BREAK = re.compile(r"[.!?。！？…]+[\"'”’)\]]*(?=\s)|\n")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|No|Nos|Art|Sec|Fig|Inc|Ltd|Co|vs|etc|approx|e\.g|i\.e|a\.m|p\.m)\.$"
)
_LIST_ITEM = re.compile(r"\s*(?:[-*•|#]|\(?[0-9a-z]{1,3}[.)]\s)")
_SHORT_LINE = 60
"""Characters; a line shorter than this, such as a heading or a row, ends by itself; longer ones are wrapped."""

_HANGUL = "\uac00-\ud7a3"
_CHINESE = "\u3040-\u30ff\u3400-\u9fff"
_EASTERN = re.compile(f"[{_HANGUL}{_CHINESE}]")
TOKEN = re.compile(rf"[{_HANGUL}]+|[{_CHINESE}]+|[^\W{_HANGUL}{_CHINESE}]+(?:[-.,:/'’][^\W{_HANGUL}{_CHINESE}]+)*")
COMMON = set(
    "a about above according after all also an and any are as at be because been before being between both but by can "
    "could did do does document for from had has have he her his how i if in into is it its me may more most must my "
    "no not of on one only or other our out said she should so some such tell text than that the their them then there "
    "these they this those to under up was we were what when where which who whom whose why will with would you your "
    "무엇 무엇인가요 무엇입니까 누구 누가 언제 어디 어디서 어떻게 어떤 왜 얼마 얼마나 몇 그리고 그러나 하지만 또는 "
    "및 이것 그것 저것 이는 그는 있는 있다 있습니다 없다 없습니다 합니다 한다 하는 입니다 이다 됩니다 된다 되는 "
    "것은 것을 것이 대한 대해 대하여 위한 위해 따라 문서 본문 인가요 인가 입니까 나요 까요 해주세요 알려주세요".split()
)
_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
NUMBER_OF_WORD = {word: str(n) for n, word in enumerate(f"{_SMALL} seventeen eighteen nineteen twenty".split())} | {
    word: str(10 * n) for n, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), 3)
}
_INFLECTION = "(?:[a-z]{1,2}|ing|ings|ment|ments|ion|ions|ness|able)?"
_ENDINGS = sorted(
    "은 는 이 가 을 를 의 에 로 와 과 도 만 께 랑 나 에서 에게 으로 부터 까지 처럼 보다 마다 조차 이나 이며 이고 "
    "라고 이라 에는 에도 으로는 에서는 에게는 이란 란 인 인가 인가요 입니다 입니까 이다 이었다 였다 였습니다 "
    "이었습니다 하다 하는 하고 하며 하여 해야 한다 합니다 했다 했습니다 하였다 하였습니다 된 된다 되는 되며 되어 "
    "됩니다 되었다 되었습니다 한 할 될 들 들은 들이 들을 들의".split(),
    key=len,
    reverse=True,
)


class Term:
    """One thing to search for: a word without its ending, a number, or a code."""

    def __init__(self, *forms: str, weight: float, whole: bool = False) -> None:
        """
        Args:
            forms: its spellings, in lower case.
            weight: 1 for a plain word.
            whole: nothing may follow: 12 is not in 125. Latin letters and digits match only where a word begins.
        """
        self.forms, self.weight = forms, weight
        shortest = 2 if _EASTERN.match(forms[0]) else 3
        self.is_searchable = len(forms[0]) >= shortest  # shorter ones are too common to search by themselves
        after = "(?![0-9a-z])" if whole else ""
        eastern, latin = (
            "|".join(re.escape(form) for form in forms if bool(_EASTERN.match(form)) is is_eastern)
            for is_eastern in (True, False)
        )
        self._pattern = re.compile(eastern or f"(?<![0-9a-z])(?:{latin}){after}")
        self._itself = None if eastern or whole else re.compile(rf"(?<![0-9a-z])(?:{latin}){_INFLECTION}(?![0-9a-z])")

    def is_in(self, text: str) -> bool:
        """Whether a lower-case text contains it."""
        return bool(self._pattern.search(text))

    def share_in(self, text: str) -> float:
        """How much of it a lower-case text holds: 1 for the word, less if a longer one begins with it."""
        if not self.is_in(text):
            return 0.0
        return 1.0 if self._itself is None or self._itself.search(text) else _BEGUN


def terms_of(query: str) -> list[Term]:
    """The parts of a question or an answer worth searching, the weightiest first."""
    terms: dict[tuple[str, ...], Term] = {}
    for token in TOKEN.findall(unicodedata.normalize("NFC", query)):
        for term in _terms(token):
            terms.setdefault(term.forms, term)
    return sorted(terms.values(), key=lambda term: (-term.weight, -len(term.forms[0])))[:_MOST_TERMS]


def rarity(n_texts: int, n_holding: int) -> float:
    """The value of a term that this many of the texts hold."""
    return math.log(1 + n_texts / (1 + n_holding))


def score(text: str, values: Sequence[tuple[Term, float]]) -> float:
    """What a text holds counts, and what its best sentence holds counts again: words together say more than apart.

    Every term counts once, with its value, and less if it only begins a longer word.
    """
    small = text.lower()
    found = [(term, value) for term, value in values if term.is_in(small)]
    total = _held(small, found)
    if len(found) < 2:
        return 2 * total
    return total + max(_held(text[start:end].lower(), found) for start, end in sentences(text))


def _held(small: str, values: Sequence[tuple[Term, float]]) -> float:
    return sum(value * term.share_in(small) for term, value in values)


class Words:
    """Texts ranked by the words of a question; see `score`."""

    name = "words"

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [unicodedata.normalize("NFC", text) for text in texts]
        self._small = [text.lower() for text in self._texts]
        self.n_bytes = sum(len(text.encode()) for text in self._small)

    def scores(self, question: str) -> list[float]:
        """One number per text; 0 if none of the question's words is in it."""
        holding = [(term, [term.is_in(text) for text in self._small]) for term in terms_of(question)]
        values = [(term, term.weight * rarity(len(self._texts), sum(held)), held) for term, held in holding]
        return [
            score(text, [(term, value) for term, value, held in values if held[i]])
            for i, text in enumerate(self._texts)
        ]


def sentences(text: str) -> list[tuple[int, int]]:
    """The (start, end) of sentences, without the blanks around them; headings, list items and rows count as sentences.

    A full stop after an abbreviation or an initial ends no sentence, nor does a line end within wrapped prose.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _SENTENCE_BREAK.finditer(text):
        if _is_break(text, start, match):
            _add_stripped(spans, text, start, match.end())
            start = match.end()
    _add_stripped(spans, text, start, len(text))
    return spans


def _is_break(text: str, start: int, match: re.Match[str]) -> bool:
    end = match.end()
    if match.group() != "\n":
        following = text[end : end + 2].strip()[:1]
        is_abbreviated = match.group() == "." and _ABBREVIATION.search(text, max(start, end - 8), end)
        return not following.islower() and not is_abbreviated
    line_start = text.rfind("\n", 0, match.start()) + 1
    following = text[end : end + 12]
    # prose may be wrapped anywhere, and a passage may begin in the middle of a line
    is_short = match.start() - line_start < _SHORT_LINE and not following.lstrip(" ")[:1].islower()
    return is_short or not following.strip() or following[0] == "\n" or bool(_LIST_ITEM.match(following))


def _add_stripped(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    part = text[start:end]
    if part.strip():
        spans.append((start + len(part) - len(part.lstrip()), start + len(part.rstrip())))


def _terms(token: str) -> Iterator[Term]:
    if re.match(f"[{_HANGUL}]", token):
        yield from _korean(token)
    elif re.match(f"[{_CHINESE}]", token):
        yield from (Term(token[i : i + 3], weight=1.0) for i in range(max(len(token) - 2, 1)))
    elif any(character.isdigit() for character in token):
        yield Term(*number_forms(token.lower()), weight=3.0, whole=True)
    elif token.lower() not in COMMON:
        yield Term(stem(token.lower()), weight=2.0 if token[0].isupper() else 1.0, whole=len(token) < 3)


def _korean(word: str) -> Iterator[Term]:
    bare = korean_stem(word)
    if word in COMMON or bare in COMMON:
        return
    yield Term(bare, weight=1.0 + 0.25 * min(len(bare) - 1, 4))
    if len(bare) >= 4:  # the text may write it with a space
        yield Term(bare[:2], weight=0.4)
        yield Term(bare[-2:], weight=0.4)


def korean_stem(word: str) -> str:
    """A Hangul word without its particle or ending, if at least two syllables remain."""
    return next((word.removesuffix(e) for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 2), word)


def number_forms(token: str) -> tuple[str, ...]:
    plain = token.replace(",", "")
    if plain.isdecimal() and len(plain) > 3:
        return plain, f"{int(plain):,}" if not plain.startswith("0") else plain
    return (token,)


def stem(word: str) -> str:
    """A lower-case word without its English ending, so that a payment finds payments."""
    word = re.sub("['’]s$", "", word)
    for ending in ("ing", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word
