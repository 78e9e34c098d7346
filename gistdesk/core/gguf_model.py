"""Converts a GGUF file once into a model folder: its weights in 16 bits, its configuration, its tokenizer.

One tensor after another, a few megabytes at a time: memory use does not grow with the model. Knows the
names and conventions of llama.cpp's converter; does not know where such folders are kept.
"""

import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from gistdesk.core.errors import UserError
from gistdesk.core.families import FAMILIES
from gistdesk.core.gguf_header import KINDS, GgufHeader, GgufTensor, read_gguf_header
from gistdesk.core.model_config import check_weights, first_line
from gistdesk.core.model_config import config_of as built_config
from gistdesk.core.sentences import Sentence

_PIECE_VALUES = 2**23
"""Dequantized at a time; 32 MiB."""
_BESIDE_BYTES = 64 * 2**20
"""The most that tokenizer and configuration take."""
_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_PARTS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_IN_LAYER = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")
_ROPE_FACTORS = "rope_freqs.weight"
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""The same for every Llama 3.1 to 3.3; a file only has the resulting factors."""


def convert(path: Path, folder: Path, beside: Mapping[str, bytes] = MappingProxyType({})) -> Iterator[float]:
    """Write the model in a GGUF file to `folder`, which appears only at the very end; yields the share done.

    If interrupted, `folder` is complete or absent. The same file always gives the same weights.

    Args:
        beside: small files to put into the folder as well, by name.

    Raises:
        UserError: the file is damaged or holds what cannot be loaded, or the folder cannot be written.
    """
    header = read_gguf_header(path)
    config = config_of(header, path)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _check_space(header, unfinished)
        _write_json(unfinished / "config.json", config)
        ends: dict[str, Any] = {
            name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id") if name in config
        }
        _write_json(unfinished / "generation_config.json", ends)
        for name, content in beside.items():
            (unfinished / name).write_bytes(content)
        yield 0.0
        _write_tokenizer(path, header, unfinished)
        yield from _write_weights(path, header, config, unfinished / "model.safetensors")
        unfinished.rename(folder)
    except ValueError as error:
        raise UserError(
            "The model file {path} is damaged ({reason}).", "Download or copy it again.", path=path, reason=error
        ) from error
    except OSError as error:
        raise UserError(
            "The model {path} cannot be kept in {folder} ({reason}).",
            "Check the disk and who owns the folder.",
            path=path,
            folder=folder,
            reason=error.strerror or error,
        ) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(unfinished, ignore_errors=True)


def converted_bytes(header: GgufHeader) -> int:
    """What the folder takes on disk, erring on the high side."""
    return 2 * header.n_weights + _BESIDE_BYTES


def _check_space(header: GgufHeader, folder: Path) -> None:
    needed, free = converted_bytes(header), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            "The model needs {needed:,.1f} GiB; {free:,.1f} GiB are free in {folder}.",
            "Free some space and try again.",
            needed=needed / 2**30,
            free=free / 2**30,
            folder=folder.parent,
        )


# ---- configuration


def config_of(header: GgufHeader, path: Path) -> dict[str, Any]:
    """The model's config.json, from the metadata that llama.cpp's converter derived from one.

    Raises:
        UserError: something is missing, or would make the model load wrongly.
    """
    try:
        config = _config(header, path)
        shapes = {_name(name): tensor.shape for name, tensor in header.tensors.items() if name != _ROPE_FACTORS}
        check_weights(built_config(config), shapes)
        return config
    except (ValueError, ArithmeticError, TypeError, LookupError) as error:
        raise UserError(
            "The model in {folder} cannot be loaded ({reason}).",
            "Use a different model file, or another model.",
            folder=path,
            reason=error,
        ) from error


def _config(header: GgufHeader, path: Path) -> dict[str, Any]:
    family, values, tensors = header.family, header.values, header.tensors

    def said(key: str, default: Any = None) -> Any:
        found = values.get(f"{family}.{key}", default)
        if found is None or isinstance(found, str) or not math.isfinite(found):
            raise ValueError(Sentence("its header lacks {key}", key=f"{family}.{key}"))
        return found

    if "token_embd.weight" not in tensors or len(tensors["token_embd.weight"].shape) != 2:
        raise ValueError("its weights lack token_embd.weight")
    if said("expert_count", 0):
        raise ValueError("it is a mixture of experts")
    n_heads = int(said("attention.head_count"))
    hidden_size = int(said("embedding_length"))
    if n_heads < 1:
        raise ValueError(Sentence("its header lacks {key}", key=f"{family}.attention.head_count"))
    head_dim = int(said("attention.key_length", hidden_size // n_heads))
    if int(said("rope.dimension_count", head_dim)) != head_dim:
        raise ValueError("its positions rotate only a part of each head")
    config: dict[str, Any] = {
        "architectures": [f"{family.capitalize()}ForCausalLM"],
        "model_type": family,
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "vocab_size": tensors["token_embd.weight"].shape[0],
        "hidden_size": hidden_size,
        "intermediate_size": int(said("feed_forward_length")),
        "num_hidden_layers": int(said("block_count")),
        "num_attention_heads": n_heads,
        "num_key_value_heads": int(said("attention.head_count_kv", n_heads)),
        "head_dim": head_dim,
        "max_position_embeddings": int(said("context_length")),
        "rms_norm_eps": _decimal(said("attention.layer_norm_rms_epsilon")),
        "rope_parameters": _rope(header, head_dim, path),
        "tie_word_embeddings": "output.weight" not in tensors,
        "attention_bias": "blk.0.attn_q.bias" in tensors,
    }
    if values.get(f"{family}.attention.sliding_window"):
        raise ValueError("some of its layers see only a part of the text (sliding window)")
    if FAMILIES[family].usual_window:
        config["sliding_window"] = None
    for name, key in {"bos": "bos", "eos": "eos", "pad": "padding"}.items():
        token = values.get(f"tokenizer.ggml.{key}_token_id")
        if isinstance(token, int) and 0 <= token < config["vocab_size"]:
            config[f"{name}_token_id"] = token
    return config


def _rope(header: GgufHeader, head_dim: int, path: Path) -> dict[str, Any]:
    values, family = header.values, header.family
    base = float(values.get(f"{family}.rope.freq_base", 10000.0))
    kind = values.get(f"{family}.rope.scaling.type", "none")
    factor = float(values.get(f"{family}.rope.scaling.factor", values.get(f"{family}.rope.scale_linear", 1.0)))
    original = values.get(f"{family}.rope.scaling.original_context_length")
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": base}
    if (tensor := header.tensors.get(_ROPE_FACTORS)) is not None:
        factor = _llama3_factor(path, tensor, base, head_dim)
        return rope if factor == 1.0 else rope | {"rope_type": "llama3", "factor": factor} | _LLAMA3
    if kind == "yarn" and original:
        return rope | {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": int(original)}
    if kind in ("none", "linear"):
        return rope if factor == 1.0 else rope | {"rope_type": "linear", "factor": factor}
    raise ValueError("its positions are scaled in an unknown way")


def _llama3_factor(path: Path, tensor: GgufTensor, base: float, head_dim: int) -> float:
    """The factor of Llama 3.1's scaling that yields the file's frequency factors; 1.0: they are not scaled."""
    if tensor.shape != (head_dim // 2,) or KINDS[tensor.kind][0] != "F32":
        raise ValueError("its positions are scaled in an unknown way")
    with path.open("rb") as stream:
        said = _values(stream, tensor, 0, head_dim // 2)
    factor = round(float(said.max()), 3)
    low, high, original = _LLAMA3.values()
    wave = 2 * math.pi * base ** (np.arange(head_dim // 2) * 2 / head_dim)
    smooth = ((original / wave - low) / (high - low)).clip(0.0, 1.0)
    if not np.allclose(said, 1 / ((1 - smooth) / factor + smooth), rtol=1e-3):
        raise ValueError("its positions are scaled in an unknown way")
    return factor


def _decimal(value: float) -> float:
    """The decimal that a person wrote before it became a 32-bit number: 1e-05, not 9.999999747378752e-06."""
    return float(f"{value:.6g}")


# ---- weights


def _name(tensor: str) -> str:
    """A tensor's name in transformers.

    Raises:
        ValueError: no supported family has it.
    """
    if tensor in _NAMES:
        return _NAMES[tensor]
    found = _IN_LAYER.fullmatch(tensor)
    if found is None or found[2] not in _PARTS:
        raise ValueError(Sentence("its weights hold {name}, which it has no place for", name=tensor))
    return f"model.layers.{int(found[1])}.{_PARTS[found[2]]}.{found[3]}"


def _write_weights(path: Path, header: GgufHeader, config: dict[str, Any], target: Path) -> Iterator[float]:
    """One safetensors file, tensor by tensor: the library would want all of them in memory."""
    tensors = {_name(name): tensor for name, tensor in header.tensors.items() if name != _ROPE_FACTORS}
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + 2 * math.prod(tensor.shape)
        table[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    opening = json.dumps(table, separators=(",", ":")).encode()
    opening += b" " * (-len(opening) % 8)
    with path.open("rb") as source, target.open("wb") as stream:
        stream.write(len(opening).to_bytes(8, "little") + opening)
        done = 0
        for name, tensor in tensors.items():
            for piece in _rows(source, tensor, _heads(name, config)):
                rounded = torch.from_numpy(piece).to(torch.bfloat16)
                stream.write(rounded.view(torch.int16).numpy().tobytes())
                done += piece.size
                yield 2 * done / end
        stream.flush()
        os.fsync(stream.fileno())


def _heads(name: str, config: dict[str, Any]) -> int:
    """The number of heads whose rows llama.cpp's converter reordered in a tensor; 0 for most."""
    if config["architectures"] not in (["LlamaForCausalLM"], ["MistralForCausalLM"]):
        return 0
    if ".q_proj." in name:
        return int(config["num_attention_heads"])
    return int(config["num_key_value_heads"]) if ".k_proj." in name else 0


