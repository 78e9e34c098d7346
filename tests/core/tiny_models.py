"""Tiny real models for tests: random weights, every supported family, a real byte-level tokenizer, a random adapter.

Nothing here is a mock. The weights are larger than an untrained model's, so that logits are of order one and a wrong
mask, position or slot shows. Knows nothing of what is tested with it.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from gistdesk.core.adapter import Adapter, branched_encoder, merged_encoder, write_adapter
from gistdesk.core.compress import compress
from gistdesk.core.fingerprint import model_fingerprint
from gistdesk.core.gist import GistKV
from gistdesk.core.model import GistModel, ModelIdentity
from gistdesk.core.plan import plan_tokens

N_GIST = 8
SEGMENT_TOKENS = 24
N_LAYERS, N_KV_HEADS, HEAD_DIM = 2, 2, 8
SPECIAL = ("<|begin|>", "<|user|>", "<|assistant|>", "<|end|>")
TEMPLATE = (
    "{{ '<|begin|>' }}{% for message in messages %}{% if message['role'] == 'assistant' %}{{ message['content'] + "
    "'<|end|>' }}{% else %}{{ '<|user|>' + message['content'] }}{% if message['role'] == 'user' and (not loop.last or "
    "add_generation_prompt) %}{{ '<|assistant|>' }}{% endif %}{% endif %}{% endfor %}"
)
TEXT = (
    "The harbour was quiet. A grey cat slept on the wall; nobody woke it! Had the boat come back? It had not.\n"
    "The pass key is 71432. Remember it. 71432 is the pass key.\n"
    "대한민국은 민주공화국이다. 모든 권력은 국민으로부터 나온다.\n"
    "비밀번호는 무엇입니까? The keeper counted the lamps twice, wrote the number down and went home.\n"
)

_ROPE: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default"},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "yarn": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 512},
}
ROPES = tuple(_ROPE)


@dataclass(frozen=True)
class Kind:
    """What a tiny model is like.

    Attributes:
        family: "llama", "mistral", "qwen2" or "qwen3".
        rope: of `ROPES`.
        tied: the output matrix is the embedding.
        attention: "sdpa" or "eager".
        reserved: the gist ids are rows of the base's vocabulary; otherwise they lie behind it.
        chat: the tokenizer has a chat template.
        bos: the tokenizer has a token that begins every text.
        dtype: of the weights.
    """

    family: str = "llama"
    rope: str = "default"
    tied: bool = True
    attention: str = "sdpa"
    reserved: bool = True
    chat: bool = True
    bos: bool = True
    dtype: torch.dtype = torch.float32

    def __str__(self) -> str:
        return f"{self.family}-{self.rope}-{'tied' if self.tied else 'untied'}-{self.attention}"


PLAIN = Kind()
KINDS = (
    PLAIN,
    Kind("llama", "llama3", tied=False, attention="eager", reserved=False),
    Kind("llama", "linear", tied=False, chat=False),
    Kind("llama", "yarn", attention="eager", bos=False),
    Kind("mistral", "default", tied=False, attention="eager"),
    Kind("mistral", "yarn", tied=False, reserved=False, chat=False),
    Kind("qwen2", "default", attention="eager", bos=False),
    Kind("qwen2", "linear", tied=False, bos=False, reserved=False),
    Kind("qwen3", "llama3", bos=False),
    Kind("qwen3", "yarn", tied=False, attention="eager", bos=False, chat=False),
)
"""Every family, both attentions, every kind of positions, tied and untied, with and without BOS and template."""


@cache
def tiny_tokenizer(chat: bool = True, bos: bool = True, n_merges: int = 60) -> PreTrainedTokenizerFast:
    """A byte-level BPE of a few hundred tokens; Hangul syllables mostly stay three byte tokens each."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(SPECIAL) + len(alphabet) + n_merges,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SPECIAL[0] if bos else None,
        eos_token=SPECIAL[3],
        pad_token=SPECIAL[3],
        additional_special_tokens=list(SPECIAL[1:3]),
        clean_up_tokenization_spaces=False,
    )
    if chat:
        fast.chat_template = TEMPLATE
    return fast


def gist_ids_of(kind: Kind) -> tuple[int, ...]:
    """Reserved rows at the end of the vocabulary, or the ids just behind it."""
    first = len(tiny_tokenizer(kind.chat, kind.bos))
    return tuple(range(first, first + N_GIST))


