"""Where in a text a question or an answer comes from: what of it is worth searching, and which places hold most of it.

No model is asked. Numbers and names count most, then rare words; Korean words are searched without their particles.
"""

import heapq
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from gistdesk.library.text_index import SENTENCE_END, Place, TextIndex

_MOST_TERMS = 32
_MOST_CANDIDATES = 80
_LEAST_SHARE = 0.2
"""Of the best place's score; what has less is noise."""

_HANGUL = "\uac00-\ud7a3"
_CHINESE = "\u3040-\u30ff\u3400-\u9fff"
_EASTERN = re.compile(f"[{_HANGUL}{_CHINESE}]")
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


class Term:
    """One thing to search for: a word without its ending, a number, a code."""

    def __init__(self, *forms: str, weight: float, whole: bool = False) -> None:
        """
        Args:
            forms: ways to write it, in small letters.
            weight: 1 for a plain word.
            whole: nothing may follow, as 12 is not in 125. Latin letters and digits must begin with it in any case.
        """
        self.forms, self.weight = forms, weight
        shortest = 2 if _EASTERN.match(forms[0]) else 3
        self.is_searchable = len(forms[0]) >= shortest  # the rest is too common to be looked for by itself
        after = "(?![0-9a-z])" if whole else ""
        eastern, latin = (
            "|".join(re.escape(form) for form in forms if bool(_EASTERN.match(form)) is is_eastern)
            for is_eastern in (True, False)
        )
        self._pattern = re.compile(eastern or f"(?<![0-9a-z])(?:{latin}){after}")

    def is_in(self, text: str) -> bool:
        """Whether it is in a text of small letters."""
        return bool(self._pattern.search(text))


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
    values = []
    sums: dict[tuple[str, int], float] = {}
    n_places = sum(index.n_places(sha256) for sha256 in texts)
    terms = terms_of(query)
    worth_searching = [term for term in terms if term.is_searchable] or terms
    for term in terms:
        value = term.weight
        if term in worth_searching:
            holders = {(sha, i) for sha in texts for form in term.forms for i in index.ids_with(form, sha)}
            value *= math.log(1 + n_places / (1 + len(holders)))
            for holder in holders:
                sums[holder] = sums.get(holder, 0.0) + value
        values.append((term, value))
    candidates = heapq.nsmallest(_MOST_CANDIDATES, sums, key=lambda holder: (-sums[holder], holder))
    places = [index.place(*candidate) for candidate in candidates]
    scored = [(_score(texts[p.text_sha256][p.page - 1][p.start : p.end], values), p) for p in places]
    least = _LEAST_SHARE * max((score for score, _ in scored), default=0.0)
    scored.sort(key=lambda pair: -pair[0])  # stable: equals stay in their order
    return [place for score, place in scored if score > least][:limit]


def _score(text: str, values: Sequence[tuple[Term, float]]) -> float:
    """What a place holds counts, and once more what its best sentence does: words together say more than apart."""
    text = text.lower()
    found = [(term, value) for term, value in values if term.is_in(text)]
    sentences = SENTENCE_END.split(text) if len(found) > 1 else [text]
    return sum(value for _, value in found) + max(
        sum(value for term, value in found if term.is_in(sentence)) for sentence in sentences
    )


def _terms(token: str) -> Iterator[Term]:
    if re.match(f"[{_HANGUL}]", token):
        yield from _korean(token)
    elif re.match(f"[{_CHINESE}]", token):
        yield from (Term(token[i : i + 3], weight=1.0) for i in range(max(len(token) - 2, 1)))
    elif any(character.isdigit() for character in token):
        yield Term(*_number_forms(token.lower()), weight=3.0, whole=True)
    elif token.lower() not in _COMMON:
        yield Term(_stem(token.lower()), weight=2.0 if token[0].isupper() else 1.0, whole=len(token) < 3)


def _korean(word: str) -> Iterator[Term]:
    if word in _COMMON:
        return
    stem = next((word.removesuffix(e) for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= 2), word)
    if stem in _COMMON:
        return
    yield Term(stem, weight=1.0 + 0.25 * min(len(stem) - 1, 4))
    if len(stem) >= 4:  # the text may put a space into it
        yield Term(stem[:2], weight=0.4)
        yield Term(stem[-2:], weight=0.4)


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
