"""The Lab over runs that were made before: states, grids, plots, comparison, export, the lease, the form's command."""

import csv
import json
import re
from pathlib import Path
from random import Random

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QComboBox, QTableView
from pytestqt.qtbot import QtBot

from gistdesk.benchmark_names import KINDS, OF_STORIES
from gistdesk.benchmark_names import METHODS as ALL_METHODS
from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence, packed
from gistdesk.folders import folders
from gistdesk.language import i18n
from gistdesk.session.run import Run, read_start
from gistdesk.ui.lab.commands import _LOAD_S, TRAINING, BenchChoice, predicted_s, shown
from gistdesk.ui.lab.compare import differences
from gistdesk.ui.lab.place import ADAPTERS, BENCHMARK, RUNS, TRAIN
from gistdesk.ui.lab.plot import round_steps, smoothed
from gistdesk.ui.lab.train_form import _PRESET_NAMES
from gistdesk.ui.lab.words import METHODS, TASKS, state_text
from gistdesk.ui.widgets.combo import fit_list
from gistdesk.ui.widgets.ramp import ramp
from gistdesk.ui.window.main import LAB, MainWindow
from tests.session.still_desk import ADAPTER, STARTER, add_entry
from tests.ui.lab.lab_made import make_benchmark, make_training, trial
from tests.ui.window.window_made import open_window, still
from trainer.benchmark.config import BenchConfig
from trainer.training.config import PRESETS as TRAINER_PRESETS


@pytest.fixture
def runs_folder(own_home: Path) -> Path:
    folder = folders().data / "runs"
    folder.mkdir(parents=True)
    return folder


def window_on(qtbot: QtBot, tmp_path: Path, tab: int) -> MainWindow:
    window = open_window(qtbot, tmp_path / "w")
    window.show_place(LAB)
    window.lab.main_widget.setCurrentIndex(tab)
    return window


def loaded(folder: Path) -> Run:
    start = read_start(folder)
    assert start is not None
    run = Run(folder, start)
    run.refresh()
    return run


# --- the same names as the benchmark's


def test_the_form_offers_what_the_benchmark_knows() -> None:
    assert set(METHODS) == set(ALL_METHODS) and set(TASKS) == set(KINDS) - set(OF_STORIES)


def test_a_choice_counts_samples_as_the_benchmark_does() -> None:
    choice = BenchChoice((128, 256), (0, 100), 3, ("en", "ko"), ("gist", "none"), ("passkey", "sandwich"), (32, 100))
    config = BenchConfig((128, 256), (0, 100), 3, ("en", "ko"), ("gist", "none"), ("passkey", "sandwich"), (32, 100))
    assert choice.n_trials == config.n_trials


def test_the_command_line_is_the_users_own() -> None:
    words = BenchChoice((512,), (0,), 1, ("en",), ("none",), ("passkey",), (100,)).words()
    line = shown(words)
    assert line[:4] == ["gistdesk", "niah", "-o", "runs/NAME"]
    assert "--events" not in line and "--ratio" not in line


def test_a_prediction_follows_what_was_measured(runs_folder: Path) -> None:
    run = loaded(make_benchmark(runs_folder, "a", "A", "2026-01-01T00:00:00"))
    choice = BenchChoice((512, 2048), (0, 50), 4, ("en",), ("gist", "full"), ("passkey",), (100,))
    predicted = predicted_s(choice, [run])
    own = [t for t in run.trials if t["language"] == "en" and t["depth_percent"] in (0, 50)]
    assert predicted is not None and predicted > 0 and own
    for row in run.trials:
        row |= {"prepare_s": 3 * row["prepare_s"], "ttft_s": 3 * row["ttft_s"]}
        row["tokens_per_second"] /= 3
    assert predicted_s(choice, [run]) == pytest.approx(_LOAD_S + 3 * (predicted - _LOAD_S))
    unknown = BenchChoice((512,), (0,), 1, ("en",), ("none",), ("passkey",), (100,), model="acme/other")
    assert predicted_s(unknown, [run]) is None


# --- reading a folder


