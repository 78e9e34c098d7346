"""One adapter in training: base, adapter, optimizer, data, step number; what a step does and what is saved.

The base is frozen. Answers are given by the base with the adapter off, from the gists alone.
Knows nothing of files, clocks, events or when to evaluate; see `loop`.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.adapter import Adapter, read_adapter, write_adapter
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import of_files
from gistdesk.core.gist import join
from gistdesk.core.model import GistModel, cached_kv
from gistdesk.core.prompt import prompt_of
from gistdesk.core.quantize import bitsandbytes
from gistdesk.models import NAMED
from trainer.data.curriculum import Curriculum
from trainer.data.samples import Samples
from trainer.data.units import Unit
from trainer.training.adapter import TrainableAdapter
from trainer.training.base import training_encoder
from trainer.training.check import Figure, Sums, measure_conditions
from trainer.training.config import TrainConfig, to_yaml
from trainer.training.descent import Descent, share_of_peak
from trainer.training.estimate import must_recompute
from trainer.training.footprint import shape_of_model
from trainer.training.loop import Step
from trainer.training.loss import Answers, full_answers, gist_answers
from trainer.training.mixture import Mixture
from trainer.training.processes import Processes
from trainer.training.recompute import recomputing_layers
from trainer.training.staged import encode_unit, staged_backward
from trainer.training.teacher import Teacher, divergence

_FIGURES = ("units", "loss", "distillation", "taught", "right", "asked")


class AdapterRun:
    """What a training run holds.

    Attributes:
        model: its encoder is the adapter in training.
        mixture: where units come from.
        step: optimizer steps done.
        steps: in total.
        fresh: the adapter started from scratch.
        recomputes: activations are recomputed, because the configuration or the memory requires it.
    """

    def __init__(
        self,
        model: GistModel,
        config: TrainConfig,
        processes: Processes | None = None,
        texts: tuple[Samples, Samples] | None = None,
        kept: Path | None = None,
    ) -> None:
        """Make everything ready for the first step.

        Args:
            model: a base without an adapter.
            processes: None: this one alone.
            texts: see `Mixture`.
            kept: folder for the full-text teacher's output on parts that repeat; None has it read each time.

        Raises:
            UserError: the adapter to start from, or data, cannot be used.
        """
        self.model, self.config = model, config
        self.processes = processes or Processes(model.device.type)
        stack = model.causal_lm.model
        self.adapter = TrainableAdapter(
            stack,
            gist_ids=gist_ids_of(model, config.slots),
            segment_tokens=config.segment_tokens,
            rank=config.rank,
            seed=config.seed,
        ).to(model.device)
        self.fresh = not config.start_from
        if config.start_from:
            self._take(read_adapter(Path(config.start_from), stack, of_files(model.identity.model_fingerprint)[0]))
        model.adapter = self.adapter.adapter()
        self.recomputes = must_recompute(
            shape_of_model(model.causal_lm), config, model.precision, model.device.type, is_loaded=True
        )
        # the factors have moved since the last pass: merge them again
        model.encoder = lambda ids: training_encoder(stack, self.adapter.adapter(), checkpoint_layers=self.recomputes)(
            ids
        )
        self.prompt = prompt_of(model.tokenizer)
        self.mixture = Mixture(model, config, texts)
        self.teacher = Teacher(model, self.prompt, kept, n_processes=self.processes.n) if kept else None
        named = dict(self.adapter.named_parameters())
        # "optimizer": its name in checkpoints
        optimizers = {"optimizer": (make_optimizer([*named.values()], model.device, config), config.learning_rate)}
        self.descent = Descent(named, optimizers, clip=config.clip)
        self.step, self.steps = 0, config.steps
        self._of_base: dict[str, dict[tuple[int, int, str], Sums]] = {}

    def _take(self, adapter: Adapter) -> None:
        mine = self.adapter.adapter()
        rank = self.config.rank
        fits = adapter.lora.keys() == mine.lora.keys() and all(a.shape[0] == rank for a, _ in adapter.lora.values())
        if not fits or adapter.gist_ids != mine.gist_ids or adapter.scaling != mine.scaling:
            raise UserError(
                "The adapter in {folder} has another rank, number of slots or scaling.",
                "Set rank and slots to its own (slots: {n}).",
                folder=self.config.start_from,
                n=len(adapter.gist_ids),
            )
        with torch.no_grad():
            self.adapter.gist_rows.copy_(adapter.gist_rows)
            for name, (a, b) in adapter.lora.items():
                mine.lora[name][0].copy_(a)
                mine.lora[name][1].copy_(b)

    # --- A step

    @property
    def curricula(self) -> dict[str, Curriculum]:
        return self.mixture.curricula

    def train_step(self) -> Step:
        """One optimizer step over all processes."""
        config = self.config
        share = share_of_peak(
            self.step, steps=config.steps, warmup_steps=config.warmup_steps, fall_share=config.fall_share
        )
        sums: dict[str, list[float]] = {part: [0.0] * len(_FIGURES) for part in sorted(self.mixture.sources)}
        n_tokens = 0
        for place in range(self.processes.rank, config.batch, self.processes.n):
            unit = self.mixture.unit(self.step, place)
            self._backward(unit, sums[unit.part])
            n_tokens += unit.n_tokens
        self.processes.add_gradients(self.descent.parameters)
        norm = self.descent.step(share)
        flat = torch.tensor([*(x for row in sums.values() for x in row), float(n_tokens)], dtype=torch.float64)
        flat = self.processes.add(flat)
        figures: dict[str, float] = {}
        for part, row in zip(sums, flat[:-1].view(len(sums), len(_FIGURES)).tolist(), strict=True):
            units, loss, distillation, taught, right, asked = row
            if units:
                figures[f"{part} loss"], figures[f"{part} accuracy"] = loss / units, right / asked
                self.mixture.advance(part, right / asked)
            if taught:
                figures[f"{part} distillation"] = distillation / taught
        self.step += 1
        figures["gradient norm"] = norm
        bounds = {f"{name} bound": round(c.bound, 1) for name, c in self.curricula.items()}
        return Step(figures, config.learning_rate * share, int(flat[-1]), bounds)

    def _backward(self, unit: Unit, sums: list[float]) -> None:
        """Gradients of one unit's share of the step's loss; its figures are added to `sums`."""
        taught = self._taught(unit)
        n_documents = len(unit.documents)

        def loss_of(documents: Sequence[int], gists: list[Tensor]) -> Tensor:
            with recomputing_layers(self.model.causal_lm.model, self.recomputes):
                answers = self.answers(unit, documents, gists)
            share = len(documents) / n_documents
            loss = share * answers.loss
            sums[1] += float(loss.detach())
            sums[4] += float(answers.right.sum())
            sums[5] += len(answers.right)
            own = [d for d in documents if d in taught]
            if own:
                rows = torch.tensor([documents.index(d) for d in own], device=answers.row.device)
                divergence = self._divergence(unit, own, answers.logits[torch.isin(answers.row, rows)])
                share = len(own) / len(taught)
                sums[2] += share * float(divergence.detach())
                loss = loss + self.config.distill_weight * share * divergence
            return loss / self.config.batch

        sums[0] += 1
        sums[3] += bool(taught)
        batches = self._document_batches(unit)
        staged_backward(self.model, unit, loss_of, micro_tokens=self.config.micro_tokens, document_batches=batches)

    def answers(self, unit: Unit, documents: Sequence[int], gists: list[Tensor] | None) -> Answers:
        """What the base answers about these documents with only these gists, or with nothing at all."""
        turns = [unit.turns[d] for d in documents]
        if gists is None:
            return gist_answers(self.model, self.prompt, [None] * len(documents), turns)
        if self.config.remove_bottleneck:
            gists = [self._beside_its_text(unit.text(d), gist) for d, gist in zip(documents, gists, strict=True)]
        return gist_answers(self.model, self.prompt, gists, turns)

    def in_full(self, unit: Unit, documents: Sequence[int]) -> Answers:
        """What the base answers with the whole texts in context; the teacher for distillation."""
        texts, turns = [unit.text(d) for d in documents], [unit.turns[d] for d in documents]
        with torch.no_grad():
            return full_answers(self.model, self.prompt, texts, turns)

    def _beside_its_text(self, text: Tensor, gist: Tensor) -> Tensor:
        cache = DynamicCache(config=self.model.causal_lm.config)
        with torch.no_grad():
            self.model.decode(text[None], cache, 0)
            kv = cached_kv(cache)[:, :, 0]
        return join([kv.to(gist.dtype), gist], self.model.inv_freq)

    def _taught(self, unit: Unit) -> set[int]:
        """The first documents whose texts the teacher may read, within `distill_tokens` in all."""
        taught: set[int] = set()
        config = self.config
        left = config.distill_tokens if config.is_taught(unit.part) else 0
        for document in range(len(unit.documents)):
            left -= unit.n_document_tokens(document)
            if left < 0:
                break
            taught.add(document)
        return taught

    def _divergence(self, unit: Unit, documents: Sequence[int], logits: Tensor) -> Tensor:
        """Scalar: KL(teacher || student) per answer token, nats; the teacher is the base with the full text."""
        if self.teacher and self.config.comes_again(unit.part):
            texts, turns = [unit.text(d) for d in documents], [unit.turns[d] for d in documents]
            return divergence(self.teacher.says(texts, turns), logits)
        teacher = self.in_full(unit, documents).logits.log_softmax(-1)
        student = logits.log_softmax(-1)
        return torch.nn.functional.kl_div(student, teacher, reduction="batchmean", log_target=True)

    def _document_batches(self, unit: Unit) -> list[list[int]]:
        """Batches of documents answered together: as many as have `micro_tokens` slots and tokens of conversation."""
        batches: list[list[int]] = []
        width = 0
        for document, turns in enumerate(unit.turns):
            asked = sum(len(self.model.token_ids(turn.question + str(turn.answer))) + 8 for turn in turns)
            length = sum(unit.n_slots[i] for i in unit.documents[document]) + asked
            width = max(width, length)
            if batches and width * (len(batches[-1]) + 1) <= self.config.micro_tokens:
                batches[-1].append(document)
            else:
                batches.append([document])
                width = length
        return batches

    # --- Measuring and writing

    def conditions(self, held_out: Mapping[str, list[Unit]]) -> Generator[None, None, dict[str, dict[str, Figure]]]:
        """Per part, the four conditions of the bottleneck check on these units; yields as `measure_conditions`."""
        found = {}
        for part, units in held_out.items():
            if units:
                known = self._of_base.setdefault(part, {})
                found[part] = yield from measure_conditions(units, self._gists, self.answers, self.in_full, known)
        return found

    def _gists(self, unit: Unit) -> list[Tensor]:
        return encode_unit(self.model, unit, micro_tokens=self.config.micro_tokens)

    def write(self, folder: Path, measured: list[dict[str, Any]]) -> None:
        """Write the adapter as a folder in peft's layout, with the configuration beside it."""
        base = self.config.base if self.config.base in NAMED else self._base_name()
        write_adapter(
            folder,
            replace(self.adapter.adapter(), ratios=self.config.ratios),
            base_model=base,
            base_fingerprint=of_files(self.model.identity.model_fingerprint)[0],
            measured=measured,
            precision=self.model.precision,
        )
        (folder / "config.yaml").write_text(to_yaml(self.config), encoding="utf-8")

    def _base_name(self) -> str:
        """The base as an absolute path, so that the adapter finds it from anywhere; a hub id as it is."""
        path = Path(self.config.base)
        return str(path.resolve()) if path.exists() else self.config.base


def gist_ids_of(model: GistModel, slots: int) -> tuple[int, ...]:
    """Unused rows at the end of the vocabulary if there are enough, else the ids just after it.

    No document can spell an id that the tokenizer has no text for.
    """
    rows = int(model.causal_lm.config.vocab_size)
    spare = rows - len(model.tokenizer)
    first = rows - slots if spare >= slots else max(rows, len(model.tokenizer))
    return tuple(range(first, first + slots))


def make_optimizer(parameters: list[Any], device: torch.device, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; on CUDA with its moments in 8 bits, in memory that can be paged out to the host (QLoRA)."""
    if device.type == "cuda":
        optimizer: torch.optim.Optimizer = bitsandbytes().optim.PagedAdamW8bit(
            parameters, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay
        )
        return optimizer
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay, fused=True
    )
