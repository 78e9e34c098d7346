"""A hostile or a wrong configuration is refused before anything is built of it, quickly, in a sentence."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from gistdesk.core.errors import UserError
from gistdesk.core.load import load_model, load_tokenizer
from gistdesk.core.model_config import check_config, read_config, weight_files
from tests.core.tiny_models import KINDS, Kind, write_model

LARGE = 10**12
WHOLE = (
    "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
    "max_position_embeddings"
).split()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("original"), num_hidden_layers=6)


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model", ignore=shutil.ignore_patterns("adapter")))


def set_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def refusal(folder: Path) -> str:
    begun = time.process_time()
    with pytest.raises(UserError) as caught:
        load_model(str(folder), device="cpu", need_adapter=False)
    assert time.process_time() - begun < 10
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 700
    return caught.value.message


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_family_passes(tmp_path: Path, kind: Kind) -> None:
    config = read_config(write_model(tmp_path, kind))
    assert config.model_type == kind.family
    assert config.rope_parameters["rope_type"] == kind.rope


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [LARGE, 10**30, -1, 0, 1.5, "8", True])
def test_sizes_out_of_bounds(folder: Path, name: str, value: Any) -> None:
    set_config(folder, **{name: value})
    assert f"an impossible {name}" in refusal(folder)


@pytest.mark.parametrize("layers", [3, 7, 1000])
def test_another_number_of_layers_than_the_weights_have(folder: Path, layers: int) -> None:
    """Three of six would load, and answer nonsense."""
    set_config(folder, num_hidden_layers=layers)
    assert "which it has no place for" in refusal(folder) if layers < 6 else "lack model.layers.6" in refusal(folder)


HOSTILE: dict[str, dict[str, Any]] = {
    "theta": {"rope_parameters": {"rope_type": "default", "rope_theta": "x"}},
    "negative theta": {"rope_parameters": {"rope_type": "default", "rope_theta": -1.0}},
    "factor": {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": [1]}},
    "no original length": {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}},
    "eps": {"rms_norm_eps": "x"},
    "large eps": {"rms_norm_eps": 1e300},
    "activation": {"hidden_act": "os.system"},
    "bias": {"attention_bias": "yes"},
    "tied": {"tie_word_embeddings": 3},
    "ends": {"eos_token_id": "</s>"},
    "ends in a list": {"eos_token_id": [1, "x"]},
    "odd heads": {"head_dim": 7},
    "heads that do not share": {"num_attention_heads": 3},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_other_settings_out_of_bounds(folder: Path, changes: dict[str, Any]) -> None:
    set_config(folder, **changes)
    assert "cannot be loaded" in refusal(folder)


def test_what_is_not_known_is_not_passed_on(folder: Path) -> None:
    """Settings of transformers' own that would choose other code, or ask for gigabytes."""
    set_config(
        folder,
        _attn_implementation="kernels-community/flash-attn",
        attn_implementation="kernels-community/flash-attn",
        dtype="float64",
        pruned_heads={"0": [0]},
        id2label={str(n): "x" for n in range(1000)},
        layer_types=["full_attention"] * 6,
    )
    model = load_model(str(folder), device="cpu", precision="fp32", need_adapter=False)
    assert model.causal_lm.dtype == torch.float32
    assert model.causal_lm.config._attn_implementation == "sdpa"
    assert load_tokenizer(str(folder)).token_ids("a")


def test_weights_that_fit_no_configuration(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    for changes, message in (
        ({"extra.weight": torch.zeros(2)}, "hold extra.weight, which it has no place for"),
        ({"model.norm.weight": torch.zeros(32, dtype=torch.float8_e4m3fn)}, "is held in F8_E4M3"),
        ({"model.norm.weight": torch.zeros(31)}, "model.norm.weight does not fit its config.json"),
    ):
        save_file({**weights, **changes}, folder / "model.safetensors", metadata={"format": "pt"})
        assert message in refusal(folder)


def test_which_files_hold_the_weights(folder: Path, tmp_path: Path) -> None:
    """A list of shards counts, and files beside it do not; a list that leads elsewhere is refused."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    half = len(weights) // 2
    shards = [dict(list(weights.items())[:half]), dict(list(weights.items())[half:])]
    names = {name: f"s{n}.safetensors" for n, shard in enumerate(shards) for name in shard}
    for n, shard in enumerate(shards):
        save_file(shard, folder / f"s{n}.safetensors", metadata={"format": "pt"})
    save_file({"other": torch.zeros(2)}, folder / "consolidated.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert [path.name for path in weight_files(folder)] == ["s0.safetensors", "s1.safetensors"]
    check_config(folder)
    shutil.copy(folder / "s1.safetensors", tmp_path / "s1.safetensors")
    for content in ({"weight_map": {**names, "x": "../s1.safetensors"}}, {"weight_map": 5}, {}, {"weight_map": {}}):
        index.write_text(json.dumps(content))
        assert "cannot be loaded" in refusal(folder)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8), st.lists(st.integers())
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*WHOLE, "rms_norm_eps", "rope_parameters", "eos_token_id"]), VALUES))
def test_any_configuration_is_read_or_refused(original: Path, changes: dict[str, Any]) -> None:
    content = (original / "config.json").read_text("utf-8")
    try:
        set_config(original, **changes)
        check_config(original)
    except UserError as error:
        assert "\n" not in error.message
    finally:
        (original / "config.json").write_text(content, "utf-8")


def test_a_hostile_list_of_ends(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos_token_id": [1, "x"]}')
    assert "an impossible eos_token_id" in refusal(folder)
    (folder / "generation_config.json").write_text("[" * 10**5)
    assert "cannot be loaded" in refusal(folder)
