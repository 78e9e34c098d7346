"""A GGUF file becomes the model that was put into it, or one sentence says why not; hostile ones cost little."""

import errno
import os
import resource
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gistdesk.core import gguf_model
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import model_fingerprint
from gistdesk.core.gguf_header import KINDS, is_gguf, read_gguf_header
from gistdesk.core.gguf_model import convert
from gistdesk.core.load import ModelFolders, find_model, load_model
from gistdesk.core.prepared import prepare, prepared_folder
from gistdesk.folders import HOME_VARIABLE, MODELS_VARIABLE
from tests.core.gguf_made import Quantization, write_gguf
from tests.core.tiny_models import Kind, tensors_of, tiny_tokenizer

KINDS_HERE = (
    Kind("llama"),
    Kind("llama", tied=False, reserved=False, chat=False),
    Kind("llama", "linear", bos=False),
    Kind("llama", "yarn"),
    Kind("mistral", tied=False),
    Kind("qwen2", bos=False),
    Kind("qwen2", "yarn", tied=False, bos=False),
    Kind("qwen3", bos=False),
)
LLAMA3 = {
    "rope_theta": 500000.0,
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "집 home"))
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    return tmp_path / "집 home" / "data" / "models"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "tiny.gguf"
    write_gguf(path)
    return path


@pytest.fixture
def file(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path / "tiny.gguf"))


def loaded(path: Path, **options: Any) -> Any:
    return load_model(str(path), device="cpu", precision="fp32", need_adapter=False, **options)


def refusal(path: Path) -> str:
    """One sentence and another that helps; nothing is left in the models folder."""
    with pytest.raises(UserError) as caught:
        loaded(path)
    message, hint = caught.value.message, caught.value.hint
    assert message.endswith(".")
    assert hint.endswith(".")
    assert "\n" not in message
    assert len(message) < 500
    assert str(path) in message or "Models of type" in message
    return message


