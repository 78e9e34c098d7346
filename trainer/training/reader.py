"""Trains a reader: LoRA factors for a small model that answers from what was looked up for a question.

One run of the loop. The base is frozen, its gists are not touched: the factors are on only while passages are read.
Knows nothing of terminals or windows.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from gistdesk.core.adapter import branches
from gistdesk.core.fingerprint import of_files
from gistdesk.core.load import load_model
from gistdesk.core.memory import keep_few_kernels
from gistdesk.core.model import GistModel
from gistdesk.core.passages import CONTEXT
from gistdesk.core.prompt import about_passages, prompt_of
from gistdesk.core.reader import write_reader
from trainer.data.reading import Reading, Readings
from trainer.training.adapter import TrainableAdapter
from trainer.training.config import changed, read_fields
from trainer.training.curriculum import Curriculum
from trainer.training.descent import Descent, share_of_peak
from trainer.training.loop import Evaluation, Event, Measured, Plan, Step
from trainer.training.loss import Answers, full_answers
from trainer.training.processes import Processes
from trainer.training.work_folder import claim_folder, train_in_folder

_BATCH = 4
"""Readings that are measured, or passed forward and back, at a time."""


@dataclass(frozen=True)
class ReaderConfig:
    """The recipe. The reader that ships for SmolLM2 was made with these values.

    Attributes:
        base: the model, see `load.find_model`.
        fairytaleqa: FairytaleQA's train.jsonl.gz.
        steps: optimizer steps.
        batch: readings per step.
        rank: of the LoRA factors.
        learning_rate: peak.
        warmup_steps: steps of linear warm-up.
        fall_share: the last share of the steps, in which the rate falls to nothing.
        seed: of weights and data.
        threads: CPU threads.
        held_out: readings that are measured.
        evaluate_steps: between two evaluations.
        checkpoint_s: seconds between checkpoints.
        keep_checkpoints: older ones are deleted.
        report_steps: steps between progress events.
    """

    base: str = "smollm2"
    fairytaleqa: str = ""
    steps: int = 170
    batch: int = 12
    rank: int = 16
    learning_rate: float = 5e-4
    warmup_steps: int = 15
    fall_share: float = 0.6
    seed: int = 20261121
    threads: int = 1
    held_out: int = 160
    evaluate_steps: int = 55
    checkpoint_s: float = 240.0
    keep_checkpoints: int = 2
    report_steps: int = 5


class ReaderRun:
    """What a reader's training holds.

    Attributes:
        step: optimizer steps done.
        steps: in all.
        curricula: none.
    """

    def __init__(self, config: ReaderConfig, model: GistModel | None = None) -> None:
        """Raises UserError: base or stories cannot be used."""
        self.config = config
        self.model = model or load_model(config.base, device="cpu", need_adapter=False)
        self.readings = Readings(self.model, Path(config.fairytaleqa))
        self.prompt = about_passages(prompt_of(self.model.tokenizer))
        self.factors = TrainableAdapter(
            self.model.causal_lm.model, gist_ids=(), segment_tokens=0, rank=config.rank, seed=config.seed
        )
        named = {name: p for name, p in self.factors.named_parameters() if p.numel()}
        adam = torch.optim.AdamW([*named.values()], betas=(0.9, 0.95), weight_decay=0.0, fused=True)
        self.descent = Descent(named, {"adam": (adam, config.learning_rate)}, clip=1.0)
        self.processes = Processes("cpu")
        self.curricula: dict[str, Curriculum] = {}
        self.step, self.steps = 0, config.steps

    def train_step(self) -> Step:
        """One optimizer step."""
        config = self.config
        share = share_of_peak(
            self.step, steps=config.steps, warmup_steps=config.warmup_steps, fall_share=config.fall_share
        )
        drawn = self.readings.draw(Random(f"{config.seed}:{self.step}"), config.batch)
        sums: dict[str, list[float]] = {}
        n_tokens = 0
        for batch in _batches(self.model, drawn):
            answers = self._answers(batch)
            (answers.loss * len(batch) / len(drawn)).backward()
            _add(sums, batch, answers)
            n_tokens += sum(len(self.model.token_ids(reading.text)) for reading in batch)
        norm = self.descent.step(share)
        self.step += 1
        return Step({**_shares(sums), "gradient norm": norm}, config.learning_rate * share, n_tokens)

    def measure(self) -> Evaluation:
        """Held-out readings, by part. The best reader is the least surprised: to quote is to be right in every token,
        and whole answers right are few and jump."""
        held_out = self.readings.draw(Random("held out"), self.config.held_out, held_out=True)
        sums: dict[str, list[float]] = {}
        done = 0
        with torch.no_grad():
            for batch in _batches(self.model, held_out):
                yield {"step": self.step, "event": "evaluating", "done": done, "of": len(held_out)}
                _add(sums, batch, self._answers(batch))
                done += len(batch)
        figures = _shares(sums)
        rows = [
            {"part": part, "n": int(n), "accuracy": round(right / n, 3), "loss": round(loss / n, 3)}
            for part, (n, right, loss) in sorted(sums.items())
        ]
        score = math.exp(-sum(loss for _, _, loss in sums.values()) / len(held_out))
        return Measured(score, rows, [{"step": self.step, "event": "check", **figures}])

    def _answers(self, batch: list[Reading]) -> Answers:
        texts = [torch.tensor(self.model.token_ids(CONTEXT + reading.text)) for reading in batch]
        with branches(self.model.causal_lm.model, self.factors.adapter()):
            return full_answers(self.model, self.prompt, texts, [(reading.turn,) for reading in batch])

    def write(self, folder: Path, measured: list[dict[str, Any]]) -> None:
        """The factors as a folder that ships."""
        write_reader(
            folder,
            self.factors.adapter(),
            base_model=self.config.base,
            base_fingerprint=of_files(self.model.identity.model_fingerprint)[0],
            measured=measured,
        )


def train_reader(folder: Path, config: ReaderConfig, model: GistModel | None = None) -> Iterator[Event]:
    """Train, or go on training, in `folder`; the best reader so far is its folder `reader`.

    Raises:
        UserError: the folder holds a run of another recipe, or as `loop.train`.
    """
    torch.set_num_threads(config.threads)
    keep_few_kernels()
    claim_folder(folder / "reader.yaml", config, lambda path: changed(ReaderConfig(), read_fields(path)))
    run = ReaderRun(config, model)
    plan = Plan(
        folder,
        "reader",
        config.checkpoint_s,
        config.keep_checkpoints,
        config.report_steps,
        evaluate_steps=config.evaluate_steps,
    )
    yield from train_in_folder(folder, run, plan, evaluate=run.measure)


def _batches(model: GistModel, readings: list[Reading]) -> Iterator[list[Reading]]:
    """Those of about the same length together: less padding."""
    ordered = sorted(readings, key=lambda reading: len(reading.text))
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]


def _add(sums: dict[str, list[float]], batch: list[Reading], answers: Answers) -> None:
    """Per part how many, how many right, and the sum of their losses (nats per token)."""
    losses = torch.nn.functional.cross_entropy(answers.logits.detach(), answers.wanted, reduction="none")
    n_rows = torch.bincount(answers.row, minlength=len(batch)).float()
    of_rows = torch.zeros(len(batch)).index_add(0, answers.row, losses) / n_rows
    for reading, right, loss in zip(batch, answers.right.tolist(), of_rows.tolist(), strict=True):
        found = sums.setdefault(reading.part, [0.0, 0.0, 0.0])
        found[0] += 1
        found[1] += right
        found[2] += loss


def _shares(sums: dict[str, list[float]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for part, (n, right, loss) in sorted(sums.items()):
        figures |= {f"{part} accuracy": round(right / n, 5), f"{part} loss": round(loss / n, 5)}
    return figures
