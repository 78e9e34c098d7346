"""The parts of a configuration's mix as sources, and which of them a unit of a step comes from.

Knows every kind of data by name; how each is drawn it leaves to them.
"""

import math
from pathlib import Path
from random import Random

from gistdesk.core.model import GistModel
from trainer.data.folder import Folder, read_blocks
from trainer.data.needles import Needles
from trainer.data.records import Records
from trainer.data.samples import Samples
from trainer.data.source import Source, Stage
from trainer.training.config import TrainConfig
from trainer.training.curriculum import Curriculum, advance
from trainer.training.staged import Unit


class Mixture:
    """All sources of a run and how hard their samples are at present.

    Attributes:
        sources: by part.
        curricula: by part, "PART tokens" for segments and "PART segments" for documents.
    """

    def __init__(self, model: GistModel, config: TrainConfig, texts: tuple[Samples, Samples] | None = None) -> None:
        """`texts`: training and evaluation samples, where they have been tokenized already.

        Raises:
            UserError: a file of the user's cannot be used.
        """
        self.config = config
        self._parts = {part: share for part, share in config.mix.items() if share}
        self.sources: dict[str, Source] = {}
        target = Stage(config.segment_tokens, config.segments, config.target_slots)
        generated = {"passkeys", "facts"} & self._parts.keys()
        if generated and texts is None:
            texts = Samples(model), Samples(model, evaluation=True)
        blocks = read_blocks(Path(config.documents)) if config.documents else []
        for part in self._parts:
            if part in generated:
                assert texts is not None
                self.sources[part] = Needles(
                    model,
                    part,
                    *texts,
                    document_tokens=config.document_tokens,
                    korean_share=config.korean_share,
                    questions=config.questions_per_document,
                    target=target,
                )
            elif part in ("reconstruction", "continuation"):
                self.sources[part] = Folder(
                    model,
                    part,
                    blocks,
                    target_tokens=config.target_tokens,
                    document_tokens=config.document_tokens,
                    held_out_share=config.held_out_share,
                    n_slots=config.target_slots,
                )
            else:
                self.sources[part] = Records(
                    model,
                    part,
                    Path(getattr(config, part)),
                    held_out_share=config.held_out_share,
                    questions=config.questions_per_document,
                    n_slots=config.target_slots,
                )
        start = config.start_tokens or config.segment_tokens
        first = 1 if config.start_tokens else config.segments
        self.curricula: dict[str, Curriculum] = {}
        for part in sorted(generated):
            self.curricula[f"{part} tokens"] = Curriculum(start, config.segment_tokens, goal=config.goal)
            self.curricula[f"{part} segments"] = Curriculum(first, config.segments, goal=config.goal)

    def unit(self, step: int, place: int) -> Unit:
        """Unit number `place` of a step: a function of seed, step, place and curricula."""
        config = self.config
        random = Random(f"{config.seed}:{step}:{place}")
        [part] = random.choices(list(self._parts), list(self._parts.values()))
        n_slots = drawn_slots(random, config)
        bound: float = config.segment_tokens
        segments = config.segments
        if f"{part} tokens" in self.curricula:
            bound = self.curricula[f"{part} tokens"].bound
            segments = round(self.curricula[f"{part} segments"].bound)
        if config.samples:
            random = Random(f"{config.seed}:sample {random.randrange(config.samples)}")
        return self.sources[part].unit(random, Stage(bound, segments, n_slots))

    def advance(self, part: str, accuracy: float) -> None:
        """Make generated samples of this part harder where its answers were right."""
        if f"{part} tokens" in self.curricula:
            advance(self.curricula[f"{part} tokens"], self.curricula[f"{part} segments"], accuracy)

    def held_out(self) -> dict[str, list[Unit]]:
        return {part: source.held_out() for part, source in self.sources.items()}


def drawn_slots(random: Random, config: TrainConfig) -> int:
    """Gist tokens of a full segment in one unit: half of the time the number aimed at, else any, by its logarithm.

    The first k gist tokens are taken, so one adapter learns every count at once. Less than three quarters of the
    number aimed at are never drawn: what cannot be kept only holds the rest back.
    """
    if random.random() < 0.5:
        return config.target_slots
    low = max(1, math.ceil(0.75 * config.target_slots))
    return round(math.exp(random.uniform(math.log(low), math.log(config.slots))))