@pytest.mark.parametrize(
    ("last", "live", "state"),
    [
        ("finished", False, "finished"),
        ("stopped", False, "stopped"),
        ("", False, "stopped"),
        ("paused", True, "paused"),
    ],
)
def test_a_training_run_is_known_by_its_folder(runs_folder: Path, last: str, live: bool, state: str) -> None:
    run = loaded(make_training(runs_folder, "t", "T", "2026-01-01T00:00:00", steps_done=450, last=last, live=live))
    assert (run.state, run.resume_step, run.steps, run.seed) == (state, 400, 600, 20261121)


def test_a_process_that_died_is_told_with_its_last_words(runs_folder: Path) -> None:
    error = "WARNING: x\npython -m trainer: The base is not there. Download it.\n"
    run = loaded(make_training(runs_folder, "t", "T", "2026-01-01T00:00:00", steps_done=0, last="", error=error))
    assert (run.state, run.problem) == ("failed", "The base is not there. Download it.")
    assert run.can_resume


def test_half_a_line_waits_for_its_end(runs_folder: Path) -> None:
    folder = make_benchmark(runs_folder, "b", "B", "2026-01-01T00:00:00", share=0.01)
    run = loaded(folder)
    line = json.dumps(run.trials[0]).encode() + b"\n"
    n_before = len(run.trials)
    with (folder / "samples.jsonl").open("ab") as stream:
        stream.write(line[:40])
    run.refresh()
    assert len(run.trials) == n_before
    with (folder / "samples.jsonl").open("ab") as stream:
        stream.write(line[40:])
    run.refresh()
    assert len(run.trials) == n_before + 1


def test_a_run_of_the_command_line_is_found_too(runs_folder: Path) -> None:
    folder = make_benchmark(runs_folder, "b", "B", "2026-01-01T00:00:00")
    (folder / "lab.json").unlink()
    run = loaded(folder)
    assert (run.state, run.is_training, run.can_resume) == ("finished", False, False)


# --- the tabs


def test_an_empty_lab_offers_the_check(qtbot: QtBot, tmp_path: Path) -> None:
    window = window_on(qtbot, tmp_path, RUNS)
    (button,) = window.lab.table._empty.buttons
    assert button.isVisible() and button.text() == "Run the two-minute CPU check"


def test_questions_from_files_are_counted_on_top_and_can_be_few(qtbot: QtBot, tmp_path: Path) -> None:
    form = window_on(qtbot, tmp_path, BENCHMARK).lab.benchmark.form
    form.refresh()
    assert "come on top" not in form._predicted.text() and "--records" not in form.command.field.toPlainText()
    form.files.setCurrentIndex(1)
    form.file.field.setText(str(tmp_path))
    form.records.setValue(5)
    form.refresh()
    assert "Questions from files come on top, and their time" in form._predicted.text()
    assert "--records 5" in form.command.field.toPlainText()
    form.records.setValue(0)
    form.refresh()
    assert form.records.text() == "All" and "--records" not in form.command.field.toPlainText()


@pytest.mark.parametrize("typed", ["nan", "inf", "100, nan", "0.5", "-inf", ""])
def test_ratios_that_are_none_cannot_be_started(qtbot: QtBot, tmp_path: Path, typed: str) -> None:
    form = window_on(qtbot, tmp_path, BENCHMARK).lab.benchmark.form
    form.ratios.setText(typed)
    form.refresh()
    assert not form.start.isEnabled() and "Ratios are 1 or more" in form._problem.text()


def test_tasks_of_another_language_cannot_be_started(qtbot: QtBot, tmp_path: Path) -> None:
    """And whole texts are not counted among the samples of the grids."""
    form = window_on(qtbot, tmp_path, BENCHMARK).lab.benchmark.form
    form.tasks.tick(["documents"])
    form.refresh()
    assert form.start.isEnabled() and "Samples" not in form._predicted.text()
    assert "Whole texts" in form._predicted.text() and "not measured yet" in form._predicted.text()
    form.languages["en"].setChecked(False)
    form.refresh()
    assert not form.start.isEnabled() and "in English only" in form._problem.text()
    form.tasks.tick(["documents", "passkey"])
    form.refresh()
    assert form.start.isEnabled() and "Samples" in form._predicted.text()


