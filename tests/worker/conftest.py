"""One engine process with the starter model for as many tests as can share it, and texts for it to work on."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gistdesk.folders import resource
from gistdesk.protocol import Compress, CompressDone, Extract, ExtractDone, Load, ModelChoice, ModelLoadDone
from tests.worker.process import ONE_THREAD, EngineProcess, engine_process


@pytest.fixture(scope="session")
def engine() -> Iterator[EngineProcess]:
    """With the starter model loaded."""
    with engine_process() as process:
        process.do(Load(ONE_THREAD), ModelLoadDone)
        yield process


@dataclass(frozen=True)
class Kept:
    """A document that was extracted, and compressed into `gist`."""

    text: ExtractDone
    gist: Path

    def request(
        self, target: Path | None = None, ratio: float = 100.0, choice: ModelChoice = ONE_THREAD, **more: object
    ) -> Compress:
        text = self.text
        return Compress(
            text_path=text.text_path,
            title=text.title,
            source_sha256=text.source_sha256,
            page_label=text.page_label,
            target=str(target or self.gist),
            ratio=ratio,
            choice=choice,
            **more,  # type: ignore[arg-type]
        )


def keep(engine: EngineProcess, source: Path, folder: Path) -> Kept:
    text = engine.do(Extract(str(source), str(folder / "texts")), ExtractDone)
    return Kept(text, folder / f"{source.stem}.gistkv")


@pytest.fixture(scope="session")
def alice(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The English sample, compressed."""
    kept = keep(engine, resource("samples") / "alice-with-a-note.txt", tmp_path_factory.mktemp("alice"))
    engine.do(kept.request(), CompressDone)
    return kept


@pytest.fixture(scope="session")
def novel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.2 MB of English, 20 seconds of work: enough to be interrupted."""
    path = tmp_path_factory.mktemp("novel") / "moby-dick.txt"
    path.write_bytes(gzip.decompress((resource("text") / "en-moby-dick--or-the-whale.txt.gz").read_bytes()))
    return path


@pytest.fixture(scope="session")
def novel(engine: EngineProcess, novel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A novel, extracted, not compressed."""
    return keep(engine, novel_file, tmp_path_factory.mktemp("kept"))
