"""The window: places, keys, banners, palette, jobs, quitting, languages, and a tour without a mouse."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from gistdesk.language import i18n
from gistdesk.library import Problem
from gistdesk.protocol import ExtractDone, ModelInfo
from gistdesk.session.desk import Desk, EngineState
from gistdesk.session.downloads import DownloadState
from gistdesk.session.dropped import Measured
from gistdesk.session.estimates import MeasuredRecall
from gistdesk.session.found_models import Found
from gistdesk.session.notices import Notice
from gistdesk.settings import Settings, read_settings
from gistdesk.ui.library.inspector import possible
from gistdesk.ui.widgets import theme
from gistdesk.ui.window import announcer
from gistdesk.ui.window.main import CHAT, LAB, LIBRARY, MainWindow
from gistdesk.ui.window.palette import score
from tests.session.still_desk import ADAPTER, DOWNLOADING, LARGE, OFFERS, STARTER, TIGHT, StillDesk, add_entry, fill
from tests.ui.window.window_made import open_window, still


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    return open_window(qtbot, tmp_path / "w")


def press(qtbot: QtBot, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    focus = QApplication.focusWidget()
    assert focus is not None
    qtbot.keyClick(focus, key, modifiers)


CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


# --- keys


def test_the_shape_of_the_window_is_a_setting(qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(qtbot, tmp_path)
    window.resize(700, 560)  # what the screen of a test has room for
    splitter = window.columns.splitters[LIBRARY]
    splitter.setSizes([380, 0, 320])
    window.columns.keep()
    kept = read_settings(tmp_path / "settings.toml")
    assert kept.columns[CHAT] == ""  # it was not opened
    again = open_window(qtbot, tmp_path / "again", kept, resize=False)
    assert (again.size(), again.columns.splitters[LIBRARY].sizes()) == (window.size(), splitter.sizes())
    other = open_window(qtbot, tmp_path / "other", replace(kept, window="ü", columns=("?", "")), resize=False)
    assert other.size() != window.size()


def test_control_and_a_figure_goes_to_a_place(window: MainWindow, qtbot: QtBot) -> None:
    for key, place in ((Qt.Key.Key_2, CHAT), (Qt.Key.Key_3, LAB), (Qt.Key.Key_1, LIBRARY)):
        press(qtbot, key, CTRL)
        assert window.place == place
        assert window.rail.buttons[place].isChecked()


def test_keys_show_and_hide_inspector_and_jobs(window: MainWindow, qtbot: QtBot) -> None:
    press(qtbot, Qt.Key.Key_F9)
    assert not window.library.inspector_widget.isVisible() and not window.menus.inspector.isChecked()
    press(qtbot, Qt.Key.Key_F9)
    assert window.library.inspector_widget.isVisible()
    press(qtbot, Qt.Key.Key_3, CTRL)
    assert not window.menus.inspector.isEnabled()
    press(qtbot, Qt.Key.Key_J, CTRL)
    assert window.drawer.isVisible() and window.bar.jobs.isChecked()
    press(qtbot, Qt.Key.Key_J, CTRL)
    assert not window.drawer.isVisible()


def test_a_narrow_window_has_two_columns(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.resize(700, 500)
    place = window.library
    place.read(entry.id)
    assert place.list_widget.isVisible() and not place.inspector_widget.isVisible()
    window.show_inspector(True)
    assert not place.list_widget.isVisible() and place.inspector_widget.isVisible()
    window.resize(1300, 800)
    QApplication.processEvents()
    assert place.list_widget.isVisible() and place.main_widget.isVisible() and place.inspector_widget.isVisible()


def test_a_wide_window_gives_its_room_to_the_chat(window: MainWindow) -> None:
    window.resize(2560, 1400)
    window.show_place(CHAT)
    QApplication.processEvents()
    assert window.chat.list_widget.width() < 300 < 1700 < window.chat.main_widget.width()


def test_control_f_finds_in_the_place_that_is_shown(window: MainWindow, qtbot: QtBot) -> None:
    add_entry(still(window), "Lease.pdf")
    press(qtbot, Qt.Key.Key_F, CTRL)
    assert window.library.list_widget.search.hasFocus()
    press(qtbot, Qt.Key.Key_2, CTRL)
    press(qtbot, Qt.Key.Key_F, CTRL)
    assert window.chat.list_widget.search.hasFocus()


def test_f1_opens_help_and_escape_gives_the_focus_back(window: MainWindow, qtbot: QtBot) -> None:
    before = QApplication.focusWidget()
    press(qtbot, Qt.Key.Key_F1)
    assert window.help.isVisible()
    for _ in range(5):
        press(qtbot, Qt.Key.Key_Tab)
        assert window.help.isAncestorOf(QApplication.focusWidget())
    press(qtbot, Qt.Key.Key_Escape)
    assert not window.help.isVisible() and QApplication.focusWidget() is before


def test_help_knows_every_key_of_the_menus(window: MainWindow) -> None:
    keys = {label.text() for label in window.help.card.findChildren(QLabel)}
    shown = {action.shortcut().toString() for action in window.findChildren(QAction)} - {""}
    assert len(shown) > 10 and shown <= keys


def test_the_palette_finds_commands_and_documents(window: MainWindow, qtbot: QtBot) -> None:
    entry = add_entry(still(window), "Lease agreement.pdf")
    press(qtbot, Qt.Key.Key_K, CTRL)
    qtbot.keyClicks(window.palette_.field, "lab")
    press(qtbot, Qt.Key.Key_Return)
    assert window.place == LAB
    press(qtbot, Qt.Key.Key_K, CTRL)
    qtbot.keyClicks(window.palette_.field, "leaseag")
    press(qtbot, Qt.Key.Key_Return)
    assert window.place == LIBRARY and [each.id for each in window.library.chosen] == [entry.id]


def test_the_palette_begins_with_what_is_done_most_and_ends_with_quitting(window: MainWindow, qtbot: QtBot) -> None:
    """And there is one scrollbar, that of the list, however low the window is."""
    window.palette_.card.setStyleSheet("QFrame[surface='card'] { border: 1px solid }")  # as the theme dresses it
    for height in (800, 500, 420):
        window.resize(1000, height)
        window.show_palette()
        texts = [window.palette_.list.topLevelItem(n).text(0) for n in range(window.palette_.list.topLevelItemCount())]
        assert texts[0] == "Add documents…" and texts[-1] == "Quit"
        qtbot.wait(20)
        own = window.palette_._area.verticalScrollBar()
        assert own.maximum() == 0 and not own.isVisible()
        assert window.palette_.list.horizontalScrollBar().maximum() == 0
        window.palette_.dismiss()


def test_what_stands_together_fits_best() -> None:
    assert score("new", "New chat") > score("new", "On every word")  # type: ignore[operator]
    assert score("nc", "New chat") is not None
    assert score("xyz", "New chat") is None


# --- dropping


def drag(window: MainWindow, paths: list[Path], kind: type, where: QWidget | None = None) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    point = QPointF(300, 300)
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    event = kind(point if kind is QDropEvent else point.toPoint(), copy, data, left, none)
    QCoreApplication.sendEvent(where or window, event)
    window._held = data  # type: ignore[attr-defined]


def files(tmp_path: Path, *names: str) -> list[Path]:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("Some text.", encoding="utf-8")
    return [tmp_path / name for name in names]


def test_dragging_says_what_dropping_would_do(window: MainWindow, tmp_path: Path) -> None:
    drag(window, files(tmp_path, "a.txt", "b.txt", "c.txt"), QDragEnterEvent)
    assert window.drop_picture.isVisible() and window.drop_picture.text == "Drop to compress 3 files"
    drag(window, files(tmp_path, "a.txt"), QDragEnterEvent)
    assert window.drop_picture.text == "Drop to compress 1 file"


def test_a_drop_asks_for_the_ratio_and_predicts(window: MainWindow, tmp_path: Path) -> None:
    paths = files(tmp_path, "a.txt", "b.txt")
    drag(window, paths, QDragEnterEvent)
    drag(window, paths, QDropEvent)
    sheet = window.drop_sheet
    assert sheet.isVisible() and not window.drop_picture.isVisible()
    assert still(window).asked == [("measure", (paths, {}))]
    still(window).count_documents(paths[0], 3200)
    still(window).count_documents(paths[1], 6400)
    sheet.chooser.buttons[1].click()
    assert sheet.chooser.ratio == 32.0
    assert [label.text() for label in sheet.chooser._values] == ["about 3.5 MB", "604 MB", "about 4 s"]
    assert window.desk.forecast_bytes == 600 * 2**20 + 300 * 12_288
    sheet.accept.click()
    assert not sheet.isVisible() and window.desk.forecast_bytes == 0
    assert [(e.source_path, e.ratio, e.state) for e in window.desk.library.entries.all()] == [
        (path, 32.0, "queued") for path in paths
    ]


def test_ratios_promise_nothing_that_was_not_measured(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    window.open_paths(files(tmp_path, "a.txt"))
    chooser = window.drop_sheet.chooser
    assert [button.text() for button in chooser.buttons] == ["8x", "32x", "100x", "Custom"]
    assert [note.text() for note in chooser._notes] == ["not measured yet"] * 4
    rows = {("auto", 8.0): [MeasuredRecall("fact", 60, 18), MeasuredRecall("own", 22, 0)]}
    monkeypatch.setattr(
        window.desk.estimates, "measured_at", lambda ratio, *, method, model: rows.get((method, ratio), [])
    )
    window.desk.models_changed.emit()
    assert chooser._notes[0].text() == "Measured: facts of your documents 0% (n = 22), single facts 30% (n = 60)"
    assert chooser.buttons[0].accessibleDescription() == chooser._notes[0].text()
    chooser.buttons[3].click()
    chooser.spin.setValue(8)
    assert chooser._notes[3].text() == chooser._notes[0].text()
    chooser.methods.setCurrentIndex(chooser.methods.findData("matched"))
    assert [note.text() for note in chooser._notes] == ["not measured yet"] * 4


def test_documents_of_two_models_are_predicted_by_the_chosen_one(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The figures are one model's: that of all documents where they have the same, else the settings'."""
    first, second = files(tmp_path, "a.txt", "b.txt")
    window.open_paths([first, second])
    asked: list[str] = []
    monkeypatch.setattr(window.desk.estimates, "measured_at", lambda ratio, *, method, model: asked.append(model) or [])
    measured = Measured("a", 100, 1, 400, model="acme/Llama")
    window.desk.documents.measured.emit(str(first), measured)
    assert set(asked) <= {""}
    window.desk.documents.measured.emit(str(second), measured)
    assert asked[-1] == "acme/Llama"


