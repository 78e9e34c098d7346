"""Needles in haystacks, English and Korean: generated passkeys and general facts, in wordings reserved for training.

Segments are drawn as a pool, encoded once and put together into many documents: many questions for one encoding.
Knows nothing of losses.
"""

from collections.abc import Iterator
from random import Random

from gistdesk.core.model import GistModel
from trainer.data.curriculum import drawn_length
from trainer.data.forms import line_of
from trainer.data.pool import Pool
from trainer.data.samples import Sample, Samples
from trainer.data.source import Stage, served_length
from trainer.data.units import Unit

_MOST_TEXTS = 48
_N_HELD_OUT = 4
_N_SERVED = 2
"""Documents of a unit as served: they share all segments except the one asked about."""


class Needles:
    """The parts "passkeys" and "facts".

    A held-out unit takes only evaluation's wordings and texts, so a right answer cannot come from memory.
    """

    def __init__(
        self,
        model: GistModel,
        part: str,
        samples: Samples,
        evaluation: Samples,
        *,
        document_tokens: int,
        korean_share: float,
        questions: int,
        target: Stage,
        served_segments: int = 0,
    ) -> None:
        """`target` is the stage at which held-out units are drawn.

        `served_segments`: half of the units are documents as they will be served, of 1 to so many segments that are
        as long as they may be at present, in place of many short ones.
        """
        self._served_segments = served_segments
        self._model, self._part, self._samples, self._evaluation = model, part, samples, evaluation
        self._document_tokens, self._korean_share, self._questions = document_tokens, korean_share, questions
        self._target = target

    def unit(self, random: Random, stage: Stage) -> Unit:
        return self._unit(random, stage, self._samples)

    def held_out(self) -> list[Unit]:
        stage = Stage(self._target.segment_tokens, 1, self._target.n_slots)
        return [self._unit(Random(f"held out:{self._part}:{i}"), stage, self._evaluation) for i in range(_N_HELD_OUT)]

    def _unit(self, random: Random, stage: Stage, samples: Samples) -> Unit:
        language = "ko" if random.random() < self._korean_share else "en"
        bound = stage.segment_tokens
        segment = max(32.0, min(drawn_length(random, bound), bound))
        n_slots = max(1, min(stage.n_slots, int(segment / 1.5)))
        n_texts = min(_MOST_TEXTS, max(2, round(self._document_tokens / (segment + n_slots))))
        n_segments = stage.segments  # if more than texts, some come again: only answering costs more
        n_keyed = n_texts if n_segments == 1 else max(2, n_texts // 2)
        n_served = 0
        if self._served_segments and samples is self._samples and random.random() < 0.5:
            segment, n_keyed = bound, _N_SERVED
            n_slots = max(1, min(stage.n_slots, int(segment / 1.5)))
            n_served = round(served_length(random, bound, self._served_segments) / bound)
            n_texts = n_keyed + n_served - 1
        shortest = 1.0 if n_served else 0.75
        lengths = [int(segment * random.uniform(shortest, 1.0)) for _ in range(n_texts)]
        slots = [max(1, n_slots - (n_slots > 3 and random.random() < 0.3)) for _ in lengths]
        room = max(1, min(self._questions, int(segment) // 30, max(1, n_slots // 6)))
        if self._part == "facts":
            keyed, plain = samples.fact_pool(random, lengths, n_keyed, random.randint(1, room), language)
        elif room == 1:
            keyed, plain = samples.passkey_pool(random, lengths, n_keyed, language)
        else:
            n_keys = random.randint(1, room)
            keyed = [samples.passkey(random, n, n_keys, language) for n in lengths[:n_keyed]]
            plain = samples.passkey_pool(random, lengths[n_keyed:], 0, language)[1]
        pool = Pool(keyed, plain, slots, distracting=self._part == "facts")
        documents = [
            _served(random, own, range(n_keyed, n_texts)) if n_served else pool.document(random, own, n_segments)
            for own in range(n_keyed)
        ]
        return Unit(self._part, [*(s.token_ids for s in keyed), *plain], slots, documents, [s.turns for s in keyed])


def _served(random: Random, own: int, others: range) -> list[int]:
    """A document of its own segment and all that hold nothing, in any order."""
    order = [own, *others]
    random.shuffle(order)
    return order


def needle_records(model: GistModel, *, n: int, language: str, n_tokens: int, seed: int) -> Iterator[str]:
    """Generated samples as JSON lines of the question/answer form; for a look, or for another program."""
    samples = Samples(model)
    for i in range(n):
        random = Random(f"{seed}:{i}")
        sample: Sample = samples.general(random, n_tokens, 4, 4, language)
        context = model.tokenizer.decode(sample.token_ids)
        for turn in sample.turns:
            yield line_of(context, turn.question, [str(turn.answer)])
