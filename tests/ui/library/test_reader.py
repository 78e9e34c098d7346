"""The reader: sheets, find over all of the text, places; a book opens quickly."""

import time

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from gistdesk.ui.library.reader import SHEET_CHARACTERS, Reader, cut_into_sheets, with_lines_joined
from gistdesk.ui.widgets.find import MOST_MATCHES, Matches

PAGES = ["One apple\nand a pear.", "An Apple again 😀 and an apple.", ""]


@pytest.fixture
def reader(qtbot: QtBot) -> Reader:
    reader = Reader()
    qtbot.addWidget(reader)
    reader.resize(600, 500)
    reader.show()
    return reader


def shown(reader: Reader) -> str:
    return reader._text.toPlainText()


def find(qtbot: QtBot, reader: Reader, text: str) -> None:
    reader._find.setText(text)
    qtbot.waitUntil(lambda: not reader._counter.running)


def test_a_long_page_is_cut_at_line_ends_and_nothing_is_lost() -> None:
    pages = ["line of text\n" * 10_000, "short", "x" * 40_000]
    sheets = cut_into_sheets(pages)
    assert all(sheet.end - sheet.start <= SHEET_CHARACTERS * 3 // 2 for sheet in sheets)
    for number, page in enumerate(pages):
        assert "".join(page[s.start : s.end] for s in sheets if s.page == number) == page


def test_lines_of_a_pdf_are_joined_to_paragraphs_and_every_character_stays_at_its_place() -> None:
    page = (
        "Annual Report\n"
        "The company has had a good year, in which the revenue rose to 12.4 million, most of it from\n"
        "the new plant in Riga. The board proposes that the dividend stays as it was, and that the\n"
        "rest is kept for the second plant.\n"
        "The auditor has no remarks on the accounts of the year, which were approved by the board at\n"
        "its meeting of 3 March, with these exceptions, all of them small ones, which are listed here:\n"
        "- the stock in Oslo\n"
        "- the lease of the office in Bergen, which was paid in the year before and is now to be paid\n"
        "again\n\nOutlook"
    )
    joined = with_lines_joined(page)
    assert len(joined) == len(page) and joined.replace("\n", " ") == page.replace("\n", " ")
    assert [len(line.split()) for line in joined.split("\n")] == [2, 44, 35, 5, 22, 0, 1]
    assert with_lines_joined("A poem\nof two\nlines") == "A poem\nof two\nlines"


def test_pages_are_turned_by_button_and_by_key(reader: Reader, qtbot: QtBot) -> None:
    reader.show_text("Fruit", PAGES, "page")
    assert shown(reader) == PAGES[0] and reader._place.text() == "Page 1 of 3"
    reader._next.click()
    assert shown(reader) == PAGES[1]
    reader.focus_text()
    qtbot.keyClick(reader._text, Qt.Key.Key_PageUp)
    assert shown(reader) == PAGES[0]
    assert not reader._previous.isEnabled()


def test_find_goes_through_every_page_and_round(reader: Reader, qtbot: QtBot) -> None:
    reader.show_text("Fruit", PAGES, "page")
    find(qtbot, reader, "apple")
    assert reader._matches.text() == "Found: 3"
    for expected in ("1 of 3", "2 of 3", "3 of 3", "1 of 3"):
        reader.find_next()
        assert reader._matches.text() == expected
        assert reader._text.textCursor().selectedText().lower() == "apple"
    reader.find_previous()
    assert reader._matches.text() == "3 of 3"


def test_find_that_fails_says_so(reader: Reader, qtbot: QtBot) -> None:
    reader.show_text("Fruit", PAGES, "page")
    find(qtbot, reader, "plum")
    assert reader._matches.text() == "Not found" and not reader._next_match.isEnabled()


def test_a_place_after_an_emoji_is_marked_exactly(reader: Reader) -> None:
    reader.show_text("Fruit", PAGES, "page")
    start = PAGES[1].rindex("apple")
    reader.show_place(1, start, start + 5)
    assert reader._text.textCursor().selectedText() == "apple"
    assert reader._text.textCursor().selectionStart() > start  # Qt counts the emoji twice


def test_three_megabytes_open_without_holding_up_the_window(reader: Reader) -> None:
    text = "Fifteen men on the dead man's chest, and a bottle of rum.\n" * 55_000
    took = []
    for _ in range(3):  # the least of them is the reader's own: the machine may be busy
        began = time.perf_counter()
        reader.show_text("Long", [text], None)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5
    assert reader._place.text().startswith("Part 1 of ")


def test_a_search_of_a_long_text_takes_turns(qtbot: QtBot) -> None:
    pages = ["needle in the hay " * 50_000, "no such thing", "needle"]
    matches = Matches()
    matches.start(pages, "NEEDLE")
    assert matches.running and not matches.places
    qtbot.waitUntil(lambda: not matches.running)
    assert len(matches.places) == MOST_MATCHES
    matches.start(pages[1:], "needle")
    qtbot.waitUntil(lambda: not matches.running)
    assert matches.places == [(1, 0, 6)]


def test_a_match_that_lies_over_two_turns_is_found(qtbot: QtBot) -> None:
    page = "x" * 199_998 + "needle" + "x" * 1000
    matches = Matches()
    matches.start([page], "needle")
    qtbot.waitUntil(lambda: not matches.running)
    assert matches.places == [(0, 199_998, 200_004)]