def test_a_card_grows_with_what_is_on_it(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window.open_paths(files(tmp_path, "a.txt"))
    sheet = window.drop_sheet
    QApplication.processEvents()
    for note in sheet.chooser._notes[:3]:
        note.setText("Measured: single facts 32% (n = 60), one of four facts 10% (n = 60). " * 2)
    qtbot.waitUntil(lambda: is_whole(sheet.chooser.remember) and sheet._area.verticalScrollBar().maximum() == 0)


KOREAN = "도서관의 문 비밀번호는 58203입니다. 기억하세요."


def read_by_the_engine(desk: StillDesk, entry_id: int, text: str) -> None:
    data = text.encode()
    sha256 = hashlib.sha256(data).hexdigest()
    path = desk.library.store.texts_folder / f"{sha256}.txt"
    path.write_bytes(data)
    done = ExtractDone("a", sha256, str(path), "f" * 64, len(data), len(text), 1, None, None, id=1)
    desk._queue.set_extracted(entry_id, done)


def test_a_sheet_that_is_accepted_at_once_still_suits_the_language(window: MainWindow, tmp_path: Path) -> None:
    """Before: Enter while a Korean text was being read gave it to SmolLM2, which reads English only."""
    desk = still(window)
    desk.change_settings(model="smollm2")
    window.open_paths(files(tmp_path, "a.txt", "b.txt"))
    window.drop_sheet.accept.click()
    korean, english = (entry.id for entry in desk.library.entries.all())
    read_by_the_engine(desk, korean, KOREAN)
    read_by_the_engine(desk, english, "The door code is 58203.")
    assert [desk.library.entries.get(each).model for each in (korean, english)] == ["starter", "smollm2"]
    desk.documents.recompress([korean, english], 8.0)
    assert [desk.library.entries.get(each).model for each in (korean, english)] == ["starter", "smollm2"]


def test_a_model_that_was_chosen_stays(window: MainWindow, tmp_path: Path) -> None:
    desk = still(window)
    desk.change_settings(model="smollm2")
    path = files(tmp_path, "a.txt")[0]
    [entry_id] = desk.documents.add([path], 8.0, models={path: "smollm2"})
    read_by_the_engine(desk, entry_id, KOREAN)
    assert desk.library.entries.get(entry_id).model == "smollm2"


def test_what_another_way_takes_is_predicted_when_it_is_chosen(window: MainWindow, tmp_path: Path) -> None:
    window.open_paths(files(tmp_path, "a.txt"))
    still(window).count_documents(tmp_path / "a.txt", 24_000)
    chooser = window.drop_sheet.chooser
    assert chooser._values[2].text() == "about 10 s"
    chooser.methods.setCurrentIndex(chooser.methods.findData("matched"))
    assert chooser._values[2].text() == "about 80 s"


def test_compress_is_within_reach_in_a_low_window(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window.resize(900, 600)
    window.open_paths(files(tmp_path, "a.txt", "b.txt", "c.txt", "d.txt"))
    QApplication.processEvents()
    sheet = window.drop_sheet
    at = sheet.accept.mapTo(sheet, sheet.accept.rect().bottomRight())
    assert sheet.rect().contains(at) and sheet.accept.visibleRegion().boundingRect() == sheet.accept.rect()


def is_whole(widget: QWidget) -> bool:
    """Whether all of it is seen, with nothing scrolled."""
    return widget.visibleRegion().boundingRect() == widget.rect()


def test_what_compressing_takes_is_seen_in_a_low_window(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """The list of documents gives way, down to two; where there is room it shows six."""
    window.resize(900, 600)
    window.open_paths(files(tmp_path, *(f"{n}.txt" for n in range(8))))
    sheet = window.drop_sheet
    qtbot.waitUntil(lambda: all(is_whole(value) for value in sheet.chooser._values))
    assert sheet._list.viewport().height() >= 2 * 40
    window.resize(1280, 1100)
    qtbot.waitUntil(lambda: sheet._list.viewport().height() >= 6 * 40)


def test_help_is_closed_by_a_button_that_is_seen_in_a_low_window(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(900, 600)
    window.help.show_help()
    qtbot.waitUntil(lambda: is_whole(window.help._close))


def test_it_opens_no_larger_than_the_screen_with_its_frame(qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(qtbot, tmp_path / "fresh", resize=False)
    room = window.screen().availableSize()
    assert room.height() <= 800, "or this shows nothing"
    assert window.height() <= room.height() - 30 and window.width() < room.width()


def test_a_ratio_that_training_never_met_is_told_and_not_started_from(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = ModelInfo("m", "m", "llama", 1, 2, 3, 4, 5, 6, 7, True, *[""] * 9, trained_ratios=(8.0, 64.0))
    monkeypatch.setattr(window.desk, "model_info", lambda: info)
    assert (window.desk.settings.ratio, window.desk.estimates.ratio) == (100.0, 64.0)
    window.open_paths(files(tmp_path, "a.txt"))
    notes = [note.text() for note in window.drop_sheet.chooser._notes]
    outside = "not measured yet · the adapter was trained at 8x to 64x"
    assert notes == ["not measured yet", "not measured yet", outside, "not measured yet"]
    assert window.drop_sheet.chooser.ratio == 64.0


def test_the_same_document_again_says_so(window: MainWindow, tmp_path: Path) -> None:
    (path,) = files(tmp_path, "a.txt")
    window.open_paths([path])
    window.desk.documents.measured.emit(str(path), Measured("a", 120, 1, 480, "Lease"))
    row = window.drop_sheet._rows[path]
    assert row.item.text(1) == "In the library already: “Lease” · about 120 tokens"


def test_another_model_leaves_documents_as_they_are_and_offers_both_ways(window: MainWindow) -> None:
    desk = still(window)
    entry = add_entry(desk, "Lease.pdf")
    desk.change_settings(model="/data/adapters/new")
    desk._tell_of_others(desk.documents.made_with_others("/data/adapters/new"), "starter")
    (notice,) = [banner.notice for banner in window.banners.banners]
    assert notice.message == "Documents compressed with another model: 1"
    assert desk.library.entries.get(entry.id).state == "ready"
    assert [label for label, _ in notice.actions] == ["Recompress all", "Switch back"]
    notice.actions[1][1]()
    assert desk.asked[-1] == ("load_model", "starter")
    notice.actions[0][1]()
    again = desk.library.entries.get(entry.id)
    assert (again.state, again.model) == ("queued", "/data/adapters/new")


def test_another_model_is_asked_about_before_it_is_used(window: MainWindow) -> None:
    desk = still(window)
    desk.rows = [STARTER, TIGHT]
    for name in ("Lease.pdf", "Minutes.md"):
        add_entry(desk, name)
    window.show_models()
    page = window._settings_dialog.models  # type: ignore[union-attr]
    page.refresh()
    page._cards[TIGHT.name].use.click()
    assert page.question.isVisible() and page.question._title.text() == "Use “Mistral-7B” from now on?"
    assert page.question._text.text().startswith("Documents compressed with another model: 2.")
    page.question.no.click()
    assert desk.asked == []
    page._cards[TIGHT.name].use.click()
    page.question.yes.click()
    page._cards[TIGHT.name].use.click()
    page.question.also.click()
    assert desk.asked == [("load_model", TIGHT.name), ("load_model", (TIGHT.name, "recompress"))]


def test_all_documents_of_other_models_are_compressed_again_when_that_is_chosen(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = still(window)
    entry = add_entry(desk, "Lease.pdf")
    monkeypatch.setattr(desk._calls, "send", lambda *_: 0)
    Desk.load_model(desk, "/data/adapters/new", recompress=True)
    again = desk.library.entries.get(entry.id)
    assert (again.state, again.model) == ("queued", "/data/adapters/new")
    assert window.banners.banners == []


def test_a_document_that_cannot_be_read_is_left_out(window: MainWindow, tmp_path: Path) -> None:
    paths = files(tmp_path, "a.txt", "scan.pdf")
    window.open_paths(paths)
    window.desk.documents.measured.emit(str(paths[1]), Problem("user", "scan.pdf has no text.", "Run it through OCR."))
    assert window.drop_sheet._left_out.text() == "Left out: 1"
    window.drop_sheet.accept.click()
    assert [entry.source_path for entry in window.desk.library.entries.all()] == paths[:1]


def test_a_locked_document_is_asked_for_its_password(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    (path,) = files(tmp_path, "salaries.pdf")
    window.open_paths([path])
    locked = Problem("password", "salaries.pdf is protected with a password.", "Enter the password to open it.")
    window.desk.documents.measured.emit(str(path), locked)
    assert not window.drop_sheet.accept.isEnabled()
    for word in ("wrong", "right"):
        field = window.drop_sheet._rows[path].password
        assert field is not None and field.hasFocus()
        qtbot.keyClicks(field, word)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert still(window).asked[-1] == ("measure", ([path], {path: word}))
        if word == "wrong":
            window.desk.documents.measured.emit(str(path), locked)
    still(window).count_documents(path, 500)
    assert window.drop_sheet._rows[path].password is None
    window.drop_sheet.accept.click()
    assert len(window.desk.library.entries.all()) == 1


def test_a_remembered_ratio_is_not_asked_for_again(window: MainWindow, tmp_path: Path) -> None:
    window.open_paths(files(tmp_path, "a.txt"))
    window.drop_sheet.chooser.buttons[0].click()
    window.drop_sheet.chooser.remember.click()
    window.drop_sheet.accept.click()
    window.open_paths(files(tmp_path, "b.txt"))
    assert not window.drop_sheet.isVisible()
    assert [entry.ratio for entry in window.desk.library.entries.all()] == [8.0, 8.0]


def test_a_folder_asks_once_with_count_and_total(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    files(tmp_path, "in/a.txt", "in/b.md", "in/c.exe")
    window.open_paths([tmp_path / "in"])
    qtbot.waitUntil(window.question.isVisible)
    assert window.question._title.text() == "Add the documents in “in”?"
    assert window.question._text.text() == "Documents: 2 · Total: 20 B"
    window.question.yes.click()
    assert window.drop_sheet.isVisible() and len(window.drop_sheet._rows) == 2


def test_who_leaves_a_folder_out_keeps_the_other_files(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    files(tmp_path, "in/a.txt")
    others = files(tmp_path, "b.txt", "c.txt")
    window.open_paths([tmp_path / "in", *others])
    qtbot.waitUntil(window.question.isVisible)
    window.question.no.click()
    assert window.drop_sheet.isVisible() and set(window.drop_sheet._rows) == set(others)
    window.drop_sheet.dismiss()
    window.open_paths([tmp_path / "in"])
    qtbot.waitUntil(window.question.isVisible)
    qtbot.keyClick(window.question, Qt.Key.Key_Escape)
    assert not window.drop_sheet.isVisible()


def test_a_folder_without_documents_says_so(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    window.open_paths([tmp_path / "in"])
    qtbot.waitUntil(lambda: bool(window.banners.banners))
    assert not window.question.isVisible()
    assert "“in”" in window.banners.banners[0].notice.message


def test_a_notice_moves_nothing_under_the_pointer(window: MainWindow, qtbot: QtBot) -> None:
    add_entry(still(window), "Lease.pdf")
    table = window.library.list_widget.table
    before = table.mapTo(window, table.rect().topLeft()), table.size()
    window.desk.notice.emit(Notice("Something happened.", "Do something about it."))
    qtbot.wait(20)
    assert (table.mapTo(window, table.rect().topLeft()), table.size()) == before
    banners = window.banners
    assert banners.isVisible() and banners.geometry().bottom() < window.bar.y()
    window.show_place(CHAT)
    window.chat.open_new([])
    qtbot.waitUntil(lambda: banners.geometry().bottom() <= window.bar.y() - window.chat.composer.height())
    window.resize(900, 600)
    qtbot.waitUntil(lambda: banners.geometry().right() <= window._central.width())


def test_compressing_is_paused_and_goes_on(window: MainWindow, tmp_path: Path) -> None:
    window.menus.pause.trigger()
    assert window.desk.queue_paused
    window.open_paths(files(tmp_path, "a.txt"))
    window.drop_sheet.accept.click()
    (notice,) = [banner.notice for banner in window.banners.banners]
    assert notice.message == "Compressing is paused."
    notice.actions[0][1]()
    assert not window.desk.queue_paused and not window.menus.pause.isChecked()
    window.library.choose([window.desk.library.entries.all()[0].id])
    window.library.do("next")
    assert "next" in possible(window.library.chosen)


def test_copied_files_and_texts_are_pasted(window: MainWindow, tmp_path: Path) -> None:
    clipboard = QApplication.clipboard()
    data = QMimeData()
    paths = files(tmp_path, "a.txt", "b.txt")
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    clipboard.setMimeData(data)
    window.adding.paste()
    assert list(window.drop_sheet._rows) == paths
    window.drop_sheet.dismiss()
    assert all(path.exists() for path in paths)  # they are the user's

    clipboard.setText("Minutes of the meeting\n\nThe rent is 1,250.")
    window.adding.paste()
    (path,) = window.drop_sheet._rows
    assert path.name == "Minutes of the meeting The rent is 1250.txt"
    assert path.read_text(encoding="utf-8") == clipboard.text()
    window.drop_sheet.dismiss()
    assert not path.exists()
    window.adding.paste()
    window.drop_sheet.accept.click()
    (entry,) = window.desk.library.entries.all()
    assert entry.source_path.exists() and entry.title.startswith("Minutes of the meeting")
    clipboard.setText("  ")
    window.adding.paste()
    assert "no file or text" in window.banners.banners[0].notice.message


def test_a_text_that_cannot_be_kept_is_said(window: MainWindow) -> None:
    window.desk.library.store.pasted_folder.write_text("in the way")
    QApplication.clipboard().setText("Minutes of the meeting")
    window.adding.paste()
    assert "cannot be kept" in window.banners.banners[0].notice.message
    assert not window.drop_sheet.isVisible()


def test_a_gist_file_is_imported(window: MainWindow, tmp_path: Path) -> None:
    (path,) = files(tmp_path, "a.gistkv")
    window.open_paths([path])
    assert still(window).asked == [("import_gist", path)]


def test_text_fields_leave_drops_to_the_window(window: MainWindow) -> None:
    fields = window.findChildren(QLineEdit) + window.findChildren(QPlainTextEdit)
    assert fields and not any(field.acceptDrops() for field in fields)


def test_export_warns_of_what_a_gist_holds(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.library.choose([entry.id])
    window.library.do("export")
    assert window.question.isVisible()
    assert "A gist encodes its document" in window.question._text.text()


def test_recompress_asks_for_the_ratio(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.library.choose([entry.id])
    window.library.do("recompress")
    window.recompress_sheet.chooser.buttons[0].click()
    window.recompress_sheet.accept.click()
    again = window.desk.library.entries.get(entry.id)
    assert (again.state, again.ratio) == ("queued", 8.0) and again.gist is not None


# --- bar, drawer, banners


def test_the_chip_says_model_device_and_state(window: MainWindow) -> None:
    still(window).set_engine(EngineState("loading", 0.4, "cuda", "", "starter"))
    assert window.bar.chip.text() == "Starter  ·  Graphics card  ·  Loading 40%"
    still(window).set_engine(EngineState("off"))
    assert window.bar.chip.text() == "Starter  ·  Not loaded"


def test_the_chip_tells_why_this_device_and_unloads(window: MainWindow, qtbot: QtBot) -> None:
    window.bar.chip.click()
    card = QApplication.activePopupWidget()
    assert card is not None
    assert "PyTorch has CUDA support but sees no NVIDIA card or driver." in " ".join(
        label.text() for label in card.findChildren(QLabel)
    )
    unload, _ = card.findChildren(QPushButton)
    assert unload.text() == "Unload" and unload.isEnabled()
    qtbot.keyClick(unload, Qt.Key.Key_Space)
    assert still(window).asked == [("unload", None)] and QApplication.activePopupWidget() is None


def test_jobs_are_counted_listed_and_cancelled(window: MainWindow, qtbot: QtBot) -> None:
    entries = fill(still(window))
    still(window).rows = [STARTER, DOWNLOADING]
    window.desk.models_changed.emit()
    qtbot.waitUntil(lambda: window.bar.jobs.text() == "Jobs 4")
    window.show_jobs(True)
    assert len(window.drawer._rows) == 4
    window.drawer._rows[f"entry {entries['queued'].id}"]._cancel.click()
    assert window.desk.library.entries.get(entries["queued"].id).state == "cancelled"
    assert len(window.drawer._rows) == 3


def test_a_notice_shows_its_actions_and_details(window: MainWindow) -> None:
    done: list[str] = []
    actions = (("Retry", lambda: done.append("retried")), ("Settings", lambda: done.append("settings")))
    window.desk.notice.emit(Notice("Something failed.", "Try again.", "Traceback: line 1", actions))
    banner = window.banners.banners[0]
    assert not banner._details.isVisible()
    banner._more.click()
    banner._copy.click()
    assert QApplication.clipboard().text() == "Something failed.\nTry again.\nTraceback: line 1"
    banner.buttons[0].click()
    assert done == ["retried"] and not window.banners.isVisible()


def test_the_same_notice_is_shown_once_and_old_ones_go(window: MainWindow) -> None:
    for number in (1, 1, 2, 3, 4):
        window.desk.notice.emit(Notice(f"Message {number}."))
    assert [banner.notice.message for banner in window.banners.banners] == ["Message 4.", "Message 3.", "Message 2."]


# --- first run, settings, languages, looks


def test_first_run_recommends_and_opens_the_sample(qtbot: QtBot, tmp_path: Path) -> None:
    window = open_window(qtbot, tmp_path / "w", Settings())
    assert window.first_run is not None and window.first_run.isVisible()
    assert window.first_run._values[3].text() == "Starter  ·  30.2 MB on disk"
    assert window.first_run.start.hasFocus()
    qtbot.keyClick(window.first_run.start, Qt.Key.Key_Space)
    (entry,) = window.desk.library.entries.all()
    assert not window.desk.settings.first_run and window.place == LIBRARY
    library = window.desk.library
    library.entries.set_state(entry.id, "ready")
    window.desk.documents.one_changed.emit(entry.id)
    assert window.place == CHAT and library.chats.get(window.chat.chat_id).entry_ids == (entry.id,)
    assert window.chat.composer.field.toPlainText() == "What is the passkey?"


def test_the_language_is_switched_while_everything_is_open(window: MainWindow) -> None:
    fill(still(window))
    window.show_settings()
    dialog = window._settings_dialog
    assert dialog is not None
    korean = dialog.general.language.findText("한국어")
    dialog.general.language.setCurrentIndex(korean)
    dialog.general.language.activated.emit(korean)
    assert i18n.language() == "ko"
    assert window.rail.buttons[0].text() == "라이브러리"
    assert dialog.windowTitle() == "설정" and dialog.general.theme.itemText(2) == "어둡게"
    assert window.library.list_widget.table.model_.headerData(0, Qt.Orientation.Horizontal) == "제목"
    window.desk.change_settings(language="en")
    assert window.rail.buttons[0].text() == "Library"


def test_the_look_is_switched(window: MainWindow) -> None:
    window.desk.change_settings(theme="dark")
    assert theme.is_dark() and QApplication.palette().window().color().lightness() < 80
    window.desk.change_settings(theme="light")
    assert not theme.is_dark()


def test_the_precision_is_chosen_for_all_models(window: MainWindow) -> None:
    window.show_settings()
    page = window._settings_dialog.hardware  # type: ignore[union-attr]
    assert page.precision.currentIndex() == 0
    shown = [page.precision.itemText(number) for number in range(page.precision.count())]
    assert shown == ["Automatic", "NF4 (4 bits)", "8 bits", "bfloat16 (16 bits)", "float32 (32 bits)"]
    page.precision.setCurrentIndex(1)
    page.precision.activated.emit(1)
    assert window.desk.settings.precision == "nf4"
    window.desk.change_settings(precision="fp32", language="ko")
    assert (page.precision.currentIndex(), page.precision.currentText()) == (4, "float32 (32비트)")
    window.desk.change_settings(precision="auto", language="en")


def test_models_show_fit_and_what_can_be_done(window: MainWindow) -> None:
    still(window).rows = [STARTER, LARGE, TIGHT, DOWNLOADING]
    window.show_models()
    page = window._settings_dialog.models  # type: ignore[union-attr]
    page.refresh()
    card = page._cards[LARGE.name]
    assert card._badge is not None
    assert card._badge.accessibleName() == "Too large: Needs 18.0 GB, 9.0 GB are free"
    assert not page._cards["starter"].use.isEnabled()
    page._cards[TIGHT.name].use.click()
    page.hub_id.setText("no id")
    assert not page.download.isEnabled()
    page.hub_id.setText("owner/name")
    page.download.click()
    assert still(window).asked == [("load_model", TIGHT.name), ("download", "owner/name")]


def test_a_download_is_paused_gone_on_with_and_given_up(window: MainWindow) -> None:
    desk = still(window)
    desk.rows = [STARTER, DOWNLOADING]
    window.show_models()
    page = window._settings_dialog.models  # type: ignore[union-attr]
    page.refresh()
    card = page._cards[DOWNLOADING.name]
    assert (card._facts.text(), card.pause.text(), card.remove.text()) == ("Downloading 42%", "Pause", "Cancel")
    card.pause.click()
    desk.rows = [STARTER, replace(DOWNLOADING, download=DownloadState(0.42, is_paused=True))]
    page.refresh()
    assert (card._facts.text(), card.pause.text()) == ("Paused at 42%: what was downloaded is kept", "Resume")
    card.pause.click()
    failed = DownloadState(0.42, True, "The hub cannot be reached to download acme.", "Connect this computer.")
    desk.rows = [STARTER, replace(DOWNLOADING, download=failed, problem=failed.problem)]
    page.refresh()
    assert card._facts.text() == "The hub cannot be reached to download acme. Connect this computer."
    assert card.pause.text() == "Try again"
    card.pause.click()
    card.remove.click()
    name = DOWNLOADING.name
    asked = [("pause_download", name), ("download", name), ("download", name), ("give_up_download", name)]
    assert desk.asked == asked


def test_what_fails_is_told_in_the_settings_while_they_are_open_and_what_was_typed_stays(window: MainWindow) -> None:
    desk = still(window)
    window.show_models()
    dialog = window._settings_dialog
    assert dialog is not None
    dialog.models.hub_id.setText("owner/name")
    dialog.models.download.click()
    desk.notice.emit(Notice("There is no model “owner/name” on the hub.", "Check its name, org/name."))
    assert dialog.models.hub_id.text() == "owner/name"
    assert [banner.notice.hint for banner in dialog.banners.banners] == ["Check its name, org/name."]
    assert dialog.banners.isVisible() and window.banners.banners == []
    desk.model_arrived.emit("owner/name")
    assert dialog.models.hub_id.text() == ""
    dialog.close()
    desk.notice.emit(Notice("The disk is full."))
    assert len(window.banners.banners) == 1


def test_a_model_that_has_arrived_is_used_with_a_click(window: MainWindow) -> None:
    still(window).model_arrived.emit("acme/Qwen3-1.7B")
    (banner,) = window.banners.banners
    assert banner.notice.message == "“Qwen3-1.7B” has been downloaded."
    banner.buttons[0].click()
    assert still(window).asked == [("load_model", "acme/Qwen3-1.7B")]


def test_recommended_models_say_licence_size_fit_and_adapter(window: MainWindow) -> None:
    desk = still(window)
    desk.offers = OFFERS
    window.show_models()
    offered = window._settings_dialog.models.offered  # type: ignore[union-attr]
    card = offered.cards["meta-llama/Llama-3.2-3B-Instruct"]
    words = card._facts.text()
    for part in (
        "3.2B parameters",
        "6.0 GB to download",
        "licence: Llama 3.2",
        "requires accepting its terms",
        "no adapter",
    ):
        assert part in words
    assert card._badge is not None and card._badge._text.text() == "Fits"
    card.button.click()
    assert desk.asked == [("download", "meta-llama/Llama-3.2-3B-Instruct")]


def test_models_of_other_programs_are_found_and_added(window: MainWindow) -> None:
    desk = still(window)
    desk.found_models.rows = [
        Found("/m/a.gguf", "a", "LM Studio", "Q4_K", 2 * 10**9, 3 * 10**9, "fits", ""),
        Found("/m/b.gguf", "b", "Ollama", "GGUF", 2 * 10**9, 0, "unknown", "The file b.gguf is damaged."),
        Found("org/model", "org/model", "Hugging Face", "safetensors", 10**9, 10**9, "fits", ""),
    ]
    window.show_models()
    page = window._settings_dialog.models  # type: ignore[union-attr]
    cards = page.offered.cards
    assert "LM Studio" in cards["/m/a.gguf"]._facts.text()
    assert cards["/m/b.gguf"]._facts.text() == "The file b.gguf is damaged."
    assert not cards["/m/b.gguf"].button.isEnabled()
    cards["/m/a.gguf"].button.click()
    cards["org/model"].button.click()
    assert desk.asked == [("download", "/m/a.gguf")]  # which prepares it
    assert desk.settings.models == ("org/model",)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_page_of_the_settings_is_wider_than_its_window(window: MainWindow, language: str) -> None:
    still(window).rows = [STARTER, ADAPTER, TIGHT, DOWNLOADING]
    still(window).offers = OFFERS
    window.desk.change_settings(language=language)
    window.show_models()
    dialog = window._settings_dialog
    assert dialog is not None
    for page in dialog._pages:
        dialog._stack.setCurrentWidget(page)
        QApplication.processEvents()
        assert page.widget().minimumSizeHint().width() <= page.viewport().width(), page.title
    window.desk.change_settings(language="en")


def test_new_gists_can_be_stored_in_eight_bits(window: MainWindow) -> None:
    window.show_settings()
    page = window._settings_dialog.storage  # type: ignore[union-attr]
    assert page.bits.currentText() == "16 bits"
    page.bits.setCurrentIndex(1)
    page.bits.activated.emit(1)
    assert window.desk.settings.kv_bits == 8


def test_adapters_are_listed_imported_exported_and_deleted(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    still(window).rows = [STARTER, ADAPTER]
    window.show_models()
    page = window._settings_dialog.models  # type: ignore[union-attr]
    page.refresh()
    card = page._cards[ADAPTER.name]
    assert "loaded as NF4 (4 bits)" in card._facts.text()
    assert "adapter for Llama-3.1-8B  ·  trained in NF4 (4 bits)" in card._facts.text()
    assert (card.remove.isVisible(), card.remove.text()) == (True, "Delete…")
    assert not page._cards["starter"].remove.isVisible()
    assert page._cards["starter"].export.isVisible()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "out"), ""))
    card.export.click()
    page.import_adapter("/downloads/contracts")
    card.remove.click()
    [box] = window._settings_dialog.findChildren(QMessageBox)  # type: ignore[union-attr]
    assert "“contracts” permanently?" in box.text()
    assert box.defaultButton().text() == "Cancel"
    next(button for button in box.buttons() if button.text() == "Delete permanently").click()
    assert still(window).asked == [
        ("export_adapter", (ADAPTER.name, tmp_path / "out")),
        ("import_adapter", Path("/downloads/contracts")),
        ("remove_adapter", ADAPTER.name),
    ]


def test_the_trash_is_emptied_for_good(window: MainWindow, qtbot: QtBot) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.desk.documents.trash([entry.id])
    window._open_settings(2)
    page = window._settings_dialog.storage  # type: ignore[union-attr]
    assert page.empty.isEnabled()
    page.empty_trash()
    qtbot.waitUntil(lambda: page._said.text().startswith("Freed: "))
    assert window.desk.library.entries.all(trashed=True) == []


def test_deleted_chats_alone_can_be_deleted_for_good(window: MainWindow, qtbot: QtBot) -> None:
    chat = window.desk.library.chats.add([], title="Rent")
    window.desk.library.chats.trash(chat.id)
    window._open_settings(2)
    page = window._settings_dialog.storage  # type: ignore[union-attr]
    page.refresh()
    assert page.empty.isEnabled()
    page.empty.click()
    (asked,) = page.window().findChildren(QMessageBox)
    assert "Documents: 0. Chats: 1." in asked.text()
    next(button for button in asked.buttons() if "permanently" in button.text()).click()
    qtbot.waitUntil(lambda: page._said.text().startswith("Freed: "))
    assert window.desk.library.chats.all(trashed=True) == []


def test_the_library_is_moved(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window._open_settings(2)
    page = window._settings_dialog.storage  # type: ignore[union-attr]
    page.move_to(str(tmp_path / "elsewhere"))
    qtbot.waitUntil(lambda: page._said.text() == "Moved.")
    assert not page._moving.isVisible()
    assert window.desk.library.store.folder == tmp_path / "elsewhere"
    assert window.desk.library.texts.pages(entry.id)


def test_the_window_comes_back_as_it_was_left(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window.resize(701, 602)  # the offscreen screen is not larger than 800
    window.quit_now()
    again = open_window(qtbot, tmp_path / "again", window.desk.settings, resize=False)
    assert (again.width(), again.height()) == (701, 602)


# --- quitting


def test_quitting_while_idle_is_immediate(window: MainWindow) -> None:
    event = QCloseEvent()
    window.closeEvent(event)
    assert event.isAccepted()


def test_quitting_while_busy_asks(window: MainWindow) -> None:
    still(window).working = True
    event = QCloseEvent()
    window.closeEvent(event)
    box = window.quitting._box
    assert not event.isAccepted() and box is not None
    texts = [button.text() for button in box.buttons()]
    assert "Stop and keep what is done" in texts and "Cancel" in texts
    next(button for button in box.buttons() if button.text() == "Stop and keep what is done").click()
    assert window.quitting.decided and not window.isVisible()


def test_finishing_first_quits_when_the_work_is_done(window: MainWindow, qtbot: QtBot) -> None:
    still(window).working = True
    window.quitting.finish_first()
    still(window).working = False
    qtbot.waitUntil(lambda: window.quitting.decided, timeout=4000)


# --- without a mouse


def controls(window: QWidget) -> list[QWidget]:
    kinds = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit)
    found = [child for kind in kinds for child in window.findChildren(kind)]
    parts = (QLineEdit, QAbstractItemView)  # their own buttons and headers, which nothing has to reach
    whole = [child for child in found if not isinstance(child.parent(), parts) and not isinstance(child, QHeaderView)]
    return [child for child in whole if not child.objectName().startswith("qt_") and child.isVisibleTo(window)]


def name_of(control: QWidget) -> str:
    text = control.text() if isinstance(control, QAbstractButton) else ""
    return control.accessibleName() or text


def test_every_control_has_an_accessible_name(window: MainWindow) -> None:
    fill(still(window))
    window.show_jobs(True)
    window.library.choose([window.desk.library.entries.all()[0].id])
    window.library.read(window.desk.library.entries.all()[0].id)
    window.drop_sheet.show_paths([Path("/tmp/a.txt")])
    unnamed = []
    for page in range(6):
        window._open_settings(page)
        assert window._settings_dialog is not None
        unnamed += [control for control in controls(window._settings_dialog) if not name_of(control)]
    for place in (LIBRARY, CHAT, LAB):
        window.show_place(place)
        unnamed += [control for control in controls(window) if not name_of(control)]
    described = {f"{type(control).__name__} in {type(control.parent()).__name__}" for control in unnamed}
    assert described == set()


def test_tab_reaches_every_control_of_the_library(window: MainWindow, qtbot: QtBot) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.library.choose([entry.id])
    reached = set()
    for _ in range(60):
        focus = QApplication.focusWidget()
        assert focus is not None
        reached.add(focus)
        press(qtbot, Qt.Key.Key_Tab)
    place = window.library
    wanted = {place.list_widget.search, place.list_widget._filter, place.list_widget._add, place.list_widget.table}
    wanted |= {button for button in place.inspector_widget._buttons.values() if button.isVisible()}
    wanted |= {window.rail.buttons[LIBRARY], window.rail._settings, window.bar.chip, window.bar.jobs}
    assert {name_of(control) for control in wanted - reached} == set()


def test_arrow_keys_go_along_the_rail(window: MainWindow, qtbot: QtBot) -> None:
    window.rail.buttons[LIBRARY].setFocus()
    press(qtbot, Qt.Key.Key_Down)
    assert window.place == CHAT and window.rail.buttons[CHAT].hasFocus()


def test_a_document_is_added_compressed_and_deleted_without_a_mouse(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.open_paths(files(tmp_path, "a.txt"))
    assert window.drop_sheet.accept.hasFocus()
    press(qtbot, Qt.Key.Key_Space)
    (entry,) = window.desk.library.entries.all()
    assert window.library.list_widget.table.hasFocus() and [e.id for e in window.library.chosen] == [entry.id]
    press(qtbot, Qt.Key.Key_Delete)
    assert window.desk.library.entries.all() == []
    window.menus.commands()
    press(qtbot, Qt.Key.Key_K, CTRL)
    qtbot.keyClicks(window.palette_.field, "undo")
    press(qtbot, Qt.Key.Key_Return)
    assert [e.id for e in window.desk.library.entries.all()] == [entry.id]


# --- screen readers


def test_what_ends_unseen_is_announced_once(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Though the list shows other rows; progress is not read out, nor what the open chat tells itself."""
    told: list[tuple[str, bool]] = []
    monkeypatch.setattr(announcer, "announce", lambda _, text, urgent=False: told.append((text, urgent)))
    desk = still(window)
    entry = add_entry(desk, "Lease.pdf", "compressing", done=1, total=10)
    window.library.list_widget.search.setText("something else")
    window.library.list_widget.refresh()
    for done in (2, 3):
        desk.library.entries.set_progress(entry.id, done, 10)
        desk.documents.one_changed.emit(entry.id)
    assert told == []
    desk.library.entries.set_state(entry.id, "failed", problem=Problem("user", "The disk is full.", "Free some space."))
    for _ in range(2):
        desk.documents.one_changed.emit(entry.id)
    [(text, urgent)] = told
    assert text.startswith("Lease: Failed") and urgent
    told.clear()
    chats = [desk.library.chats.add([entry.id], title=title) for title in ("Open", "Other")]
    window.show_place(CHAT)
    window.chat.open(chats[0].id)
    for chat in chats:
        message = desk.library.chats.add_message(chat.id, parent_id=None, role="assistant", text="58203")
        desk.chats.done.emit(message.id)
    assert told == [("Other: The answer is complete", False)]
