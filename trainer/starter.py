"""Trains the starter model from nothing: base, LoRA and gist rows together, on generated facts in running text.

`train_starter` is a generator of events; it can be stopped at any of them and goes on from its last checkpoint.
Knows nothing of terminals or windows.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from gistdesk.core.adapter import merged_encoder
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel, ModelIdentity
from gistdesk.core.prompt import Prompt, prompt_of
from trainer.adapter import TrainableAdapter
from trainer.curriculum import Curriculum
from trainer.loss import Pass, Pool, full_pass, pool_pass
from trainer.samples import Sample, Samples
from trainer.starter_base import GIST_IDS, SEGMENT_TOKENS, build_base, build_tokenizer


@dataclass(frozen=True)
class StarterConfig:
    """The recipe. The shipped starter was made with these values.

    Attributes:
        steps: optimizer steps.
        tokens_per_step: document tokens per step, about.
        learning_rate: peak, of AdamW for embeddings, norms and gist rows.
        matrix_rate: peak, of Muon for every weight matrix and LoRA factor.
        warmup_steps: steps of linear warm-up.
        settle_step: from here on the rates are below half: copying is learned and has to become exact.
        words_step: from here on half of the facts have any words of running text as values. Before, digits were
            copied from the full text and no word was: the lists of names and places had been learned instead.
        long_step: from here on facts are asked of segments and texts of any length and among others', whatever their
            accuracy, which would have kept them short to the end.
        fall_share: the last share of the steps, in which the rates fall to nothing.
        rank: of the LoRA factors.
        text_weight: of language modelling on full-text steps, beside the answer loss.
        korean_share: of the samples; Korean is learned more slowly, from a twentieth of the text.
        seed: of weights and data.
        device: "cpu" or "cuda".
        checkpoint_s: seconds between checkpoints.
        report_steps: steps between progress events.
    """

    steps: int = 8000
    tokens_per_step: int = 2048
    learning_rate: float = 9e-4
    matrix_rate: float = 1.8e-3
    warmup_steps: int = 150
    settle_step: int = 800
    words_step: int = 2600
    long_step: int = 5800
    fall_share: float = 0.5
    rank: int = 64
    text_weight: float = 0.3
    korean_share: float = 0.6
    seed: int = 20261121
    device: str = "cpu"
    checkpoint_s: float = 240.0
    report_steps: int = 50


_NOT_OF_THE_RECIPE = ("device", "checkpoint_s", "report_steps")


@dataclass(frozen=True)
class Batch:
    """What one step trains on: samples whose text is read in full, or a pool for documents of up to `n_segments`."""

    task: str
    work: list[Sample] | Pool
    n_segments: int = 1

    @property
    def mode(self) -> str:
        return "gist" if isinstance(self.work, Pool) else "full"


class StarterRun:
    """Everything that a starter training holds: model, adapter, optimizer, curricula, step number."""

    def __init__(self, folder: Path, config: StarterConfig, samples: Samples | None = None) -> None:
        """`samples` of an earlier run with the same tokenizer spare this one the reading of all texts."""
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "tokenizer.json").exists():
            build_tokenizer(folder, config.seed)
        base: Any = build_base(config.seed)
        self.base = base.to(config.device)
        self.adapter = TrainableAdapter(
            self.base.model, gist_ids=GIST_IDS, segment_tokens=SEGMENT_TOKENS, rank=config.rank, seed=config.seed
        ).to(config.device)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = GistModel(
            self.base,
            tokenizer,
            ModelIdentity("starter", "", "", ""),
            self.adapter.adapter(),
            # Merged anew at every call: the factors have moved since the last step.
            lambda ids: merged_encoder(self.base.model, self.adapter.adapter())(ids),
        )
        self.prompt: Prompt = prompt_of(tokenizer)
        self.samples = samples or Samples(self.model)
        named = [*self.base.named_parameters(), *self.adapter.named_parameters()]
        self.parameters = [p for _, p in named]
        matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name and name != "gist_rows"]
        rest = [p for p in self.parameters if not any(p is m for m in matrices)]
        # Muon (Jordan, 2024) halves the steps that AdamW needs here: after 300 of them the text loss was 4.3, not 5.2.
        self.optimizers: tuple[tuple[torch.optim.Optimizer, float], ...] = (
            (torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=0.01, fused=True), config.learning_rate),
            (torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"), config.matrix_rate),
        )
        self.curricula = {
            "passkey": Curriculum(bound=40, limit=SEGMENT_TOKENS),
            "passkey segments": Curriculum(bound=1, limit=40),
            "passkey full": Curriculum(bound=40, limit=2048),
            "facts": Curriculum(bound=40, limit=SEGMENT_TOKENS, goal=0.7),
            "facts segments": Curriculum(bound=1, limit=16, goal=0.7),
            "facts full": Curriculum(bound=40, limit=2048, goal=0.7),
            "words": Curriculum(bound=40, limit=SEGMENT_TOKENS, goal=0.7),
            "words segments": Curriculum(bound=1, limit=40, goal=0.7),
            "words full": Curriculum(bound=40, limit=2048, goal=0.7),
        }
        self.step = 0
        self.seconds = 0.0

    def batch(self) -> Batch:
        """The samples of the present step: a function of seed, step number and curricula.

        Passkeys in one segment come first: copying a value is learned there within minutes. Documents of several
        segments and more of the other facts join once that goes well; given from the start they only slowed it down.
        """
        random = Random(f"{self.config.seed}:{self.step}")
        copying = self.curricula["passkey"].bound >= 100
        task = "facts" if random.random() < (0.5 if copying else 0.1) else "passkey"
        if task == "facts" and self.step >= self.config.words_step and random.random() < 0.5:
            task = "words"
        language = "ko" if random.random() < self.config.korean_share else "en"
        # Telling facts apart is learned from the full text first; copying a number hardly needs it any more.
        if random.random() < (0.15 if copying and task == "passkey" else 0.35):
            return self._full(random, task, language)
        return self._pool(random, task, language)

    def _lengthen(self) -> None:
        for task in ("facts", "words"):
            self.curricula[task].bound = self.curricula[task].limit
            self.curricula[f"{task} segments"].bound = 8
        for task in ("passkey", "facts", "words"):
            self.curricula[f"{task} full"].bound = self.curricula[f"{task} full"].limit

    def _full(self, random: Random, task: str, language: str) -> Batch:
        bound = self.curricula[f"{task} full"].bound
        if bound > 500:  # mostly short texts still: a long one is a single sample
            n_tokens = int(math.exp(random.uniform(math.log(32), math.log(bound))))
        else:
            n_tokens = int(random.uniform(max(32.0, 0.4 * min(bound, 400)), bound))
        count = max(1, self.config.tokens_per_step // (n_tokens + 24))
        n_facts = random.randint(1, max(1, min(8, n_tokens // 20)))
        if task == "facts":
            return Batch(task, [self.samples.general(random, n_tokens, n_facts, 4, language) for _ in range(count)])
        if task == "words":
            return Batch(task, [self.samples.words(random, n_tokens, n_facts, language) for _ in range(count)])
        n_keys = min(4, n_facts) if n_tokens > 100 and (bound <= 500 or random.random() < 0.3) else 1
        return Batch(task, [self.samples.passkey(random, n_tokens, n_keys, language) for _ in range(count)])

    def _pool(self, random: Random, task: str, language: str) -> Batch:
        """A pool of segments of about one length, as a cut makes them; about a third of them hold a passkey.

        Half of the pools are of short segments: an adapter that saw only a few long ones lost the needle among 32.
        """
        bound = self.curricula[task].bound
        segment = random.uniform(max(32.0, 0.4 * min(bound, 100)), bound if random.random() < 0.5 else min(bound, 200))
        n_segments = round(self.curricula[f"{task} segments"].bound)
        if task != "passkey":
            n_slots = random.choice((4, 8, 8, 16, 16, 32, 64))
        else:
            # Two slots are rare: right in a quarter of the cases where four were in four fifths, they held all back.
            n_slots = random.choice((2, 3, 4, 4, 4, 5, 5, 5, 6, 8) if bound >= 200 else (4, 4, 5, 8, 8, 16))
        n_slots = min(n_slots, int(segment / 1.5))
        most = self.config.tokens_per_step * 5 // 4
        n_texts = min(48, max(6, most // int(segment + n_slots)))
        n_keyed = n_texts if n_segments == 1 else n_texts * 3 // 4 if task == "facts" else max(4, n_texts // 3)
        lengths = [int(segment * random.uniform(0.75, 1.0)) for _ in range(n_texts)]
        slots = [n_slots - (n_slots > 3 and random.random() < 0.3) for _ in range(n_texts)]
        if task == "passkey":
            keyed, plain = self.samples.passkey_pool(random, lengths, n_keyed, language)
        else:
            n_facts = random.randint(1, max(1, min(4, int(segment) // 20)))
            draw = self.samples.words_pool if task == "words" else self.samples.fact_pool
            keyed, plain = draw(random, lengths, n_keyed, n_facts, language)
        return Batch(task, Pool(keyed, plain, slots, distracting=task == "facts"), n_segments)

    def train_step(self) -> tuple[Batch, Pass, float]:
        """One optimizer step -> what was trained on, what it gave, the share of the peak rates."""
        if self.step == self.config.long_step:
            self._lengthen()
        batch, rate = self.batch(), self._rate()
        for optimizer, peak in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
        with torch.autocast(self.config.device, torch.bfloat16):
            if isinstance(batch.work, Pool):
                random = Random(f"{self.config.seed}:{self.step}:documents")
                result = pool_pass(self.model, self.prompt, batch.work, n_segments=batch.n_segments, random=random)
            else:
                result = full_pass(self.model, self.prompt, batch.work, text_share=0.25)
            loss = result.answer_loss + self.config.text_weight * result.text_loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, _ in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self._advance(batch, float(result.right.float().mean()))
        self.step += 1
        return batch, result, rate

    def _advance(self, batch: Batch, accuracy: float) -> None:
        """Longer segments first, then more of them."""
        if batch.mode == "full":
            self.curricula[f"{batch.task} full"].update(accuracy)
            return
        longer, more = self.curricula[batch.task], self.curricula[f"{batch.task} segments"]
        longer.update(accuracy)
        if longer.bound >= 100:
            more.update(accuracy)

    def _rate(self) -> float:
        """The share of the peak rates: warm-up, the peak, less than half from `settle_step` on, then down to 1%.

        Held near the peak, copying stayed at 83% where it came to 90% within 50 steps at 0.4 of it.
        """
        step, steps = self.step, self.config.steps
        if step < self.config.settle_step:
            return min(1.0, (step + 1) / self.config.warmup_steps)
        return 0.45 * min(1.0, max(0.02, (steps - step) / (steps * self.config.fall_share)))

    def save_checkpoint(self) -> None:
        """Weights, optimizer moments, curricula and step number, in one safetensors file, replaced atomically."""
        tensors = {f"weight.{i}": p.detach() for i, p in enumerate(self.parameters)}
        for i, p in enumerate(self.parameters):
            for optimizer, _ in self.optimizers:
                for name, value in optimizer.state.get(p, {}).items():
                    tensors[f"optimizer.{i}.{name}"] = value
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "config": asdict(self.config),
            "curricula": {name: c.state() for name, c in self.curricula.items()},
        }
        temporary = self.folder / "checkpoint.safetensors.tmp"
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata={"state": json.dumps(state)})
        temporary.replace(self.folder / "checkpoint.safetensors")

    def load_checkpoint(self) -> bool:
        """Go on from the last checkpoint; False when there is none.

        Raises:
            UserError: the checkpoint is damaged or of another recipe.
        """
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            return False
        state = checkpoint_state(path)
        mine = {name: value for name, value in asdict(self.config).items() if name not in _NOT_OF_THE_RECIPE}
        other = [name for name, value in mine.items() if state["config"].get(name) != value]
        if other:
            raise UserError(
                f"{self.folder} holds a run with another {', '.join(other)}.",
                "Give the same settings as before, or another --work folder.",
            )
        tensors = load_file(path, device=self.config.device)
        with torch.no_grad():
            for i, p in enumerate(self.parameters):
                p.copy_(tensors[f"weight.{i}"])
                prefix = f"optimizer.{i}."
                moments = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
                [owner] = [o for o, _ in self.optimizers if any(p is q for q in o.param_groups[0]["params"])]
                if moments:
                    owner.state[p] = moments
        self.step, self.seconds = state["step"], state["seconds"]
        self.curricula |= {name: Curriculum(**c) for name, c in state["curricula"].items()}
        return True


def checkpoint_state(path: Path) -> dict[str, Any]:
    """Step, seconds, configuration and curricula of a checkpoint.

    Raises:
        UserError: it is not there or damaged.
    """
    try:
        with safe_open(path, "pt") as opened:
            state: dict[str, Any] = json.loads(opened.metadata()["state"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"The checkpoint {path} cannot be read.", "Delete it to start anew.") from error
    return state


def train_starter(folder: Path, config: StarterConfig, samples: Samples | None = None) -> Iterator[dict[str, Any]]:
    """Train, or go on training, the starter in `folder`; yields an event every `report_steps` steps.

    Events are dictionaries with `event` ("started", "progress", "checkpoint", "finished") and plain numbers.
    """
    run = StarterRun(folder, config, samples)
    resumed = run.load_checkpoint()
    yield {"event": "started", "step": run.step, "resumed": resumed}
    begun, saved = time.monotonic() - run.seconds, time.monotonic()
    recent: dict[str, list[float]] = {}
    n_tokens, marked = 0, time.monotonic()
    while run.step < config.steps:
        batch, result, rate = run.train_step()
        recent.setdefault(f"{batch.task} {batch.mode} accuracy", []).append(float(result.right.float().mean()))
        recent.setdefault(f"{batch.task} {batch.mode} loss", []).append(float(result.answer_loss.detach()))
        if batch.mode == "full":
            recent.setdefault("text loss", []).append(float(result.text_loss.detach()))
        n_tokens += result.n_tokens
        run.seconds = time.monotonic() - begun
        if run.step % config.report_steps == 0:
            now = time.monotonic()
            yield {
                "event": "progress",
                "step": run.step,
                "steps": config.steps,
                "seconds": round(run.seconds, 1),
                "learning_rate": rate,
                "tokens_per_second": round(n_tokens / (now - marked)),
                **{name: round(sum(values) / len(values), 4) for name, values in sorted(recent.items())},
                **{f"{name} bound": round(c.bound) for name, c in run.curricula.items()},
            }
            recent, n_tokens, marked = {}, 0, now
        if time.monotonic() - saved > config.checkpoint_s or run.step == config.steps:
            run.save_checkpoint()
            saved = time.monotonic()
            yield {"event": "checkpoint", "step": run.step}
    yield {"event": "finished", "step": run.step, "seconds": round(run.seconds, 1)}