def _rows(source: BinaryIO, tensor: GgufTensor, n_heads: int) -> Iterator[NDArray[np.float32]]:
    """A tensor in pieces of whole heads or rows; rows of a head are back in transformers' order."""
    n_rows = tensor.shape[0]
    width = math.prod(tensor.shape) // n_rows
    unit = n_rows // n_heads if n_heads else 1
    step = unit * max(1, _PIECE_VALUES // (unit * width)) if width > 1 else n_rows
    for first in range(0, n_rows, step):
        rows = min(step, n_rows - first)
        values = _values(source, tensor, first * width, rows * width)
        if n_heads:
            values = values.reshape(-1, unit // 2, 2, width).swapaxes(1, 2)
        yield np.require(values, requirements=["C", "W"])


def _values(source: BinaryIO, tensor: GgufTensor, first: int, n_values: int) -> NDArray[np.float32]:
    """Some of a tensor's numbers, flat; `first` and `n_values` are multiples of the block size."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    _, per_block, block_bytes = KINDS[tensor.kind]
    source.seek(tensor.start + first // per_block * block_bytes)
    data = source.read(n_values // per_block * block_bytes)
    if len(data) < n_values // per_block * block_bytes:
        raise ValueError("it was cut short while it was read")
    found = dequantize(np.frombuffer(data, np.uint8), GGMLQuantizationType(tensor.kind))
    return np.asarray(found, np.float32).reshape(-1)


# ---- tokenizer


def _write_tokenizer(path: Path, header: GgufHeader, folder: Path) -> None:
    """The file's vocabulary in transformers' format, with the word splitting its merges were learned with."""
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    if header.values.get("tokenizer.ggml.model") not in ("gpt2", "llama"):
        raise _no_tokenizer(path, Sentence("its kind is unknown"))
    try:
        tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(
            path.parent, gguf_file=path.name, local_files_only=True, trust_remote_code=False
        )
        if header.values.get("tokenizer.ggml.pre") == "smollm":  # transformers 5.23 takes it for GPT-2's
            tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
            )
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        settings = {name: getattr(tokenizer, name) for name in _SPECIAL if getattr(tokenizer, name) is not None}
        settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
        _write_json(folder / "tokenizer_config.json", settings)  # independent of the version of transformers
        if isinstance(template := header.values.get("tokenizer.chat_template"), str):
            (folder / "chat_template.jinja").write_text(template, encoding="utf-8", newline="\n")
    except MemoryError:
        raise
    except Exception as error:  # transformers and tokenizers check little of what they read, and fail in many ways
        raise _no_tokenizer(path, first_line(error)) from error


def _no_tokenizer(path: Path, reason: str) -> UserError:
    return UserError(
        "The tokenizer in {folder} cannot be read ({reason}).",
        "Use a different model file.",
        folder=path,
        reason=reason,
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
