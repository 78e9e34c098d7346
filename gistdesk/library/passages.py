"""Where in a text a question or an answer comes from: what of it is worth searching, and which places hold most of it.

No model is asked. Numbers and names count most, then rare words; Korean words are searched without their particles.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gistdesk.library.text_index import Place, TextIndex

_MOST_TERMS = 32
_MOST_CANDIDATES = 80
_LEAST_SHARE = 0.2
"""Of the best place's score; what has less is noise."""

_HANGUL = "\uac00-\ud7a3"
_CHINESE = "\u3040-\u30ff\u3400-\u9fff"
_TOKEN = re.compile(rf"[{_HANGUL}]+|[{_CHINESE}]+|[^\W{_HANGUL}{_CHINESE}]+(?:[-.,:/'’][^\W{_HANGUL}{_CHINESE}]+)*")
_COMMON = set(
    "a about above according after all also an and any are as at be because been before being between both but by can "
    "could did do does document for from had has have he her his how i if in into is it its me may more most must my "
    "no not of on one only or other our out said she should so some such tell text than that the their them then there "
    "these they this those to under up was we were what when where which who whom whose why will with would you your "
    "무엇 무엇인가요 무엇입니까 누구 누가 언제 어디 어디서 어떻게 어떤 왜 얼마 얼마나 몇 그리고 그러나 하지만 또는 "
    "및 이것 그것 저것 이는 그는 있는 있다 있습니다 없다 없습니다 합니다 한다 하는 입니다 이다 됩니다 된다 되는 "
    "것은 것을 것이 대한 대해 대하여 위한 위해 따라 문서 본문 인가요 인가 입니까 나요 까요 해주세요 알려주세요".split()
)
_ENDINGS = sorted(
    "은 는 이 가 을 를 의 에 로 와 과 도 만 께 랑 나 에서 에게 으로 부터 까지 처럼 보다 마다 조차 이나 이며 이고 "
    "라고 이라 에는 에도 으로는 에서는 에게는 이란 란 인 인가 인가요 입니다 입니까 이다 이었다 였다 였습니다 "
    "이었습니다 하다 하는 하고 하며 하여 해야 한다 합니다 했다 했습니다 하였다 하였습니다 된 된다 되는 되며 되어 "
    "됩니다 되었다 되었습니다 한 할 될 들 들은 들이 들을 들의".split(),
    key=len,
    reverse=True,
)


@dataclass(frozen=True)
class Term:
    """One thing to search for.

    Attributes:
        forms: ways to write it, in small letters.
        weight: 1 for a plain word.
        whole: it must stand by itself, as 12 does not in 2012.
    """

    forms: tuple[str, ...]
    weight: float
    whole: bool = False

    def is_in(self, text: str) -> bool:
        """Whether it is in a text of small letters."""
        if not self.whole:
            return any(form in text for form in self.forms)
        return any(re.search(rf"(?<![0-9a-z]){re.escape(form)}(?![0-9a-z])", text) for form in self.forms)


def terms_of(query: str) -> list[Term]:
    """What of a question or an answer is worth searching, the weightiest first."""
    terms: dict[tuple[str, ...], Term] = {}
    for token in _TOKEN.findall(unicodedata.normalize("NFC", query)):
        for term in _terms(token):
            terms.setdefault(term.forms, term)
    return sorted(terms.values(), key=lambda term: (-term.weight, -len(term.forms[0])))[:_MOST_TERMS]


def best_passages(index: TextIndex, query: str, texts: Mapping[str, Sequence[str]], *, limit: int) -> list[Place]:
    """The places that hold most of a query, best first.

    Args:
        texts: pages by sha256, all of them indexed.
    """
    terms = terms_of(query)
    n_places = sum(index.n_places(sha256) for sha256 in texts)
    scores: dict[tuple[str, int], float] = {}
    values: list[tuple[Term, float]] = []
    searchable = [term for term in terms if len(term.forms[0]) >= _least_length(term)] or terms
    for term in terms:
        if term not in searchable:
            values.append((term, term.weight / 2))
            continue
        holders = {(sha, i) for sha in texts for form in term.forms for i in index.ids_with(form, sha)}
        value = term.weight * math.log(1 + n_places / (1 + len(holders)))
        values.append((term, value))
        for holder in holders:
            scores[holder] = scores.get(holder, 0.0) + value
    candidates = sorted(scores, key=lambda holder: (-scores[holder], holder))[:_MOST_CANDIDATES]
    places = [index.place(*candidate) for candidate in candidates]
    found = [(_score(_text(place, texts), values), place) for place in places]
    best = max((score for score, _ in found), default=0.0)
    found = [(score, place) for score, place in found if score > _LEAST_SHARE * best]
    found.sort(key=lambda pair: -pair[0])  # stable: equals stay in the order of the text
    return [place for _, place in found[:limit]]


def _text(place: Place, texts: Mapping[str, Sequence[str]]) -> str:
    text = texts[place.text_sha256][place.page - 1][place.start : place.end]
    return " ".join(text.split()).lower()


def _score(text: str, values: Sequence[tuple[Term, float]]) -> float:
    return sum(value for term, value in values if term.is_in(text))


def _least_length(term: Term) -> int:
    """Shorter ones are too common to search for: single Hangul syllables, one or two digits, two Latin letters."""
    return 2 if re.match(f"[{_HANGUL}{_CHINESE}]", term.forms[0]) else 3


def _terms(token: str) -> Iterator[Term]:
    if re.match(f"[{_HANGUL}]", token):
        yield from _korean(token)
    elif re.match(f"[{_CHINESE}]", token):
        yield from (Term((token[i : i + 3],), 1.0) for i in range(max(len(token) - 2, 1)))
    elif any(character.isdigit() for character in token):
        yield Term(_number_forms(token.lower()), 3.0, whole=True)
    elif token.lower() not in _COMMON:
        is_name = token[0].isupper()
        yield Term((_stem(token.lower()),), 2.0 if is_name else 1.0, whole=len(token) < 3)


def _korean(word: str) -> Iterator[Term]:
    if word in _COMMON:
        return
    stem = next((word.removesuffix(e) for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 2), word)
    if stem in _COMMON:
        return
    yield Term((stem,), 1.0 + 0.25 * min(len(stem) - 1, 4))
    if len(stem) >= 4:  # the text may put a space into it
        yield Term((stem[:2],), 0.4)
        yield Term((stem[-2:],), 0.4)


def _number_forms(token: str) -> tuple[str, ...]:
    plain = token.replace(",", "")
    if plain.isdecimal() and len(plain) > 3:
        return plain, f"{int(plain):,}" if not plain.startswith("0") else plain
    return (token,)


def _stem(word: str) -> str:
    """Without an English ending, so that a payment finds payments."""
    word = re.sub("['’]s$", "", word)
    for ending in ("ing", "ed", "es", "s", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word
