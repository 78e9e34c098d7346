"""What a gist adapter is trained with: one frozen dataclass, its presets, and its YAML form.

Every field says its unit. Checked when it is built; knows nothing of models beyond their name.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from gistdesk.core.errors import UserError
from gistdesk.core.precision import PRECISIONS
from gistdesk.core.sentences import reason_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")

TEXT_PARTS = ("reconstruction", "continuation", "quotation")
PARTS = ("passkeys", "facts", "reports", *TEXT_PARTS, "fairytaleqa", "self_study", "questions", "alpaca", "longbench")
OF_RECORDS = ("self_study", "questions", "alpaca", "longbench")
"""Parts whose every sample is a line of a file, or several about one text."""
_FILE_OF = {
    "fairytaleqa": "fairytaleqa",
    "self_study": "self_study",
    "questions": "questions",
    "alpaca": "alpaca",
    "longbench": "longbench",
}


@dataclass(frozen=True)
class TrainConfig:
    """The recipe of one adapter.

    Attributes:
        base: starter, the folder of a model, or a hub id.
        start_from: folder of an adapter to go on from; empty starts with a fresh one.
        precision: of the base's weights: nf4, int8, bf16, fp32; auto takes bf16 where the processor does it well.
        device: auto, cpu or cuda.
        threads: CPU threads; 0 leaves it to PyTorch.
        rank: of the LoRA factors on every linear layer.
        segment_tokens: longest segment, tokens.
        slots: most gist tokens of a segment; a step takes the first k of them, k at random.
        ratio: document tokens per gist token that is aimed at and measured.
        lowest_ratio: of texts that are cut as compressing cuts them, drawn by the logarithm; 0 is a full segment with
            all slots.
        highest_ratio: the other end; 0 is a full segment with one slot.
        steps: optimizer steps.
        batch: units of work per optimizer step, over all processes together.
        document_tokens: tokens that a unit of generated text encodes.
        micro_tokens: segment tokens that are encoded with a graph at a time; decides the memory.
        checkpoint_activations: work each layer's intermediate results out again; less memory, a third more time. Where
            the memory that is free wants it, it is done by itself.
        samples: different generated samples; 0 never repeats one.
        questions_per_document: most questions asked about one document.
        mix: share of the units per part, out of `PARTS`; need not add up to 1.
        korean_share: of generated samples, 0 to 1.
        documents: folder of the user's own documents, for reconstruction, continuation and quotation; empty takes the
            bundled texts, and the stories of `fairytaleqa` where it is given.
        self_study: JSONL file that `python -m trainer self-study` made; where it is empty and the mix has it, the base
            studies the texts before the first step.
        fairytaleqa: train.jsonl.gz of FairytaleQA: stories with questions on them.
        questions: JSONL file of context, question, answers.
        alpaca: JSONL file of instruction, input, output.
        longbench: JSONL file in the form of LongBench.
        target_tokens: longest text to be repeated or continued, tokens.
        held_out_share: of the user's own records; never trained on, measured at every evaluation.
        distill_weight: of the KL divergence to the full-text teacher, beside the cross-entropy of the answers.
        distill_parts: of the mix that have a teacher; empty are all.
        distill_tokens: most text the teacher reads per unit, tokens; documents beyond it have no teacher.
        start_tokens: segments begin this long, tokens; 0 takes the full length from the start.
        segments: most segments per document that the curriculum comes to.
        served_segments: texts that are repeated, continued or quoted from, and half of the generated ones, are drawn 1
            to this many full segments long, by the logarithm and from the first step on; 0 leaves it to
            `document_tokens` and the curriculum.
        goal: segments and documents grow by 1.5% a step while this share of the answers is right, 0 to 1.
        learning_rate: peak, of AdamW.
        warmup_steps: steps of linear warm-up.
        fall_share: last share of the steps, in which the rate falls to 2% of the peak.
        weight_decay: of AdamW.
        clip: the gradient's norm is held below this.
        seed: of weights and data.
        evaluate_steps: steps between evaluations; one more stands at the start and one at the end.
        evaluate_lengths: document lengths of an evaluation, tokens.
        evaluate_samples: documents per length, depth and language of an evaluation.
        evaluate_kinds: needles of an evaluation.
        checkpoint_s: seconds between checkpoints.
        keep_checkpoints: older ones are deleted.
        report_steps: steps between progress events.
        remove_bottleneck: let the answers see the text itself beside the gist. Makes a worthless adapter, to show
            that the check notices it.
    """

    base: str = "starter"
    start_from: str = ""
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    rank: int = 64
    segment_tokens: int = 512
    slots: int = 16
    ratio: float = 128.0
    lowest_ratio: float = 0.0
    highest_ratio: float = 0.0
    steps: int = 600
    batch: int = 1
    document_tokens: int = 2048
    micro_tokens: int = 4096
    checkpoint_activations: bool = False
    samples: int = 0
    questions_per_document: int = 4
    mix: Mapping[str, float] = field(default_factory=lambda: {"passkeys": 1.0})
    korean_share: float = 0.5
    documents: str = ""
    self_study: str = ""
    fairytaleqa: str = ""
    questions: str = ""
    alpaca: str = ""
    longbench: str = ""
    target_tokens: int = 128
    held_out_share: float = 0.05
    distill_weight: float = 0.0
    distill_parts: tuple[str, ...] = ()
    distill_tokens: int = 4096
    start_tokens: int = 40
    segments: int = 12
    served_segments: int = 0
    goal: float = 0.85
    learning_rate: float = 1e-3
    warmup_steps: int = 30
    fall_share: float = 0.3
    weight_decay: float = 0.0
    clip: float = 1.0
    seed: int = 20261122
    evaluate_steps: int = 200
    evaluate_lengths: tuple[int, ...] = (512, 2048)
    evaluate_samples: int = 2
    evaluate_kinds: tuple[str, ...] = ("passkey",)
    checkpoint_s: float = 240.0
    keep_checkpoints: int = 2
    report_steps: int = 10
    remove_bottleneck: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "mix", dict(self.mix))
        self._check_names()
        self._check_ranges()
        self._check_together()

    def _check_names(self) -> None:
        for name, value, allowed in (
            ("precision", self.precision, PRECISIONS),
            ("device", self.device, ("auto", "cpu", "cuda")),
        ):
            if value not in allowed:
                raise UserError(
                    '{field} cannot be "{value}".',
                    "Choose from {names}.",
                    field=name,
                    value=value,
                    names=", ".join(allowed),
                )
        for part, share in self.mix.items():
            if part not in PARTS:
                raise UserError(
                    'A mix has no part "{name}".', "Choose from {names}.", name=part, names=", ".join(PARTS)
                )
            if not 0 <= share < float("inf"):
                raise UserError(
                    "{field} cannot be {value:g}.", "Give a share of 0 or more.", field=f"mix.{part}", value=share
                )
        if not any(self.mix.values()):
            raise UserError("The mix is empty.", "Give a share to one of {names}.", names=", ".join(PARTS))

    def _check_ranges(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            **dict.fromkeys(("rank", "slots", "steps", "batch", "micro_tokens", "questions_per_document"), (1, 1e9)),
            **dict.fromkeys(("segment_tokens", "document_tokens", "target_tokens"), (16, 1e9)),
            **dict.fromkeys(("segments", "evaluate_steps", "evaluate_samples", "keep_checkpoints"), (1, 1e9)),
            **dict.fromkeys(("threads", "samples", "distill_tokens", "start_tokens", "warmup_steps"), (0, 1e9)),
            "served_segments": (0, 1e4),
            **dict.fromkeys(("korean_share", "held_out_share", "fall_share", "goal"), (0, 1)),
            **dict.fromkeys(("distill_weight", "weight_decay", "checkpoint_s"), (0, 1e9)),
            **dict.fromkeys(("learning_rate", "clip"), (1e-12, 1e9)),
            "ratio": (1, 1e9),
            **dict.fromkeys(("lowest_ratio", "highest_ratio"), (0, 1e9)),
            "report_steps": (1, 1e9),
            "seed": (0, 2**63),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(
                    "{field} cannot be {value:g}.",
                    "Give {low:g} to {high:g}." if high <= 1 else "Give {low:g} or more.",
                    field=name,
                    value=getattr(self, name),
                    low=low,
                    high=high,
                )
        if not self.evaluate_lengths or min(self.evaluate_lengths) < 64:
            raise UserError("evaluate_lengths must be 64 tokens or more.", "Give for example [512, 2048].")

    def _check_together(self) -> None:
        """What each field allows may still make no sense together."""
        if self.segment_tokens / self.ratio > self.slots:
            raise UserError(
                "A segment of {n_tokens} tokens at ratio {ratio:g} needs {n:.0f} gist tokens, but slots is {slots}.",
                "Raise slots or ratio, or shorten segment_tokens.",
                n_tokens=self.segment_tokens,
                ratio=self.ratio,
                n=self.segment_tokens / self.ratio,
                slots=self.slots,
            )
        if self.ratio > self.segment_tokens:
            raise UserError(
                "A ratio of {ratio:g} is more than a segment of {n} tokens allows.",
                "Lower ratio or raise segment_tokens.",
                ratio=self.ratio,
                n=self.segment_tokens,
            )
        lowest, highest = self.ratios
        if not 1 <= lowest <= highest <= self.segment_tokens:
            raise UserError(
                "Ratios from {lowest:g} to {highest:g} are not possible.",
                "lowest_ratio must be at least 1, highest_ratio at most segment_tokens, {n}.",
                lowest=lowest,
                highest=highest,
                n=self.segment_tokens,
            )
        if self.start_tokens > self.segment_tokens:
            raise UserError(
                "Segments cannot start at {start} tokens and grow to {end}.",
                "Lower start_tokens.",
                start=self.start_tokens,
                end=self.segment_tokens,
            )
        if self.warmup_steps > self.steps:
            raise UserError(
                "{warmup} steps of warm-up do not fit into {steps} steps.",
                "Lower warmup_steps.",
                warmup=self.warmup_steps,
                steps=self.steps,
            )
        for part, share in self.mix.items():
            needed = _FILE_OF.get(part)
            if share and needed and needed != "self_study" and not getattr(self, needed):
                raise UserError(
                    "The mix has {name}, but {field} is empty.",
                    "Give {field}, or leave {name} out.",
                    name=part,
                    field=needed,
                )
        for name in sorted({*_FILE_OF.values(), "documents"}):
            parts = [part for part, needed in _FILE_OF.items() if needed == name]
            parts = [*TEXT_PARTS, "self_study"] if name == "documents" else parts
            if getattr(self, name) and not any(self.mix.get(part) for part in parts):
                raise UserError(
                    "{field} is given, but the mix has no {name}.",
                    "Add {name} to mix.",
                    field=name,
                    name=", ".join(parts),
                )

    @property
    def ratios(self) -> tuple[float, float]:
        """The lowest and the highest that texts are cut at in training."""
        lowest = self.lowest_ratio or max(1.0, self.segment_tokens / self.slots)
        return lowest, self.highest_ratio or float(self.segment_tokens)

    @property
    def other_ratios(self) -> tuple[float, ...]:
        """Both ends of what is trained, where they are not what is aimed at: measured beside it, on fewer samples."""
        return tuple(ratio for ratio in self.ratios if not 0.9 < ratio / self.ratio < 1.1)

    def is_taught(self, part: str) -> bool:
        """Whether the answers of this part of the mix are pulled to those of the full-text teacher."""
        return self.distill_weight > 0 and (not self.distill_parts or part in self.distill_parts)

    def comes_again(self, part: str) -> bool:
        """Whether this part has the same conversations several times: its samples are few, or those of a file."""
        return self.samples > 0 or part in OF_RECORDS

    @property
    def unit_tokens(self) -> float:
        """Document tokens of a unit, about; a drawing by the logarithm from 1 to n has a mean of (n - 1) / log n."""
        if self.served_segments < 2:
            return float(self.document_tokens)
        return self.segment_tokens * (self.served_segments - 1) / math.log(self.served_segments)

    @property
    def target_slots(self) -> int:
        """Gist tokens of a full segment at the ratio that is aimed at."""
        return max(1, round(self.segment_tokens / self.ratio))


_REAL_MIX = {
    "self_study": 0.25,
    "continuation": 0.2,
    "reconstruction": 0.15,
    "quotation": 0.1,
    "reports": 0.15,
    "passkeys": 0.1,
    "facts": 0.05,
}
"""For models that read. Needles alone teach needles: the loss of a document's own text stayed as it is without it."""
_TAUGHT = ("self_study", "continuation", "reconstruction", "quotation")
"""Answers there are the model's own or the text's; a bare value is not what a chatty teacher would write."""

