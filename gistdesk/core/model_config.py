"""What a model folder declares, checked against bounds and against its weights before anything is built from it.

A configuration may be hostile, or belong to other weights: a model with a million layers takes minutes to fail, and one
with three of its six layers produces nonsense. Reads config.json and the headers of weight files; loads no weights.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import safe_open

from gistdesk.core.errors import UserError
from gistdesk.core.families import FAMILIES, OTHER_FAMILY, titles
from gistdesk.core.json_file import read_object
from gistdesk.core.sentences import Sentence, reason_of

_ROPE_TYPES = ("default", "linear", "llama3", "yarn")
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_WHOLE = {
    "vocab_size": 2**22,
    "hidden_size": 2**17,
    "intermediate_size": 2**20,
    "num_hidden_layers": 2**10,
    "num_attention_heads": 2**10,
    "num_key_value_heads": 2**10,
    "head_dim": 2**12,
    "max_position_embeddings": 2**27,
}
"""From one to this."""
_REAL = {"rms_norm_eps": 1.0, "rope_theta": 1e15}
"""From zero to this."""
_TRUTHS = ("attention_bias", "mlp_bias", "tie_word_embeddings")
_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")
_ROPES = ("rope_parameters", "rope_scaling")
_ROPE_WORDS = ("rope_type", "type", "truncate")
_KEPT = (*_WHOLE, *_REAL, *_TRUTHS, *_TOKENS, *_ROPES)
_ACTIVATIONS = ("silu", "swish")
_DTYPES = ("F32", "F16", "BF16")
_NEVER_USED = (".rotary_emb.inv_freq",)
"""Suffixes of names that old files hold beside the weights."""


def check_config(folder: Path) -> None:
    """Refuse what the engine would silently get wrong, what cannot be built, and weights of another model.

    Raises:
        UserError: says what is wrong.
    """
    read_config(folder)


def read_config(folder: Path) -> Any:
    """The configuration that the model is built from: the known fields of config.json, and nothing else.

    Raises:
        UserError: see `check_config`.
    """
    _check_files(folder)
    said = _said(folder)
    _check_attention(said)
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            "There are no safetensors weights in {folder}.",
            "Other weight files can run code when opened and are never read: get the safetensors version.",
            folder=folder,
        )
    try:
        config = config_of(said)
        check_weights(config, shapes_of(folder))
    except Exception as error:  # transformers has its own errors for unexpected values
        raise not_loaded(folder, error) from error
    return config


def _check_files(folder: Path) -> None:
    """A pipe or device among them would block forever; transformers opens whatever it finds."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.exists() and not path.is_file() and not path.is_dir():
                raise not_loaded(folder, ValueError(Sentence("{name} is not an ordinary file", name=path.name)))


def not_loaded(folder: Path, error: Exception) -> UserError:
    """For errors of transformers, tokenizers and safetensors about files that they check little."""
    return UserError(
        "The model in {folder} cannot be loaded ({reason}).",
        "Download or copy the folder again.",
        folder=folder,
        reason=first_line(error),
    )


def first_line(error: Exception) -> str:
    reason = reason_of(error)
    if isinstance(reason, Sentence):
        return reason
    return next(iter(reason.strip().splitlines()), type(error).__name__)[:300]


