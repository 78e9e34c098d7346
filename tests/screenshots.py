"""Pictures of every place and state, light and dark, English and Korean: `python -m tests.screenshots FOLDER`.

Each scale is a process of its own, because Qt takes it when it starts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QEvent, QThread
from PySide6.QtWidgets import QApplication, QWidget

from gistdesk.language import i18n
from gistdesk.library import Passage, Problem
from gistdesk.session.desk import EngineState
from gistdesk.session.notices import Notice
from gistdesk.settings import Settings
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.overlay import Overlay
from gistdesk.ui.window.main import CHAT, LAB, LIBRARY, MainWindow
from tests.session.still_desk import DOWNLOADING, LARGE, OFFERS, PAGES, STARTER, TIGHT, StillDesk, fill
from tests.ui.lab.lab_made import make_benchmark, make_training

State = tuple[str, Callable[[MainWindow], QWidget | None]]


def settle() -> None:
    """Let layouts, deferred deletes and short timers happen."""
    for _ in range(8):
        QApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


USUAL, SMALL = (1280, 800), (720, 480)
"""Sizes of the window; pictures of the second end in "-small"."""


def new_window(folder: Path, settings: Settings | None = None) -> MainWindow:
    desk = StillDesk(folder, settings)
    return MainWindow(desk)


def _desk(window: MainWindow) -> StillDesk:
    assert isinstance(window.desk, StillDesk)
    return window.desk


def empty_states() -> Iterator[State]:
    yield "library-empty", lambda w: w.show_place(LIBRARY)
    yield "chat-empty", lambda w: w.show_place(CHAT)
    for number, name in enumerate(("train", "benchmark", "runs", "attention")):
        yield f"lab-{name}-empty", lambda w, number=number: _lab(w, number)


def library_states() -> Iterator[State]:
    def one(name: str) -> Callable[[MainWindow], None]:
        def choose(window: MainWindow) -> None:
            window.show_place(LIBRARY)
            wanted = {"ready": 0, "compressing": 4, "failed": 6, "locked": 7, "outdated": 8, "cancelled": 10}[name]
            entries = sorted(window.desk.library.entries.all(), key=lambda entry: entry.id)
            window.library.choose([entries[wanted].id])

        return choose

    for name in ("ready", "compressing", "failed", "locked", "outdated", "cancelled"):
        yield f"library-{name}", one(name)
    yield "library-several", lambda w: w.library.list_widget.table.selectAll()
    yield "library-search", lambda w: w.library.list_widget.search.setText("zebra") or w.library.list_widget.refresh()
    yield "library-reader", _show_reader
    yield "jobs", lambda w: w.show_jobs(True)
    yield "jobs-closed", lambda w: w.show_jobs(False)


def _show_reader(window: MainWindow) -> None:
    window.library.list_widget.show_everything()
    start = PAGES[0].index("58203")
    first = min(entry.id for entry in window.desk.library.entries.all())
    window.library.show_passage(Passage(first, "", 1, start, start + 5, "58203", None))


def window_states() -> Iterator[State]:
    yield "drop-picture", lambda w: w.drop_picture.show_for([Path("a.pdf"), Path("b.pdf"), Path("c.md")])
    yield "drop-sheet", _drop_sheet
    yield "recompress-sheet", _recompress
    yield "folder-question", _folder_question
    yield "palette", lambda w: (_close(w), w.show_palette(), w.palette_.field.setText("ch"))[0]
    yield "help", lambda w: (_close(w), w.help.show_help())[0]
    yield "banners", _banners
    yield "device-card", lambda w: (w.bar.show_device(), QApplication.activePopupWidget())[1]
    yield "engine-loading", lambda w: (_close_popup(), _loading(w))[0]
    yield "quit-question", _quit_question
    yield "welcome", lambda w: (w.quitting._box.close(), w.desk.change_settings(first_run=True))[1]


def _close(window: MainWindow) -> None:
    window.drop_picture.hide()
    for overlay in window.findChildren(Overlay):
        overlay.dismiss()


def _drop_sheet(window: MainWindow) -> None:
    _close(window)
    paths = [Path(f"/home/ada/Documents/{name}") for name in ("Thesis.pdf", "Salaries.pdf", "scan.pdf", "notes.md")]
    window.drop_sheet.show_paths(paths)
    _desk(window).count_documents(paths[0], 88_412, 214)
    locked = Problem("password", "Salaries.pdf is protected with a password.", "Enter the password to open it.")
    window.desk.documents.measured.emit(str(paths[1]), locked)
    scan = Problem("user", "scan.pdf has no text: its pages are only pictures, as in a scan.", "Run it through OCR.")
    window.desk.documents.measured.emit(str(paths[2]), scan)


def _recompress(window: MainWindow) -> None:
    _close(window)
    window.recompress_sheet.show_entries([min(window.desk.library.entries.all(), key=lambda entry: entry.id)])


def _folder_question(window: MainWindow) -> None:
    _close(window)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "Reports"
        folder.mkdir()
        for number in range(12):
            (folder / f"{number}.txt").write_bytes(b"x" * 30_000)
        window.open_paths([folder])
        while window.desk.file_jobs.jobs:
            QApplication.processEvents()


def _banners(window: MainWindow) -> None:
    _close(window)
    window.desk.notice.emit(
        Notice(
            "The graphics card ran out of memory while compressing.",
            "It needed 6.2 GB, 4.1 GB were free. Try again in smaller batches, or at a higher ratio.",
            "RuntimeError: CUDA out of memory.\n  at segment 12 of 90",
            (("Retry", lambda: None), ("Settings", lambda: None)),
        )
    )
    window.library.trash([max(entry.id for entry in window.desk.library.entries.all())])
    window.banners.banners[1]._more.setChecked(True)


def _close_popup() -> None:
    popup = QApplication.activePopupWidget()
    if popup is not None:
        popup.close()


def _loading(window: MainWindow) -> None:
    for banner in list(window.banners.banners):
        banner.closed.emit()
    _desk(window).set_engine(EngineState("loading", 0.4, "cuda", "An RTX 4070 was found.", ""))
    window.desk.forecast(5 * 2**30)


def _quit_question(window: MainWindow) -> QWidget | None:
    _desk(window).working = True
    window.quitting.may_close()
    _desk(window).working = False
    return window.quitting._box


def settings_states() -> Iterator[State]:
    for number, name in enumerate(("general", "models", "storage", "hardware", "server", "privacy", "advanced")):
        yield f"settings-{name}", lambda w, number=number: _settings(w, number)


def _settings(window: MainWindow, page: int) -> QWidget | None:
    _desk(window).rows = [STARTER, LARGE, TIGHT, DOWNLOADING]
    _desk(window).offers = OFFERS
    window._open_settings(page)
    return window._settings_dialog


def _lab(window: MainWindow, tab: int) -> None:
    window.show_place(LAB)
    window.lab.main_widget.setCurrentIndex(tab)
    window.lab.benchmark.form.refresh()


_DRY_RUN = {
    "device": "cpu",
    "precision": "bf16",
    "trained_parameters": 1_970_176,
    "teacher_disk_bytes": 0,
    "memory_bytes": {"weights": 14_424_576, "activations of a micro-batch": 235_929_600, "libraries": 367_001_600},
    "needed_bytes": 670_374_400,
    "free_bytes": 18_530_152_448,
    "fits": True,
    "training_s": 1260,
}


def lab_states() -> Iterator[State]:
    """One kind of state after another; what was made stays, the newest run is shown."""
    made = iter(range(100))

    def run(make: Callable[..., Path], title: str, tab: int, **how: object) -> Callable[[MainWindow], None]:
        def show(window: MainWindow) -> None:
            number = next(made)
            folder = make(window.lab.runs.folder, f"{number:02}", title, f"2026-11-21T10:{number:02}:00+00:00", **how)
            window.lab.runs.find()
            own = window.lab.runs.run(folder.name)
            window.lab.runs._timer.stop()
            window.show_place(LAB)
            window.lab.open(own)
            preflight = window.lab.train.form.preflight
            preflight._soon.stop()
            preflight._set(title != "Quick · Mistral-7B", "", {**_DRY_RUN, "fits": title != "Quick · Mistral-7B"})

        return show

    quick = "Quick · Starter"
    yield "lab-bench-finished", run(make_benchmark, "Standard · Starter", 1)
    yield "lab-bench-samples", _samples
    yield "lab-bench-queued", run(make_benchmark, quick, 1, queued=True)
    yield "lab-bench-running", run(make_benchmark, quick, 1, share=0.3, live=True)
    yield "lab-bench-stopped", run(make_benchmark, quick, 1, share=0.6, seed=3)
    yield "lab-train-finished", run(make_training, quick, 0)
    low = (
        "The answers do not depend on the gist: 3 of 27 are right with the document's own gist and 3 with another "
        "document's. Whatever this run has learned, it has not learned to compress."
    )
    yield "lab-train-running", run(make_training, quick, 0, steps_done=400, live=True, last="", warning=low, seed=2)
    yield "lab-train-paused", run(make_training, quick, 0, steps_done=300, live=True, last="paused")
    yield "lab-train-stopped", run(make_training, quick, 0, steps_done=400, last="stopped", seed=3)
    error = "Traceback (most recent call last):\n  File x\nRuntimeError: expected scalar type Half"
    yield "lab-train-failed", run(make_training, "Quick · Mistral-7B", 0, steps_done=0, last="", error=error)
    yield "lab-runs", lambda w: _lab(w, 2)
    yield "lab-runs-compared", lambda w: [w.lab.table.model_.toggle(name) for name in ("05", "06", "08")] and None
    yield "lab-runs-benchmarks", _compare_benchmarks
    yield "lab-attention-waiting", _attention_waiting
    yield "lab-attention", _attention
    yield "lab-attention-failed", _attention_failed


def _samples(window: MainWindow) -> None:
    grid = window.lab.benchmark.board.grids[0]
    grid.setCurrentIndex(grid.model().index(2, 2))
    grid._on_opened(grid.currentIndex())


def _attention_waiting(window: MainWindow) -> None:
    window.desk.device_holder = "Quick · Starter"
    _lab(window, 3)
    window.lab.attention.begin()


def _attention(window: MainWindow) -> None:
    """Drawn by the real process, with the real starter."""
    window.desk.device_holder = ""
    tab = window.lab.attention
    tab.begin()
    name = ""
    while tab._problem is None and (tab._is_drawing or tab._is_stale or not name):
        QApplication.processEvents()
        QThread.msleep(20)
        name = tab.picture.accessibleName()


def _attention_failed(window: MainWindow) -> None:
    window.lab.attention.close_process()
    window.lab.attention._problem = lambda: i18n.tr("There is no segment {n}.", n=9)
    window.lab.attention._show()


def _compare_benchmarks(window: MainWindow) -> None:
    for name in ("05", "06", "08", "00", "04"):
        window.lab.table.model_.toggle(name)


def chat_states() -> Iterator[State]:
    yield "chat", _chat


def _chat(window: MainWindow) -> None:
    library = window.desk.library
    entries = sorted(library.entries.all(), key=lambda entry: entry.id)
    chat = library.chats.add([entries[0].id, entries[1].id], title="Door code")
    question = library.chats.add_message(chat.id, parent_id=None, role="user", text="What is the door code?")
    figures = {"ttft_s": 0.08, "tokens_per_second": 31.0, "n_slots": 1595, "n_document_tokens": 60_690}
    library.chats.add_message(
        chat.id, parent_id=question.id, role="assistant", text="The door code is **58203**.", figures=figures
    )
    window.show_place(CHAT)
    window.chat.open(chat.id)


def take(window: MainWindow, states: Iterator[State], folder: Path, suffix: str, only: str) -> None:
    for name, show in states:
        target = show(window)
        settle()
        if only not in name:
            continue
        shown = target or window
        shown.grab().save(str(folder / f"{name}-{suffix}.png"))
        if shown not in (window, window._settings_dialog):
            continue
        usual = shown.size()
        shown.resize(*SMALL)
        settle()
        shown.grab().save(str(folder / f"{name}-{suffix}-small.png"))
        shown.resize(usual)
        settle()


def take_all(folder: Path, scale: str, languages: list[str], only: str, size: tuple[int, int]) -> None:
    """Every picture at the scale of this process, of a window of this size."""
    app = QApplication.instance() or QApplication([])
    assert isinstance(app, QApplication)
    for look in ("light", "dark"):
        for language in languages:
            theme.apply(app, look)
            theme.use_language(language)
            suffix = f"{look}-{language}-{scale}"
            settings = Settings(first_run=False, language=language, theme=look)
            with tempfile.TemporaryDirectory() as home:
                os.environ["GISTDESK_HOME"] = home
                window = new_window(Path(home), settings)
                window.show()
                window.resize(*size)
                take(window, empty_states(), folder, suffix, only)
                fill(_desk(window))
                for states in (library_states, chat_states, lab_states, window_states, settings_states):
                    take(window, states(), folder, suffix, only)
                window.quit_now()
                window.desk.close()
                window.deleteLater()
                settle()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scales", default="1,2")
    parser.add_argument("--languages", default="en,ko")
    parser.add_argument("--only", default="", help="part of the names of states to keep")
    parser.add_argument("--size", default="x".join(map(str, USUAL)), help="of the window, in its own pixels")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.here:
        width, _, height = given.size.partition("x")
        languages = given.languages.split(",")
        take_all(given.folder, given.scales, languages, given.only, (int(width), int(height)))
        return
    for scale in given.scales.split(","):
        command = [sys.executable, "-m", "tests.screenshots", str(given.folder), "--here"]
        environment = os.environ | {"QT_SCALE_FACTOR": scale}
        words = ["--scales", scale, "--languages", given.languages, "--only", given.only, "--size", given.size]
        subprocess.run([*command, *words], env=environment, check=True)


if __name__ == "__main__":
    main()
