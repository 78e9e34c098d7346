"""The Library place on a real library: what the table says, what can be done, with keys, too."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from gistdesk.library import Passage, Problem
from gistdesk.session.notices import Notice
from gistdesk.ui.chat.words import pill_words
from gistdesk.ui.library.cells import in_two_lines
from gistdesk.ui.library.collection_menu import CollectionMenu
from gistdesk.ui.library.inspector import _facts, possible
from gistdesk.ui.library.list import LibraryList
from gistdesk.ui.library.model import ADDED, ENTRY, RATIO, RECALL, SLOTS, STATUS, TITLE, TOKENS, summary
from gistdesk.ui.library.states import explanation, look, state_words
from gistdesk.ui.window.main import CHAT, MainWindow
from tests.library.made import adopt, extract
from tests.session.still_desk import add_entry, fill
from tests.ui.window.window_made import open_window, still


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> MainWindow:
    return open_window(qtbot, tmp_path / "w")


def cell(window: MainWindow, row: int, column: int) -> str:
    model = window.library.list_widget.table.model_
    return str(model.index(row, column).data())


def titles(window: MainWindow) -> list[str]:
    return [cell(window, row, TITLE) for row in range(window.library.list_widget.table.model_.rowCount())]


def test_an_empty_library_says_what_to_do(window: MainWindow) -> None:
    shown = window.library.list_widget._stack.currentWidget()
    assert shown is window.library.list_widget._empty
    assert [button.text() for button in shown.buttons] == ["Choose files", "Open sample"]
    assert shown.buttons[0].hasFocus()


def test_tab_into_the_table_chooses_a_row(window: MainWindow, qtbot: QtBot) -> None:
    """Also after a search that had taken the chosen one away: with one row left, no arrow key would choose it."""
    first, second = (add_entry(still(window), name) for name in ("Lease.pdf", "Letter.pdf"))
    place = window.library.list_widget
    window.library.choose([first.id])
    place.search.setText("letter")
    place.refresh()
    assert window.library.chosen == []
    place.search.setFocus()
    for _ in range(3):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert place.table.hasFocus()
    assert [entry.id for entry in window.library.chosen] == [second.id]


def test_the_focus_is_not_lost_with_the_last_row(window: MainWindow, qtbot: QtBot) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    add_entry(still(window), "Other.pdf")
    place = window.library.list_widget
    place.search.setText("lease")
    place.refresh()
    window.library.choose([entry.id])
    place.table.setFocus()
    qtbot.keyClick(place.table, Qt.Key.Key_Delete)
    assert place.search.hasFocus()


def test_a_row_says_what_became_of_the_document(window: MainWindow) -> None:
    add_entry(still(window), "Lease.pdf", n_tokens=48_210, ratio=40.0)
    assert [cell(window, 0, column) for column in (TITLE, TOKENS, SLOTS, RATIO, STATUS)] == [
        "Lease",
        "48,210",
        "1,205",
        "40x",
        "Ready, not measured yet",
    ]


def test_what_was_measured_of_a_gist_is_in_its_row(window: MainWindow) -> None:
    desk = still(window)
    first, second, third = (add_entry(desk, name) for name in ("a.pdf", "b.pdf", "c.pdf"))
    for entry, n_kept in ((first, 33), (second, 0)):
        assert entry.gist is not None
        parts = [{"from": 0, "to": 20, "n": 40, "kept": n_kept}]
        result = {"n": 40, "kept": n_kept, "recall": n_kept / 40, "low": 0.1, "high": 0.9, "guessed": 1}
        desk.library.recalls.keep(entry.gist.id, result | {"by_depth": parts})
    desk.documents.changed.emit()
    window.library.list_widget.refresh()
    table = window.library.list_widget.table
    assert not table.isColumnHidden(RECALL)
    table.sortByColumn(RECALL, Qt.SortOrder.DescendingOrder)
    assert [cell(window, row, RECALL) for row in range(3)] == ["82%", "0%", "–"]
    tips = [table.model_.index(row, RECALL).data(Qt.ItemDataRole.ToolTipRole) for row in range(3)]
    assert tips[0].endswith("33 of 40") and "Not measured yet" in tips[2]
    assert [cell(window, row, STATUS) for row in range(3)] == [
        "Reliable: 33 of 40 facts kept",
        "Unreliable: 0 of 40 facts kept",
        "Ready, not measured yet",
    ]
    entries = [table.model_.index(row, 0).data(ENTRY) for row in range(3)]
    assert [look(entry)[1] for entry in entries] == ["good", "bad", "muted"]
    card = window.library.inspector_widget.recall
    window.library.choose([first.id])
    assert "82% of 40 facts kept" in card._figure.text() and card.measure.text() == "Measure again"
    window.library.choose([third.id])
    assert card._figure.isHidden() and card.measure.text() == "Measure"


def test_a_row_says_how_its_gist_was_made_and_what_training_came_to(window: MainWindow) -> None:
    desk = still(window)
    add_entry(desk, "a.pdf")
    add_entry(desk, "b.pdf", method="matched", ratio=8.0)
    trained = add_entry(desk, "c.pdf", method="refined", agreement=0.92, agreement_before=0.71)
    window.library.list_widget.refresh()
    table = window.library.list_widget.table
    table.sortByColumn(TITLE, Qt.SortOrder.AscendingOrder)
    lines = [summary(table.model_.index(row, 0).data(ENTRY)) for row in range(3)]
    assert [line.rpartition(" · ")[2] for line in lines] == ["adapter", "own keys", "trained"]
    assert [cell(window, row, STATUS) for row in range(3)] == [
        "Ready, not measured yet",
        "Ready, not measured yet",
        "Ready: recites 92% of its text",
    ]
    facts = dict(_facts(trained))
    assert facts["Method"] == "Trained on the document"
    assert facts["Recites"] == "92% of its text; 71% before training"
    assert trained.gist is not None
    desk.library.recalls.keep(trained.gist.id, {"n": 40, "kept": 33})
    measured = desk.library.entries.get(trained.id)
    assert state_words(measured) == "Reliable: 33 of 40 facts kept"  # which tells more


def test_every_state_has_words(window: MainWindow) -> None:
    entries = fill(still(window))
    words = {state: state_words(entry) for state, entry in entries.items()}
    assert words["extracting"] == "Extracting p. 12/300"
    assert words["compressing"] == "Compressing 41%"
    assert state_words(entries["compressing"], 130.0) == "Compressing 41% · 2 min left"
    assert words["failed"] == "Failed: has no text: its pages are only pictures, as in a scan."
    assert [words[s] for s in ("queued", "outdated", "source changed", "cancelled")] == [
        "Queued",
        "Needs recompressing",
        "Source changed",
        "Cancelled",
    ]


def test_sorting_keeps_what_is_chosen(window: MainWindow) -> None:
    entries = fill(still(window))
    table = window.library.list_widget.table
    table.select([entries["book"].id])
    table.sortByColumn(TOKENS, Qt.SortOrder.DescendingOrder)
    assert titles(window)[0] == "Middlemarch"
    assert [entry.id for entry in table.selected()] == [entries["book"].id]
    table.sortByColumn(TITLE, Qt.SortOrder.AscendingOrder)
    assert titles(window) == sorted(titles(window), key=str.casefold)
    table.sortByColumn(ADDED, Qt.SortOrder.DescendingOrder)
    assert titles(window)[0] == "Federalist papers"


def test_progress_changes_the_row_in_place(window: MainWindow) -> None:
    entry = add_entry(still(window), "Walden.txt", "compressing", done=1, total=10)
    window.desk.library.entries.set_progress(entry.id, 5, 10)
    window.desk.documents.one_changed.emit(entry.id)
    assert cell(window, 0, STATUS) == "Compressing 50%"


def test_search_finds_titles_and_texts(window: MainWindow, qtbot: QtBot) -> None:
    add_entry(still(window), "Lease.pdf", pages=["The door code is 58203."])
    entry = add_entry(still(window), "계약서.docx", pages=["임차인은 매달 3일에 임대료를 냅니다."])
    for each in window.desk.library.texts.unindexed():
        list(window.desk.library.texts.index(each))
    search = window.library.list_widget.search
    for wanted, found in (("lease", ["Lease"]), ("58203", ["Lease"]), ("임대료", [entry.title]), ("zebra", [])):
        search.setText(wanted)
        qtbot.waitUntil(lambda found=found: titles(window) == found)
    assert "zebra" in window.library.list_widget._nothing.text()


def test_filters_show_their_states_only(window: MainWindow) -> None:
    fill(still(window))
    counts = []
    for number in range(5):
        window.library.list_widget._filter.setCurrentIndex(number)
        counts.append(len(titles(window)))
    assert counts == [11, 3, 3, 5, 0]


def test_delete_acts_only_while_the_list_has_the_focus(window: MainWindow, qtbot: QtBot) -> None:
    add_entry(still(window), "Lease.pdf")
    table, search = window.library.list_widget.table, window.library.list_widget.search
    table.selectAll()
    search.setFocus()
    qtbot.keyClick(search, Qt.Key.Key_Delete)
    assert titles(window) == ["Lease"]
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Backspace)
    assert titles(window) == ["Lease"]
    qtbot.keyClick(table, Qt.Key.Key_Delete)
    assert titles(window) == []


def test_delete_can_be_undone_from_the_banner(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.library.trash([entry.id])
    banner = window.banners.banners[0]
    assert banner.buttons[0].text() == "Undo"
    banner.buttons[0].click()
    assert titles(window) == ["Lease"] and not window.banners.banners


def test_each_undo_restores_what_its_banner_tells_of(window: MainWindow) -> None:
    one, two, three = (add_entry(still(window), name) for name in ("A.pdf", "B.pdf", "C.pdf"))
    window.library.trash([one.id])
    window.library.trash([two.id, three.id])
    first, second = sorted(window.banners.banners, key=lambda banner: banner.notice.message)
    first.buttons[0].click()
    assert titles(window) == ["A"]
    second.buttons[0].click()
    assert sorted(titles(window)) == ["A", "B", "C"]
    window.library.undo()  # nothing is left to bring back
    assert sorted(titles(window)) == ["A", "B", "C"]


def test_the_trash_is_looked_at_and_restored_from(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.library.trash([entry.id])
    window.library.list_widget._filter.setCurrentIndex(4)
    window.library.list_widget.table.selectAll()
    assert possible(window.library.chosen) == {"restore"}
    window.library.do("restore")
    assert titles(window) == []


def test_what_can_be_done_follows_the_state(window: MainWindow) -> None:
    entries = fill(still(window))
    assert possible([entries["ready"]]) == {
        "chat",
        "read",
        "rename",
        "recompress",
        "reveal",
        "export",
        "collect",
        "trash",
    }
    assert possible([entries["compressing"]]) == {"cancel", "read", "rename", "reveal", "collect", "trash"}
    assert possible([entries["failed"]]) == {"retry", "rename", "reveal", "collect", "trash"}
    assert possible([entries["outdated"]]) == {"read", "rename", "recompress", "reveal", "export", "collect", "trash"}
    waiting = replace(entries["ready"], state="queued")  # another gist of it is being made
    assert "chat" in possible([waiting]) and "chats use the previous one" in explanation(waiting)
    failed = replace(waiting, state="failed", problem=Problem("user", "It was locked.", "Unlock it."))
    assert {"chat", "retry", "recompress", "keep"} <= possible([failed])
    assert "recompress" not in possible([replace(entries["ready"], text_sha256=None)])  # only its gist was imported
    assert explanation(failed) == "It was locked. Unlock it. Until then, chats use the previous gist."
    assert pill_words(failed) == f"{pill_words(entries['ready'])} · failed"
    assert possible([entries["ready"], entries["book"]]) == {"chat", "recompress", "collect", "trash"}
    assert possible([]) == set()


def test_a_gist_is_kept_where_another_could_not_be_made(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    entries = window.desk.library.entries
    entries.set_job(entry.id, model="/models/gone", ratio=8.0)
    entries.set_state(entry.id, "failed", problem=Problem("user", "The model is gone.", ""))
    still(window).documents.one_changed.emit(entry.id)
    window.library.choose([entry.id])
    window.library.do("keep")
    assert entries.get(entry.id) == replace(entry, method=entries.get(entry.id).method)


def test_out_of_memory_offers_less_memory_and_another_ratio(window: MainWindow) -> None:
    problem = Problem("out_of_memory", "The memory was not enough.", "Try smaller batches.")
    entry = add_entry(still(window), "Walden.txt", "failed", problem=problem)
    assert {"retry", "retry_small", "recompress"} <= possible([entry])


def test_enter_opens_the_kept_text_and_escape_closes_it(window: MainWindow, qtbot: QtBot) -> None:
    add_entry(still(window), "Lease.pdf", pages=["One page.", "And another."])
    table, reader = window.library.list_widget.table, window.library.reader
    table.setFocus()
    table.setCurrentIndex(table.model_.index(0, 0))
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert reader.isVisible() and reader._text.toPlainText() == "One page."
    qtbot.keyClick(reader._text, Qt.Key.Key_Escape)
    assert not reader.isVisible() and table.hasFocus()


def test_a_text_found_by_a_search_opens_where_it_has_it(window: MainWindow, qtbot: QtBot) -> None:
    pages = ["One page about the code.", "The door code is 58203.", "Another."]
    entry = add_entry(still(window), "Lease.pdf", pages=pages)
    other = add_entry(still(window), "Other.txt", pages=["Nothing here.", "Another code."])
    for each in window.desk.library.texts.unindexed():
        list(window.desk.library.texts.index(each))
    place, reader = window.library, window.library.reader
    for wanted, page, selected in (("58203 code", 2, "58203"), ("DOOR CODE", 2, "door code"), ("lease", 1, "")):
        place.list_widget.search.setText(wanted)
        qtbot.waitUntil(lambda: titles(window) == ["Lease"])
        assert place.read(entry.id)
        assert (reader._place.text(), reader._text.textCursor().selectedText()) == (f"Page {page} of 3", selected)
        reader.closed.emit()
    place.list_widget.search.setText("code")
    qtbot.waitUntil(lambda: len(titles(window)) == 2)
    place.read(entry.id)
    place.choose([other.id])
    assert reader._text.textCursor().selectedText() == "code" and "Another" in reader._text.toPlainText()


def test_files_are_looked_at_when_somebody_comes_back_to_the_window(window: MainWindow, qtbot: QtBot) -> None:
    before = still(window).n_looks
    other = QLineEdit()
    qtbot.addWidget(other)
    other.show()
    other.activateWindow()
    qtbot.waitUntil(lambda: not window.isActiveWindow())
    assert still(window).n_looks == before
    window.activateWindow()
    qtbot.waitUntil(lambda: still(window).n_looks == before + 1)


def test_a_passage_is_shown_in_its_page(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf", pages=["One page.", "The code is 58203."])
    window.chat.source_requested.emit(Passage(entry.id, "Lease.pdf", 2, 12, 17, "58203", "page"))
    reader = window.library.reader
    assert reader._text.textCursor().selectedText() == "58203"
    assert reader._place.text() == "Page 2 of 2"


def test_a_passage_of_an_older_text_is_found_by_its_words_or_told_to_be_gone(window: MainWindow) -> None:
    """Also where the reader was open with the older text."""
    desk, reader = still(window), window.library.reader
    entry = add_entry(desk, "Lease.pdf", pages=["The rent is 900 euros. The code is 58203.", "The end."])
    rent = Passage(entry.id, "Lease.pdf", 1, 0, 22, "The rent is 900 euros.", "page")
    code = Passage(entry.id, "Lease.pdf", 1, 23, 41, "The code is 58203.", "page")
    window.chat.source_requested.emit(rent)
    assert reader._text.textCursor().selectedText() == rent.text
    extract(desk.library, entry.id, ["A new first page.", "The code is 58203."])
    adopt(desk.library, entry.id, data=b"the gist of the new text")
    desk.documents.one_changed.emit(entry.id)
    window.chat.source_requested.emit(code)
    assert reader._text.textCursor().selectedText() == code.text and reader._place.text() == "Page 2 of 2"
    told: list[Notice] = []
    window.library.told.connect(told.append)
    window.chat.source_requested.emit(rent)
    assert "no longer has this passage" in told[0].message


@pytest.mark.parametrize("page_label", ["page", None])
def test_a_passage_is_seen_when_the_reader_was_closed(window: MainWindow, qtbot: QtBot, page_label: str | None) -> None:
    lines = [f"Line {n} of this document says that nothing has happened on day {n} of the year." for n in range(120)]
    lines[70] = "The code is 58203."
    page = "\n\n".join(lines)
    entry = add_entry(still(window), "Log.txt", pages=[page], page_label=page_label)
    start = page.index("58203")
    window.chat.source_requested.emit(Passage(entry.id, "Log.txt", 1, start, start + 5, "58203", page_label))
    reader = window.library.reader
    qtbot.wait(50)  # it gets its size only now
    text = reader._text
    shown = text.cursorRect(text.textCursor())
    assert text.textCursor().selectedText() == "58203"
    assert text.viewport().rect().contains(shown)
    window.resize(1000, 600)
    qtbot.wait(50)
    assert text.viewport().rect().contains(text.cursorRect(text.textCursor()))


def test_chat_opens_a_chat_about_all_that_is_chosen(window: MainWindow) -> None:
    ids = [add_entry(still(window), name).id for name in ("a.txt", "b.txt")]
    window.library.list_widget.table.select(ids)
    window.library.do("chat")
    assert window.place == CHAT
    assert set(window.desk.library.chats.get(window.chat.chat_id).entry_ids) == set(ids)


def test_the_fingerprint_is_shown_and_copied(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    window.library.choose([entry.id])
    assert entry.gist is not None
    window.library.inspector_widget._fingerprint_copy.click()
    assert entry.gist.adapter_fingerprint in QApplication.clipboard().text()


def test_a_locked_document_is_retried_with_the_password(window: MainWindow, qtbot: QtBot) -> None:
    problem = Problem("password", "It is protected with a password.", "Enter the password to open it.")
    entry = add_entry(still(window), "Salaries.pdf", "failed", problem=problem)
    window.library.choose([entry.id])
    field = window.library.inspector_widget._password
    assert field.isVisible()
    qtbot.keyClicks(field, "secret")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert window.desk.library.entries.get(entry.id).state == "queued"
    assert field.text() == ""


def test_columns_give_way_to_the_title(window: MainWindow) -> None:
    fill(still(window))
    table = window.library.list_widget.table
    window.resize(1900, 900)
    QApplication.processEvents()
    assert not any(table.isColumnHidden(column) for column in range(8))
    window.resize(800, 600)
    QApplication.processEvents()
    assert not table.isColumnHidden(TITLE) and not table.isColumnHidden(STATUS)
    assert table.columnWidth(TITLE) >= 150


def test_a_wide_window_has_room_for_the_reason_of_a_failure(window: MainWindow) -> None:
    fill(still(window))
    table = window.library.list_widget.table
    window.resize(2560, 1400)
    QApplication.processEvents()
    assert 1.4 * table._widths[STATUS] < table.columnWidth(STATUS) < table.columnWidth(TITLE)


def test_a_gist_that_was_gone_on_with_took_as_long_as_all_of_it(window: MainWindow) -> None:
    """Before: "Took 25 s" beside 345 tokens/s for 40,693 tokens, the time of the last part alone."""
    entry = add_entry(still(window), "Lease.pdf", n_tokens=40_693)
    assert entry.gist is not None
    whole = replace(entry.gist, n_tokens=40_693, seconds=118.0, tokens_per_second=345.0)
    resumed = replace(whole, seconds=25.0)
    assert dict(_facts(replace(entry, gist=whole)))["Time taken"] == "2 min"
    assert dict(_facts(replace(entry, gist=resumed)))["Time taken"] == "about 2 min"


def test_a_document_is_renamed_in_its_row(window: MainWindow, qtbot: QtBot) -> None:
    entry = add_entry(still(window), "scan0041.pdf")
    window.library.choose([entry.id])
    table = window.library.list_widget.table
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_F2)
    editor = table.findChild(QLineEdit)
    assert editor is not None and editor.text() == "scan0041"
    editor.setText("  Lease of Harbour Street  ")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert window.desk.library.entries.get(entry.id).title == "Lease of Harbour Street"
    assert cell(window, 0, TITLE) == "Lease of Harbour Street"
    assert "rename" in possible([entry]) and "rename" not in possible([entry, entry])
    window.library.do("rename")
    assert any(field.isVisible() for field in table.findChildren(QLineEdit))


def test_what_is_typed_as_a_name_stays_while_the_row_changes(window: MainWindow, qtbot: QtBot) -> None:
    entry = add_entry(still(window), "scan0041.pdf")
    window.library.choose([entry.id])
    table = window.library.list_widget.table
    table.edit_title()
    editor = table.findChild(QLineEdit)
    assert editor is not None and editor.text() == "scan0041"
    editor.setText("Lease of Har")
    window.desk.documents.changed.emit()
    QApplication.processEvents()
    assert editor.text() == "Lease of Har"
    window.quit_now()  # with what is half typed, and without an exception


def test_renaming_takes_the_chosen_document_and_not_the_last_one_clicked(window: MainWindow) -> None:
    one, two = (add_entry(still(window), name) for name in ("A.pdf", "B.pdf"))
    window.library.choose([one.id])
    table = window.library.list_widget.table
    other = table.model_.index(table.model_.row_of(two.id) or 0, TITLE)
    table.selectionModel().setCurrentIndex(other, QItemSelectionModel.SelectionFlag.NoUpdate)
    window.library.do("rename")
    editor = table.findChild(QLineEdit)
    assert editor is not None and editor.text() == "A"


def test_a_long_status_takes_two_lines(window: MainWindow) -> None:
    metrics = window.fontMetrics()
    text = in_two_lines("Failed: the file has no text, only pictures", metrics, 150)
    assert text.count("\n") == 1
    assert all(metrics.horizontalAdvance(line) <= 150 for line in text.split("\n"))
    assert in_two_lines("Ready", metrics, 150) == "Ready"


def test_retry_stands_in_the_row_of_what_failed(window: MainWindow, qtbot: QtBot) -> None:
    problem = Problem("user", "It is not there.", "Look for it.")
    entry = add_entry(still(window), "Gone.pdf", "failed", problem=problem)
    QApplication.processEvents()
    table = window.library.list_widget.table
    cell_rect = table.visualRect(table.model_.index(0, STATUS))
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell_rect.center())
    assert window.desk.library.entries.get(entry.id).state == "failed"
    right = cell_rect.center()
    right.setX(cell_rect.right() - 16)
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=right)
    assert window.desk.library.entries.get(entry.id).state == "queued"


def choose_collection(shown: LibraryList, name: str) -> None:
    """As the box over the list does it."""
    index = shown._filter.findData(name)
    assert index > 0
    shown._filter.setCurrentIndex(index)


def test_a_collection_is_made_shown_and_asked_with_one_click(window: MainWindow, qtbot: QtBot) -> None:
    desk, library = still(window), window.library
    first, second, waiting = add_entry(desk, "a.pdf"), add_entry(desk, "b.pdf"), add_entry(desk, "c.pdf", "queued")
    add_entry(desk, "d.pdf")
    library.choose([first.id, second.id, waiting.id])
    library.do("collect")
    (menu,) = library.list_widget.findChildren(CollectionMenu)
    menu.field.setText("Leases")
    qtbot.keyClick(menu.field, Qt.Key.Key_Return)
    assert desk.library.collections.all() == {"Leases": [first.id, second.id, waiting.id]}
    shown = library.list_widget
    assert not shown.chat.isVisible()
    choose_collection(shown, "Leases")
    assert sorted(entry.id for entry in shown.table.model_.entries()) == [first.id, second.id, waiting.id]
    with qtbot.waitSignal(library.chat_requested) as asked:
        shown.chat.click()
    assert asked.args == [[first.id, second.id]]
    assert window.banners.banners[0].notice.message == "Not compressed yet, and left out of the chat: 1"


def test_documents_leave_a_collection_and_the_list_goes_back_when_it_is_empty(window: MainWindow) -> None:
    desk, library = still(window), window.library
    entry = add_entry(desk, "a.pdf")
    desk.documents.collect("Leases", [entry.id])
    choose_collection(library.list_widget, "Leases")
    menu = CollectionMenu(desk.library.collections.all(), [entry.id], library.list_widget)
    action = menu.actions()[0]
    assert (action.text(), action.isChecked()) == ("Leases", True)
    menu.taken.connect(lambda name: desk.documents.take_out(name, [entry.id]))
    action.trigger()
    assert desk.library.collections.all() == {} and library.list_widget.collection == ""
    assert [each.id for each in library.list_widget.table.model_.entries()] == [entry.id]


def test_a_gist_that_is_larger_than_its_document_says_why(window: MainWindow) -> None:
    entry = add_entry(still(window), "Lease.pdf")
    assert entry.gist is not None and entry.gist.file_bytes > entry.source_bytes
    window.library.choose([entry.id])
    words = window.library.inspector_widget._size_note.text()
    assert "keys and values of every layer of the model, 12.0 KB" in words and "8 bits" in words
    waiting = add_entry(still(window), "Walden.txt", "queued")
    window.library.choose([waiting.id])
    assert not window.library.inspector_widget._size_note.isVisible()
