"""The parts of a configuration's mix as sources, and which of them a unit of a step comes from.

Knows every kind of data by name; leaves drawing to each of them.
"""

import math
from dataclasses import replace
from pathlib import Path
from random import Random

from gistdesk.core.model import GistModel
from trainer.data.curriculum import Curriculum, advance
from trainer.data.folder import Folder, blocks_of, read_blocks
from trainer.data.haystack import haystack_names, haystack_text
from trainer.data.needles import Needles
from trainer.data.records import Records
from trainer.data.report_units import Reports
from trainer.data.samples import Samples
from trainer.data.source import Source, Stage, is_held_out
from trainer.data.stories import Stories, read_stories
from trainer.data.units import Unit
from trainer.training.config import TEXT_PARTS, TrainConfig

_ORDINARY_TOKENS = 96
_N_ORDINARY = 3


class Mixture:
    """All sources of a run and how hard their samples currently are.

    Attributes:
        sources: by part.
        curricula: by part, "PART tokens" for segments and "PART segments" for documents.
    """

    def __init__(self, model: GistModel, config: TrainConfig, texts: tuple[Samples, Samples] | None = None) -> None:
        """`texts`: training and evaluation samples, if already tokenized.

        Raises:
            UserError: one of the user's files cannot be used.
        """
        self.config, self._model = config, model
        self._parts = {part: share for part, share in config.mix.items() if share}
        self.sources: dict[str, Source] = {}
        target = Stage(config.segment_tokens, config.segments, config.target_slots)
        generated = {"passkeys", "facts"} & self._parts.keys()
        if generated and texts is None:
            texts = Samples(model), Samples(model, evaluation=True)
        blocks = training_texts(config) if set(TEXT_PARTS) & self._parts.keys() else []
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
                    served_segments=config.served_segments,
                    target=target,
                )
            elif part in TEXT_PARTS:
                self.sources[part] = Folder(
                    model,
                    part,
                    blocks,
                    target_tokens=config.target_tokens,
                    document_tokens=config.document_tokens,
                    held_out_share=config.held_out_share,
                    lowest_ratio=config.ratios[0],
                    served_segments=config.served_segments,
                    reserved=None if config.documents else _bundled(config, evaluation=True),
                )
            elif part == "reports":
                self.sources[part] = Reports(
                    model, document_tokens=config.document_tokens, questions=config.questions_per_document
                )
            elif part == "fairytaleqa":
                self.sources[part] = Stories(
                    model,
                    Path(config.fairytaleqa),
                    document_tokens=config.document_tokens,
                    questions=config.questions_per_document,
                    held_out_share=config.held_out_share,
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
        first = 1 if config.start_tokens and not config.served_segments else config.segments
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
        ratio = drawn_ratio(random, config)
        bound: float = config.segment_tokens
        segments = config.segments
        if f"{part} tokens" in self.curricula:
            bound = self.curricula[f"{part} tokens"].bound
            segments = round(self.curricula[f"{part} segments"].bound)
        if config.samples:
            random = Random(f"{config.seed}:sample {random.randrange(config.samples)}")
        return self.sources[part].unit(random, Stage(bound, segments, n_slots, ratio))

    def advance(self, part: str, accuracy: float) -> None:
        """Make generated samples of this part harder if its answers were right."""
        if f"{part} tokens" in self.curricula:
            advance(self.curricula[f"{part} tokens"], self.curricula[f"{part} segments"], accuracy)

    def held_out(self) -> dict[str, list[Unit]]:
        """By part, and under "text" ordinary text to be repeated and continued, whatever is trained."""
        return {**{part: source.held_out() for part, source in self.sources.items()}, "text": self._ordinary()}

    def _ordinary(self) -> list[Unit]:
        config = self.config
        blocks = _bundled(config, evaluation=True)
        sources = [
            Folder(
                self._model,
                part,
                blocks,
                target_tokens=_ORDINARY_TOKENS,
                document_tokens=2 * _ORDINARY_TOKENS,
                held_out_share=0.0,
                lowest_ratio=config.ratios[0],
                reserved=blocks[:_N_ORDINARY],
            )
            for part in ("reconstruction", "continuation")
        ]
        return [replace(unit, part="text") for source in sources for unit in source.held_out()]


def drawn_slots(random: Random, config: TrainConfig) -> int:
    """Gist tokens of a full segment in one unit: from one to the most, by the logarithm.

    The first k gist tokens are taken, so one adapter learns every count at once. Drawn near the number aimed at alone,
    adapters of the starter found 0 of 60 passkeys with one slot; drawn so, 57 and 50, and no fewer with sixteen.
    """
    return round(math.exp(random.uniform(0.0, math.log(config.slots))))


def drawn_ratio(random: Random, config: TrainConfig) -> float:
    """Document tokens per gist token of one unit, by the logarithm: over the whole range."""
    return math.exp(random.uniform(*map(math.log, config.ratios)))


def training_texts(config: TrainConfig) -> list[str]:
    """The user's documents; without any, the bundled training texts, and the stories if they are used."""
    if config.documents:
        return read_blocks(Path(config.documents))
    texts = []
    if config.fairytaleqa:
        # stories held out from the questions are held out from the texts
        stories = read_stories(Path(config.fairytaleqa))
        texts += [s.text for s in stories if not is_held_out(s.text, config.held_out_share)]
    return [*_bundled(config, evaluation=False), *(block for text in texts for block in blocks_of(text))]


def _bundled(config: TrainConfig, *, evaluation: bool) -> list[str]:
    languages = [name for name, share in (("en", 1 - config.korean_share), ("ko", config.korean_share)) if share]
    names = [name for language in languages for name in haystack_names(language, evaluation=evaluation)]
    return [block for name in names for block in blocks_of(haystack_text(name))]
