"""All long work stands in the drawer, is counted, is told before quitting, and when it ends while nobody looks."""

from pathlib import Path

import pytest
from PySide6.QtCore import QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from gistdesk.session.recall_checks import Check
from gistdesk.session.run import write_start
from gistdesk.ui.window import notifications
from gistdesk.ui.window.jobs import all_jobs, left_words
from gistdesk.ui.window.jobs_drawer import _JobRow
from gistdesk.ui.window.main import MainWindow
from tests.session.still_desk import add_entry, fill
from tests.ui.lab.lab_made import make_benchmark, make_training
from tests.ui.window.window_made import open_window, still


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    return open_window(qtbot, tmp_path / "w")


def with_runs(window: MainWindow) -> None:
    """A training run that goes on, with no process behind it but this one's, and a benchmark that waits."""
    make_training(window.runs.folder, "t", "Contracts", "2026-01-01T00:00:00", steps_done=300, live=True, last="")
    make_benchmark(window.runs.folder, "b", "Passkeys", "2026-01-02T00:00:00", queued=True)
    window.runs._timer.stop()
    window.runs.find()


def test_runs_and_measuring_are_jobs(window: MainWindow, qtbot: QtBot) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    checks = window.desk.recall_checks
    checks._running = Check(entry.id, 12, 20.0, request_id=9, done=3, total=12)
    with_runs(window)
    window.show_jobs(True)
    rows = {key: (row._title.text(), row._words.text()) for key, row in window.drawer._rows.items()}
    assert rows == {
        "run t": ("Contracts", "Step 300 of 600  ·  10 min left"),
        "run b": ("Passkeys", "Waiting for the device"),
        f"check {entry.id}": ("Lease", "Measuring: 3 of 12 facts"),
    }
    qtbot.waitUntil(lambda: window.bar.jobs.text() == "Jobs 3")
    window.drawer._rows[f"check {entry.id}"]._cancel.click()
    assert f"check {entry.id}" not in window.drawer._rows and checks.checks == []
    window.drawer._rows["run b"]._cancel.click()
    run = window.runs.run("b")
    assert run is not None and run.state == "stopped" and "run b" not in window.drawer._rows


def test_what_is_put_first_stands_first(window: MainWindow) -> None:
    first, second, third = (add_entry(still(window), f"{name}.pdf", state="queued") for name in "ABC")
    window.show_jobs(True)
    assert shown_titles(window) == ["A", "B", "C"]
    window.desk.documents.compress_next(third.id)
    assert shown_titles(window) == ["C", "A", "B"] and window.desk.library.queue.waiting() == [
        third.id,
        first.id,
        second.id,
    ]


def shown_titles(window: MainWindow) -> list[str]:
    """Of the rows of the drawer, from above."""
    column = window.drawer._column
    rows = [column.itemAt(place).widget() for place in range(column.count())]
    return [row._title.text() for row in rows if isinstance(row, _JobRow)]


def test_quitting_tells_how_much_is_left(window: MainWindow) -> None:
    entries = fill(still(window))
    still(window).working = True
    words = left_words(all_jobs(window.desk, window.runs))
    assert words == "Not finished: 3. What is running needs about 2 min more."
    assert not window.quitting.may_close()
    [box] = window.findChildren(QMessageBox)
    assert words in box.informativeText()
    box.close()
    window.desk.documents.cancel(entries["compressing"].id)
    assert left_words(all_jobs(window.desk, window.runs)).startswith("Not finished: ")


def test_a_run_that_is_left_alone_tells_its_time(window: MainWindow) -> None:
    with_runs(window)
    assert not window.quitting.may_close()
    [box] = window.findChildren(QMessageBox)
    assert box.text() == "“Contracts” is still running." and "10 min left" in box.informativeText()
    box.close()


def test_nothing_is_drawn_on_what_is_not_there(window: MainWindow, qtbot: QtBot) -> None:
    """Qt complains of a painter without a device when a row is drawn that has no size."""
    said: list[str] = []
    qInstallMessageHandler(lambda kind, _, text: said.append(text) if kind != QtMsgType.QtDebugMsg else None)
    try:
        window.show_jobs(True)
        entries = fill(still(window))
        with_runs(window)
        for done in range(0, 100, 10):
            window.desk.library.entries.set_progress(entries["compressing"].id, done, 100)
            window.desk.documents.one_changed.emit(entries["compressing"].id)
            window.grab()
        window.resize(900, 600)
        qtbot.wait(50)
        window.grab()
    finally:
        qInstallMessageHandler(None)
    assert [text for text in said if "QPainter" in text] == []


def test_the_end_of_long_work_is_told_where_nobody_looks(window: MainWindow, qtbot: QtBot, monkeypatch: object) -> None:
    with_runs(window)
    run = window.runs.run("t")
    assert run is not None
    told: list[tuple[str, str]] = []
    window.notifications.told.connect(lambda *words: told.append(words))

    def finish() -> None:
        with (run.folder / "run.jsonl").open("a") as lines:
            lines.write('{"event": "finished", "step": 600, "seconds": 1}\n')
        run.start = type(run.start)(**{**run.start.__dict__, "pid": 0})
        write_start(run.folder, run.start)
        run.refresh()
        window.runs.changed.emit(run.name)

    other = QWidget()
    qtbot.addWidget(other)
    other.show()
    other.activateWindow()
    qtbot.waitUntil(lambda: not window.isActiveWindow())
    finish()
    assert told == [("Contracts", "The run has finished.")]


def test_a_queue_that_took_long_is_told(window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    window.notifications.told.connect(lambda *words: told.append(words))
    monkeypatch.setattr(window, "isActiveWindow", lambda: False)
    for long_s, expected in ((60.0, []), (0.0, [("gistdesk", "All documents are done.")])):
        monkeypatch.setattr(notifications, "LONG_S", long_s)
        entry = add_entry(still(window), f"{long_s}.pdf", "queued")
        window.notifications._look_at_documents()
        window.desk.library.entries.set_state(entry.id, "cancelled")
        window.notifications._look_at_documents()
        assert told == expected
