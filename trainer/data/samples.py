"""Training samples: a document of a given number of tokens with facts in it, and questions about them.

Every sample is a pure function of its random generator, so a resumed run sees what an uninterrupted one would.
Knows tokens; knows nothing of segments, gists or losses.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.data.facts import Fact, draw_fact, draw_facts, draw_words
from trainer.data.haystack import haystack_names, haystack_text

_PLAIN_WORD = re.compile(r"[A-Za-z가-힣]{2,12}")


@dataclass(frozen=True)
class Sample:
    """A document and what is asked about it.

    Attributes:
        token_ids: (n_tokens,) the document.
        turns: questions with their answers, in the order they are asked.
        language: "en" or "ko".
    """

    token_ids: Tensor
    turns: tuple[Turn, ...]
    language: str


class Samples:
    """Draws samples from the training haystacks (or the evaluation ones), tokenized once.

    A document is longer than asked for only when its facts alone are.
    """

    def __init__(self, model: GistModel, *, evaluation: bool = False) -> None:
        self._model = model
        self._evaluation = evaluation
        self._texts: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._words: dict[str, list[str]] = {}
        for language in ("en", "ko"):
            self._texts[language] = []
            for name in haystack_names(language, evaluation=evaluation):
                self._texts[language].append(_tokenized(model, name))
            texts = (haystack_text(name) for name in haystack_names(language, evaluation=evaluation))
            self._words[language] = [word for text in texts for word in text.split() if _PLAIN_WORD.fullmatch(word)]

    def passkey(self, random: Random, n_tokens: int, n_keys: int = 1, language: str = "") -> Sample:
        """`n_keys` numbers of different names ("the passkey", "the entry code") in one document, each asked for."""
        language = language or random.choice(("en", "ko"))
        facts: dict[str, Fact] = {}
        while len(facts) < n_keys:
            fact = draw_fact(random, language, "passkey", held_out=self._evaluation)
            facts[fact.subject] = fact
        return self._sample(random, language, list(facts.values()), n_tokens, n_keys)

    def passkey_pool(
        self, random: Random, lengths: Sequence[int], n_keyed: int, language: str
    ) -> tuple[list[Sample], list[Tensor]]:
        """Segments of these lengths: the first `n_keyed` with one passkey each, the others without any fact."""
        keyed = [self.passkey(random, n, language=language) for n in lengths[:n_keyed]]
        return keyed, [self._hay(random, language, n)[0] for n in lengths[n_keyed:]]

    def fact_pool(
        self, random: Random, lengths: Sequence[int], n_keyed: int, n_facts: int, language: str
    ) -> tuple[list[Sample], list[Tensor]]:
        """The same with `n_facts` general facts in each of the first segments, no two of them about one thing."""
        facts = draw_facts(random, language, n_facts * n_keyed, held_out=self._evaluation)
        random.shuffle(facts)
        keyed = []
        for i, n in enumerate(lengths[:n_keyed]):
            own = facts[i * n_facts : (i + 1) * n_facts]
            keyed.append(self._sample(random, language, own, n, len(own)))
        return keyed, [self._hay(random, language, n)[0] for n in lengths[n_keyed:]]

    def words(self, random: Random, n_tokens: int, n_facts: int, language: str) -> Sample:
        """`n_facts` names ("the motto") with one to three words of the haystack each, all asked for."""
        values: dict[str, None] = {}
        while len(values) < n_facts:
            words = self._words[language]
            start, n = random.randrange(len(words) - 3), random.randint(1, 3)
            values[" ".join(words[start : start + n])] = None
        facts = draw_words(random, language, list(values))
        return self._sample(random, language, facts, n_tokens, n_facts)

    def words_pool(
        self, random: Random, lengths: Sequence[int], n_keyed: int, n_facts: int, language: str
    ) -> tuple[list[Sample], list[Tensor]]:
        """As a passkey pool, with words as values and `n_facts` of them in each of the first segments."""
        keyed = [self.words(random, n, n_facts, language) for n in lengths[:n_keyed]]
        return keyed, [self._hay(random, language, n)[0] for n in lengths[n_keyed:]]

    def general(self, random: Random, n_tokens: int, n_facts: int, n_questions: int, language: str = "") -> Sample:
        """`n_facts` general facts in one document, the first `n_questions` of them asked one after another."""
        language = language or random.choice(("en", "ko"))
        facts = draw_facts(random, language, n_facts, held_out=self._evaluation)
        return self._sample(random, language, facts, n_tokens, n_questions)

    def _sample(self, random: Random, language: str, facts: Sequence[Fact], n_tokens: int, n_questions: int) -> Sample:
        needles = [torch.tensor(self._model.token_ids(" " + fact.statement)) for fact in facts]
        random.shuffle(needles)
        hay, starts = self._hay(random, language, max(0, n_tokens - sum(len(needle) for needle in needles)))
        ids = _hidden(random, hay, starts, needles)
        turns = tuple(Turn(fact.question, fact.answer) for fact in facts[:n_questions])
        return Sample(ids, turns, language)

    def _hay(self, random: Random, language: str, n_tokens: int) -> tuple[Tensor, Tensor]:
        """A stretch of a haystack and where its sentences start, relative to the stretch."""
        texts = self._texts[language]
        ids, starts = random.choices(texts, [len(ids) for ids, _ in texts])[0]
        start = random.randrange(len(ids) - n_tokens)
        inside = starts[(starts >= start) & (starts <= start + n_tokens)] - start
        return ids[start : start + n_tokens], inside


def _tokenized(model: GistModel, name: str) -> tuple[Tensor, Tensor]:
    """The tokens of a haystack, and where its sentences start."""
    ids = torch.tensor(model.token_ids(" " + haystack_text(name)))
    return ids, model.ends_sentence[ids].nonzero()[:, 0] + 1


def _hidden(random: Random, hay: Tensor, starts: Tensor, needles: Sequence[Tensor]) -> Tensor:
    """Put the needles between sentences, at either end, or anywhere: not every text ends its sentences plainly."""
    places = []
    for _ in needles:
        kind = random.random()
        if kind < 0.12:
            places.append(0 if kind < 0.06 else len(hay))
        elif kind < 0.85 and len(starts):
            places.append(int(starts[random.randrange(len(starts))]))
        else:
            places.append(random.randint(0, len(hay)))
    pieces, last = [], 0
    for place, needle in zip(sorted(places), needles, strict=True):
        pieces += [hay[last:place], needle]
        last = place
    return torch.cat([*pieces, hay[last:]])
