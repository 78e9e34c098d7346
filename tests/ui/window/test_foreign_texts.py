"""Titles, paths, notices and answers come from outside: nothing in them is HTML, and none makes the window open a
file."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QAbstractItemModel, QAbstractListModel, QModelIndex, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtGui import Qt as Text
from PySide6.QtWidgets import QAbstractItemView, QFileDialog, QLabel, QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from gistdesk.core.title import MAX_TITLE_CHARS
from gistdesk.library import Problem
from gistdesk.ui.chat.prose import ProseView
from gistdesk.ui.widgets.banner import Notice
from gistdesk.ui.widgets.labels import ElidedLabel, tip
from gistdesk.ui.window.main import CHAT, LAB, LIBRARY, MainWindow
from tests.session.still_desk import add_entry
from tests.ui.window.window_made import open_window, still

HOSTILE = "<img src='file:///dev/zero'><b>bold</b><a href='file:///etc/passwd'>link</a>"


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    return open_window(qtbot, tmp_path / "w")


def labels(window: MainWindow) -> Iterator[QLabel]:
    yield from window.findChildren(QLabel)


def tips(window: MainWindow) -> Iterator[str]:
    """Every tooltip there is: of widgets, and of what is in their models."""
    for widget in window.findChildren(QWidget):
        yield widget.toolTip()
        if isinstance(widget, QAbstractItemView) and widget.model() is not None:
            yield from _tips_of(widget.model())


def _tips_of(model: QAbstractItemModel) -> Iterator[str]:
    for row in range(model.rowCount(QModelIndex())):
        for column in range(1 if isinstance(model, QAbstractListModel) else model.columnCount(QModelIndex())):
            yield str(model.data(model.index(row, column), Qt.ItemDataRole.ToolTipRole) or "")


def is_live(text: str) -> bool:
    """Whether Qt would make something of what was written above."""
    return Text.mightBeRichText(text) and ("<img" in text or "<a " in text or "<b>" in text)


def assert_plain(window: MainWindow) -> None:
    seen = 0
    for label in labels(window):
        if label.textFormat() != Qt.TextFormat.PlainText:
            assert not is_live(label.text()), label.text()
        seen += "<img" in label.text()
    assert not [text for text in tips(window) if is_live(text)]
    assert seen, "nothing hostile was shown, so nothing was tried"


def test_nothing_that_comes_from_outside_is_drawn_as_html(window: MainWindow) -> None:
    desk = still(window)
    entry = add_entry(desk, "a.pdf", pages=[HOSTILE])
    failed = add_entry(desk, "b.pdf", "failed", problem=Problem("user", HOSTILE, HOSTILE))
    with desk.library.store.write() as db:
        db.execute("UPDATE entries SET title = ?, model = ?", (HOSTILE, HOSTILE))
        db.execute("UPDATE entries SET source_path = ?", (f"/tmp/{HOSTILE}.pdf",))
    desk.documents.changed.emit()
    window.show_place(LIBRARY)
    for one in (entry, failed):
        window.library.choose([one.id])
        window.library.list_widget.refresh()
        assert_plain(window)
    window.library.reader.show_text(HOSTILE, [HOSTILE], None)
    window.library.told.emit(Notice(HOSTILE, HOSTILE, HOSTILE))
    assert_plain(window)
    chat = desk.library.chats.add([entry.id], title=HOSTILE)
    question = desk.library.chats.add_message(chat.id, parent_id=None, role="user", text=HOSTILE)
    desk.library.chats.add_message(chat.id, parent_id=question.id, role="assistant", text=HOSTILE)
    window.show_place(CHAT)
    window.chat.open(chat.id)
    assert_plain(window)
    window.show_place(LAB)
    assert_plain(window)
    window.chat.chat_id = None  # it would be drawn again when the library is closed


def test_no_dialog_takes_a_title_for_html(window: MainWindow) -> None:
    window.quitting._ask_about_run(HOSTILE, "")
    box = window.findChildren(QMessageBox)[-1]
    assert box.textFormat() == Qt.TextFormat.PlainText
    box.close()


def test_no_label_of_qt_itself_is_used() -> None:
    """Those take for HTML what looks like it."""
    package = Path(__file__).parents[3] / "gistdesk"
    own = package / "ui" / "widgets" / "labels.py"
    for path in package.rglob("*.py"):
        if path != own:
            assert "QLabel(" not in path.read_text("utf-8"), path


def test_a_tooltip_is_shown_as_it_is() -> None:
    assert tip("2 < 3 and\nmore") == "2 < 3 and\nmore"
    assert tip("a <img src=x>\nb") == "<qt>a &lt;img src=x&gt;<br>b</qt>"


def test_a_shortened_label_explains_itself_in_plain_text(qtbot: QtBot) -> None:
    label = ElidedLabel(HOSTILE)
    qtbot.addWidget(label)
    label.resize(20, 20)
    assert not is_live(label.toolTip())


@pytest.mark.timeout(60)
def test_an_answer_makes_the_window_open_nothing(qtbot: QtBot, tmp_path: Path) -> None:
    """No picture is read; a pipe, which would be waited on for ever, is not opened."""
    red = QImage(8, 8, QImage.Format.Format_RGB32)
    red.fill(QColor("red"))
    red.save(str(tmp_path / "red.png"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    view = ProseView()
    qtbot.addWidget(view)
    view.resize(300, 100)
    view.set_markdown(f"![x]({tmp_path}/red.png) ![x](file://{tmp_path}/red.png) ![x]({pipe}) ![x](/dev/zero)")
    view.show()
    drawn = view.grab().toImage()
    colours = {drawn.pixelColor(x, y).name() for x in range(drawn.width()) for y in range(drawn.height())}
    assert "#ff0000" not in colours


def test_exporting_begins_in_the_persons_folder(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the title of a document points to."""
    entry = add_entry(still(window), "a.pdf")
    with still(window).library.store.write() as db:
        db.execute("UPDATE entries SET title = '../../etc/cron.d/x'")
    window.library.export_to_chosen_file(still(window).library.entries.get(entry.id))
    [dialog] = window.findChildren(QFileDialog)
    assert Path(dialog.directory().absolutePath()) == Path.home()
    [chosen] = dialog.selectedFiles()
    assert Path(chosen).parent == Path.home()
    dialog.close()


def test_titles_have_a_length_and_no_controls(window: MainWindow) -> None:
    library = still(window).library
    entry = library.entries.add(
        source_path=Path("/tmp/a.pdf"), model="starter", ratio=8.0, title="a\x1b[31m\u202e\nb" * 999
    )
    assert len(entry.title) in (MAX_TITLE_CHARS - 1, MAX_TITLE_CHARS)
    assert entry.title.startswith("a [31m b")
    assert len(library.chats.add([], title="x" * 10_000).title) == MAX_TITLE_CHARS
