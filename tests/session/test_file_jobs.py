"""Long work with files in a thread: progress, cancelling, errors, one after another; as the window shows it."""

import gc
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QProgressBar
from pytestqt.qtbot import QtBot

from gistdesk.core.errors import UserError
from gistdesk.session.file_jobs import CANCELLED, FileJobs
from gistdesk.session.files import Found, find_documents
from gistdesk.ui.window.jobs_drawer import _JobRow
from gistdesk.ui.window.main import MainWindow
from tests.session.still_desk import add_entry
from tests.ui.window.window_made import open_window, still


@pytest.fixture
def jobs(qtbot: QtBot) -> Iterator[FileJobs]:
    jobs = FileJobs()
    yield jobs
    jobs.close()


def counting(n: int, threads: list[str] | None = None) -> Callable[[], Generator[float, None, int]]:
    def work() -> Generator[float, None, int]:
        for step in range(n):
            if threads is not None:
                threads.append(threading.current_thread().name)
            yield step / n
        return n

    return work


def endless(ended: list[str]) -> Callable[[], Generator[None, None, None]]:
    def work() -> Generator[None, None, None]:
        try:
            while True:
                threading.Event().wait(0.001)
                yield
        finally:
            ended.append(threading.current_thread().name)

    return work


def refused() -> Generator[float, None, None]:
    yield 0.5
    raise UserError("The disk is full.", "Free some space.")


def test_what_comes_of_it_is_told_in_the_windows_thread(jobs: FileJobs, qtbot: QtBot) -> None:
    threads: list[str] = []
    found: list[tuple[object, bool]] = []
    here = threading.current_thread()
    jobs.start("a", "A", counting(3, threads), lambda x: found.append((x, threading.current_thread() is here)))
    jobs.start("b", "B", refused, lambda x: found.append((str(x), threading.current_thread() is here)))
    assert [job.title for job in jobs.jobs] == ["A", "B"]
    qtbot.waitUntil(lambda: len(found) == 2)
    assert found == [(3, True), ("The disk is full. Free some space.", True)]
    assert set(threads) == {"files"} and jobs.jobs == []


class Forgotten(QObject):
    """In a cycle of references, as a dialog that was closed; notes in which thread it is collected."""

    def __init__(self, collected_in: set[str]) -> None:
        super().__init__()
        self.itself, self.collected_in = self, collected_in

    def __del__(self) -> None:
        self.collected_in.add(threading.current_thread().name)


def test_what_the_window_has_let_go_of_is_not_deleted_in_the_thread(jobs: FileJobs, qtbot: QtBot) -> None:
    """Qt crashes where a timer is deleted in another thread than its own."""
    collected_in: set[str] = set()

    def work() -> Generator[None, None, None]:
        for _ in range(20):
            keep = [[] for _ in range(20_000)]  # objects enough for many collections
            yield
            del keep

    for end in (lambda: None, jobs.close):
        Forgotten(collected_in)
        found: list[object] = []
        jobs.start("a", "A", work, found.append)
        end()
        qtbot.waitUntil(lambda: not jobs.jobs)
        assert collected_in <= {"MainThread"} and gc.isenabled()
    gc.collect()
    assert collected_in == {"MainThread"}


def test_cancelled_work_cleans_up_after_itself(jobs: FileJobs, qtbot: QtBot) -> None:
    ended: list[str] = []
    found: list[object] = []
    running = jobs.start("a", "A", endless(ended), found.append)
    waiting = jobs.start("b", "B", counting(3), found.append)
    jobs.cancel(waiting)
    jobs.cancel(running)
    qtbot.waitUntil(lambda: len(found) == 2)
    assert found == [CANCELLED, CANCELLED] and ended == ["files"]


def test_closing_gives_up_what_runs(jobs: FileJobs) -> None:
    ended: list[str] = []
    jobs.start("a", "A", endless(ended), ended.append)  # type: ignore[arg-type]
    jobs.close()
    assert ended in ([], ["files"]) and jobs.jobs == []  # it may not have begun


