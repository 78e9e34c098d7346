"""Is an answer's content in a text, and in which sentence? No model is asked, and nothing is loaded.

An answer's names, numbers and dates must all be in the text; the sentence that holds most of its content is its
source. English words are compared without their endings, Korean ones by pairs of syllables, since words carry
particles. Finding the words does not prove that the answer is right. Knows nothing of libraries or windows.
"""

import math
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from gistdesk.core.lexical import (
    COMMON,
    NUMBER_OF_WORD,
    TOKEN,
    korean_stem,
    number_forms,
    sentences,
    stem,
)

_LEAST_SHARE = 0.5
"""Share, by weight, of an answer's sentence that one sentence of the text must hold."""
_BARE_WORDS = 3
"""An answer with no more words than this is all value: a capital at its beginning marks a name, not a sentence."""
_MOST_WORDS = 48

_WORD_OF_NUMBER = {number: word for word, number in NUMBER_OF_WORD.items()}
_MONTHS = set("January February March April May June July August September October November December".split())
_TITLES = ("씨", "박사", "교수", "대표", "의원", "장관", "회장", "선수", "감독", "작가", "기자", "이사", "부장", "팀장")
_VERB_ENDINGS = ("다", "요", "까", "음")
_YES = {"yes", "yeah", "sure", "okay"}
_HANGUL = re.compile("[가-힣]")
_LETTER = re.compile("[^\\W_]")
_INSIDE_NUMBER = re.compile(r"[\d]|[.,]\d")


@dataclass(frozen=True)
class Grounding:
    """What a text has of an answer.

    Attributes:
        found: all names, numbers and dates of the answer are in the text, and one sentence holds most of its content.
        start, end: of the sentence that holds most of it, in characters of the text; -1 where no sentence does.
        missing: the answer's names, numbers and dates that are nowhere in the text, as the answer spells them.
    """

    found: bool
    start: int
    end: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Word:
    """One word of an answer.

    Attributes:
        spelling: as in the answer.
        forms: to look for, in lower case, any of which will do; for Hangul pairs of syllables, each of which counts.
        is_value: a name, a number or part of a date.
    """

    spelling: str
    forms: tuple[str, ...]
    weight: float
    is_value: bool
    is_number: bool = False
    is_hangul: bool = False


def ground(answer: str, text: str) -> Grounding:
    """Look for an answer's content in a text."""
    parts = [words for words in map(_words_of, _sentences_of(answer)) if words]
    if not parts:
        return Grounding(False, -1, -1, ())
    lowered = _small(text)
    spans = sentences(text)
    starts = [start for start, _ in spans]
    missing: dict[str, None] = {}
    best = (0.0, -1)
    least_share = 1.0
    for words in parts:
        held = _held(words, lowered, starts)
        missing |= {word.spelling: None for word, found in zip(words, held, strict=True) if _is_missing(word, found)}
        share, rank, index = _best_sentence(words, held, len(spans))
        least_share = min(least_share, share)
        if share >= _LEAST_SHARE and rank > best[0]:
            best = rank, index
    start, end = spans[best[1]] if best[1] >= 0 else (-1, -1)
    return Grounding(not missing and least_share >= _LEAST_SHARE, start, end, tuple(missing))


