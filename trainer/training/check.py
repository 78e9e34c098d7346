"""Whether the bottleneck is real: do the answers in training come from the gist, and only from it?

The same held-out questions go through the very function training answers with, four times: with the
document's own gist, with another document's, with nothing, and with the whole text. A prototype of this program
trained for days on answers that saw the document itself; these figures show that at the first step.
Knows conditions and figures; not how answers are made.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gistdesk.core.interval import wilson
from gistdesk.core.sentences import Sentence
from trainer.data.units import Unit
from trainer.training.loss import Answers

_MOST_DOCUMENTS = 8
"""Most documents asked about per unit: a pool has dozens, and an evaluation should cost a twentieth of a run."""
CONDITIONS = ("gist", "wrong-gist", "none", "full")

Answering = Callable[[Unit, Sequence[int], list[Tensor] | None], Answers]
"""A unit, the indices of some of its documents, and what replaces each of them (None: nothing) -> answers."""


@dataclass(frozen=True)
class Figure:
    """One condition: mean cross-entropy of the answers in nats, answers right, answers asked for."""

    loss: float
    right: int
    n: int

    @property
    def share(self) -> float:
        return self.right / self.n if self.n else 0.0


def n_readings(units: Sequence[Unit]) -> int:
    """How often `measure_conditions` yields."""
    return sum(1 + len(CONDITIONS) * min(len(unit.documents), _MOST_DOCUMENTS) for unit in units)


def closed_share(figures: Mapping[str, Figure]) -> float:
    """How much of the loss gap between no document and its whole text the gist closes, 0 to 1.

    What a wrong gist also brings, such as the form of an answer, does not count.
    """
    gist, wrong, none, full = (figures[condition].loss for condition in CONDITIONS)
    known = none - full
    return min(1.0, max(0.0, (min(wrong, none) - gist) / known)) if known > 0.01 else 0.0


Sums = tuple[float, float, int]
"""Loss times number of answers, number of right answers, number of answers."""


def measure_conditions(
    units: Sequence[Unit],
    gists_of: Callable[[Unit], list[Tensor]],
    answering: Answering,
    in_full: Callable[[Unit, Sequence[int]], Answers],
    of_base: dict[tuple[int, int, str], Sums] | None = None,
) -> Generator[None, None, dict[str, Figure]]:
    """Measure all four conditions on these units; yields after each reading.

    A wrong gist is that of another document with another answer, from the same unit if there is one.

    Args:
        of_base: results that need no gist, by unit, document and condition; filled in and reused the next time, since
            the base is frozen.
    """
    known = {} if of_base is None else of_base
    gists = []
    for unit in units:
        gists.append(gists_of(unit))
        yield
    sums = {condition: [0.0, 0.0, 0.0] for condition in CONDITIONS}
    for number, unit in enumerate(units):
        for document in range(min(len(unit.documents), _MOST_DOCUMENTS)):
            wrong = _another(units, gists, number, document)
            before = {"gist": [gists[number][document]], "wrong-gist": [wrong], "none": None}
            for condition in CONDITIONS:
                own = known.get((number, document, condition))
                if own is None:
                    with torch.no_grad():
                        full = condition == "full"
                        answers = in_full(unit, [document]) if full else answering(unit, [document], before[condition])
                    n = len(answers.right)
                    own = float(answers.loss) * n, float(answers.right.sum()), n
                if condition in ("none", "full"):
                    known[number, document, condition] = own
                sums[condition] = [a + b for a, b in zip(sums[condition], own, strict=True)]
                yield
    return {name: Figure(loss / max(1.0, n), int(right), int(n)) for name, (loss, right, n) in sums.items()}


def _another(units: Sequence[Unit], gists: Sequence[list[Tensor]], number: int, document: int) -> Tensor:
    """The gist of the next document, in this unit and then the following ones, with a different first answer."""
    mine = units[number].turns[document][0].answer
    own = set(units[number].documents[document])
    places = [(number, d) for d in range(len(gists[number]))]
    places = places[document + 1 :] + places[:document]
    places += [(u, d) for u in range(len(units)) if u != number for d in range(len(gists[u]))]
    for u, d in places:
        shares = u == number and own & set(units[u].documents[d])  # a pool's documents share segments
        if units[u].turns[d][0].answer != mine and not shares:
            return gists[u][d]
    return torch.zeros_like(gists[number][document])


def warnings_of(figures: Mapping[str, Figure], *, fresh: bool, at_start: bool, last: bool) -> list[Sentence]:
    """What is wrong with a run, as sentences; empty if nothing is.

    Args:
        fresh: the adapter started from scratch.
        at_start: no step has been taken.
        last: the run is over, or nearly: what is missing now was not learned.
    """
    gist, wrong, none, full = (figures[condition] for condition in CONDITIONS)
    found: list[Sentence] = []
    known = none.loss - full.loss
    if at_start and fresh and known > 0.1 and none.loss - gist.loss > 0.5 * known:
        found.append(
            Sentence(
                "The first loss is suspiciously low: {gist:.2f} nats with a gist that has learned nothing, "
                "{none:.2f} without a document, {full:.2f} with its whole text. The answers see the document "
                "some other way than through the gist.",
                gist=gist.loss,
                none=none.loss,
                full=full.loss,
            )
        )
    chance = wilson(none.right, none.n)[1]
    if gist.right and gist.share > chance and wrong.share > 0.5 * gist.share:
        found.append(
            Sentence(
                "The answers do not depend on the gist: {right} of {n} are right with the document's own "
                "gist and {wrong} with another document's. Whatever this run has learned, it has not learned "
                "to compress.",
                right=gist.right,
                n=gist.n,
                wrong=wrong.right,
            )
        )
    elif last and gist.loss > wrong.loss - 0.02:
        found.append(
            Sentence(
                "The answers do not depend on the gist: the loss is {own:.2f} nats with the document's own gist and "
                "{other:.2f} with another document's. Nothing has been learned about the documents.",
                own=gist.loss,
                other=wrong.loss,
            )
        )
    return found
