"""A download in the window's side: real engine process, real HTTP; paused, gone on with after a restart, given up."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.session.calls import Calls
from gistdesk.session.downloads import Downloads, DownloadState
from gistdesk.session.engine import Engine
from gistdesk.session.found_models import FoundModels
from tests.core.gguf_made import write_gguf
from tests.core.tiny_models import write_model
from tests.worker.hub import Hub, local_hub

WAIT_MS = 60_000
NAME = "org/model"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = write_model(tmp_path / "model", intermediate_size=2**14)
    with local_hub(folder) as hub:
        hub.files["consolidated.safetensors"] = bytes(2**20)  # all weights again, as Mistral has them
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield hub


@pytest.fixture
def engine(qtbot: QtBot) -> Iterator[Engine]:
    engine = Engine(idle_unload_s=0)
    yield engine
    engine.close()


def downloads_of(engine: Engine, begun: tuple[str, ...] = ()) -> Downloads:
    return Downloads(lambda: Calls(engine), begun)


def parts(folder: Path) -> list[Path]:
    return list(folder.rglob("*.gistdesk.incomplete"))


@pytest.mark.release
def test_it_is_paused_and_gone_on_with_where_it_stopped(qtbot: QtBot, hub: Hub, engine: Engine, tmp_path: Path) -> None:
    downloads, begun = downloads_of(engine), []
    downloads.begun_changed.connect(begun.append)
    hub.pause = threading.Event()
    downloads.start(NAME)
    qtbot.waitUntil(lambda: any(path.stat().st_size > 2**20 for path in parts(tmp_path)), timeout=WAIT_MS)
    downloads.pause(NAME)
    hub.pause.set()
    assert downloads.states[NAME].is_paused and not downloads.busy and begun == [(NAME,)]
    again = downloads_of(engine, (NAME,))
    assert again.states == {NAME: DownloadState(None, is_paused=True)}
    with qtbot.waitSignal(again.arrived, timeout=WAIT_MS):
        again.start(NAME)
    (gone_on,) = [asked for asked in hub.ranges() if asked is not None]
    assert int(gone_on.removeprefix("bytes=").removesuffix("-")) > 2**20 and again.states == {}
    assert not any("consolidated" in path for _, path, _ in hub.requests)


@pytest.mark.release
def test_what_came_is_deleted_when_it_is_given_up(qtbot: QtBot, hub: Hub, engine: Engine, tmp_path: Path) -> None:
    downloads = downloads_of(engine)
    hub.pause = threading.Event()
    downloads.start(NAME)
    qtbot.waitUntil(lambda: bool(parts(tmp_path)), timeout=WAIT_MS)
    downloads.give_up(NAME)
    hub.pause.set()
    cache = tmp_path / "hf" / "hub" / "models--org--model"
    qtbot.waitUntil(lambda: not cache.exists(), timeout=WAIT_MS)
    assert downloads.states == {}


@pytest.mark.release
def test_a_failure_says_what_to_do_and_can_be_tried_again(
    qtbot: QtBot, hub: Hub, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    downloads = downloads_of(engine)
    with qtbot.waitSignal(downloads.failed, timeout=WAIT_MS) as failed:
        downloads.start(NAME)
    message, hint, _ = failed.args
    assert message == "The hub cannot be reached to download org/model." and "resumes where it stopped" in hint
    assert downloads.states[NAME] == DownloadState(0.0, True, message, hint)


def test_models_of_other_programs_are_found(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    kept = tmp_path / ".lmstudio" / "models" / "org"
    kept.mkdir(parents=True)
    write_gguf(kept / "small.gguf")
    found = FoundModels()
    with qtbot.waitSignal(found.changed, timeout=WAIT_MS):
        found.look()
    qtbot.waitUntil(lambda: not found.is_looking, timeout=WAIT_MS)
    assert [(row.kept_by, row.title, row.fit) for row in found.rows] == [("LM Studio", "small", "fits")]