def same_weights(ours: Any, theirs: Any) -> None:
    for (name, one), (_, other) in zip(tensors_of(ours), tensors_of(theirs), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("kind", KINDS_HERE, ids=str)
def test_a_file_becomes_the_model_that_was_put_into_it(tmp_path: Path, kind: Kind) -> None:
    made = write_gguf(tmp_path / "m.gguf", kind)
    found = loaded(tmp_path / "m.gguf")
    same_weights(found.causal_lm, made)
    tokenizer = tiny_tokenizer(kind.chat, kind.bos)
    text = "Where is it? <|end|> 어디입니까? 2026"
    assert found.token_ids(text) == tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert found.template_ids(text) == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert found.bos_ids == ([tokenizer.bos_token_id] if kind.bos else [])
    assert bool(found.tokenizer.chat_template) == kind.chat
    assert found.causal_lm.generation_config.eos_token_id == [tokenizer.eos_token_id]
    ids = torch.arange(20, 60)[None]
    with torch.no_grad():
        assert torch.allclose(found.causal_lm(ids).logits, made(ids).logits, atol=1e-5)


def test_a_mistral_mostly_calls_itself_llama(tmp_path: Path) -> None:
    made = write_gguf(tmp_path / "m.gguf", Kind("mistral", tied=False), family="llama")
    same_weights(loaded(tmp_path / "m.gguf").causal_lm, made)


def test_llama3s_positions_are_read_from_its_factors(tmp_path: Path) -> None:
    made = write_gguf(tmp_path / "m.gguf", rope_parameters=LLAMA3)
    found = loaded(tmp_path / "m.gguf")
    assert found.causal_lm.config.rope_parameters == made.config.rope_parameters
    assert torch.equal(found.inv_freq, made.model.rotary_emb.inv_freq)


@pytest.mark.parametrize("name", ["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_quantized_weights(tmp_path: Path, name: str) -> None:
    made = write_gguf(tmp_path / "m.gguf", quantization=Quantization[name])
    assert read_gguf_header(tmp_path / "m.gguf").main_kind == name
    same_weights(loaded(tmp_path / "m.gguf").causal_lm, made)


@pytest.mark.parametrize("name", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"])
def test_k_quants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Their library cannot write them; but any bytes are some weights, and these are finite."""
    kind, random, really = Quantization[name], np.random.default_rng(1), gguf.quants.quantize
    per_block, n_bytes = gguf.GGML_QUANT_SIZES[kind]

    def packed(data: np.ndarray, held: Quantization) -> np.ndarray:
        if held != kind:
            return really(data, held)
        return random.integers(0, 60, (data.shape[0], data.shape[1] // per_block * n_bytes), dtype=np.uint8)

    monkeypatch.setattr(gguf.quants, "quantize", packed)
    sizes = {"hidden_size": 256, "intermediate_size": 256, "head_dim": 64}
    made = write_gguf(tmp_path / "m.gguf", quantization=kind, **sizes)
    same_weights(loaded(tmp_path / "m.gguf").causal_lm, made)


def test_large_tensors_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_model, "_PIECE_VALUES", 64)
    made = write_gguf(tmp_path / "m.gguf", quantization=Quantization.Q8_0)
    same_weights(loaded(tmp_path / "m.gguf").causal_lm, made)


def test_it_is_prepared_once_and_known_by_all_that_it_holds(file: Path, models: Path) -> None:
    shares = list(prepare(file))
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    folder = prepared_folder(file)
    assert folder.is_dir()
    assert folder.parent == models / "gguf"
    assert list(prepare(file)) == []
    moved = file.rename(file.with_name("sha256-0123"))  # as Ollama keeps them
    assert is_gguf(moved)
    assert find_model(str(moved)) == ModelFolders("sha256-0123", folder, None)
    before, data = model_fingerprint(folder), bytearray(moved.read_bytes())
    data[-1] ^= 1
    moved.write_bytes(data)
    with pytest.raises(UserError, match="is not prepared yet"):
        find_model(str(moved))
    assert loaded(moved).identity.model_fingerprint != before


def test_smollm2_splits_digits(tmp_path: Path) -> None:
    write_gguf(tmp_path / "m.gguf", change=lambda w: w.add_tokenizer_pre("smollm"))
    pieces = loaded(tmp_path / "m.gguf").tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("  12 a")
    assert [piece for piece, _ in pieces] == ["ĠĠ", "1", "2", "Ġa"]


# ---- what is refused


def rewrite(**options: Any) -> Callable[[Path], Any]:
    return lambda path: write_gguf(path, **options)


def put(position: int, data: bytes) -> Callable[[Path], Any]:
    def change(path: Path) -> None:
        whole = bytearray(path.read_bytes())
        whole[position : position + len(data)] = data
        path.write_bytes(whole)

    return change


def cut(n_bytes: int) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(path.read_bytes()[:n_bytes])


def without(name: str) -> Callable[[Path], Any]:
    return rewrite(tensors=lambda tensor, data: None if tensor == name else data)


def of_length(name: str, n: int) -> Callable[[str, np.ndarray], np.ndarray]:
    return lambda tensor, data: data[:n].copy() if tensor == name else data


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (cut(0), "damaged (it does not begin like a GGUF file)"),
    "not one": (put(0, b"GGML"), "damaged (it does not begin like a GGUF file)"),
    "version 1": (put(4, struct.pack("<I", 1)), "damaged (its format has version 1)"),
    "the other byte order": (put(4, struct.pack(">I", 3)), "damaged (its format has version 50331648)"),
    "cut in its header": (cut(900), "damaged (it is cut off)"),
    "cut in its weights": (lambda path: cut(path.stat().st_size - 100)(path), "is incomplete)"),
    "too many tensors": (put(8, struct.pack("<Q", 2**60)), "damaged (its header states impossible counts)"),
    "too many keys": (put(16, struct.pack("<Q", 2**40)), "damaged (its header states impossible counts)"),
    "a long key": (put(24, struct.pack("<Q", 2**63)), "damaged (it is cut off)"),
    "another family": (rewrite(family="gemma3"), 'Models of type "gemma3" are not supported'),
    "a part of several": (
        rewrite(change=lambda w: w.add_uint16("split.count", 3)),
        "one part of a model that is split into several",
    ),
    "experts": (rewrite(change=lambda w: w.add_expert_count(8)), "it is a mixture of experts"),
    "a window": (rewrite(change=lambda w: w.add_sliding_window(4096)), "see only a part of the text"),
    "unknown positions": (
        rewrite(change=lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)),
        "its positions are scaled in an unknown way",
    ),
    "partly turned": (rewrite(change=lambda w: w.add_rope_dimension_count(4)), "only a part of each head"),
    "a missing tensor": (without("blk.1.ffn_up.weight"), "lack model.layers.1.mlp.up_proj.weight"),
    "no embedding": (without("token_embd.weight"), "lack token_embd.weight"),
    "a tensor too many": (
        rewrite(change=lambda w: w.add_tensor("blk.0.ffn_gate_exps.weight", np.zeros(4, np.float32))),
        "hold blk.0.ffn_gate_exps.weight, which it has no place for",
    ),
    "a layer too many": (
        rewrite(change=lambda w: w.add_block_count(1)),
        "hold model.layers.1.",
    ),
    "a million layers": (rewrite(change=lambda w: w.add_block_count(10**6)), "an impossible num_hidden_layers"),
    "no heads": (rewrite(change=lambda w: w.add_head_count(0)), "lacks llama.attention.head_count"),
    "more heads than weights": (rewrite(change=lambda w: w.add_head_count(8)), "does not fit"),
    "a short norm": (rewrite(tensors=of_length("output_norm.weight", 5)), "model.norm.weight does not fit"),
    "another tokenizer": (rewrite(change=lambda w: w.add_tokenizer_model("bert")), "its kind is unknown"),
    "no merges": (rewrite(change=lambda w: w.kv_data[0].pop("tokenizer.ggml.merges")), "The tokenizer in"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_loaded_is_refused(
    file: Path, models: Path, change: Callable[[Path], Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    change(file)
    assert message in refusal(file)
    assert not [path for path in models.rglob("*") if not path.name.endswith(".lock") and path.is_file()]
    assert capfd.readouterr() == ("", "")


def test_a_quantization_that_is_not_known_is_said(file: Path) -> None:
    header = file.read_bytes()
    place = header.index(b"output_norm.weight") + len("output_norm.weight") + 4 + 8
    put(place, struct.pack("<I", 34))(file)
    assert "quantized in a way that cannot be read (number 34)" in refusal(file)


def test_a_part_is_known_by_its_name(file: Path) -> None:
    assert "one part of a model that is split into several files" in refusal(
        file.rename(file.with_name("m-00001-of-00003.gguf"))
    )


def test_a_file_that_vanishes(file: Path) -> None:
    file.unlink()
    with pytest.raises(UserError, match="There is no model"):
        loaded(file)
    with pytest.raises(UserError, match="cannot be read"):
        read_gguf_header(file)


def test_a_file_that_shrinks_while_it_is_converted(file: Path, tmp_path: Path) -> None:
    work = convert(file, tmp_path / "made")
    next(work)
    cut(file.stat().st_size // 2)(file)
    with pytest.raises(UserError, match="it was cut short while it was read"):
        list(work)
    assert not list(tmp_path.glob("*made*"))


def test_an_interrupted_conversion_leaves_nothing_and_is_done_again(file: Path, tmp_path: Path) -> None:
    work: Any = convert(file, tmp_path / "made")
    next(work)
    next(work)
    work.close()
    assert not list(tmp_path.glob("*made*"))
    (tmp_path / ".made.unfinished").mkdir()  # as after a kill
    (tmp_path / ".made.unfinished" / "junk").write_text("")
    list(convert(file, tmp_path / "made"))
    assert not (tmp_path / "made" / "junk").exists()


def test_no_room_on_the_disk(file: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(file)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    assert "GiB are free" in refusal_of(file)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in refusal_of(file)
    assert not list((models / "gguf").glob("*tiny*[!k]"))


def refusal_of(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        loaded(path)
    return caught.value.message


def test_one_process_at_a_time(file: Path, models: Path) -> None:
    first: Iterator[float] = prepare(file)
    next(first)
    with pytest.raises(UserError, match="being prepared by another gistdesk"):
        list(prepare(file))
    list(first)
    assert prepared_folder(file).is_dir()


def test_the_table_of_kinds_is_the_librarys() -> None:
    for number, (name, per_block, n_bytes) in KINDS.items():
        kind = Quantization(number)
        assert (kind.name, gguf.GGML_QUANT_SIZES[kind]) == (name, (per_block, n_bytes))
        gguf.quants.dequantize(np.zeros(n_bytes, np.uint8), kind)


# ---- hostile headers


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def hostile(n_keys: int, keys: bytes, n_tensors: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, n_tensors, n_keys) + keys


HOSTILE = {
    "a list of 2^60 numbers": hostile(1, string(b"a") + struct.pack("<IIQ", 9, 0, 2**60)),
    "a list of 2^60 texts": hostile(1, string(b"a") + struct.pack("<IIQ", 9, 8, 2**60) + bytes(2**20)),
    "lists in lists": hostile(1, string(b"a") + struct.pack("<IIQ", 9, 9, 2) * 1000),
    "four million empty texts, again and again": hostile(
        100, (string(b"a") + struct.pack("<IIQ", 9, 8, 2**22) + bytes(8 * 2**22)) * 3
    ),
    "a text as long as the file": hostile(1, string(b"a") + struct.pack("<IQ", 8, 2**25) + bytes(2**25)) * 3,
    "a name of a megabyte": hostile(0, string(b"a" * 2**20) + struct.pack("<IQIQ", 1, 1, 0, 0), 1),
    "a thousand dimensions": hostile(0, string(b"a") + struct.pack("<I", 1000) + bytes(9000), 1),
    "a shape of 2^252": hostile(0, string(b"a") + struct.pack("<IQQQQIQ", 4, *(2**63,) * 4, 0, 0), 1),
    "a shape of nothing": hostile(0, string(b"a") + struct.pack("<IQIQ", 1, 0, 0, 0), 1),
    "an offset behind the end": hostile(0, string(b"a") + struct.pack("<IQIQ", 1, 1, 0, 2**63), 1),
    "bytes that are no text": hostile(1, string(b"\xff\xfe") + struct.pack("<II", 4, 1)),
    "no end": hostile(4096, (string(b"a") + struct.pack("<IQ", 8, 2**14) + bytes(2**14)) * 4097),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_header_costs_little(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(UserError, match="is damaged"):
        read_gguf_header(path)
    assert time.process_time() - begun < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1), data=st.binary(min_size=1, max_size=12), rest=st.one_of(st.none(), st.floats(0, 1)))
def test_any_damage_is_a_sentence(
    original: Path, tmp_path_factory: pytest.TempPathFactory, place: float, data: bytes, rest: float | None
) -> None:
    """In the header: bytes that are changed, and what follows cut off."""
    whole = bytearray(original.read_bytes())
    end = min(len(whole), 12_000)
    position = int(place * end)
    whole[position : position + len(data)] = data
    path = tmp_path_factory.mktemp("damaged") / "m.gguf"
    path.write_bytes(whole[: int(rest * len(whole))] if rest is not None else whole)
    try:
        header = read_gguf_header(path)
        gguf_model.config_of(header, path)
    except UserError as error:
        assert str(path) in error.message or "Models of type" in error.message
    else:
        assert header.n_weights
