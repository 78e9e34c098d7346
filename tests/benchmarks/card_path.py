"""Training as on a card, as far as a CPU can go: NF4 base, moments in 8 bits, activations worked out again, resumed.

    python -m tests.benchmarks.card_path --base FOLDER --work FOLDER --steps 4

The run is stopped after half of its steps and gone on with from its checkpoint. The last line has the seconds per step
beside what its arithmetic needs at the matrix rate that is measured on the spot.
"""

import argparse
import json
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from trainer.training import run as running
from trainer.training.base import load_base
from trainer.training.config import TrainConfig
from trainer.training.estimate import matrix_rate
from trainer.training.footprint import shape_of_model
from trainer.training.loop import Event, Plan, train
from trainer.training.run import AdapterRun, make_optimizer


def optimizer_of_a_card(parameters: list[Any], _: torch.device, config: TrainConfig) -> torch.optim.Optimizer:
    return make_optimizer(parameters, torch.device("cuda"), config)


def config_of(base: str, questions: Path, *, steps: int) -> TrainConfig:
    return TrainConfig(
        base=base,
        device="cpu",
        precision="nf4",
        rank=64,
        segment_tokens=96,
        slots=8,
        ratio=24.0,
        steps=steps,
        batch=2,
        micro_tokens=256,
        checkpoint_activations=True,
        warmup_steps=1,
        start_tokens=0,
        mix={"questions": 1.0},
        questions=str(questions),
        distill_weight=0.5,
    )


def write_questions(path: Path) -> Path:
    lines = []
    for i in range(8):
        text = f"The lamp of house {i} is kept by number {i * 37 % 91}. " + "A grey cat slept on the wall. " * 12
        lines.append({"context": text, "question": f"Who keeps lamp {i}?", "answers": [str(i * 37 % 91)]})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def events_until(run: AdapterRun, plan: Plan, step: int) -> Iterator[Event]:
    return train(run, plan, wish=lambda: "stop" if run.step == step else "go")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.card_path", description=__doc__.splitlines()[0])
    parser.add_argument("--base", required=True, help="a model's folder")
    parser.add_argument("--work", required=True, type=Path, help="a new folder")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--whole", action="store_true", help="do not stop in the middle")
    given = parser.parse_args(words)
    warnings.filterwarnings("ignore", "Paged optimizers are not supported on CPU")
    running.make_optimizer = optimizer_of_a_card
    torch.set_num_threads(1)
    given.work.mkdir(parents=True, exist_ok=True)
    config = config_of(given.base, write_questions(given.work / "questions.jsonl"), steps=given.steps)
    model = load_base(given.base, device="cpu", precision="nf4")
    plan = Plan(given.work, "adapter", checkpoint_s=1e9, keep_checkpoints=2, report_steps=1)
    begun = time.perf_counter()
    for stop_at in (given.steps,) if given.whole else (given.steps // 2, given.steps):
        for event in events_until(AdapterRun(model, config), plan, stop_at):
            print(json.dumps(event), flush=True)
    seconds = time.perf_counter() - begun
    n_linear = shape_of_model(model.causal_lm).weights.n_linear
    lines = (given.work / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    read = sum(len(model.token_ids(json.loads(line)["context"])) for line in lines) / len(lines)
    # encoded without a graph or worked out again, encoded with one, the gradient of what goes in; the teacher
    needed = 2 * n_linear * config.batch * read * 4 / matrix_rate("cpu", torch.bfloat16)
    last = {"event": "pace", "seconds_per_step": round(seconds / given.steps, 3), "arithmetic_s": round(needed, 3)}
    print(json.dumps(last), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
