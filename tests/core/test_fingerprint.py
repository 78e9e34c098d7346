"""A fingerprint changes with whatever changes a gist, and with nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gistdesk.core import fingerprint
from gistdesk.core.fingerprint import adapter_fingerprint, files_fingerprint, model_fingerprint, tokenizer_fingerprint
from tests.core.tiny_models import write_model


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "a copy elsewhere"))


def prints(folder: Path) -> tuple[str, str, str]:
    return model_fingerprint(folder), tokenizer_fingerprint(folder), adapter_fingerprint(folder / "adapter")


def change_byte(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def set_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def test_a_copy_has_the_same_fingerprints(original: Path, folder: Path) -> None:
    assert prints(folder) == prints(original)
    assert all(len(bytes.fromhex(value)) == 16 for value in prints(folder))
    assert len(set(prints(folder))) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda f: set_json(f / "config.json", _name_or_path="/elsewhere", transformers_version="9.9", dtype="float16"),
        lambda f: (f / "config.json").write_text(json.dumps(json.loads((f / "config.json").read_text()), indent=7)),
        lambda f: (f / "README.md").write_text("A model."),
        lambda f: (f / "generation_config.json").unlink(),
        lambda f: set_json(f / "adapter" / "gist.json", measured=[{"accuracy": 1.0}]),
    ],
    ids=["names and versions", "white space", "a readme", "generation settings", "measured accuracies"],
)
def test_what_does_not_matter_changes_nothing(original: Path, folder: Path, change: Callable[[Path], Any]) -> None:
    change(folder)
    assert prints(folder) == prints(original)


@pytest.mark.parametrize(
    ("change", "which"),
    [
        (lambda f: change_byte(f / "model.safetensors", -1), 0),
        (lambda f: change_byte(f / "model.safetensors", 5000), 0),
        (lambda f: set_json(f / "config.json", rms_norm_eps=1e-3), 0),
        (lambda f: set_json(f / "config.json", rope_parameters={"rope_type": "default", "rope_theta": 5.0}), 0),
        (lambda f: (f / "model.safetensors").rename(f / "renamed.safetensors"), 0),
        (lambda f: shutil.copy(f / "model.safetensors", f / "more.safetensors"), 0),
        (lambda f: change_byte(f / "tokenizer.json", 500), 1),
        (lambda f: (f / "chat_template.jinja").write_text("{{ messages }}"), 1),
        (lambda f: (f / "chat_template.jinja").unlink(), 1),
        (lambda f: change_byte(f / "adapter" / "adapter_model.safetensors", -1), 2),
    ],
)
def test_what_matters_changes_its_own_fingerprint(
    original: Path, folder: Path, change: Callable[[Path], Any], which: int
) -> None:
    change(folder)
    differing = [old != new for old, new in zip(prints(original), prints(folder), strict=True)]
    assert differing == [number == which for number in range(3)]


def test_content_does_not_pass_for_another_file(tmp_path: Path) -> None:
    """x with "1" and y with "2", or x alone with "1y2"."""
    two, one = tmp_path / "two", tmp_path / "one"
    for path, content in ((two / "x", "1"), (two / "y", "2"), (one / "x", "1y2")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert files_fingerprint([two / "x", two / "y"]) != files_fingerprint([one / "x", one / "y"])


def test_large_files_are_sampled_from_end_to_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Header, last byte and size are always seen; so is a change everywhere, as training makes it."""
    monkeypatch.setattr(fingerprint, "_WHOLE_BYTES", 1000)
    monkeypatch.setattr(fingerprint, "_SAMPLE_BYTES", 16)
    monkeypatch.setattr(fingerprint, "_N_SAMPLES", 5)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    middle = 2 * (len(data) - 16) // 4
    found = {model_fingerprint(folder)}
    for place in (0, 15, middle, middle + 15, len(data) - 1):
        weights.write_bytes(data)
        change_byte(weights, place)
        found.add(model_fingerprint(folder))
    weights.write_bytes(data + b"\0")
    found.add(model_fingerprint(folder))
    assert len(found) == 7
    weights.write_bytes(data)
    change_byte(weights, 20)  # between two samples: not seen, as its docstring says
    assert model_fingerprint(folder) in found
