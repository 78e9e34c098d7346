"""A dropped document is read once: its text is kept when it is accepted, and gone when it is not."""

from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.library import Problem
from gistdesk.protocol import Request
from gistdesk.session.calls import Calls, Handler
from gistdesk.session.desk import Desk
from gistdesk.session.dropped import Measured
from tests.library.made import add, extract, figures, ready
from tests.session.test_desk import WAIT_MS, desk, new_desk

pytestmark = pytest.mark.release

__all__ = ["desk", "new_desk"]


def files(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(f"This is {Path(name).stem}. It has a few words.", encoding="utf-8")
    return [folder / name for name in names]


def measured(qtbot: QtBot, desk: Desk, paths: list[Path]) -> dict[str, Measured | Problem]:
    found: dict[str, Measured | Problem] = {}
    desk.documents.measured.connect(lambda path, what: found.setdefault(Path(path).name, what))
    desk.documents.measure(paths)
    qtbot.waitUntil(lambda: len(found) == len(paths), timeout=WAIT_MS)
    return found


def kept(desk: Desk) -> set[str]:
    return {path.stem for path in desk.library.store.texts_folder.glob("*.txt")}


def test_what_is_not_wanted_leaves_no_text_behind(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    desk._queue.pause(True)
    first, second, third = files(tmp_path / "in", "first.txt", "second.txt", "third.txt")
    measured(qtbot, desk, [first, second])
    assert len(kept(desk)) == 2
    (entry_id,) = desk.documents.add([first], 100.0)
    desk.documents.forget_measured()
    entry = desk.library.entries.get(entry_id)
    assert kept(desk) == {entry.text_sha256}  # it was not read a second time
    assert entry.state == "queued" and entry.n_tokens and entry.title == "first"

    desk.documents.measure([third])
    desk.documents.forget_measured()  # while it is being read
    measured(qtbot, desk, [second])
    assert len(kept(desk)) == 2
    desk.documents.forget_measured()
    assert kept(desk) == {entry.text_sha256}


def test_a_document_is_read_once_from_its_drop_to_its_gist(
    qtbot: QtBot, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    plain = Calls.send

    def send(calls: Calls, request: Request, handler: Handler) -> int:
        sent.append(request.name)
        return plain(calls, request, handler)

    monkeypatch.setattr(Calls, "send", send)
    paths = files(tmp_path / "documents", "once.txt")
    measured(qtbot, desk, paths)
    [entry_id] = desk.documents.add(paths, 100.0)
    qtbot.waitUntil(lambda: desk.library.entries.get(entry_id).state == "ready", timeout=WAIT_MS)
    assert (sent.count("extract"), sent.count("compress")) == (1, 1)


def test_the_same_text_again_is_known(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    desk._queue.pause(True)
    (first,) = files(tmp_path / "in", "first.txt")
    measured(qtbot, desk, [first])
    desk.documents.add([first], 100.0)
    copy = tmp_path / "copy.txt"
    copy.write_bytes(first.read_bytes())
    (again,) = measured(qtbot, desk, [copy]).values()
    assert isinstance(again, Measured) and again.known_as == "first"
    desk.documents.forget_measured()
    assert len(kept(desk)) == 1  # which the entry has


def test_a_file_that_changed_since_is_read_again(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    desk._queue.pause(True)
    (first,) = files(tmp_path / "in", "first.txt")
    measured(qtbot, desk, [first])
    first.write_text("Something else, which is longer than before.", encoding="utf-8")
    (entry_id,) = desk.documents.add([first], 100.0)
    assert desk.library.entries.get(entry_id).text_sha256 is None
    desk.documents.forget_measured()
    assert not kept(desk)


def test_predictions_and_what_was_measured_are_of_this_model(qtbot: QtBot, desk: Desk) -> None:
    desk.change_settings(precision="fp32")
    qtbot.waitUntil(lambda: desk.model_info() is not None, timeout=WAIT_MS)
    info = desk.model_info()
    assert info is not None and info.dtype == "float32"
    n_slots, overhead = 1000, 8192
    stored = n_slots * info.kv_bytes_per_slot // 2  # the file holds float16
    assert desk.estimates.predict(100_000, 100.0).file_bytes == stored + overhead
    row = next(row for row in desk.estimates.measured_at(100.0) if row.kind == "passkey")  # at 102.4 in the table
    assert row.n >= 100 and 0.9 < row.n_right / row.n <= 1
    assert {row.kind for row in desk.estimates.measured_at(32.0)} >= {"fact", "facts-4", "facts-8"}
    assert desk.estimates.measured_at(500.0) == []
    assert desk.estimates.measured_at(100.0, method="matched") == []  # nothing was made so


def test_each_way_is_predicted_by_itself(qtbot: QtBot, desk: Desk) -> None:
    """Before: training on a document was predicted at the speed of the adapter, minutes as seconds."""
    qtbot.waitUntil(lambda: desk.model_info() is not None, timeout=WAIT_MS)
    library, usual = desk.library, ready(desk.library, "one")
    trained = add(library, "two")
    extract(library, trained.id, ["Another text."])
    library.gists.incoming_path(trained.id).write_bytes(b"trained")
    slow = replace(figures(), method="refined", tokens_per_second=2.0)
    library.gists.adopt(trained.id, library.gists.incoming_path(trained.id), slow)
    assert usual.gist is not None
    assert desk.estimates.predict(1000, 100.0).seconds == pytest.approx(1000 / usual.gist.tokens_per_second)
    assert desk.estimates.predict(1000, 100.0, method="refined").seconds == pytest.approx(500.0)
    assert desk.estimates.predict(1000, 100.0, method="matched").seconds is None
    assert desk.estimates.predict(1000, 100.0, model="another").seconds is None
