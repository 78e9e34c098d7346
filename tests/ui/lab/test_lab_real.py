"""The Benchmark tab in the real window with the real starter: a run is interrupted, and finished by another window."""

from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from gistdesk.cli.jobs import compress_file
from gistdesk.language import i18n
from gistdesk.session.run import Run, is_alive
from gistdesk.ui.lab.place import BENCHMARK, LabPlace
from gistdesk.ui.library.model import RECALL
from gistdesk.ui.window.main import LAB, MainWindow
from tests.session.still_desk import add_entry
from tests.starter import loaded_starter
from tests.ui.window.window_made import open_window, still

pytestmark = pytest.mark.release

_WAIT_MS = 150_000


def tab(window: MainWindow) -> LabPlace:
    assert isinstance(window.lab, LabPlace)
    window.show_place(LAB)
    window.lab.main_widget.setCurrentIndex(BENCHMARK)
    return window.lab


def choose_tiny(lab: LabPlace, *, samples: int) -> None:
    form = lab.benchmark.form
    form.lengths.setText("128, 256")
    form.depths.setText("0, 100")
    form.samples.setValue(samples)
    form.languages["ko"].setChecked(False)
    form.methods.tick(["gist", "none"])
    form.refresh()


def settled(run: Run) -> bool:
    run.refresh()
    return not run.is_live


def end(run: Run | None) -> None:
    """No process outlives its test."""
    if run is not None and is_alive(run.start):
        process = psutil.Process(run.start.pid)
        process.kill()
        process.wait(10)


@pytest.mark.timeout(400)
def test_a_run_survives_the_window_and_is_finished_by_the_next(qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(qtbot, tmp_path / "w")
    lab = tab(window)
    choose_tiny(lab, samples=3)
    assert "--lengths 128,256 --depths 0,100 --samples 3" in lab.benchmark.form.command.field.toPlainText()
    lab.benchmark.form.start.click()
    run = lab.benchmark.run
    assert run is not None
    try:
        assert window.desk.device_holder == run.start.title
        qtbot.waitUntil(lambda: len(run.trials) >= 3, timeout=_WAIT_MS)
        filled = [grid for grid in lab.benchmark.board.grids if grid.grid_model.cells]
        assert filled
        window.quitting.may_close()
        assert window.quitting._box is not None and "is still running" in window.quitting._box.text()
        window.quitting._box.close()
        lab.runs.pause(run)  # as a crash would end it: in the middle of a sample
        qtbot.waitUntil(lambda: settled(run), timeout=10_000)
        n_kept = len(run.trials)
        assert run.state == "stopped" and 0 < n_kept < run.steps == 24
        assert window.desk.device_holder == "" or lab.runs.look() is None
        window.quit_now()

        again = open_window(qtbot, tmp_path / "again")
        lab = tab(again)
        run = lab.benchmark.run
        assert run is not None and run.state == "stopped" and len(run.trials) == n_kept
        assert lab.benchmark.header.resume.text() == f"Resume from sample {n_kept}"
        assert not lab.benchmark.report.isEnabled()
        i18n.set_language("ko")
        qtbot.keyClick(lab.benchmark.header.resume, Qt.Key.Key_Space)
        i18n.set_language("en")
        qtbot.waitUntil(lambda: run.state == "finished", timeout=_WAIT_MS)
        assert "<h2>측정한 것</h2>" in (run.folder / "report.html").read_text(encoding="utf-8")  # as when it began
        assert lab.benchmark.report.isEnabled()
        assert len(run.trials) == 24
        grids = lab.benchmark.board.grids
        assert [grid.grid_model.series.method for grid in grids] == ["gist", "none"]
        assert all(len(grid.grid_model.cells) == 4 and grid.grid_model.cells[128, 0].n == 3 for grid in grids)
        grids[0].setFocus()
        grids[0].setCurrentIndex(grids[0].model().index(0, 0))
        qtbot.keyClick(grids[0], Qt.Key.Key_Return)
        words = lab.benchmark.samples.text.toPlainText()
        assert lab.benchmark.samples.isVisible() and "Expected" in words and run.trials[0]["expected"] in words
        qtbot.keyClick(lab.benchmark.samples.text, Qt.Key.Key_Escape)
        assert not lab.benchmark.samples.isVisible() and grids[0].hasFocus()
        assert still(again).device_holder == ""
    finally:
        end(run)


@pytest.mark.timeout(300)
def test_what_a_gist_kept_is_measured_and_kept(qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(qtbot, tmp_path / "w")
    text = "The passkey is 58203. Remember it well, it opens the garden door of the old house.\n"
    entry = add_entry(still(window), "note.txt", pages=[text], n_tokens=40)
    assert entry.gist is not None
    (tmp_path / "note.txt").write_text(text, encoding="utf-8")
    entry.source_path.unlink()  # the kept text is asked about, wherever the document is
    model = loaded_starter(device="cpu")
    for _ in compress_file(model, tmp_path / "note.txt", tmp_path / "note.gistkv", ratio=32.0):
        pass
    entry.gist.path.write_bytes((tmp_path / "note.gistkv").read_bytes())
    window.library.choose([entry.id])
    card = window.library.inspector_widget.recall
    assert card.isVisible() and card.measure.text() == "Measure"
    qtbot.keyClick(card.measure, Qt.Key.Key_Space)
    checks = window.desk.recall_checks
    assert checks.check(entry.id) is not None and card.measure.text() == "Cancel"
    qtbot.waitUntil(lambda: checks.check(entry.id) is None, timeout=_WAIT_MS)
    assert "of 1 facts kept" in card._figure.text(), card._note.text()
    assert card.measure.text() == "Measure again"
    measured = still(window).library.entries.get(entry.id).gist
    assert measured is not None and measured.recall_n == 1
    share = f"{100 * (measured.recall or 0):.0f}%"
    table = window.library.list_widget.table
    qtbot.waitUntil(lambda: table.model_.index(0, RECALL).data() == share)
