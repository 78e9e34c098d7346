"""A gist adapter: LoRA factors and gist-token rows, and the two ways of running the base model with them.

Merged: W + scaling * B A is computed first; best for small models, where the branch would cost half as much as the
layer. Branched: B (A x) is added to each layer's output; best for large or quantized models, whose weights cannot be
held twice. A test checks that the two agree. Neither changes the base's own weights.
Reads peft's folder layout. Does not know how an adapter is trained.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call
from transformers import DynamicCache

from gistdesk.core.errors import UserError
from gistdesk.core.json_file import read_object
from gistdesk.core.layout import LAYOUT_VERSION
from gistdesk.core.sentences import Sentence

Encoder = Callable[[Tensor], DynamicCache]
"""The decoder stack with the adapter on: input ids (batch, width) -> the keys and values of every position."""

_GIST_ROWS = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"
_PREFIX = "base_model.model.model."
_UNREAD = ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "fan_in_fan_out")
"""peft settings that change what the factors mean. An adapter that uses one is refused."""
_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
UNREADABLE = (OSError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError, SafetensorError)
"""What reading a damaged folder can raise."""


@dataclass(frozen=True)
class Adapter:
    """What is added to a base model for the encoding pass.

    Attributes:
        lora: per linear layer of the decoder stack, by module name: A (rank, in_features), B (out_features, rank).
        scaling: alpha / rank.
        gist_rows: (n_gist, hidden_size), embedding rows of the gist tokens.
        gist_ids: their vocabulary ids, in order.
        segment_tokens: the longest segment it was trained on.
        ratios: the lowest and highest ratio that ordinary text was cut at in training; None if unknown.
    """

    lora: Mapping[str, tuple[Tensor, Tensor]]
    scaling: float
    gist_rows: Tensor
    gist_ids: tuple[int, ...]
    segment_tokens: int
    ratios: tuple[float, float] | None = None

    @property
    def max_slots(self) -> int:
        return len(self.gist_ids)

    def embed(self, stack: nn.Module, input_ids: Tensor) -> Tensor:
        """(batch, width) -> (batch, width, hidden_size); gist ids need no row in the base's own table."""
        table: nn.Embedding = stack.get_submodule("embed_tokens")  # type: ignore[assignment]
        first, n_rows = self.gist_ids[0], table.num_embeddings
        is_gist = (input_ids >= first) & (input_ids < first + self.max_slots)
        embedded = table(input_ids.clamp(max=n_rows - 1))
        gist = self.gist_rows.to(embedded)[(input_ids - first).clamp(0, self.max_slots - 1)]
        return torch.where(is_gist[..., None], gist, embedded)


def merged_encoder(stack: Any, adapter: Adapter) -> Encoder:
    """The stack with W + scaling * B A in place of W (LoRA, eq. 3); differentiable in both."""
    weights = {}
    for name, (a, b) in adapter.lora.items():
        base = stack.get_parameter(f"{name}.weight")
        product = b.to(base.device, torch.float32) @ a.to(base.device, torch.float32)
        weights[f"{name}.weight"] = (base + adapter.scaling * product).to(base.dtype)

    def encode(input_ids: Tensor) -> DynamicCache:
        arguments = {"inputs_embeds": adapter.embed(stack, input_ids), "use_cache": True}
        cache: DynamicCache = functional_call(stack, weights, (), arguments).past_key_values
        return cache

    return encode


@contextmanager
def branches(stack: nn.Module, adapter: Adapter) -> Iterator[None]:
    """While open, adds scaling * B (A x) to the output of each linear layer, by hooks."""

    def branch(a: Tensor, b: Tensor) -> Callable[..., Tensor]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            x = inputs[0]
            return output + adapter.scaling * (x @ a.to(x).T) @ b.to(x).T

        return hook

    with ExitStack() as hooks:
        for name, (a, b) in adapter.lora.items():
            handle = stack.get_submodule(name).register_forward_hook(branch(a, b))
            hooks.callback(handle.remove)
        yield


def branched_encoder(stack: Any, adapter: Adapter) -> Encoder:
    """The stack with scaling * B (A x) added to each layer's output, by hooks that live for one pass."""

    def encode(input_ids: Tensor) -> DynamicCache:
        with branches(stack, adapter):
            embedded = adapter.embed(stack, input_ids)
            cache: DynamicCache = stack(inputs_embeds=embedded, use_cache=True).past_key_values
        return cache

    return encode