def test_our_own_mistake_is_not_swallowed(jobs: FileJobs, qtbot: QtBot) -> None:
    def mistaken() -> Generator[float, None, None]:
        yield 1 / 0

    found: list[object] = []
    with qtbot.captureExceptions() as raised:
        jobs.start("a", "A", mistaken, found.append)
        qtbot.waitUntil(lambda: bool(raised))
    assert found == [CANCELLED] and raised[0][0] is ZeroDivisionError


def test_folders_are_looked_through_step_by_step(tmp_path: Path) -> None:
    for name in ("b/2.md", "b/1.txt", "b/.hidden/3.txt", "b/c.exe", "4.pdf", ".5.txt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"123")
    steps = find_documents([tmp_path / "in"])
    n = 0
    while True:
        try:
            next(steps)
            n += 1
        except StopIteration as end:
            found = end.value
            break
    assert n == 2
    assert found == Found(tuple(tmp_path / "in" / name for name in ("4.pdf", "b/1.txt", "b/2.md")), 9)


# --- in the window


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    return open_window(qtbot, tmp_path / "w")


def test_what_takes_long_is_shown_with_cancel(window: MainWindow, qtbot: QtBot) -> None:
    ended: list[str] = []
    window.desk.file_jobs.start("Exporting", "Lease", endless(ended), lambda _: None)
    assert not window.drawer.isVisible()
    qtbot.waitUntil(window.drawer.isVisible)
    [row] = window.drawer.findChildren(_JobRow)
    assert (row._title.text(), row._words.text()) == ("Lease", "Exporting")
    assert row.findChildren(QProgressBar)[0].maximum() == 0  # nobody knows how far it is
    window.bar.count_jobs()
    assert window.bar.jobs.text() == "Jobs 1"
    row._cancel.click()
    qtbot.waitUntil(lambda: bool(ended))
    qtbot.waitUntil(lambda: not window.drawer._rows)


def test_a_gist_goes_out_and_what_is_refused_is_told(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.library._export(entry, tmp_path / "out.gistkv")
    qtbot.waitUntil(lambda: bool(window.banners.banners))
    assert window.banners.banners[0].notice.message == f"Exported: {tmp_path / 'out.gistkv'}"
    assert (tmp_path / "out.gistkv").read_bytes() == b"Lease.pdf"
    window.library._export(entry, tmp_path / "nowhere" / "out.gistkv")
    qtbot.waitUntil(lambda: len(window.banners.banners) == 2)
    assert "cannot be exported" in window.banners.banners[1].notice.message + window.banners.banners[0].notice.message


def test_a_move_is_cancelled(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    assert entry.gist is not None
    with entry.gist.path.open("wb") as stream:
        stream.truncate(2**28)  # copied in 64 pieces
    home = window.desk.library.store.folder
    window._open_settings(2)
    page = window._settings_dialog.storage  # type: ignore[union-attr]
    page.move_to(str(tmp_path / "elsewhere"))
    assert page.cancel.isVisible() and not page.move_.isEnabled()
    page.cancel.click()
    qtbot.waitUntil(lambda: not window.desk.file_jobs.jobs, timeout=30_000)
    assert page._said.text() == "Not moved: the library is where it was."
    assert window.desk.library.store.folder == home and page.move_.isEnabled()
    assert not (tmp_path / "elsewhere").exists() and not list(tmp_path.glob(".elsewhere*"))


def test_quitting_while_a_file_is_copied_asks(window: MainWindow, qtbot: QtBot) -> None:
    ended: list[str] = []
    still(window).working = True  # as the real desk says by itself
    window.desk.file_jobs.start("Exporting", "Lease", endless(ended), lambda _: None)
    assert not window.quitting.may_close()
    assert window.quitting._box is not None and "leaves nothing behind" in window.quitting._box.informativeText()
    window.quitting._box.close()