def tiny_base(kind: Kind, seed: int = 0, **changes: Any) -> Any:
    """A causal decoder with random weights, two layers, and two query heads per key head."""
    tokenizer = tiny_tokenizer(kind.chat, kind.bos)
    settings = {
        "vocab_size": len(tokenizer) + (N_GIST if kind.reserved else 0),
        "hidden_size": 32,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 2 * N_KV_HEADS,
        "num_key_value_heads": N_KV_HEADS,
        "head_dim": HEAD_DIM,
        "intermediate_size": 48,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_theta": 10000.0, **_ROPE[kind.rope]},
        "tie_word_embeddings": kind.tied,
        "initializer_range": 0.25,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "sliding_window": None,
    }
    config = AutoConfig.for_model(kind.family, **{**settings, **changes})
    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_config(config, attn_implementation=kind.attention)
    for name, weight in base.named_parameters():
        if "norm" in name:  # ones would hide a norm that is missing or applied twice
            weight.data.uniform_(0.5, 1.5)
        if name.endswith("bias"):
            weight.data.normal_(0.0, 0.25)
    return base.eval().requires_grad_(False)


def tiny_adapter(stack: Any, gist_ids: tuple[int, ...], *, rank: int = 3, seed: int = 1) -> Adapter:
    """An adapter as after long training: B is far from zero on every linear layer of the stack.

    Its numbers are float16 ones, so that writing it to a folder loses nothing.
    """
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return (torch.randn(*shape, generator=random) * 0.2).half().float()

    lora = {}
    for name, module in stack.named_modules():
        if isinstance(module, torch.nn.Linear):
            lora[name] = (draw(rank, module.in_features), draw(module.out_features, rank))
    hidden_size = stack.config.hidden_size
    return Adapter(lora, 2.0, 2 * draw(len(gist_ids), hidden_size), gist_ids, SEGMENT_TOKENS)


every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
IDENTITY = ModelIdentity("tiny", "0" * 32, "1" * 32, "2" * 32)


def tiny_model(
    kind: Kind = PLAIN, *, seed: int = 0, branched: bool = False, adapter: Adapter | None = None, **changes: Any
) -> GistModel:
    """Base, tokenizer and adapter, put together by hand; `load_model` makes the same from `write_model`'s folder."""
    base = tiny_base(kind, seed, **changes)
    adapter = adapter or tiny_adapter(base.model, gist_ids_of(kind))
    wrap = branched_encoder if branched else merged_encoder
    tokenizer = tiny_tokenizer(kind.chat, kind.bos)
    return GistModel(base, tokenizer, IDENTITY, adapter, wrap(base.model, adapter))


def write_model(folder: Path, kind: Kind = PLAIN, *, seed: int = 0, **changes: Any) -> Path:
    """A model's folder with its adapter inside, as a user has it; returns the folder."""
    base = tiny_base(kind, seed, **changes)
    base.save_pretrained(folder)
    tiny_tokenizer(kind.chat, kind.bos).save_pretrained(folder)
    write_adapter(
        folder / "adapter",
        tiny_adapter(base.model, gist_ids_of(kind)),
        base_model=str(folder),
        base_fingerprint=model_fingerprint(folder),
        measured=[],
    )
    return folder


def random_ids(random: torch.Generator, n_tokens: int, kind: Kind = PLAIN) -> torch.Tensor:
    """(n_tokens,) random ordinary tokens, neither special nor gist tokens."""
    return torch.randint(len(SPECIAL), len(tiny_tokenizer(kind.chat, kind.bos)), (n_tokens,), generator=random)


def tensors_of(base: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of a model, buffers included."""
    yield from base.named_parameters()
    yield from base.named_buffers()


def merged_base(model: GistModel) -> Any:
    """A copy of the base whose own weights are W + scaling * B A: the adapter on everywhere, in both passes."""
    adapter = model.adapter
    assert adapter is not None
    copy = deepcopy(model.causal_lm)
    for name, (a, b) in adapter.lora.items():
        copy.model.get_parameter(f"{name}.weight").data += adapter.scaling * b @ a
    return copy


def tiny_gist(model: GistModel, n_tokens: int, *, ratio: float = 6.0, seed: int = 7) -> GistKV:
    """The gist of a random document, by the same way as a user's."""
    ids = random_ids(torch.Generator().manual_seed(seed), n_tokens)
    *_, gist = compress(model, plan_tokens(model, ids, ratio=ratio))
    return gist