def _small(text: str) -> str:
    """In lower case, every character at its old index: a Turkish capital would become two."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(small if len(small := character.lower()) == 1 else character for character in text)


def _sentences_of(answer: str) -> list[str]:
    answer = unicodedata.normalize("NFC", answer)
    return [answer[start:end] for start, end in sentences(answer)]


def _words_of(sentence: str) -> list[_Word]:
    matches = list(TOKEN.finditer(sentence))
    is_bare = len(matches) <= _BARE_WORDS
    words: list[_Word] = []
    for place, match in enumerate(matches[:_MOST_WORDS]):
        word = match.group()
        if _HANGUL.match(word):
            is_name = sentence[match.end() :].lstrip().startswith(_TITLES)
            words += _korean(word, is_name or (is_bare and not word.endswith(_VERB_ENDINGS)))
        elif any(character.isdigit() for character in word):
            words.append(_number(word))
        elif word.lower() in NUMBER_OF_WORD:
            words.append(_Word(word, (word.lower(), NUMBER_OF_WORD[word.lower()]), 2.0, False, is_number=True))
        elif word in _MONTHS or word.lower() not in COMMON | _YES:
            words.append(_latin(word, place, matches, is_bare))
    return words


def _number(word: str) -> _Word:
    forms = number_forms(word.lower())
    in_words = (_WORD_OF_NUMBER[forms[0]],) if forms[0] in _WORD_OF_NUMBER else ()
    return _Word(word, (*forms, *in_words), 3.0, True, is_number=True)


def _latin(word: str, place: int, matches: list[re.Match[str]], is_bare: bool) -> _Word:
    """A capital marks a name, but at a sentence's beginning only if the next word has one, too."""
    is_capital = word[0].isupper()
    next_word = matches[place + 1].group() if place + 1 < len(matches) else ""
    is_name = is_capital and (place > 0 or is_bare or next_word[:1].isupper() or word.isupper())
    form = stem(word.lower())
    return _Word(word, (form,), 2.0 if is_capital else 1.0, is_name)


def _korean(word: str, is_value: bool) -> Iterator[_Word]:
    bare = korean_stem(word)
    if word in COMMON or bare in COMMON:
        return
    pairs = tuple(bare[i : i + 2] for i in range(len(bare) - 1)) or (bare,)
    yield _Word(bare, pairs, 1.0 + 0.25 * min(len(bare) - 1, 4), is_value, is_hangul=True)


def _held(words: list[_Word], lowered: str, starts: list[int]) -> list[dict[int, float]]:
    """For each word, the sentences that hold it, with the share of the word that they hold: all, except for Hangul."""
    found = []
    for word in words:
        by_form = [{bisect_right(starts, at) - 1 for at in _places(word, form, lowered)} for form in word.forms]
        part = 1 / len(by_form) if word.is_hangul else 1.0
        held: dict[int, float] = {}
        for places in by_form:
            for index in places:
                held[index] = held.get(index, 0.0) + part if word.is_hangul else 1.0
        found.append(held)
    return found


def _places(word: _Word, form: str, lowered: str) -> Iterator[int]:
    """The positions of a form: a number not within another one, a word of Latin letters at a word's beginning."""
    at = lowered.find(form)
    while at >= 0:
        end = at + len(form)
        before = lowered[at - 1] if at else " "
        if form[0].isdigit() and word.is_number:
            fits = not _is_within_number(lowered, at, end)
        else:
            fits = word.is_hangul or not _LETTER.match(before) or bool(_HANGUL.match(before))
        if fits:
            yield at
        at = lowered.find(form, end)


def _is_within_number(text: str, start: int, end: int) -> bool:
    before = text[max(start - 2, 0) : start]
    is_inside = before[-1:].isdigit() or (before[-1:] in (".", ",") and before[:1].isdigit())
    return is_inside or bool(_INSIDE_NUMBER.match(text, end))


def _is_missing(word: _Word, held: dict[int, float]) -> bool:
    return word.is_value and max(held.values(), default=0.0) < (1.0 if not word.is_hangul else 0.5)


def _best_sentence(words: list[_Word], held: list[dict[int, float]], n_sentences: int) -> tuple[float, float, int]:
    """The sentence that holds most: the share of the words' weight, its rank among sentences, and its index.

    Rare words count more in the rank, so that of two sentences with equal weight the more specific one wins.
    """
    total = sum(word.weight for word in words)
    shares: dict[int, float] = {}
    ranks: dict[int, float] = {}
    for word, places in zip(words, held, strict=True):
        rarity = math.log(1 + n_sentences / (1 + len(places)))
        for index, part in places.items():
            shares[index] = shares.get(index, 0.0) + part * word.weight / total
            ranks[index] = ranks.get(index, 0.0) + part * word.weight * rarity
    index = max(ranks, key=lambda i: (ranks[i], -i), default=-1)
    return shares.get(index, 0.0), ranks.get(index, 0.0), index