def read_adapter(folder: Path, stack: nn.Module, base_fingerprint: str) -> Adapter:
    """Read an adapter folder and check that it belongs to the base.

    Raises:
        UserError: files are missing or damaged, the layout differs, or the adapter belongs to another base.
    """
    adapter = parse_adapter(folder)
    check_base(folder, base_fingerprint)
    check_shapes(folder, stack, adapter)
    return adapter


def parse_adapter(folder: Path) -> Adapter:
    """Read an adapter folder, whichever base it belongs to.

    Raises:
        UserError: files are missing or damaged.
    """
    try:
        gist = read_object(folder / "gist.json")
        config, tensors = read_peft(folder)
        return _adapter(gist, config, tensors)
    except UNREADABLE as error:
        raise _unreadable(folder, error) from error


def read_peft(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration and the tensors in a peft folder. Raises any of `UNREADABLE`."""
    config = read_object(folder / "adapter_config.json")
    weights = folder / "adapter_model.safetensors"
    if weights.exists() and not weights.is_file():  # opening a pipe would block
        raise ValueError(Sentence("{name} is not an ordinary file", name=weights.name))
    return config, load_file(weights)


def check_base(folder: Path, base_fingerprint: str) -> None:
    """Refuse an adapter for another base or another token layout; reads only its gist.json.

    Raises:
        UserError: it is for another, or its gist.json is damaged.
    """
    try:
        gist = read_object(folder / "gist.json")
        layout, wanted = gist["layout_version"], gist["base_model_fingerprint"]
    except UNREADABLE as error:
        raise _unreadable(folder, error) from error
    if layout != LAYOUT_VERSION:
        raise UserError(
            "The gist adapter in {folder} uses token layout {layout}; this program uses {ours}.",
            "Train it again with this version, or use the version that made it.",
            folder=folder,
            layout=layout,
            ours=LAYOUT_VERSION,
        )
    if wanted != base_fingerprint:
        raise UserError(
            "The gist adapter in {folder} was trained for another base model.",
            "Choose the base model it was trained for, or train an adapter for this one.",
            folder=folder,
        )


def _unreadable(folder: Path, error: Exception) -> UserError:
    return UserError(
        "The gist adapter in {folder} cannot be read ({reason}).",
        "Train or import the adapter again.",
        folder=folder,
        reason=error,
    )


def _adapter(gist: dict[str, Any], config: dict[str, Any], tensors: dict[str, Tensor]) -> Adapter:
    lora, scaling = lora_factors(config, tensors)
    ids, rows = tuple(_count(i) for i in gist["gist_ids"]), tensors[_GIST_ROWS]
    if ids != tuple(range(ids[0], ids[0] + len(ids))) or rows.shape[:1] != (len(ids),):
        raise ValueError("gist ids are not consecutive, or do not have a row each")
    segment_tokens = _count(gist["segment_tokens"])
    if segment_tokens < 1:
        raise ValueError("its segment length is impossible")
    return Adapter(lora, scaling, rows, ids, segment_tokens, trained_ratios(gist))


def trained_ratios(gist: Mapping[str, Any]) -> tuple[float, float] | None:
    """The lowest and highest ratio an adapter was trained at, from its gist.json; None if it does not say.

    Raises:
        ValueError, TypeError: they are not ratios.
    """
    if "ratios" not in gist:
        return None
    low, high = (float(ratio) for ratio in gist["ratios"])
    if not 1 <= low <= high < math.inf:
        raise ValueError("the ratios that it was trained for are impossible")
    return low, high


def lora_factors(config: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict[str, tuple[Tensor, Tensor]], float]:
    """The factors by layer and their scaling; see `Adapter`. Raises any of `UNREADABLE`."""
    if any(config.get(name) for name in _UNREAD):
        raise ValueError(Sentence("it uses an option that is not supported ({names})", names=", ".join(_UNREAD)))
    if not all(t.dtype in _DTYPES and t.ndim == 2 and bool(t.isfinite().all()) for t in tensors.values()):
        raise ValueError("one of its tensors is not a matrix of finite 16- or 32-bit numbers")
    names = [name.removeprefix(_PREFIX).removesuffix(".lora_A.weight") for name in tensors if ".lora_A." in name]
    lora = {
        name: (tensors[f"{_PREFIX}{name}.lora_A.weight"], tensors[f"{_PREFIX}{name}.lora_B.weight"]) for name in names
    }
    rank = _count(config["r"])
    scaling = float(config["lora_alpha"]) / rank
    if not math.isfinite(scaling):
        raise ValueError("its scaling is impossible")
    if any(a.shape[0] == b.shape[1] != rank for a, b in lora.values()):
        raise ValueError("its factors do not have the rank that it states")
    return lora, scaling


def peft_steps(gist_ids: Sequence[int]) -> list[str]:
    """Lines of Python that load an adapter's folder onto its base, `model`; `folder` is the folder's name.

    peft writes the gist rows into the base's table, which may end where the tokenizer does (Llama 3.1).
    """
    n_rows = gist_ids[-1] + 1
    return [
        "from peft import PeftModel",
        f"if model.get_input_embeddings().num_embeddings < {n_rows}:",
        f"    model.resize_token_embeddings({n_rows}, mean_resizing=False)",
        "model = PeftModel.from_pretrained(model, folder)",
    ]


def _count(value: Any) -> int:
    """A count or an id; nothing that merely looks like one."""
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(Sentence("{value} is not a count", value=str(value)[:20]))
    return value


def check_shapes(folder: Path, stack: nn.Module, adapter: Adapter) -> None:
    # a quantized weight is not shaped like its layer
    shapes = {name: (m.out_features, m.in_features) for name, m in stack.named_modules() if isinstance(m, nn.Linear)}
    if adapter.gist_rows.shape[1] != stack.get_parameter("embed_tokens.weight").shape[1]:
        raise UserError(
            "The gist adapter in {folder} does not fit the base model's embedding.",
            "Choose the base model it was trained for.",
            folder=folder,
        )
    for name, (a, b) in adapter.lora.items():
        if shapes.get(name) != (b.shape[0], a.shape[1]) or a.shape[0] != b.shape[1]:
            raise UserError(
                "The gist adapter in {folder} does not fit the base model's layer {name}.",
                "Choose the base model it was trained for.",
                folder=folder,
                name=name,
            )


def lora_tensors(adapter: Adapter) -> dict[str, Tensor]:
    """The factors in float16, by peft's names."""
    tensors = {}
    for name, (a, b) in adapter.lora.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = a
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = b
    return {name: t.detach().to("cpu", torch.float16).contiguous() for name, t in tensors.items()}


def lora_config(adapter: Adapter, base_model: str) -> dict[str, Any]:
    """The content of peft's `adapter_config.json`."""
    rank = next(iter(adapter.lora.values()))[0].shape[0]
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": rank,
        "lora_alpha": adapter.scaling * rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({name.rsplit(".", 1)[-1] for name in adapter.lora}),
        "inference_mode": True,
    }