PRESETS: dict[str, TrainConfig] = {
    "check": TrainConfig(
        steps=50,
        samples=10,
        document_tokens=1024,
        warmup_steps=5,
        distill_weight=0.5,
        distill_tokens=512,
        start_tokens=40,
        evaluate_steps=50,
        evaluate_lengths=(512,),
        report_steps=5,
    ),
    "quick": TrainConfig(),
    "standard": TrainConfig(
        base="",
        precision="nf4",
        segment_tokens=3000,
        slots=25,
        ratio=120.0,
        steps=600,
        batch=8,
        samples=1000,
        document_tokens=6000,
        micro_tokens=3072,
        mix=_REAL_MIX,
        distill_weight=0.5,
        distill_parts=_TAUGHT,
        distill_tokens=6144,
        learning_rate=2e-4,
        warmup_steps=50,
        segments=16,
        served_segments=16,
        evaluate_lengths=(3000, 6000),
        evaluate_kinds=("passkey", "fact"),
        checkpoint_s=600.0,
    ),
    "full": TrainConfig(
        base="",
        precision="nf4",
        segment_tokens=3000,
        slots=100,
        ratio=120.0,
        steps=6000,
        batch=8,
        document_tokens=12000,
        micro_tokens=3072,
        mix=_REAL_MIX,
        distill_weight=0.5,
        distill_parts=_TAUGHT,
        distill_tokens=8192,
        learning_rate=2e-4,
        warmup_steps=200,
        segments=16,
        served_segments=16,
        evaluate_steps=1000,
        evaluate_lengths=(3000, 12000),
        evaluate_kinds=("passkey", "fact", "facts-4"),
        evaluate_samples=4,
        checkpoint_s=600.0,
    ),
}
"""`standard` and `full` are for a model of the user's own: give `base`. The first two are for the starter on a CPU."""