def test_cells_are_read_with_the_keyboard(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_benchmark(runs_folder, "b", "B", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, BENCHMARK)
    grids = window.lab.benchmark.board.grids
    assert len(grids) == 10 and "Full text" in grids[1].accessibleName()
    cell = grids[0].model().index(0, 0)
    assert "512 tokens, depth 0%" in cell.data(Qt.ItemDataRole.AccessibleTextRole)
    assert "n = 4, 95% interval" in cell.data(Qt.ItemDataRole.AccessibleTextRole)
    grids[0].setFocus()
    grids[0].setCurrentIndex(cell)
    qtbot.keyClick(grids[0], Qt.Key.Key_Down)
    qtbot.keyClick(grids[0], Qt.Key.Key_Return)
    samples = window.lab.benchmark.samples
    assert samples.isVisible() and "depth 25%" in samples._figures.text()
    qtbot.keyClick(samples.text, Qt.Key.Key_Escape)
    assert samples.isHidden()


def test_figures_per_method_have_n_and_interval(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_benchmark(runs_folder, "b", "B", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, BENCHMARK)
    model = window.lab.benchmark.table.model()
    rows = [[model.index(row, column).data() for column in range(4)] for row in range(model.rowCount())]
    none = next(row for row in rows if row[0] == "No text")
    assert none[1:] == ["0%", "0–3%", "120"]


def test_a_narrow_window_shows_one_column(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_benchmark(runs_folder, "b", "B", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, BENCHMARK)
    window.resize(700, 500)
    QApplication.processEvents()
    tab = window.lab.benchmark
    tab.show_run("b")
    assert tab.form.isHidden() and tab.board.isVisible()
    tab._split.to_form.click()
    assert tab.form.isVisible() and not tab.board.isVisible()
    tab._split.to_results.click()
    assert tab.board.isVisible()


def test_a_wide_window_gives_its_room_to_the_results(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    """The form of the first tab grew with the window: it was 898 of 2,471 pixels wide."""
    window = window_on(qtbot, tmp_path, TRAIN)
    window.resize(2560, 1400)
    QApplication.processEvents()
    assert window.lab.train._split.sizes()[0] == 320


def test_the_whole_command_is_seen_and_in_a_tall_window_more_of_the_lists(qtbot: QtBot, tmp_path: Path) -> None:
    """Before: three lines of the command, and five methods in a list with a gap above, in 1,440 pixels."""
    window = window_on(qtbot, tmp_path, BENCHMARK)
    form = window.lab.benchmark.form
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: form.command.field.verticalScrollBar().maximum() == 0)
    few = form.tasks.height()
    window.resize(2560, 1440)
    qtbot.waitUntil(lambda: form.tasks.height() > 2 * few)
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: form.tasks.height() == few)


def test_the_name_of_a_run_is_not_cut(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_training(
        runs_folder, "t", "Standard · Mistral-7B-Instruct", "2026-01-01T00:00:00", steps_done=300, live=True, last=""
    )
    window = window_on(qtbot, tmp_path, TRAIN)
    box = window.lab.train.header.box
    needed = box.fontMetrics().horizontalAdvance(box.currentText()) + 30
    for width in range(1000, 1300, 40):
        window.resize(width, 600)
        qtbot.waitUntil(lambda: box.width() >= needed)


def test_a_training_run_shows_what_is_wrong_with_it(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    warning = "The answers do not depend on the gist."
    make_training(runs_folder, "t", "T", "2026-01-01T00:00:00", steps_done=300, last="stopped", warning=warning)
    window = window_on(qtbot, tmp_path, TRAIN)
    tab = window.lab.train
    assert warning in tab._warning.text() and tab._warning.isVisible()
    assert tab.header.resume.text() == "Resume from step 300" and tab.header.resume.isVisible()
    assert "Gist" in tab.accuracy.accessibleDescription() and "warning" in tab.log.toPlainText()


def test_what_cannot_fit_cannot_be_started(qtbot: QtBot, tmp_path: Path) -> None:
    window = window_on(qtbot, tmp_path, TRAIN)
    form = window.lab.train.form
    form.refresh()
    figures = {"memory_bytes": {"weights": 2**33}, "needed_bytes": 2**34, "free_bytes": 2**33, "fits": False}
    figures |= {"training_s": 60, "device": "cpu", "precision": "bf16", "trained_parameters": 10**6}
    figures |= {"teacher_disk_bytes": 3 * 10**8}
    form.preflight._set(False, "", figures)
    assert not form.start.isEnabled()
    assert form.preflight._verdict.text() == "Does not fit: needs about 16.0 GB, 8.0 GB are free."
    assert form.preflight._time.text().endswith("on disk until the end: up to 286 MB")
    form.preflight._set(True, "", {**figures, "fits": True, "teacher_disk_bytes": 0})
    assert "on disk" not in form.preflight._time.text()
    assert form.start.isEnabled()
    form.preflight.stop()


def test_ticked_runs_are_compared(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    for number in range(5):
        make_training(runs_folder, f"t{number}", f"T{number}", f"2026-01-0{number + 1}T00:00:00", seed=number)
    window = window_on(qtbot, tmp_path, RUNS)
    tab = window.lab.table
    assert tab.comparison.isHidden()
    tab.table.setFocus()
    for number in range(5):
        tab.choose(f"t{number}")
        qtbot.keyClick(tab.table, Qt.Key.Key_Space)
    assert tab.model_.ticked == ["t1", "t2", "t3", "t4"] and tab.comparison.isVisible()
    rows = dict(differences([window.lab.runs.run(name) for name in tab.model_.ticked]))
    assert rows["seed"] == ["1", "2", "3", "4"] and "rank" not in rows


def test_questions_of_files_and_of_whole_texts_have_a_grid_by_length(
    qtbot: QtBot, tmp_path: Path, runs_folder: Path
) -> None:
    folder = make_benchmark(runs_folder, "b", "B", "2026-01-01T00:00:00")
    random = Random(1)
    rows = [trial("gist", "en", length, 0, number, random) for number, length in enumerate((900, 3000, 700, 200))]
    for row, right in zip(rows, (True, False, False, True), strict=True):
        row |= {"needle_kind": "qasper", "depth_percent": None, "correct": right}
    with (folder / "samples.jsonl").open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    window = window_on(qtbot, tmp_path, BENCHMARK)
    tab = window.lab.benchmark
    (grid,) = [grid for grid in tab.board.grids if grid.grid_model.series.task == "qasper"]
    model = grid.grid_model
    assert [model.headerData(i, Qt.Orientation.Horizontal) for i in range(3)] == ["≤256", "≤1k", "≤4k"]
    assert [model.index(0, i).data() for i in range(3)] == ["100%", "50%", "0%"]
    assert grid.isVisible() and grid.width() == grid.sizeHint().width()
    grid._on_opened(model.index(0, 1))
    assert "texts of up to 1,024 tokens" in tab.samples._figures.text() and "n = 2" in tab.samples._figures.text()


def test_adapters_are_renamed_used_and_deleted_in_the_lab(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    window = window_on(qtbot, tmp_path, ADAPTERS)
    desk, tab = still(window), window.lab.adapters
    assert not tab.table.isVisible()
    desk.rows = [STARTER, ADAPTER]
    add_entry(desk, "Lease.pdf", model=ADAPTER.name)
    desk.models_changed.emit()
    shown = [tab.table.item(0, column).text() for column in range(4)]
    assert shown == ["contracts", "Llama-3.1-8B", "NF4 (4 bits)", "1"] and tab.table.rowCount() == 1
    assert not tab._buttons["rename"].isEnabled()
    tab.table.selectRow(0)
    tab._buttons["use"].click()
    assert desk.asked == [("load_model", ADAPTER.name)]
    tab.table.item(0, 0).setText("Leases")
    assert desk.asked[-1] == ("rename_adapter", (ADAPTER.name, "Leases"))
    tab._buttons["delete"].click()
    (notice,) = [banner.notice for banner in window.banners.banners if "permanently" in banner.notice.message]
    assert desk.asked[-1][0] == "rename_adapter"
    notice.actions[0][1]()
    assert desk.asked[-1] == ("remove_adapter", ADAPTER.name)


def test_a_base_model_that_was_typed_stays_when_the_list_changes(
    qtbot: QtBot, tmp_path: Path, runs_folder: Path
) -> None:
    window = window_on(qtbot, tmp_path, TRAIN)
    desk, box = still(window), window.lab.train.form.base
    box.setEditText("someone/some-model")
    desk.rows = [STARTER, ADAPTER]
    desk.models_changed.emit()
    assert box.model == "someone/some-model" == box.currentText()


def test_the_table_sorts_by_figures(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    for number, steps in enumerate((90, 400, 200)):
        make_training(runs_folder, f"t{number}", "T", "2026-01-01T00:00:00", steps_done=steps, last="stopped")
    window = window_on(qtbot, tmp_path, RUNS)
    table: QTableView = window.lab.table.table
    table.sortByColumn(5, Qt.SortOrder.AscendingOrder)
    assert [table.model().index(row, 5).data() for row in range(3)] == ["90 / 600", "200 / 600", "400 / 600"]


def test_a_run_is_deleted_after_a_question(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    folder = make_training(runs_folder, "t", "T", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, RUNS)
    qtbot.keyClick(window.lab.table.table, Qt.Key.Key_Delete)
    banner = window.banners.banners[0]
    assert banner.notice.message == "Delete “T” permanently?" and folder.exists()
    banner.buttons[0].click()
    assert not folder.exists() and window.lab.table._empty.isVisible()


def test_an_adapter_is_put_to_use(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_training(runs_folder, "t", "T", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, RUNS)
    window.lab.table.do("use")
    kept = str(folders().data / "adapters" / "t")
    assert kept in window.desk.settings.models
    assert ("load_model", kept) in window.desk.asked  # type: ignore[attr-defined]
    assert (Path(kept) / "gist.json").is_file()


def test_an_adapter_is_put_to_use_only_after_the_question_about_what_others_made(
    qtbot: QtBot, tmp_path: Path, runs_folder: Path
) -> None:
    make_training(runs_folder, "t", "T", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, RUNS)
    add_entry(still(window), "Lease.pdf")
    window.lab.table.do("use")
    assert window.question.isVisible() and still(window).asked == [] and window.banners.banners == []
    window.question.yes.click()
    assert still(window).asked == [("load_model", str(folders().data / "adapters" / "t"))]
    assert window.banners.banners[0].notice.message == "The adapter of “T” is in use."


def test_a_run_that_went_on_keeps_its_earlier_adapter_beside_the_new_one(
    qtbot: QtBot, tmp_path: Path, runs_folder: Path
) -> None:
    """What was compressed with the earlier one can still be asked."""
    folder = make_training(runs_folder, "t", "T", "2026-01-01T00:00:00")
    runs = window_on(qtbot, tmp_path, RUNS).lab.runs
    run = runs.run("t")
    first = runs.keep_adapter(run)
    assert first is not None and runs.keep_adapter(run) == first
    weights = next(folder.rglob("gist.json"))
    weights.write_text(weights.read_text(encoding="utf-8") + " ", encoding="utf-8")
    second = runs.keep_adapter(run)
    assert second is not None and second != first and (first / "gist.json").is_file()


@pytest.mark.parametrize("make", [make_benchmark, make_training])
def test_exports_hold_configuration_and_seed(qtbot: QtBot, tmp_path: Path, runs_folder: Path, make: object) -> None:
    make(runs_folder, "r", "R", "2026-01-01T00:00:00", seed=7)  # type: ignore[operator]
    window = window_on(qtbot, tmp_path, RUNS)
    run = window.lab.runs.run("r")
    for form in ("csv", "json", "png"):
        window.lab.export(run, tmp_path / f"r.{form}")
    whole = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert whole["seed"] == 7 and whole["config"]["seed"] == 7
    lines = (tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()
    assert "# seed: 7" in lines
    assert len(list(csv.DictReader(line for line in lines if not line.startswith("#")))) > 50
    image = QImage(str(tmp_path / "r.png"))
    assert json.loads(image.text("gistdesk"))["seed"] == 7 and image.width() > 900


def test_an_export_that_cannot_be_written_is_told(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_training(runs_folder, "r", "R", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, RUNS)
    window.lab.export(window.lab.runs.run("r"), tmp_path / "nowhere" / "r.csv")
    assert "cannot be written" in window.banners.banners[0].notice.message


# --- the device


def test_a_live_run_has_the_device_and_a_second_one_waits(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_training(runs_folder, "t", "Long one", "2026-01-01T00:00:00", steps_done=100, last="", live=True)
    window = window_on(qtbot, tmp_path, BENCHMARK)
    assert window.desk.device_holder == "Long one"
    assert window.bar.chip.text().endswith("In use by “Long one”") or window.desk.engine_state.state != "off"
    window.lab.benchmark.form.refresh()
    window.lab.benchmark.form.start.click()
    run = window.lab.benchmark.run
    assert run is not None and run.state == "queued"
    assert "Long one" in window.lab.benchmark.header._why.text()
    window.lab.benchmark.header.stop.click()
    assert run.state == "stopped"


def test_a_question_during_a_run_says_why_it_waits(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    folder = make_training(runs_folder, "t", "Long one", "2026-01-01T00:00:00", steps_done=100, last="", live=True)
    window = open_window(qtbot, tmp_path / "w")
    chat = window.desk.library.chats.add([])
    window.desk.chats.ask(chat.id, "Hello?")
    banner = window.banners.banners[0]
    assert "Long one" in banner.notice.message and len(banner.buttons) == 1
    banner.buttons[0].click()
    assert (folder / "control").read_text() == "stop"
    for message in window.desk.library.chats.path(chat.id):
        window.desk.chats.stop(message.id)


# --- drawing


def test_round_steps_are_round() -> None:
    assert round_steps(0, 1, 4) == [0, 0.25, 0.5, 0.75, 1.0]
    assert round_steps(3, 3, 4) == [3]


def test_smoothing_keeps_a_constant() -> None:
    assert [round(y, 9) for _, y in smoothed([(x, 2.0) for x in range(50)])] == [2.0] * 50


def test_the_ramp_grows_lighter_throughout() -> None:
    lightness = [ramp(step / 20).lightnessF() + 0.59 * ramp(step / 20).greenF() for step in range(21)]
    assert lightness == sorted(lightness)


# --- what the trainer says


SAID_BY_THE_TRAINER = (
    Sentence(
        "The answers do not depend on the gist: {right} of {n} are right with the document's own gist and "
        "{wrong} with another document's. Whatever this run has learned, it has not learned to compress.",
        right=3,
        n=27,
        wrong=2,
    ),
    Sentence("The checkpoint {name} is damaged; the one before it, of step {step}, is used.", name="step-30", step=20),
)


def english_words(*texts: str) -> list[str]:
    known = ("gist", "step", "Starter", "NF", "GPU", "nat", "Quick", "x", "T")
    return [word for text in texts for word in re.findall("[A-Za-z]{2,}", text) if word not in known]


def test_what_the_trainer_says_is_said_in_korean(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    """Its warnings, its failure as an event and as a last line, and a pre-flight check that refuses."""
    made = ("2026-01-01T00:00:00", "2026-01-02T00:00:00", "2026-01-03T00:00:00")
    warned = make_training(runs_folder, "w", "T", made[2], last="stopped", warning=SAID_BY_THE_TRAINER[0])
    told = Sentence("There was not enough memory at step {step}.", step=30)
    failure: dict[str, object] = {"event": "failure", "step": 30, "message": told}
    failure["hint"] = (
        "Lower micro_tokens or set checkpoint_activations, then resume the run; for a lower distill_tokens "
        "or a smaller precision, start another run."
    )
    failed = make_training(runs_folder, "f", "T", made[1], last="", warning=SAID_BY_THE_TRAINER[1])
    with (failed / "run.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(packed(failure)) + "\n")
    nothing = UserError("No base model is given.", "Set base to a folder or a hub id: --set base=FOLDER.")
    error = f"python -m trainer: {json.dumps({'said': packed(nothing.both)})}\n"  # as a run of the window says it
    make_training(runs_folder, "d", "T", made[0], steps_done=0, last="", error=error)
    window = window_on(qtbot, tmp_path, TRAIN)
    i18n.set_language("ko")
    tab = window.lab.train
    assert warned.is_dir()
    tab.show_run("w")
    assert "⚠" in tab._warning.text() and english_words(tab._warning.text()) == []
    tab.show_run("f")
    names = ("micro_tokens", "distill_tokens", "checkpoint_activations")
    state = tab.header._words.text()
    for name in names:
        state = state.replace(name, "")
    assert english_words(state, tab._warning.text()) == [] and "30" in state
    tab.show_run("d")
    words = tab.header._words.text()
    assert "base" in words and set(english_words(words.replace("--set base=FOLDER", ""))) <= {"base", "id"}
    tab.form.further.setText("rank=0")
    qtbot.waitUntil(lambda: bool(tab.form.preflight.problem), timeout=60_000)
    assert english_words(tab.form.preflight._verdict.text().replace("rank", "")) == []


def test_an_error_of_the_program_is_told_as_one(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    error = "Traceback (most recent call last):\n  File x\nRuntimeError: expected scalar type Half\n"
    make_training(runs_folder, "t", "T", "2026-01-01T00:00:00", steps_done=0, last="", error=error)
    window = window_on(qtbot, tmp_path, TRAIN)
    words = window.lab.train.header._words
    assert words.text() == "Failed: an error in the program (RuntimeError: expected scalar type Half)"
    i18n.set_language("ko")
    assert english_words(words.text().replace("RuntimeError: expected scalar type Half", "")) == []


def test_the_form_shows_the_presets_own_values() -> None:
    for name, values in TRAINING.items():
        preset = TRAINER_PRESETS[name]
        assert {key: getattr(preset, key) for key in values} == values
    assert set(TRAINING) == set(TRAINER_PRESETS)
    for name, words in zip(TRAINING, _PRESET_NAMES, strict=True):
        assert f"{TRAINING[name]['steps']:,} steps" in words


def test_only_what_differs_from_the_preset_is_said(qtbot: QtBot, tmp_path: Path) -> None:
    window = window_on(qtbot, tmp_path, TRAIN)
    form = window.lab.train.form
    form.preset.setCurrentIndex(1)
    assert (form.steps.value(), form.batch.value(), form.rank.value(), form.seed.value()) == (600, 1, 64, 20261122)
    assert form.learning_rate.value() == 0.001 and form.precision.currentData() == "auto"
    words = form.words()
    assert words is not None and not {word.split("=")[0] for word in words} & set(TRAINING["quick"])
    form.learning_rate.setValue(0.0002)
    form.rank.setValue(16)
    form.batch.setValue(2)
    words = form.words()
    assert words is not None and {"learning_rate=0.0002", "rank=16", "batch=2"} <= set(words)
    assert not any(word.startswith(("steps=", "seed=", "precision=")) for word in words)
    form.preset.setCurrentIndex(2)
    assert (form.steps.value(), form.learning_rate.value(), form.precision.currentData()) == (600, 0.0002, "nf4")


def test_an_evaluation_tells_how_far_it_is(runs_folder: Path) -> None:
    folder = make_training(runs_folder, "e", "E", "2026-01-01T00:00:00", steps_done=200, live=True, last="")
    with (folder / "run.jsonl").open("a") as lines:
        lines.write('{"event": "evaluating", "step": 200, "steps": 600, "done": 7, "of": 25}\n')
    assert state_text(loaded(folder)) == "Step 200 of 600  ·  Evaluating: 7 of 25"


def test_lines_of_the_log_are_not_wider_than_its_box(qtbot: QtBot, tmp_path: Path, runs_folder: Path) -> None:
    make_training(runs_folder, "w", "W", "2026-01-01T00:00:00")
    window = window_on(qtbot, tmp_path, TRAIN)
    window.lab.train.show_run("w")
    log = window.lab.train.log
    qtbot.waitUntil(lambda: len(log.toPlainText()) > 200)
    assert log.horizontalScrollBar().maximum() == 0


@pytest.mark.parametrize("n", [2, 4, 9])
def test_a_list_of_choices_shows_every_entry(qtbot: QtBot, tmp_path: Path, n: int) -> None:
    box = QComboBox(window_on(qtbot, tmp_path, TRAIN))
    box.addItems([f"Standard: a model of mine, NF4, {number} steps" for number in range(n)])
    box.setFixedWidth(120)
    fit_list(box)
    box.show()
    box.showPopup()
    view = box.view()
    qtbot.waitUntil(view.isVisible)
    last = view.visualRect(view.model().index(n - 1, 0))
    assert last.bottom() <= view.viewport().height() and view.verticalScrollBar().maximum() == 0
    assert view.viewport().width() >= box.fontMetrics().horizontalAdvance(box.itemText(n - 1))
    box.hidePopup()
