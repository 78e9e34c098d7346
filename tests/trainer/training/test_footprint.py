"""The bytes that a step is said to keep are those that real layers keep, counted on the meta device."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface, DynamicCache, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from gistdesk.core.adapter import Adapter, branched_encoder
from trainer.training.footprint import Shape, answering_bytes, encoding_bytes, logits_bytes, shape_of_model
from trainer.training.recompute import recomputing_encoder, recomputing_layers

RANK, TOKENS = 64, 1024
SIZES: dict[str, dict[str, int]] = {
    "135m": {"vocab_size": 49152, "hidden_size": 576, "num_hidden_layers": 30, "intermediate_size": 1536},
    "1b": {"vocab_size": 128256, "hidden_size": 2048, "num_hidden_layers": 16, "intermediate_size": 8192},
    "8b": {"vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 14336},
}
HEADS = {"135m": (9, 3), "1b": (32, 8), "8b": (32, 8)}
every_size = pytest.mark.parametrize("size", SIZES)
both_ways = pytest.mark.parametrize("recomputed", [False, True], ids=["kept", "recomputed"])


class _Attention(torch.autograd.Function):
    """Keeps what a fused kernel keeps; on the meta device PyTorch's own would make a square matrix."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        given = torch.empty_like(q)
        ctx.save_for_backward(q, k, v, given, q.new_empty(q.shape[:3], dtype=torch.float32))
        return given

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.empty_like(x) for x in ctx.saved_tensors[:3])


def fused(module: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, **_: Any) -> tuple[Tensor, None]:
    if mask is not None:
        n = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(n, 1), v.repeat_interleave(n, 1)
    # (batch, tokens, heads, head_dim) in memory, as the kernels on a card and on a CPU leave it
    given: Tensor = _Attention.apply(q.transpose(1, 2).contiguous().transpose(1, 2), k, v)
    return given.transpose(1, 2), None


AttentionInterface.register("fused", fused)


class Peak(TorchDispatchMode):
    """The most bytes of new tensors that were alive at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.most = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._meet(tensor.untyped_storage())
        return result

    def ignore(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            self._known[tensor.untyped_storage()._cdata] = None

    def _meet(self, storage: torch.UntypedStorage) -> None:
        place, n_bytes = storage._cdata, storage.nbytes()
        if place in self._known:
            return

        def gone(_: object) -> None:
            self.alive -= n_bytes
            del self._known[place]

        self._known[place] = weakref.ref(storage, gone)
        self.alive += n_bytes
        self.most = max(self.most, self.alive)


def on_meta(size: str, *, qwen: bool = False) -> tuple[Any, Adapter, Shape]:
    heads, kv_heads = HEADS[size]
    settings = {**SIZES[size], "num_attention_heads": heads, "num_key_value_heads": kv_heads}
    config = (Qwen3Config if qwen else LlamaConfig)(**settings, attn_implementation="fused", use_cache=True)
    with torch.device("meta"):
        base: Any = (Qwen3ForCausalLM if qwen else LlamaForCausalLM)(config).to(torch.bfloat16)
        lora = {
            name: (nn.Parameter(torch.empty(RANK, m.in_features)), nn.Parameter(torch.empty(m.out_features, RANK)))
            for name, m in base.model.named_modules()
            if isinstance(m, nn.Linear)
        }
        rows = nn.Parameter(torch.empty(25, config.hidden_size))
    base.requires_grad_(False)
    return base, Adapter(lora, 1.0, rows, tuple(range(100, 125)), 3000), shape_of_model(base)


def peak_of(base: Any, adapter: Adapter, work: Callable[[], Any], backward: Callable[[Any], None]) -> int:
    """Without the gradients of the adapter, which are counted elsewhere."""
    tracker = Peak()
    pairs = [t for pair in adapter.lora.values() for t in pair]
    tracker.ignore(*base.parameters(), *base.buffers(), *pairs, adapter.gist_rows)
    for parameter in [*pairs, adapter.gist_rows]:
        parameter.grad = torch.empty_like(parameter)
        tracker.ignore(parameter.grad)
    with tracker:
        backward(work())
    return tracker.most


@both_ways
@every_size
def test_encoding_keeps_what_is_said(size: str, recomputed: bool) -> None:
    base, adapter, shape = on_meta(size)
    assert_encoding(base, adapter, shape, recomputed)


@both_ways
def test_a_layer_that_norms_its_heads_keeps_more(recomputed: bool) -> None:
    base, adapter, shape = on_meta("1b", qwen=True)
    assert shape.has_head_norms
    assert_encoding(base, adapter, shape, recomputed)


def assert_encoding(base: Any, adapter: Adapter, shape: Shape, recomputed: bool) -> None:
    encode = (recomputing_encoder if recomputed else branched_encoder)(base.model, adapter)
    ids = torch.zeros(1, TOKENS, dtype=torch.long, device="meta")

    def work() -> Tensor:
        return torch.stack([layer.keys[:, :, -9:] * 1 for layer in encode(ids).layers])  # the slots alone go on

    most = peak_of(base, adapter, work, lambda kv: torch.autograd.backward(kv, torch.empty_like(kv)))
    said = encoding_bytes(shape, TOKENS, rank=RANK, width=2, recomputed=recomputed)
    assert said == pytest.approx(most, rel=0.1), (said / 2**20, most / 2**20)


@both_ways
@every_size
def test_answering_keeps_what_is_said(size: str, recomputed: bool) -> None:
    base, adapter, shape = on_meta(size)
    config = base.config
    head_dim = config.hidden_size // config.num_attention_heads
    gist = torch.empty(
        shape.n_layers, 2, 8, config.num_key_value_heads, 4, head_dim, device="meta", dtype=torch.bfloat16
    ).requires_grad_()
    ids = torch.zeros(8, TOKENS // 8, dtype=torch.long, device="meta")
    mask = torch.ones(8, 4 + TOKENS // 8, dtype=torch.long, device="meta")

    def work() -> Tensor:
        cache = DynamicCache([(layer[0], layer[1]) for layer in gist.unbind(0)], config=config)
        with recomputing_layers(base.model, recomputed):
            hidden: Tensor = base.model(input_ids=ids, past_key_values=cache, attention_mask=mask).last_hidden_state
        return hidden

    most = peak_of(base, adapter, work, lambda hidden: torch.autograd.backward(hidden, torch.empty_like(hidden)))
    said = answering_bytes(shape, TOKENS, width=2, recomputed=recomputed)
    assert said == pytest.approx(most, rel=0.1), (said / 2**20, most / 2**20)


@pytest.mark.parametrize("distilled", [False, True])
@every_size
def test_logits_take_what_is_said(size: str, distilled: bool) -> None:
    base, adapter, shape = on_meta(size)
    hidden = torch.empty(256, shape.hidden_size, device="meta", dtype=torch.bfloat16).requires_grad_()
    wanted = torch.zeros(256, dtype=torch.long, device="meta")

    def work() -> Tensor:
        logits = base.lm_head(hidden).float()
        loss = nn.functional.cross_entropy(logits, wanted)
        if distilled:
            loss = loss + logits.log_softmax(-1).gather(1, wanted[:, None]).mean()
        return loss

    most = peak_of(base, adapter, work, lambda loss: torch.autograd.backward(loss))
    said = logits_bytes(shape, 256, distilled=distilled)
    assert said == pytest.approx(most, rel=0.1), (said / 2**20, most / 2**20)
