"""A folder becomes a model, or one sentence says why it cannot; nothing in it is ever run."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from gistdesk.core import load
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import adapter_fingerprint, model_fingerprint, tokenizer_fingerprint
from gistdesk.core.layout import encoder_rows
from gistdesk.core.load import choose_device, choose_dtype, find_model, load_model, load_tokenizer
from gistdesk.core.model import GistModel
from gistdesk.core.model_config import check_config
from tests.core.tiny_models import Kind, every_kind, tensors_of, tiny_base, tiny_model, write_model


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model"))


def load_tiny(folder: Path | str, **options: Any) -> GistModel:
    return load_model(str(folder), **{"device": "cpu", "precision": "fp32", **options})


def refusal(folder: Path | str, **options: Any) -> str:
    """The message for a model that is refused: one sentence, and another that helps."""
    with pytest.raises(UserError) as caught:
        load_tiny(folder, **options)
    message, hint = caught.value.message, caught.value.hint
    assert message.endswith(".")
    assert "\n" not in message
    assert hint.endswith(".")
    return message


def set_json(path: Path, **changes: Any) -> None:
    """A value of None takes the name away."""
    content = {**json.loads(path.read_text("utf-8")), **changes}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}), "utf-8")


def set_config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: set_json(folder / "config.json", **changes)


@every_kind
def test_a_folder_becomes_the_model_that_was_written(tmp_path: Path, kind: Kind) -> None:
    made, found = tiny_model(kind), load_tiny(write_model(tmp_path, kind))
    for (name, ours), (_, theirs) in zip(tensors_of(made.causal_lm), tensors_of(found.causal_lm), strict=True):
        assert torch.equal(ours, theirs), name
    text = "Where is it? <|end|> 어디입니까?"
    assert found.token_ids(text) == made.token_ids(text)
    assert found.template_ids(text) == made.template_ids(text)
    assert found.bos_ids == made.bos_ids
    assert found.adapter is not None
    rows = encoder_rows([torch.arange(20, 40)], [8], bos_ids=made.bos_ids, gist_ids=found.adapter.gist_ids)
    with torch.no_grad():
        ours, theirs = (model.encode(rows, torch.arange(8)) for model in (made, found))
    assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert found.kv_shape == (ours.shape[0], 2, ours.shape[2], ours.shape[4])
    assert not any(weight.requires_grad for weight in found.causal_lm.parameters())
    assert not found.causal_lm.training


def test_its_identity_is_that_of_its_files(folder: Path) -> None:
    identity = load_tiny(folder).identity
    assert identity.model_id == "model"
    assert identity.model_fingerprint == model_fingerprint(folder)
    assert identity.tokenizer_fingerprint == tokenizer_fingerprint(folder)
    assert identity.adapter_fingerprint == adapter_fingerprint(folder / "adapter")
    bare = load_tiny(folder, need_adapter=False)
    assert bare.identity == identity


@pytest.mark.parametrize("precision", ["bf16", "nf4", "int8"])
def test_positions_stay_exact_whatever_the_weights_are(folder: Path, precision: str) -> None:
    model = load_tiny(folder, precision=precision)
    assert (model.dtype, model.precision) == (torch.bfloat16, precision)
    assert model.inv_freq.dtype == torch.float32
    assert torch.equal(model.inv_freq, tiny_base(Kind()).model.rotary_emb.inv_freq)


def test_a_large_model_is_branched_not_held_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    merged = load_tiny(folder)
    monkeypatch.setattr(load, "_MERGE_BYTES", 1000)
    branched = load_tiny(folder)
    assert (merged.encoder.__qualname__, branched.encoder.__qualname__) == (
        "merged_encoder.<locals>.encode",
        "branched_encoder.<locals>.encode",
    )


def test_an_adapters_folder_brings_its_base(folder: Path, tmp_path: Path) -> None:
    alone = Path(shutil.move(folder / "adapter", tmp_path / "adapter"))
    assert "no gist adapter" in refusal(folder)
    assert load_tiny(folder, need_adapter=False).adapter is None
    set_json(alone / "adapter_config.json", base_model_name_or_path=str(folder))
    model = load_tiny(alone)
    assert model.identity.model_id == "model"
    assert model.adapter is not None


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "/no/such/folder",
        "no/such/folder",
        "./missing",
        "../missing",
        "a..b/c",
        "-x/y",
        "~nosuchuser/x",
        "a\0b",
    ],
)
def test_a_name_of_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert name in refusal(name)


def test_a_hub_id_that_is_not_here_is_refused_without_a_network() -> None:
    assert "is not on this computer" in refusal("no-such-organisation/no-such-model")


def test_the_starter_is_found_where_resources_lie() -> None:
    found = find_model("starter")
    assert (found.model_id, found.base.name, found.adapter) == ("starter", "starter", found.base / "adapter")


UNSUITABLE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "no readable config.json"),
    "damaged config": (lambda f: (f / "config.json").write_text('{"model_type": '), "no readable config.json"),
    "config of another kind": (lambda f: (f / "config.json").write_text("[]"), "no readable config.json"),
    "deep config": (lambda f: (f / "config.json").write_text("[" * 10**5), "no readable config.json"),
    "binary config": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\0"), "no readable config.json"),
    "another family": (set_config(model_type="gpt2"), 'Models of type "gpt2" are not supported'),
    "no family": (set_config(model_type=None), 'Models of type "None" are not supported'),
    "hybrid family": (set_config(model_type="qwen3_next"), "not supported"),
    "sliding window": (
        set_config(model_type="mistral", sliding_window=4096),
        "looks back only 4096 tokens in some layers",
    ),
    "sliding window by default": (
        lambda f: set_json(f / "config.json", model_type="mistral", sliding_window=None),
        "looks back only 4096 tokens in some layers",
    ),
    "sliding window in use": (
        set_config(model_type="qwen2", sliding_window=512, use_sliding_window=True),
        "looks back only 512 tokens in some layers",
    ),
    "sliding layers": (set_config(layer_types=["full_attention", "sliding_attention"]), "without full attention"),
    "linear layers": (set_config(layer_types=["linear_attention", "full_attention"]), "(linear_attention)"),
    "partial rotary": (set_config(partial_rotary_factor=0.5), "positions"),
    "partial rotary within": (
        set_config(rope_parameters={"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}),
        "positions",
    ),
    "dynamic positions": (
        set_config(rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
        '"dynamic" rotary embedding',
    ),
    "long positions": (
        set_config(rope_parameters=None, rope_scaling={"type": "longrope", "factor": 2.0}),
        '"longrope" rotary embedding',
    ),
    "positions per layer": (set_config(rope_parameters={"full_attention": {"rope_type": "dynamic"}}), "positions"),
    "positions that are a word": (set_config(rope_parameters="dynamic"), "positions"),
    "quantized": (set_config(quantization_config={"quant_method": "gptq", "bits": 4}), "quantized already"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no safetensors weights"),
    "only weights that can run code": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "no safetensors weights",
    ),
    "weights that can run code beside other safetensors": (lambda f: as_pickle(f), "cannot be loaded"),
    "damaged weights": (lambda f: cut(f / "model.safetensors"), "cannot be loaded"),
    "empty weights": (lambda f: (f / "model.safetensors").write_bytes(b""), "cannot be loaded"),
    "a missing weight": (lambda f: edit_weights(f, "model.layers.1.mlp.up_proj.weight", None), "lack model.layers.1"),
    "a wrong weight": (lambda f: edit_weights(f, "model.norm.weight", torch.ones(3)), "model.norm.weight does not fit"),
    "another width": (set_config(intermediate_size=40), "does not fit its config.json"),
    "a size that is a word": (set_config(hidden_size="x"), "cannot be loaded"),
    "no heads": (set_config(num_attention_heads=0), "cannot be loaded"),
    "layers that are a number": (set_config(layer_types=5), "without full attention (5)"),
    "layers that are numbers": (set_config(layer_types=[5, 7]), "without full attention (5, 7)"),
    "a missing shard": (
        lambda f: (f / "model.safetensors").rename(f / "model-00001-of-00002.safetensors"),
        "cannot be loaded",
    ),
    "no tokenizer": (lambda f: [p.unlink() for p in f.glob("*token*")], "cannot be loaded"),
    "damaged tokenizer": (lambda f: cut(f / "tokenizer.json"), "cannot be loaded"),
    "tokenizer of another kind": (lambda f: (f / "tokenizer.json").write_text("[]"), "cannot be loaded"),
    "settings of another kind": (lambda f: (f / "tokenizer_config.json").write_text("[]"), "cannot be loaded"),
    "no adapter": (lambda f: shutil.rmtree(f / "adapter"), "no gist adapter"),
    "damaged adapter": (lambda f: cut(f / "adapter" / "adapter_model.safetensors"), "cannot be read"),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").rename(folder / "other.safetensors")


def edit_weights(folder: Path, name: str, tensor: torch.Tensor | None) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(name)
    if tensor is not None:
        weights[name] = tensor
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(("change", "message"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_an_unsuitable_folder_is_refused(
    folder: Path, change: Callable[[Path], Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    change(folder)
    assert message in refusal(folder)
    assert capfd.readouterr() == ("", "")  # transformers has tables to print


@pytest.mark.parametrize("content", ["", "[]", "{}", "{\n1", "\xff"])
def test_an_unreadable_tokenizer_is_refused(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content, "latin-1")
    with pytest.raises(UserError, match=r"^The tokenizer in [^\n]+ cannot be read \([^\n]+\)\. Download"):
        load_tokenizer(str(folder))


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("llama", set_config(sliding_window=512)),  # Llama does not know the word
        ("qwen2", set_config(sliding_window=512, use_sliding_window=False)),
        ("llama", set_config(layer_types=["full_attention", "full_attention"])),
    ],
    ids=["llama", "unused window", "full layers"],
)
def test_what_only_looks_unsuitable_passes(tmp_path: Path, family: str, change: Callable[[Path], None]) -> None:
    folder = write_model(tmp_path / "model", Kind(family))
    change(folder)
    check_config(folder)


def test_the_adapter_of_another_base_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", seed=5)
    shutil.rmtree(folder / "adapter")
    shutil.copytree(other / "adapter", folder / "adapter")
    assert "trained for another base model" in refusal(folder)


@pytest.mark.parametrize("base", ["/no/such/folder", "own", ["a list"]])
def test_an_adapter_whose_base_is_gone_is_refused(folder: Path, base: Any) -> None:
    adapter = folder / "adapter"
    set_json(adapter / "adapter_config.json", base_model_name_or_path=str(adapter) if base == "own" else base)
    assert "cannot be found" in refusal(adapter)
    (adapter / "adapter_config.json").write_text("[1]")
    assert "does not name its base model" in refusal(adapter)


def test_code_in_a_models_folder_is_never_run(folder: Path) -> None:
    """Neither what `auto_map` points at nor a module by the name of a model's own."""
    trap = f"from pathlib import Path\nPath({str(folder / 'ran')!r}).touch()\nraise SystemExit\n"
    for name in ("evil", "modeling_llama", "configuration_llama", "tokenization_llama", "custom_generate"):
        (folder / f"{name}.py").write_text(trap)
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(trap)
    set_json(
        folder / "config.json",
        auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M", "AutoModelForCausalLM": "evil.M"},
        architectures=["EvilForCausalLM"],
    )
    set_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "evil.T"]})
    set_json(folder / "adapter" / "gist.json", base_model_fingerprint=model_fingerprint(folder))
    try:
        model = load_tiny(folder)
    except UserError:
        pass  # as good
    else:
        assert type(model.causal_lm).__module__.startswith("transformers.")
        assert type(model.tokenizer).__module__.startswith("transformers.")
    assert not (folder / "ran").exists()


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu")[0] == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto")[0] == "cpu"
    for wanted in ("cuda", "tpu"):
        with pytest.raises(UserError) as caught:
            choose_device(wanted)
        assert caught.value.message.endswith(".")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A card")
    assert choose_device("auto") == ("cuda", "A card is used.")
    assert choose_device("cpu")[0] == "cpu"


def test_bfloat16_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_dtype("cuda") == torch.bfloat16
    for able, dtype in (({"avx512_bf16": True}, torch.bfloat16), ({"avx2": True}, torch.float32)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert choose_dtype("cpu") == dtype


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["tokenizer_config.json", "tokenizer.json", "generation_config.json", "x"])
def test_a_pipe_in_a_models_folder_is_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = write_model(tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(UserError, match="not an ordinary file"):
        load_model(str(folder), device="cpu")
