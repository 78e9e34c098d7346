"""Which words of a question are nowhere in a text: a text that never mentions oats seldom tells what oat flour costs.

The best sentence for such a question says something else, and a small model does not notice. So people are told, and
judge for themselves: of 12 questions that six bundled documents leave out this names a word for 8, of 60 that they
answer for one; of the 1,025 about FairytaleQA's validation stories, worded freely, for 22%, and for 92% where the story
is another one (`python -m tests.benchmarks.passages --unmatched`, and `--stories FILE -n 400`). English words, and
numbers and codes of any language; other languages inflect too much to be compared so. Knows nothing of models.
"""

import re
import unicodedata

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
"""Share of common English words by which a question is English."""
_SHORTEST = 3
_MOST_CHARACTERS = 2_000
"""Of a question; a pasted page is not one."""
_ABOUT_ASKING = set(
    "ask asked ask answer answers big called come came describe document everyone exactly explain far feel felt find "
    "found gave get give given go going gone got happen happened happens heavy high kind kinds know known large list "
    "long made make many mean meaning means much mention mentioned name named names need needed now number often old "
    "page please quick quickly say says sort state stated story text thing things think thought today type use used "
    "want wanted went word words didn't doesn't don't isn't wasn't weren't couldn't can't won't".split()
)
"""What the question is made of, not what it asks about."""
_ENGLISH = re.compile(r"\b(?:the|of)\b")


def unmatched_words(question: str, text: str) -> tuple[str, ...]:
    """The words as the question spells them, each once; none of a question for a summary or the like."""
    if not asks_for_a_fact(question):
        return ()
    question = unicodedata.normalize("NFC", question[:_MOST_CHARACTERS]).replace("’", "'")
    small = unicodedata.normalize("NFC", text).lower()
    words = TOKEN.findall(question)
    n_common = sum(word.lower() in COMMON for word in words)
    is_english = n_common >= _LEAST_COMMON * len(words) and bool(_ENGLISH.search(small))
    found = {word.lower(): word for word in reversed(words) if not _is_in(word, small, is_english)}
    return tuple(word for word in dict.fromkeys(words) if found.get(word.lower()) == word)


def _is_in(word: str, small: str, is_english: bool) -> bool:
    """True, too, for a word that is not looked for."""
    lower = word.lower()
    if any(character.isdigit() for character in lower):
        forms = number_forms(lower)
        return Term(*forms, *word_of_number(forms[0]), weight=1.0, whole=True).is_in(small)
    if not is_english or not lower.isascii() or len(lower) < _SHORTEST or lower in COMMON | _ABOUT_ASKING:
        return True
    if lower in NUMBER_OF_WORD:
        return Term(lower, NUMBER_OF_WORD[lower], weight=1.0, whole=True).is_in(small)
    bare = stem(lower)
    if bare[-1] in "ey" and len(bare) > _SHORTEST + 1:
        bare = bare[:-1]  # delivery, deliveries; price, pricing
    return Term(bare, weight=1.0).is_in(small)
