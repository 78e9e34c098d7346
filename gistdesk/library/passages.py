"""Where in a text a question or an answer comes from: the places that hold most of it.

No model is asked. Numbers and names count most, then rare words; Korean words are searched without their particles.
"""

import heapq
from collections.abc import Mapping, Sequence

from gistdesk.core.lexical import rarity, score, terms_of
from gistdesk.library.text_index import Place, TextIndex

_MOST_CANDIDATES = 80
_LEAST_SHARE = 0.2
"""Share of the best place's score; anything below is noise."""


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
            value *= rarity(n_places, len(holders))
            for holder in holders:
                sums[holder] = sums.get(holder, 0.0) + value
        values.append((term, value))
    candidates = heapq.nsmallest(_MOST_CANDIDATES, sums, key=lambda holder: (-sums[holder], holder))
    places = [index.place(*candidate) for candidate in candidates]
    scored = [(score(texts[p.text_sha256][p.page - 1][p.start : p.end], values), p) for p in places]
    least = _LEAST_SHARE * max((score for score, _ in scored), default=0.0)
    scored.sort(key=lambda pair: -pair[0])  # stable: equals stay in their order
    return [place for score, place in scored if score > least][:limit]
