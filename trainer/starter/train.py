"""Trains the starter model from nothing: base, LoRA and gist rows together, on generated facts in running text.

One run of the loop, after a tokenizer was made. Knows nothing of terminals or windows.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from gistdesk.core.adapter import merged_encoder
from gistdesk.core.memory import hold_little
from gistdesk.core.model import GistModel, ModelIdentity
from gistdesk.core.prompt import Prompt, prompt_of
from trainer.data.curriculum import Curriculum
from trainer.data.pool import Pool
from trainer.data.samples import Samples
from trainer.starter.base import GIST_IDS, SEGMENT_TOKENS, build_base, build_tokenizer
from trainer.starter.batches import Batches
from trainer.starter.config import StarterConfig
from trainer.starter.export import export_starter
from trainer.training.adapter import TrainableAdapter
from trainer.training.config import changed, read_fields
from trainer.training.descent import Descent, share_of_peak
from trainer.training.loop import Event, Plan, Step
from trainer.training.loss import full_pass, pool_pass
from trainer.training.processes import Processes
from trainer.training.work_folder import claim_folder, train_in_folder

_SETTLED_SHARE = 0.45


class StarterRun:
    """What a starter's training holds. It is work for one process; several would all do the same.

    Attributes:
        batches: what every step trains on.
        step: optimizer steps done.
        steps: in total.
    """

    def __init__(
        self,
        folder: Path,
        config: StarterConfig,
        samples: Samples | None = None,
        base: LlamaForCausalLM | None = None,
    ) -> None:
        """Make everything ready for the first step.

        Args:
            folder: of the tokenizer.
            samples: from an earlier run with the same tokenizer; they save reading all texts again.
            base: random weights with another shape than the starter's.
        """
        self.folder, self.config = folder, config
        made: Any = base or build_base(config.seed)
        self.base = made.to(config.device)
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
        self.batches = Batches(samples or Samples(self.model), config)
        self.processes = Processes(config.device)
        self.descent = self._descent()
        self.step, self.steps = 0, config.steps

    def _descent(self) -> Descent:
        named = {f"base.{name}": p for name, p in self.base.named_parameters()}
        named |= {f"adapter.{name}": p for name, p in self.adapter.named_parameters()}
        plain = {name for name, p in named.items() if p.ndim != 2 or "embed" in name or "gist_rows" in name}
        rest = [p for name, p in named.items() if name in plain]
        matrices = [p for name, p in named.items() if name not in plain]
        # Muon (Jordan, 2024) halves the steps that AdamW needs here: after 300 of them the text loss was 4.3, not 5.2.
        muon = torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
        adam = torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
        rates = self.config.learning_rate, self.config.matrix_rate
        return Descent(named, {"adam": (adam, rates[0]), "muon": (muon, rates[1])}, clip=1.0)

    @property
    def curricula(self) -> dict[str, Curriculum]:
        return self.batches.curricula

    def train_step(self) -> Step:
        """One optimizer step."""
        config = self.config
        if self.step == config.long_step:
            self.batches.lengthen()
        batch, share = self.batches.batch(self.step), self._share()
        with torch.autocast(config.device, torch.bfloat16):
            if isinstance(batch.work, Pool):
                random = Random(f"{config.seed}:{self.step}:documents")
                result = pool_pass(self.model, self.prompt, batch.work, n_segments=batch.n_segments, random=random)
            else:
                result = full_pass(self.model, self.prompt, batch.work, text_share=0.25)
            loss = result.answer_loss + config.text_weight * result.text_loss
        loss.backward()
        norm = self.descent.step(share)
        accuracy = float(result.right.float().mean())
        self.batches.advance(batch, accuracy)
        self.step += 1
        kind = f"{batch.task} {batch.mode}"
        figures = {f"{kind} accuracy": accuracy, f"{kind} loss": float(result.answer_loss.detach())}
        if batch.mode == "full":
            figures["text loss"] = float(result.text_loss.detach())
        bounds: dict[str, float] = {f"{name} bound": round(c.bound) for name, c in self.curricula.items()}
        return Step({**figures, "gradient norm": norm}, config.learning_rate * share, result.n_tokens, bounds)

    def _share(self) -> float:
        """Of the peak rates: less than half from `settle_step` on, so down to 1% at the end.

        Held near the peak, copying stayed at 83% where it came to 90% within 50 steps at 0.4 of it.
        """
        config = self.config
        share = share_of_peak(
            self.step, steps=config.steps, warmup_steps=config.warmup_steps, fall_share=config.fall_share
        )
        return share if self.step < config.settle_step else _SETTLED_SHARE * share

    def write(self, folder: Path, measured: list[dict[str, Any]]) -> None:
        """The model as a folder that ships."""
        export_starter(folder, self.base, self.folder, self.adapter.adapter(), measured)


def train_starter(folder: Path, config: StarterConfig, samples: Samples | None = None) -> Iterator[Event]:
    """Start or resume training the starter in `folder`; the finished one is in its folder `model`.

    Args:
        samples: see `StarterRun`.

    Raises:
        UserError: the folder holds a run of another recipe, or as `loop.train`.
    """
    torch.set_num_threads(config.threads)
    hold_little()
    # not config.yaml, by which the window knows a run that makes an adapter
    claim_folder(folder / "starter.yaml", config, lambda path: changed(StarterConfig(), read_fields(path)))
    tokenizer = folder / "tokenizer"
    if not tokenizer.exists():
        build_tokenizer(tokenizer, config.seed)
    run = StarterRun(tokenizer, config, samples)
    plan = Plan(folder, "model", config.checkpoint_s, config.keep_checkpoints, config.report_steps)
    yield from train_in_folder(folder, run, plan)