def config_of(said: Mapping[str, Any]) -> Any:
    """A transformers configuration, with its defaults for missing values.

    Raises:
        ValueError: something is out of bounds. Other errors are transformers' own.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    for name, most in _WHOLE.items():
        value = said.get(name)
        if value is not None and not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most):
            raise ValueError(Sentence("its config.json has an impossible {name}", name=name))
    for name, limit in _REAL.items():
        value = said.get(name)
        if value is not None and not (_is_number(value) and 0 <= value <= limit):
            raise ValueError(Sentence("its config.json has an impossible {name}", name=name))
    for name in _TRUTHS:
        if not isinstance(said.get(name), bool | None):
            raise ValueError(Sentence("its config.json has an impossible {name}", name=name))
    if said.get("hidden_act", "silu") not in _ACTIVATIONS:
        raise ValueError("its config.json has an impossible hidden_act")
    for rope in (said.get(name) or {} for name in _ROPES):
        numbers = [value for name, value in rope.items() if name not in _ROPE_WORDS]
        if not all(value is None or (_is_number(value) and 0 <= value <= _REAL["rope_theta"]) for value in numbers):
            raise ValueError("its config.json has impossible positions")
    kept = {name: said[name] for name in _KEPT if said.get(name) is not None}
    if FAMILIES[said["model_type"]].usual_window:
        kept["sliding_window"] = None  # the default would be restored otherwise
    try:
        config: Any = AutoConfig.for_model(said["model_type"], **kept)
    except StrictDataclassError as error:
        name = getattr(error, "field", "value")
        raise ValueError(Sentence("its config.json has an impossible {name}", name=name)) from error
    n_heads, n_kv_heads = config.num_attention_heads, config.num_key_value_heads
    if n_heads % n_kv_heads or _head_dim(config) < 2 or _head_dim(config) % 2:
        raise ValueError("its config.json has an impossible num_attention_heads")
    for name in _TOKENS:
        found = getattr(config, name)
        ids = found if isinstance(found, list) else [] if found is None else [found]
        if not all(isinstance(token, int) and -1 <= token < 2**31 for token in ids):
            raise ValueError(Sentence("its config.json has an impossible {name}", name=name))
    if not isinstance(config.pad_token_id, int) or not 0 <= config.pad_token_id < config.vocab_size:
        config.pad_token_id = None  # it would only affect its row of the embedding, in training
    return config


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights; others may be beside them, such as Mistral's own copies.

    Raises:
        ValueError: there are none, or their index is damaged.
    """
    index = folder / _INDEX
    if (folder / _SINGLE).is_file() or not index.is_file():
        names = [_SINGLE]
    else:
        names = sorted({str(name) for name in read_object(index)["weight_map"].values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors") or not (folder / name).is_file():
            raise ValueError(Sentence("{name} is missing", name=name[:80]))
    return [folder / name for name in names]


def shapes_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a model, from the headers of its weight files.

    Raises:
        ValueError: a file is missing, or a tensor occurs twice or has an unsupported type.
        OSError, SafetensorError: a file cannot be read.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in weight_files(folder):
        with safe_open(path, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118  (not a dictionary)
                part = opened.get_slice(name)
                if part.get_dtype() not in _DTYPES:
                    raise ValueError(Sentence("{name} is held in {dtype}", name=name, dtype=part.get_dtype()))
                if name in shapes:
                    raise ValueError(Sentence("{name} is there twice", name=name))
                shapes[name] = tuple(part.get_shape())
    return shapes


def check_weights(config: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check tensors against a configuration: none missing, none extra, each of the right shape.

    Raises:
        ValueError: names a wrong one.
    """
    left = dict(shapes)
    for name, shape in _wanted(config):
        found = left.pop(name, None)
        if found is None:
            raise ValueError(Sentence("its weights lack {name}", name=name))
        if found != shape:
            raise ValueError(Sentence("{name} does not fit its config.json", name=name))
    if config.tie_word_embeddings:
        left.pop("lm_head.weight", None)
    for name in left:
        if not name.endswith(_NEVER_USED):
            raise ValueError(Sentence("its weights hold {name}, which it has no place for", name=name[:80]))


def _wanted(config: Any) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all weights, as transformers names them."""
    family, size, inner = FAMILIES[config.model_type], config.hidden_size, config.intermediate_size
    head_dim = _head_dim(config)
    n_query, n_key = config.num_attention_heads * head_dim, config.num_key_value_heads * head_dim
    linear = {
        "self_attn.q_proj": (n_query, size),
        "self_attn.k_proj": (n_key, size),
        "self_attn.v_proj": (n_key, size),
        "self_attn.o_proj": (size, n_query),
        "mlp.gate_proj": (inner, size),
        "mlp.up_proj": (inner, size),
        "mlp.down_proj": (size, inner),
    }
    norms = {"input_layernorm": size, "post_attention_layernorm": size}
    if family.has_head_norms:
        norms |= {"self_attn.q_norm": head_dim, "self_attn.k_norm": head_dim}
    if family.biased is not None:
        biased = {f"self_attn.{name}" for name in family.biased}
    else:
        biased = {name for name in linear if name.startswith("self_attn") and config.attention_bias}
    if getattr(config, "mlp_bias", False):
        biased |= {name for name in linear if name.startswith("mlp")}
    yield "model.embed_tokens.weight", (config.vocab_size, size)
    for number in range(config.num_hidden_layers):
        layer = f"model.layers.{number}."
        for name, shape in linear.items():
            yield f"{layer}{name}.weight", shape
            if name in biased:
                yield f"{layer}{name}.bias", shape[:1]
        for name, width in norms.items():
            yield f"{layer}{name}.weight", (width,)
    yield "model.norm.weight", (size,)
    if not config.tie_word_embeddings:
        yield "lm_head.weight", (config.vocab_size, size)


def _head_dim(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _said(folder: Path) -> dict[str, Any]:
    """The contents of config.json."""
    try:
        said = read_object(folder / "config.json")
    except (OSError, ValueError) as error:
        raise UserError(
            "There is no readable config.json in {folder}.", "Give the folder of a model.", folder=folder
        ) from error
    return said


def _check_attention(said: dict[str, Any]) -> None:
    family = said.get("model_type")
    if not isinstance(family, str) or family not in FAMILIES:
        raise UserError(
            'Models of type "{family}" are not supported.',
            OTHER_FAMILY,
            family=family,
            families=titles(),
        )
    usual_window = FAMILIES[family].usual_window
    if said.get("quantization_config"):
        raise UserError(
            "The weights of this model are quantized already.", "Use the model's ordinary weights, in 16 or 32 bits."
        )
    window = said.get("sliding_window", usual_window)
    if window and said.get("use_sliding_window", usual_window is not None):
        raise UserError(
            "This model looks back only {window} tokens in some layers (sliding window).",
            "Every layer must see the whole gist: use a model with full attention in all layers.",
            window=window,
        )
    layers = said.get("layer_types") or ["full_attention"]
    kinds = {str(kind) for kind in (layers if isinstance(layers, list) else [layers])}
    if kinds != {"full_attention"}:
        raise UserError(
            "This model has layers without full attention ({kinds}).",
            "Use a model with full attention in all layers.",
            kinds=", ".join(sorted(kinds - {"full_attention"})),
        )
    rope = said.get("rope_parameters") or said.get("rope_scaling") or {}
    plain = isinstance(rope, dict) and not any(isinstance(value, dict) for value in rope.values())
    rope = rope if plain else {"rope_type": "one per kind of layer"}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in _ROPE_TYPES or rope.get("partial_rotary_factor", said.get("partial_rotary_factor", 1.0)) != 1.0:
        raise UserError(
            'This model\'s positions ("{what}" rotary embedding) cannot be moved exactly.',
            "Use a model with one of: {kinds}.",
            what=kind,
            kinds=", ".join(_ROPE_TYPES),
        )
