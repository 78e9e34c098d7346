"""A model comes from a hub over real HTTP: whole, resumed, checked, cancelled; and nothing else uses the network."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gistdesk.protocol import (
    Cancelled,
    DescribeModel,
    Download,
    DownloadDone,
    DownloadProgress,
    Error,
    Load,
    ModelChoice,
    ModelInfoDone,
    ModelLoadDone,
)
from tests.core.gguf_made import write_gguf
from tests.core.tiny_models import write_model
from tests.worker.hub import Hub, local_hub
from tests.worker.process import EngineProcess, engine_process

ASKED = Download("org/model")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with eight megabytes of weights, without an adapter."""
    folder = write_model(tmp_path_factory.mktemp("model"), intermediate_size=2**14)
    for path in (folder / "adapter").iterdir():
        path.unlink()
    (folder / "adapter").rmdir()
    return folder


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    with local_hub(model) as hub:
        yield hub


@pytest.fixture
def engine(hub: Hub, tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine process with an empty cache, that takes the local hub for the hub."""
    with engine_process(
        HF_HUB_OFFLINE="0", HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"), GISTDESK_MODELS=str(tmp_path / "m")
    ) as process:
        yield process


@pytest.mark.release
def test_a_model_is_fetched_and_can_be_loaded(engine: EngineProcess, hub: Hub, model: Path) -> None:
    events = engine.ask(ASKED)
    done = events[-1]
    assert isinstance(done, DownloadDone), done
    progress = [event for event in events if isinstance(event, DownloadProgress)]
    assert [event.done_bytes for event in progress] == sorted(event.done_bytes for event in progress)
    assert progress[0].total_bytes == done.n_bytes == sum(path.stat().st_size for path in model.iterdir())
    for path in model.iterdir():
        assert (Path(done.folder) / path.name).read_bytes() == path.read_bytes()
    fetched = {path.rsplit("/", 1)[1] for _, path, _ in hub.requests if "/resolve/" in path}
    assert fetched == {path.name for path in model.iterdir()}
    assert engine.rss_bytes() < 150 * 2**20, "torch is not needed for this"

    hub.requests.clear()
    info = engine.do(Load(ModelChoice("org/model")), ModelLoadDone).info
    assert info.model_id == "org/model" and not info.has_adapter
    engine.do(DescribeModel(ModelChoice()), ModelInfoDone)
    assert hub.requests == [], "only a download uses the network"
    engine.do(ASKED, DownloadDone)
    assert hub.ranges() == [], "it is there already"


def test_only_a_download_uses_the_network(engine: EngineProcess, hub: Hub) -> None:
    for request in (Load(ModelChoice("org/model")), DescribeModel(ModelChoice("org/model"))):
        error = engine.do(request, Error)
        assert error.kind == "user" and "not on this computer" in error.message
    assert hub.requests == []


def test_a_broken_connection_is_taken_up_again(engine: EngineProcess, hub: Hub) -> None:
    hub.cut_after = 3 * 2**20 + 5
    engine.do(ASKED, DownloadDone)
    assert hub.ranges() == [None, f"bytes={3 * 2**20}-"]


def test_a_hub_that_knows_no_ranges(engine: EngineProcess, hub: Hub) -> None:
    hub.cut_after, hub.ignores_ranges = 2**20, True
    engine.do(ASKED, DownloadDone)


@pytest.mark.release
def test_cancelled_and_gone_on_with_by_another_process(engine: EngineProcess, hub: Hub, tmp_path: Path) -> None:
    hub.pause = threading.Event()
    request = engine.send(ASKED)
    while not any(path.stat().st_size > 2**20 for path in tmp_path.rglob("*.incomplete")):
        time.sleep(0.01)
    engine.cancel(request)
    time.sleep(0.2)
    hub.pause.set()
    *_, last = engine.events_of(request)
    assert isinstance(last, Cancelled)
    assert engine.end() == 0
    environment = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    with engine_process(**environment) as other:
        other.do(ASKED, DownloadDone)
    first, second = hub.ranges()
    assert first is None and second is not None and int(second[6:-1]) > 2**20


@pytest.mark.release
def test_what_arrives_damaged_is_refused_and_fetched_anew(engine: EngineProcess, hub: Hub) -> None:
    for path in ("config.json", "model.safetensors"):
        hub.damaged = path
        error = engine.do(ASKED, Error)
        assert error.kind == "user" and f"{path} arrived damaged" in error.message
        assert "not on this computer" in engine.do(Load(ModelChoice("org/model")), Error).message
    hub.damaged = ""
    engine.do(ASKED, DownloadDone)


def test_what_cannot_be_fetched_is_said(engine: EngineProcess, hub: Hub) -> None:
    assert "no model" in engine.do(Download("nobody/nothing"), Error).message
    assert "no model" in engine.do(Download("not a name"), Error).message
    del hub.files["model.safetensors"]
    assert "no safetensors" in engine.do(ASKED, Error).message


@pytest.mark.release
def test_no_network(tmp_path: Path) -> None:
    online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")}
    with engine_process(**online, GISTDESK_MODELS=str(tmp_path / "models")) as process:
        error = process.do(ASKED, Error)
        assert (error.kind, error.stage) == ("user", "download") and "Errno" not in error.message
        assert error.hint.startswith("Connect this computer to the network")
    with engine_process(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path)) as process:
        assert "HF_HUB_OFFLINE" in process.do(ASKED, Error).message


def test_a_gguf_file_is_prepared_as_if_it_were_fetched(engine: EngineProcess, hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_gguf(path)
    assert "is not prepared yet" in engine.do(DescribeModel(ModelChoice(str(path))), Error).message
    events = engine.ask(Download(str(path)))
    assert isinstance(events[-1], DownloadDone), events[-1]
    assert any(isinstance(event, DownloadProgress) for event in events)
    assert engine.do(DescribeModel(ModelChoice(str(path))), ModelInfoDone).info.family == "llama"
    assert hub.requests == []