def preset(name: str) -> TrainConfig:
    """Raises UserError where there is none of that name."""
    if name not in PRESETS:
        raise UserError('There is no preset "{name}".', "Choose from {names}.", name=name, names=", ".join(PRESETS))
    return PRESETS[name]


def read_config(path: Path) -> TrainConfig:
    """A YAML file; `preset: NAME` in it says which values the fields that it does not name have.

    Raises:
        UserError: unreadable, an unknown field, or a value that cannot be used.
    """
    given = read_fields(path)
    start = given.pop("preset", None)
    return changed(preset(str(start)) if start else TrainConfig(), given)


def read_fields(path: Path) -> dict[str, Any]:
    """What a YAML file says, not checked yet.

    Raises:
        UserError: unreadable, or no fields.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error).splitlines()[0]
        raise UserError(
            "The configuration {path} cannot be read ({reason}).", "Give a YAML file.", path=path, reason=reason
        ) from error
    if not isinstance(given, dict):
        raise UserError("The configuration {path} contains no fields.", "Write lines such as steps: 600.", path=path)
    return given


def to_yaml(config: "DataclassInstance") -> str:
    """All fields, for a file beside the artefacts."""
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def changed(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration with some fields replaced; mix.PART=SHARE changes one share.

    Raises:
        UserError: an unknown field, or a value of the wrong kind.
    """
    found: dict[str, Any] = {f.name: getattr(config, f.name) for f in fields(config)}
    for name, value in values.items():
        whole, _, part = str(name).partition(".")
        if part and isinstance(found.get(whole), Mapping):
            found[whole] = {**found[whole], part: _fitting(name, value, 0.0)}
        elif name not in found:
            raise UserError(
                'A configuration has no field "{name}".',
                "Its fields are {names}.",
                name=name,
                names=", ".join(sorted(found)),
            )
        else:
            found[name] = _fitting(name, value, getattr(config, name))
    return replace(config, **found)


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Words of the form field=value, as on a command line; values are read as YAML.

    Raises:
        UserError: no =, or no value.
    """
    found: dict[str, Any] = {}
    for word in settings:
        name, equals, text = word.partition("=")
        if not equals:
            raise UserError('"{text}" is not a setting.', "Write field=value, for example steps=600.", text=word)
        try:
            found[name.strip()] = "" if not text else yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserError(
                '"{text}" is not a value for {field}.', "Write field=value.", text=text, field=name
            ) from error
    return found


def _fitting(name: str, value: Any, like: Any) -> Any:
    """The value in the type of the field, or a sentence that it is not."""
    try:
        if isinstance(like, bool):
            if isinstance(value, bool):
                return value
        elif isinstance(like, int):
            if not isinstance(value, bool) and int(value) == float(value):
                return int(value)
        elif isinstance(like, float):
            if not isinstance(value, bool):
                return float(value)  # YAML reads 1e-3 as a word
        elif isinstance(like, Mapping):
            if isinstance(value, Mapping):
                return {str(part): _fitting(f"{name}.{part}", share, 0.0) for part, share in value.items()}
            raise UserError("mix must name parts and their shares.", "Write mix: {passkeys: 0.5, facts: 0.5}.")
        elif isinstance(like, tuple):
            items = value if isinstance(value, (list, tuple)) else str(value).split(",")
            return tuple((type(like[0]) if like else str)(str(item).strip()) for item in items)
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value)
    except (TypeError, ValueError, OverflowError):
        pass
    kind = {bool: "true or false", int: "a whole number", float: "a number", tuple: "a list", str: "a word"}[type(like)]
    raise UserError('{field} cannot be "{value}".', "Give {what}.", field=name, value=value, what=kind)
