"""Shows a kept text one sheet at a time, so that a book opens as quickly as a letter; find searches all of it.

Knows pages of text; knows nothing of the library.
"""

import re
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QKeySequence, QResizeEvent, QShortcut, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.find import Matches
from gistdesk.ui.widgets.labels import ElidedLabel, Label

SHEET_CHARACTERS = 12_000
"""About five book pages: laid out in a few milliseconds."""
_LEAST_LINES = 4
"""Fewer lines do not show how long a full line is."""
_FULL, _SURELY_FULL = 0.75, 0.9
"""Shares of the page's long lines; the second if a line ends with a sentence, which may be a paragraph's last."""
_ENDING = re.compile(r"[.!?:;。！？…][\"'”’)\]]*\s*$")
_ITEM = re.compile(r"\s*(?:[-–•·*▪○●◦]|\(?\d{1,3}[.)]|\(?[a-zA-Z가-힣][.)])\s")


@dataclass(frozen=True)
class Sheet:
    """What is shown at a time: characters `start` to `end` of page `page` (from 0)."""

    page: int
    start: int
    end: int


def cut_into_sheets(pages: list[str]) -> list[Sheet]:
    """One sheet per page, with pages that are too long cut at line ends."""
    sheets = []
    for number, text in enumerate(pages):
        start = 0
        while len(text) - start > SHEET_CHARACTERS * 3 // 2:
            line_end = text.rfind("\n", start + SHEET_CHARACTERS // 2, start + SHEET_CHARACTERS)
            end = line_end + 1 if line_end >= 0 else start + SHEET_CHARACTERS
            sheets.append(Sheet(number, start, end))
            start = end
        sheets.append(Sheet(number, start, len(text)))
    return sheets


def with_lines_joined(page: str) -> str:
    """A page with its lines joined into paragraphs: a space replaces each line end that only wrapped a line, so that
    every character keeps its position.

    A line end counts as a wrap if its line is nearly as long as the page's long lines and no list begins after it.
    """
    lines = page.split("\n")
    lengths = sorted(len(line) for line in lines if line.strip())
    if len(lengths) < _LEAST_LINES:
        return page
    full = lengths[len(lengths) * 3 // 4]
    pieces = []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        ends = _ENDING.search(line) is not None
        breaks = len(line) >= (_SURELY_FULL if ends else _FULL) * full
        pieces.append(line + (" " if breaks and after.strip() and not _ITEM.match(after) else "\n"))
    return "".join(pieces)[:-1]


class Reader(QFrame):
    """Signals: closed."""

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._pages: list[str] = []
        self._sheets: list[Sheet] = []
        self._at = 0
        self._label: str | None = None
        self._title = ElidedLabel(parent=self)
        theme.set_role(self._title, "heading")
        self._close = self._tool("close", self.closed)
        self._find = QLineEdit(self)
        self._find.setClearButtonEnabled(True)
        self._find.setMaxLength(200)
        self._matches = Label(self)
        theme.set_role(self._matches, "small")
        self._previous_match = self._tool("chevron-up", self.find_previous)
        self._next_match = self._tool("chevron-down", self.find_next)
        self._text = _Text(self)
        self._previous = self._tool("chevron-left", self._on_previous)
        self._next = self._tool("chevron-right", self._on_next)
        self._place = Label(self)
        theme.set_role(self._place, "muted")
        self._counter = Matches(self)
        self._arrange()
        self._find.textChanged.connect(self._on_find_changed)
        self._find.returnPressed.connect(self.find_next)
        self._counter.changed.connect(self._show_matches)
        self._text.left_top.connect(self._on_left_top)
        self._text.left_bottom.connect(self._on_next)
        for keys, slot in ((QKeySequence("F3"), self.find_next), (QKeySequence("Shift+F3"), self.find_previous)):
            QShortcut(keys, self, slot, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        QShortcut(QKeySequence("Escape"), self, self.closed.emit, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self._retranslate()

    def _tool(self, icon: str, slot: object) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(theme.icon(icon))
        button.clicked.connect(slot)
        return button

    def _arrange(self) -> None:
        rows: list[tuple[QWidget, ...]] = [
            (self._title, self._close),
            (self._find, self._matches, self._previous_match, self._next_match),
            (self._previous, self._place, self._next),
        ]
        layouts = []
        for widgets in rows:
            row = QHBoxLayout()
            row.setContentsMargins(2 * theme.GRID, theme.GRID, theme.GRID, theme.GRID)
            row.setSpacing(theme.GRID)
            for widget in widgets:
                row.addWidget(widget, 1 if widget in (self._title, self._find, self._place) else 0)
            layouts.append(row)
        layouts[1].setContentsMargins(2 * theme.GRID, 0, theme.GRID, theme.GRID)
        self._place.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(layouts[0])
        column.addLayout(layouts[1])
        column.addWidget(self._text, 1)
        column.addLayout(layouts[2])

    # --- the text

    def show_text(self, title: str, pages: list[str], page_label: str | None) -> None:
        """Open a text at its beginning. Pages of a PDF have a line end wherever the printed line ended."""
        self._label = page_label
        self._pages = [with_lines_joined(page) for page in pages] if page_label == "page" else pages
        self._sheets = cut_into_sheets(pages) or [Sheet(0, 0, 0)]
        self._title.setText(title)
        self._show_sheet(0)
        self._on_find_changed()

    def show_place(self, page: int, start: int, end: int) -> None:
        """Go to a place of the text (page from 0, offsets within it) and mark it."""
        self._show_sheet(self._sheet_of(page, start))
        self._mark(start, end)

    def focus_find(self) -> None:
        self._find.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._find.selectAll()

    def focus_text(self) -> None:
        self._text.setFocus(Qt.FocusReason.OtherFocusReason)

    def _sheet_of(self, page: int, start: int) -> int:
        return next(
            (i for i, each in enumerate(self._sheets) if each.page == page and start < max(each.end, each.start + 1)),
            len(self._sheets) - 1,
        )

    def _show_sheet(self, number: int, *, at_end: bool = False) -> None:
        self._at = number
        self._counter.at = None
        sheet = self._sheets[number]
        self._text.setExtraSelections([])
        self._text.setPlainText(self._pages[sheet.page][sheet.start : sheet.end] if self._pages else "")
        bar = self._text.verticalScrollBar()
        bar.setValue(bar.maximum() if at_end else 0)
        self._show_place()

    def _show_place(self) -> None:
        self._previous.setEnabled(self._at > 0)
        self._next.setEnabled(self._at < len(self._sheets) - 1)
        if not self._sheets:
            return
        if self._label == "page":
            text = tr("Page {n} of {total}", n=self._sheets[self._at].page + 1, total=len(self._pages))
        elif self._label == "section":
            text = tr("Section {n} of {total}", n=self._sheets[self._at].page + 1, total=len(self._pages))
        else:
            text = tr("Part {n} of {total}", n=self._at + 1, total=len(self._sheets))
        self._place.setText(text)

    def _on_previous(self) -> None:
        if self._at > 0:
            self._show_sheet(self._at - 1)

    def _on_left_top(self) -> None:
        if self._at > 0:
            self._show_sheet(self._at - 1, at_end=True)

    def _on_next(self) -> None:
        if self._at < len(self._sheets) - 1:
            self._show_sheet(self._at + 1)

    # --- find

    def find_next(self) -> None:
        self._find_from(forward=True)

    def find_previous(self) -> None:
        self._find_from(forward=False)

    def _find_from(self, *, forward: bool) -> None:
        """Mark the next match, wrapping around at the end."""
        places = self._counter.places
        if not places:
            return
        sheet, at = self._sheets[self._at], self._counter.at
        if at is not None:
            at = (at + (1 if forward else -1)) % len(places)
        elif forward:
            at = next((i for i, place in enumerate(places) if place[:2] >= (sheet.page, sheet.start)), 0)
        else:
            at = next((i for i in reversed(range(len(places))) if places[i][:2] < (sheet.page, sheet.start)), -1)
            at %= len(places)
        self.show_place(*places[at])
        self._counter.at = at
        self._show_matches()

    def _on_find_changed(self) -> None:
        self._counter.start(self._pages, self._find.text())

    def _show_matches(self) -> None:
        counter, wanted = self._counter, bool(self._find.text())
        found = len(counter.places)
        for button in (self._previous_match, self._next_match):
            button.setEnabled(found > 0)
        if not wanted:
            self._matches.setText("")
        elif counter.running:
            self._matches.setText(tr("Searching…"))
        elif found == 0:
            self._matches.setText(tr("Not found"))
        elif counter.at is None:
            self._matches.setText(tr("Found: {n}", n=f"{found:,}"))
        else:
            self._matches.setText(tr("{at} of {n}", at=counter.at + 1, n=f"{found:,}"))

    def _mark(self, start: int, end: int) -> None:
        sheet = self._sheets[self._at]
        cursor = self._text.textCursor()
        cursor.setPosition(_utf16(self._pages[sheet.page], sheet.start, start))
        cursor.setPosition(
            _utf16(self._pages[sheet.page], sheet.start, min(end, sheet.end)), QTextCursor.MoveMode.KeepAnchor
        )
        self._text.setTextCursor(cursor)
        mark = QTextEdit.ExtraSelection()
        look = QTextCharFormat()
        look.setBackground(QColor(theme.colours().accent))
        look.setForeground(QColor(theme.colours().on_accent))
        mark.format, mark.cursor = look, cursor
        self._text.setExtraSelections([mark])
        self._text.centre_on(cursor.selectionStart())

    # --- language

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        for button, text in (
            (self._close, tr("Close the text")),
            (self._previous_match, tr("Previous match (Shift+F3)")),
            (self._next_match, tr("Next match (F3)")),
            (self._previous, tr("Previous page")),
            (self._next, tr("Next page")),
        ):
            button.setToolTip(text)
            button.setAccessibleName(text)
        self._find.setPlaceholderText(tr("Find in this text"))
        self._find.setAccessibleName(tr("Find in this text"))
        self._text.setAccessibleName(tr("Kept text"))
        self._show_place()
        self._show_matches()


class _Text(QPlainTextEdit):
    """Signals: left_top, left_bottom: a page key was pressed at the end of the sheet."""

    left_top = Signal()
    left_bottom = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setTabChangesFocus(True)
        self.document().setDocumentMargin(2 * theme.GRID)
        self._centred: tuple[int, int] | None = None

    def centre_on(self, position: int) -> None:
        """Centre a position, and keep it centred through resizes until something scrolls."""
        cursor = self.textCursor()
        probe = QTextCursor(self.document())
        probe.setPosition(position)
        self.setTextCursor(probe)
        self.centerCursor()
        self.setTextCursor(cursor)
        self._centred = (position, self.verticalScrollBar().value())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """A reader that was closed gets its size only after the place it has to show."""
        at = self._centred
        stays = at is not None and at[1] == self.verticalScrollBar().value()
        super().resizeEvent(event)
        if stays and at is not None:
            self.centre_on(at[0])

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        bar = self.verticalScrollBar()
        if event.key() == Qt.Key.Key_PageDown and bar.value() == bar.maximum():
            self.left_bottom.emit()
        elif event.key() == Qt.Key.Key_PageUp and bar.value() == 0:
            self.left_top.emit()
        else:
            super().keyPressEvent(event)


def _utf16(text: str, start: int, end: int) -> int:
    """Length of `text[start:end]` as Qt counts it: characters beyond the basic plane count as two."""
    return len(text[start:end].encode("utf-16-le")) // 2
