"""Which sentences say most of a text: those that have most in common with the rest, from all over it.

A small model that is asked to summarise invents, so it is not asked. Sentences are ranked as LexRank does (Erkan and
Radev, 2004, https://arxiv.org/abs/1109.2128), and of each part of the text the best one is taken that does not repeat
another, so that the end of a report is heard of, too. Knows nothing of models.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from gistdesk.core.lexical import COMMON
from gistdesk.core.ranking import words_of

_DAMPING, _ROUNDS = 0.85, 30
_REPEATED = 1.0
"""What a sentence loses that is the same as one already taken; the best one has 1."""
_FIRST = 0.3
"""What the first one gains: it often says what the text is."""
_FEWEST_WORDS = 6
"""Of a sentence that tells something, without the commonest ones."""
_REFERS = re.compile(
    r"(?:(?:If|Until|Unless|When|While|Although|Because|Since|As|After|Before|Once|Whoever \w+) )?"
    r"(?:It(?! (?:is|was) \w+ (?:that|to)\b)|He|She|They|Its|His|Their|Them"
    r"|(?:This|These|That|Those) (?:is|are|was|were|ha[sd]|have|would|will|may|means))\b"
    r"|(?:However|Therefore|Thus|Also|Otherwise|Instead|Moreover|But|And|Or|So|In return|For this reason)\b"
    r"|(?:Er|Sie|Es|Dies|Das|Sein|Ihr|Aber|Und|Doch|Deshalb|Daher|Dazu|Dabei)\b"
    r"|(?:그는|그녀는|그들은|이는|이에|이것은|그것은|또한|그러나|하지만|따라서|그리고|그래서)(?![가-힣])",
    re.IGNORECASE,
)
"""Begins a sentence about what the one before it names."""
_ENDED = re.compile(r".*[.!?。！？…][\"'”’)\]]*", re.DOTALL)
_LETTER = re.compile(r"[^\W\d_]")
_PAIRS = ("()", "[]", "“”", "「」")
_OFTEN = 3
"""What a text says so often, such as a line at the foot of every page, is not what it is about."""


def is_sentence(text: str) -> bool:
    """Whether it ends like one: no heading, and no name alone."""
    return bool(_ENDED.fullmatch(text.rstrip()) and _LETTER.search(text))


def excerpt(sentences: Sequence[str], n: int) -> list[int]:
    """The indices of at most `n` sentences that together say most of a text, in its order.

    Fewer where fewer can stand alone; those that cannot are taken only if none can.
    """
    bags = [Counter(word for word in words_of(each) if word not in COMMON) for each in sentences]
    first: dict[str, int] = {}
    times: Counter[str] = Counter()
    for i, each in enumerate(sentences):
        said = " ".join(words_of(each))
        times[said] += 1
        if bags[i] and _LETTER.search(each):
            first.setdefault(said, i)
    held = [i for said, i in first.items() if times[said] < _OFTEN] or list(first.values())
    whole = [i for i in held if _stands_alone(sentences[i])]
    able = [i for i in whole if len(bags[i]) >= _FEWEST_WORDS] or whole or held
    if len(able) <= n:
        return able
    similar = _Similar([bags[i] for i in able])
    value = similar.centrality()
    value /= value.max()
    value[0] += _FIRST
    part = torch.arange(len(able)) * n // len(able)
    taken: list[int] = []
    for _ in range(n):
        best = int(value.argmax())
        taken.append(best)
        value -= _REPEATED * similar.to(best)
        value[part == part[best]] = -math.inf
    return sorted(able[i] for i in taken)


def _stands_alone(text: str) -> bool:
    is_whole = all(text.count(pair[0]) == text.count(pair[1]) for pair in _PAIRS) and text.count('"') % 2 == 0
    return is_sentence(text) and is_whole and not text[:1].islower() and not _REFERS.match(text)


class _Similar:
    """How similar sentences are: the cosines of their words, weighed by rarity. The pairs are not kept."""

    def __init__(self, bags: Sequence[Counter[str]]) -> None:
        number = {word: i for i, word in enumerate(dict.fromkeys(word for bag in bags for word in bag))}
        held = Counter(word for bag in bags for word in bag)
        rows, columns, weights = [], [], []
        for row, bag in enumerate(bags):
            found = {word: n * math.log(1 + len(bags) / held[word]) for word, n in bag.items()}
            length = math.hypot(*found.values())
            rows += [row] * len(found)
            columns += [number[word] for word in found]
            weights += [weight / length for weight in found.values()]
        self._n, self._n_words = len(bags), len(number)
        self._rows, self._columns = torch.tensor(rows), torch.tensor(columns)
        self._weights = torch.tensor(weights, dtype=torch.float64)

    def _sums(self, at: Tensor) -> Tensor:
        """The similarities to all sentences, each times `at`, added up: (n,) -> (n,)."""
        words = torch.zeros(self._n_words, dtype=torch.float64)
        words.index_add_(0, self._columns, self._weights * at[self._rows])
        found = torch.zeros(self._n, dtype=torch.float64)
        return found.index_add_(0, self._rows, self._weights * words[self._columns])

    def to(self, sentence: int) -> Tensor:
        """(n,)"""
        return self._sums(torch.nn.functional.one_hot(torch.tensor(sentence), self._n).double())

    def centrality(self) -> Tensor:
        """How likely a walk from sentence to similar sentence is at each: (n,)."""
        ones = torch.ones(self._n, dtype=torch.float64)
        degree = (self._sums(ones) - ones).clamp(min=1e-6)  # a sentence is not its own neighbour
        at = ones / self._n
        for _ in range(_ROUNDS):
            at = (1 - _DAMPING) / self._n + _DAMPING * (self._sums(at / degree) - at / degree).clamp(min=0)
        return at
