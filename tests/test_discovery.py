"""Models that other programs keep on this computer are found where those programs keep them."""

import json
import shutil
from pathlib import Path

import pytest

from gistdesk import discovery
from gistdesk.discovery import found_models
from tests.core.gguf_made import write_gguf
from tests.core.tiny_models import Kind, write_model


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setattr(discovery.sys, "platform", "linux")
    for name in ("OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return home


def put(path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(path, **options)  # type: ignore[arg-type]
    return path


def others() -> list[dict[str, object]]:
    return [row for row in found_models() if row["kept_by"] != "gistdesk"]


def test_nothing_but_the_programs_own(home: Path) -> None:
    (starter,) = found_models()
    assert (starter["name"], starter["fit"], starter["problem"]) == ("starter", "fits", "")


def test_lm_studio_and_gpt4all(home: Path) -> None:
    one = put(home / ".lmstudio" / "models" / "org" / "repo" / "One.gguf")
    two = put(home / ".local" / "share" / "nomic.ai" / "GPT4All" / "Two.gguf")
    first, second = others()
    assert (first["name"], first["title"], first["kept_by"]) == (str(one), "One", "LM Studio")
    assert (first["kind"], first["file_bytes"], first["fit"]) == ("F32", one.stat().st_size, "fits")
    assert (second["name"], second["kept_by"]) == (str(two), "GPT4All")


def test_ollamas_manifests_name_its_blobs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = home / "elsewhere"
    monkeypatch.setenv("OLLAMA_MODELS", str(root))
    digest = "sha256:" + "ab" * 32
    blob = put(root / "blobs" / digest.replace(":", "-"))
    folder = root / "manifests" / "registry.ollama.ai" / "library" / "tiny"
    folder.mkdir(parents=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:" + "cd" * 32},
        {"mediaType": "application/vnd.ollama.image.model", "digest": digest},
    ]
    (folder / "1b").write_text(json.dumps({"layers": layers}))
    (folder / "damaged").write_text("{")
    (folder / "odd").write_text(json.dumps({"layers": "x"}))
    layers[1]["digest"] = "sha256:../../../../etc/passwd"
    (folder / "hostile").write_text(json.dumps({"layers": layers}))
    (found,) = others()
    assert (found["name"], found["title"], found["kept_by"]) == (str(blob), "tiny:1b", "Ollama")
    blob.unlink()
    (found,) = others()
    assert "cannot be read" in str(found["problem"])


def test_the_hugging_face_cache(home: Path) -> None:
    root = home / ".cache" / "huggingface" / "hub"
    good = root / "models--org--good" / "snapshots" / "c1"
    write_model(good)
    shutil.rmtree(good / "adapter")
    half = Path(shutil.copytree(good, root / "models--org--half" / "snapshots" / "c1"))
    (half / "model.safetensors").unlink()
    other = Path(shutil.copytree(good, root / "models--org--embeddings" / "snapshots" / "c1"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"architectures": ["BertModel"], "model_type": "bert"}))
    found = {row["name"]: row for row in others()}
    assert set(found) == {"org/good", "org/half"}
    assert found["org/good"]["fit"] == "fits"
    assert "model.safetensors is missing" in str(found["org/half"]["problem"])


def test_what_is_damaged_or_of_another_kind_is_said(home: Path) -> None:
    folder = home / ".lmstudio" / "models"
    damaged = put(folder / "damaged.gguf")
    damaged.write_bytes(damaged.read_bytes()[:-100])
    put(folder / "other.gguf", family="gemma3")
    (folder / ".hidden.gguf").write_bytes(b"")
    problems = [str(row["problem"]) for row in others()]
    assert "is damaged" in problems[0]
    assert 'Models of type "gemma3" are not supported' in problems[1]
    assert len(problems) == 2


def test_a_model_that_is_too_large_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / ".lmstudio" / "models" / "m.gguf", kind=Kind("llama"))
    memory = discovery.psutil.virtual_memory()
    monkeypatch.setattr(discovery.psutil, "virtual_memory", lambda: memory._replace(total=2**20))
    assert [row["fit"] for row in others()] == ["too large"]


def test_a_forest_of_files_costs_little(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_MAX_FOUND", 3)
    monkeypatch.setattr(discovery, "_MAX_LOOKED_AT", 40)
    folder = home / ".lmstudio" / "models"
    folder.mkdir(parents=True)
    for n in range(10):
        (folder / f"{n}.gguf").write_bytes(b"")
    (folder / "again").symlink_to(folder)
    assert len(others()) == 3
