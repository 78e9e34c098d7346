"""Tiny GGUF files, written by the format's own library and by the conventions of llama.cpp's converter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from tests.core.tiny_models import TEMPLATE, Kind, tiny_base, tiny_tokenizer

_TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_PARTS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
Quantization = gguf.GGMLQuantizationType


def write_gguf(
    path: Path,
    kind: Kind = Kind(),  # noqa: B008  (frozen)
    *,
    family: str = "",
    quantization: Quantization = Quantization.F32,
    change: Callable[[gguf.GGUFWriter], Any] = lambda writer: None,
    tensors: Callable[[str, np.ndarray], np.ndarray | None] = lambda name, data: data,
    **changes: Any,
) -> Any:
    """Write a tiny model of a kind -> the model, with the weights that the file holds, rounded to bfloat16.

    Args:
        family: what the file calls it, if not by its name.
        quantization: of its matrices.
        change: may add to the metadata, or change it.
        tensors: may change one by its name in the file; None leaves it out.
    """
    base = tiny_base(kind, **{"intermediate_size": 64, "max_position_embeddings": 16384, **changes})
    config, family = base.config, family or kind.family
    writer = gguf.GGUFWriter(path, family)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    _add_rope(writer, config)
    _add_tokenizer(writer, kind, config.vocab_size)
    change(writer)
    for name, weight in base.state_dict().items():
        if kind.tied and name == "lm_head.weight":
            continue
        data = weight.float().numpy()
        if kind.family in ("llama", "mistral") and (".q_proj." in name or ".k_proj." in name):
            data = _turned(data, config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads)
        changed = tensors(_name(name), data)
        if changed is None:
            continue
        held = quantization if changed.ndim == 2 else Quantization.F32
        packed = gguf.quants.quantize(changed, held)
        writer.add_tensor(_name(name), packed, raw_dtype=held)
        back = gguf.quants.dequantize(packed, held)
        if kind.family in ("llama", "mistral") and (".q_proj." in name or ".k_proj." in name):
            back = _turned_back(back, config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads)
        if changed.shape == data.shape:
            weight.copy_(torch.from_numpy(np.array(back)).to(torch.bfloat16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return base


def _name(name: str) -> str:
    owner, _, what = name.rpartition(".")
    if owner in _TOP:
        return f"{_TOP[owner]}.{what}"
    _, _, layer, part = owner.split(".", 3)
    return f"blk.{layer}.{_PARTS[part]}.{what}"


def _turned(data: np.ndarray, n_heads: int) -> np.ndarray:
    """A head's two halves of rows take turns, as llama.cpp's rotation wants them."""
    halves = data.reshape(n_heads, 2, data.shape[0] // n_heads // 2, *data.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(data.shape))


def _turned_back(data: np.ndarray, n_heads: int) -> np.ndarray:
    pairs = data.reshape(n_heads, data.shape[0] // n_heads // 2, 2, *data.shape[1:])
    return pairs.swapaxes(1, 2).reshape(data.shape)


def _add_rope(writer: gguf.GGUFWriter, config: Any) -> None:
    rope = config.rope_parameters
    if rope["rope_type"] in ("linear", "yarn"):
        kind = {"linear": gguf.RopeScalingType.LINEAR, "yarn": gguf.RopeScalingType.YARN}[rope["rope_type"]]
        writer.add_rope_scaling_type(kind)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope.get("original_max_position_embeddings", 4096))
    elif rope["rope_type"] == "llama3":
        factors = []
        for i in range(0, config.head_dim, 2):
            wave = 2 * np.pi * rope["rope_theta"] ** (i / config.head_dim)
            share = (rope["original_max_position_embeddings"] / wave - 1) / 3
            share = min(1.0, max(0.0, share))
            factors.append(1 / ((1 - share) / rope["factor"] + share))
        writer.add_tensor("rope_freqs.weight", np.array(factors, np.float32))


def _add_tokenizer(writer: gguf.GGUFWriter, kind: Kind, vocab_size: int) -> None:
    tokenizer = tiny_tokenizer(kind.chat, kind.bos)
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = {
        tokenizer.convert_tokens_to_ids(token) for token in ("<|begin|>", "<|user|>", "<|assistant|>", "<|end|>")
    }
    kinds = [gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for i in range(len(tokens))]
    spare = vocab_size - len(tokens)
    tokens, kinds = tokens + [f"[PAD{i}]" for i in range(spare)], kinds + [gguf.TokenType.UNUSED] * spare
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    if kind.bos:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if kind.chat:
        writer.add_chat_template(TEMPLATE)
