"""Tiny real training runs: a random base of any family, a file of questions, an adapter in training."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

from gistdesk.core.model import GistModel
from tests.core.tiny_models import IDENTITY, PLAIN, Kind, tiny_base, tiny_tokenizer
from trainer.training.config import TrainConfig
from trainer.training.processes import Processes
from trainer.training.run import AdapterRun

Found = TypeVar("Found")
SHORT: dict[str, Any] = {
    "base": "tiny",
    "rank": 4,
    "segment_tokens": 24,
    "slots": 8,
    "ratio": 6.0,
    "steps": 6,
    "batch": 2,
    "micro_tokens": 60,
    "warmup_steps": 2,
    "start_tokens": 0,
    "learning_rate": 1e-2,
    "mix": {"questions": 1.0},
    "held_out_share": 0.2,
    "evaluate_steps": 3,
    "checkpoint_s": 0.0,
    "report_steps": 1,
}


def outcome(work: Generator[Any, None, Found]) -> Found:
    """What a generator returns at its end, whatever it yields before."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: Found = end.value
            return found


def tiny_gist_base(kind: Kind = PLAIN, *, seed: int = 0, **changes: Any) -> GistModel:
    """A base without an adapter, as training starts from."""
    return GistModel(tiny_base(kind, seed, **changes), tiny_tokenizer(kind.chat, kind.bos), IDENTITY)


def write_questions(path: Path, n: int = 30) -> Path:
    """Texts of two to four segments, with one question each."""
    lines = []
    for i in range(n):
        text = f"The lamp of house {i} is kept by number {i * 37 % 91}. " + "A grey cat slept on the wall. " * (
            1 + i % 3
        )
        lines.append({"context": text, "question": f"Who keeps lamp {i}?", "answers": [str(i * 37 % 91), "nobody"]})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def tiny_config(folder: Path, **changes: Any) -> TrainConfig:
    path = folder / "questions.jsonl"
    if not path.exists():
        write_questions(path)
    return TrainConfig(**{**SHORT, "questions": str(path), **changes})


def tiny_run(folder: Path, kind: Kind = PLAIN, *, processes: Processes | None = None, **changes: Any) -> AdapterRun:
    return AdapterRun(tiny_gist_base(kind), tiny_config(folder, **changes), processes)
