"""A fingerprint changes with whatever changes a gist, and with nothing else."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gistdesk.core import file_hash, fingerprint
from gistdesk.core.file_hash import file_sha256
from gistdesk.core.fingerprint import adapter_fingerprint, files_fingerprint, model_fingerprint, tokenizer_fingerprint
from gistdesk.folders import HOME_VARIABLE
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


def test_every_byte_of_a_large_file_counts(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    for module in (fingerprint, file_hash):
        monkeypatch.setattr(module, "SMALL_BYTES", 1000)
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    places = (0, 20, len(data) // 3, len(data) // 2 + 7, len(data) - 1)
    found = {model_fingerprint(folder)}
    for place in places:
        weights.write_bytes(data)
        change_byte(weights, place)
        found.add(model_fingerprint(folder))
    weights.write_bytes(data + b"\0")
    found.add(model_fingerprint(folder))
    assert len(found) == len(places) + 2


def test_a_large_file_is_read_once_while_it_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.setattr(file_hash, "SMALL_BYTES", 1000)
    read: list[Path] = []
    really = file_hash._read
    monkeypatch.setattr(file_hash, "_read", lambda path: read.append(path) or really(path))
    path = tmp_path / "weights"
    path.write_bytes(bytes(5000))
    first = file_sha256(path)
    file_hash._known.clear()  # as in the next process
    assert file_sha256(path) == first == hashlib.sha256(bytes(5000)).hexdigest()
    assert len(read) == 1
    status = path.stat()
    path.write_bytes(bytes(4999) + b"1")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # changed, and given its old date
    assert file_sha256(path) != first
    file_hash._known.clear()
    (tmp_path / "home" / "data" / "hashes.json").write_text("[1")
    assert file_sha256(path) == hashlib.sha256(bytes(4999) + b"1").hexdigest()
    assert len(read) == 3


def test_hashes_that_cannot_be_kept_are_worked_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr(file_hash, "SMALL_BYTES", 1000)
    path = tmp_path / "weights"
    path.write_bytes(bytes(2000))
    assert file_sha256(path) == hashlib.sha256(bytes(2000)).hexdigest()
