"""Which words of a question are nowhere in a text: a text that never mentions oats seldom tells what oat flour costs.

The best sentence for such a question says something else, and a small model does not notice. So people are told, and
judge for themselves: of 12 questions that six bundled documents leave out this names a word for 8, of 60 that they
answer for 2; of the 1,025 about FairytaleQA's validation stories, worded freely, for 21%, and for 94% where the story
is another one (`python -m tests.benchmarks.passages --unmatched`, and `--stories FILE -n 400`). English words, and
numbers and codes of any language; other languages inflect too much to be compared so. Knows nothing of models.
"""

import re
import unicodedata
from collections.abc import Sequence

from gistdesk.core.lexical import (
    COMMON,
    NUMBER_OF_WORD,
    TOKEN,
    Term,
    asks_for_a_fact,
    number_forms,
    stem,
    word_of_number,
)

_LEAST_COMMON = 0.4
"""Share of English function words by which a question is English."""
_SHORTEST = 3
_MOST_CHARACTERS = 2_000
"""Of a question; a pasted page is not one."""
_ABOUT_ASKING = set(
    "answer answers ask asked big called came come cost costs describe document exactly explain far feel felt find "
    "found gave get give given go going gone got happen happened happens heavy high kind kinds know known large list "
    "long made make many mean meaning means much mention mentioned name named names need needed now number old page "
    "please quick quickly say says sort state stated story text thing things think thought today type use used want "
    "wanted went word words".split()
)
"""What the question is made of, not what it asks about."""
_FUNCTION_WORDS = COMMON | set(
    "across again against along always among another anybody anyone around behind below beside beyond bit couldn't "
    "didn't doesn't don't during each either else even ever every everybody everyone everything few has hasn't haven't "
    "having isn't just least less let likely lot might near neither never nobody nothing off often once otherwise over "
    "own per perhaps probably really several shall since somebody someone something still through till together too "
    "toward towards until upon us very via wasn't weren't were while within without won't wouldn't yet".split()
)
_ENGLISH = re.compile(r"\b(?:the|of)\b")


def unmatched_words(question: str, text: str) -> tuple[str, ...]:
    """The words as the question spells them, each once; none of a question for a summary or the like."""
    if not asks_for_a_fact(question):
        return ()
    words = _words(question)
    small = unicodedata.normalize("NFC", text).lower()
    n_common = sum(word.lower() in _FUNCTION_WORDS for word in words)
    is_english = n_common >= _LEAST_COMMON * len(words) and bool(_ENGLISH.search(small))
    looked_for = {word.lower(): word for word in reversed(words) if _is_number(word) or (is_english and _tells(word))}
    return tuple(
        word for word in dict.fromkeys(words) if looked_for.get(word.lower()) == word and not _is_in(word, small)
    )


def unmatched_share(question: str, unmatched: Sequence[str]) -> float:
    """Of the words of an English question that say what it asks about, 0 to 1."""
    n_telling = len({word.lower() for word in _words(question) if _is_number(word) or _tells(word)})
    return len(unmatched) / max(1, n_telling)


def _words(question: str) -> list[str]:
    return TOKEN.findall(unicodedata.normalize("NFC", question[:_MOST_CHARACTERS]).replace("’", "'"))


def _is_number(word: str) -> bool:
    """A number or a code."""
    return any(character.isdigit() for character in word)


def _tells(word: str) -> bool:
    lower = word.lower()
    return lower.isascii() and len(lower) >= _SHORTEST and lower not in _FUNCTION_WORDS | _ABOUT_ASKING


def _is_in(word: str, small: str) -> bool:
    lower = word.lower()
    if _is_number(word):
        forms = number_forms(lower)
        return Term(*forms, *word_of_number(forms[0]), weight=1.0, whole=True).is_in(small)
    if lower in NUMBER_OF_WORD:
        return Term(lower, NUMBER_OF_WORD[lower], weight=1.0, whole=True).is_in(small)
    bare = stem(lower)
    if bare[-1] in "ey" and len(bare) > _SHORTEST + 1:
        bare = bare[:-1]  # delivery, deliveries; price, pricing
    return Term(bare, weight=1.0).is_in(small)