def write_adapter(
    folder: Path,
    adapter: Adapter,
    *,
    base_model: str,
    base_fingerprint: str,
    measured: list[dict[str, Any]],
    precision: str = "",
) -> None:
    """Write `adapter_config.json`, `adapter_model.safetensors` and `gist.json`, as peft would read them.

    Args:
        folder: created if missing.
        adapter: stored in float16.
        base_model: name or path of the base, for peft.
        base_fingerprint: of the files of the base it was trained on.
        measured: rows of the table of measured accuracies; may be empty.
        precision: the one the base was held in, see `gistdesk.core.precision`; "" if unknown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = adapter.gist_rows.detach().to("cpu", torch.float16).contiguous()
    tensors = {_GIST_ROWS: rows, **lora_tensors(adapter)}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = lora_config(adapter, base_model)
    config["trainable_token_indices"] = {"embed_tokens": list(adapter.gist_ids)}
    gist = {
        "layout_version": LAYOUT_VERSION,
        "gist_ids": list(adapter.gist_ids),
        "segment_tokens": adapter.segment_tokens,
        "base_model_fingerprint": base_fingerprint,
        **({"precision": precision} if precision else {}),
        **({"ratios": list(adapter.ratios)} if adapter.ratios else {}),
        "to_load_with_peft": peft_steps(adapter.gist_ids),
        "measured": measured,
    }
    for name, content in (("adapter_config.json", config), ("gist.json", gist)):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
