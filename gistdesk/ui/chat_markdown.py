"""An answer's Markdown as widgets: runs of prose, and code blocks with a button that copies them.

A text that grows is cut into pieces, and only its last piece is drawn again, so that a long answer costs no more per
word than a short one. What a model writes is not trusted: HTML stays text, and pictures are not loaded. Knows nothing
of messages.
"""

import math
import re
import time
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QColor,
    QDesktopServices,
    QFont,
    QGuiApplication,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrameFormat,
    QTextTable,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QSizePolicy, QTextBrowser, QVBoxLayout, QWidget

from gistdesk.ui import theme
from gistdesk.ui.chat_look import Card, FlatButton, Muted
from gistdesk.ui.i18n import tr
from gistdesk.ui.theme import GRID, SMALL, mono_font

_PROSE_CHARS = 1500
"""Prose is cut at the next paragraph after this many characters: drawing that many takes about two milliseconds."""
_TURN_S = 0.008
"""Seconds of drawing a long text before events are seen to."""
_BUSY_SHARE = 0.1
"""Drawing a growing piece takes at most this share of the time, however long the piece is."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)\n?$")
_GOES_ON = re.compile(r"\s|[-*+>|]|\d{1,9}[.)]")
"""Starts of lines that may belong to the list, quotation or table before them."""
_MARKDOWN = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_LINE_HEIGHT = 125.0
"""Per cent; Hangul needs the air."""


@dataclass(frozen=True)
class Piece:
    """A run of prose (`language` is None), or the inside of one fenced code block.

    Attributes:
        start: where it starts in the text, fence included.
    """

    start: int
    text: str
    language: str | None = None


def split_markdown(text: str) -> list[Piece]:
    """Cut at fences, and long prose between paragraphs.

    All but the last piece stay as they are when more text follows.
    """
    pieces: list[Piece] = []
    run: list[str] = []
    start = at = n_run = 0
    fence = language = ""

    def finish(next_start: int, *, code: bool = False) -> None:
        nonlocal start, n_run
        body = "".join(run)
        if code or body.strip():
            pieces.append(Piece(start, body.removesuffix("\n") if code else body, language if code else None))
        run.clear()
        start, n_run = next_start, 0

    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not found[2].strip():
                finish(at + len(line), code=True)
                fence = ""
            else:
                run.append(line)
        elif found:
            finish(at)
            fence, language = found[1], found[2].strip().split(" ")[0]
        else:
            blank_before = bool(run) and not run[-1].strip()
            if n_run > _PROSE_CHARS and blank_before and line.endswith("\n") and not _GOES_ON.match(line):
                finish(at)
            run.append(line)
            n_run += len(line)
        at += len(line)
    if fence or run:
        finish(at, code=bool(fence))
    return pieces


class ProseView(QTextBrowser):
    """Markdown or plain text that is as high as it needs to be and never scrolls upright."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._plain = False
        self._drawn_in: theme.Colours | None = None
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.viewport().setAutoFillBackground(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
            | Qt.TextInteractionFlag.LinksAccessibleByMouse
        )
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setOpenLinks(False)
        self.anchorClicked.connect(self._on_anchor_clicked)
        self.highlighted.connect(self._on_highlighted)
        self.document().setDocumentMargin(0)
        self.document().setIndentWidth(2.5 * GRID)
        self.document().setUndoRedoEnabled(False)
        self._quoted: list[int] = []

    def set_markdown(self, text: str) -> None:
        """Draw `text`, HTML in it as text."""
        self._text, self._plain = text, False
        self.document().setMarkdown(text, _MARKDOWN)
        self._dress()
        self._fit()

    def set_plain(self, text: str) -> None:
        """Draw `text` as it is."""
        self._text, self._plain = text, True
        self.document().setPlainText(text)
        self._dress()
        self._fit()

    def wanted_width(self, most: int) -> int:
        """Pixels that the text takes in its longest line, at most `most`."""
        return min(most, math.ceil(self.document().idealWidth()) + 2)

    def loadResource(self, kind: int, name: QUrl | str) -> object:  # noqa: N802
        """Nothing: a model's answer must not make the window read files."""
        return None

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(5 * GRID, 0)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(40 * GRID, max(self.minimumHeight(), GRID))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        super().paintEvent(event)
        if self._quoted:
            painter = QPainter(self.viewport())
            for number in self._quoted:
                block = self.document().findBlockByNumber(number)
                rect = self.document().documentLayout().blockBoundingRect(block)
                painter.fillRect(QRectF(0, rect.top(), 3, rect.height()), QColor(theme.colours().accent))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        event.ignore()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()
        elif event.type() == QEvent.Type.PaletteChange and self._drawn_in not in (None, theme.colours()):
            (self.set_plain if self._plain else self.set_markdown)(self._text)

    def _dress(self) -> None:
        """Line height, calm headings, and tables with thin lines: Qt's Markdown reader has no style sheet."""
        self._drawn_in = theme.colours()
        document = self.document()
        cursor = QTextCursor(document)
        cursor.select(QTextCursor.SelectionType.Document)
        form = QTextBlockFormat()
        form.setLineHeight(_LINE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor.mergeBlockFormat(form)
        self._quoted = []
        block = document.begin()
        while block.isValid():
            if level := block.blockFormat().headingLevel():
                _calm_heading(QTextCursor(block), level)
            if depth := block.blockFormat().intProperty(QTextFormat.Property.BlockQuoteLevel):
                self._quoted.append(block.blockNumber())
                _narrow_quote(QTextCursor(block), depth)
            block = block.next()
        for frame in document.rootFrame().childFrames():
            if isinstance(frame, QTextTable):
                table_form = frame.format()
                table_form.setBorderCollapse(True)
                table_form.setBorder(1)
                table_form.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
                table_form.setBorderBrush(self.palette().color(QPalette.ColorRole.Mid))
                table_form.setCellPadding(SMALL)
                table_form.setTopMargin(SMALL)
                table_form.setBottomMargin(SMALL)
                frame.setFormat(table_form)

    def _fit(self) -> None:
        document = self.document()
        document.setTextWidth(max(self.viewport().width(), GRID))
        size = document.size()
        height = math.ceil(size.height())
        if size.width() > self.viewport().width() + 1:
            height += self.horizontalScrollBar().sizeHint().height()
        if height != self.minimumHeight():
            self.setFixedHeight(height)

    def _on_anchor_clicked(self, url: QUrl) -> None:
        if url.scheme() in ("http", "https"):
            QDesktopServices.openUrl(url)

    def _on_highlighted(self, url: QUrl) -> None:
        self.setToolTip(url.toString())


def _calm_heading(cursor: QTextCursor, level: int) -> None:
    form = QTextCharFormat()
    form.setProperty(QTextCharFormat.Property.FontSizeAdjustment, max(0, 3 - level))
    form.setFontWeight(QFont.Weight.Bold)
    cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
    cursor.mergeCharFormat(form)


def _narrow_quote(cursor: QTextCursor, depth: int) -> None:
    form = QTextBlockFormat()
    form.setLeftMargin(2 * GRID * depth)
    form.setRightMargin(0)
    cursor.mergeBlockFormat(form)


class CodeView(Card):
    """A code block: its language, a button that copies it, and lines that are not wrapped.

    Attributes: copy_button.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("code", parent)
        self.rows.setContentsMargins(GRID + SMALL, SMALL, GRID, SMALL)
        self._language = Muted()
        self.copy_button = FlatButton()
        self.copy_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the message says when
        self.copy_button.clicked.connect(self._on_copy_clicked)
        head = QHBoxLayout()
        head.addWidget(self._language, 1)
        head.addWidget(self.copy_button)
        self._code = _Lines()
        self.rows.addLayout(head)
        self.rows.addWidget(self._code)
        self._retranslate()

    def set_piece(self, piece: Piece) -> None:
        """Show this block; what it has in common with the last one is not drawn again."""
        self._language.setText(piece.language or "")
        self._code.set_text(piece.text)

    def text(self) -> str:
        """The code."""
        return self._code.toPlainText()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.copy_button.set_words(tr("Copy code"))
        self._code.setAccessibleName(tr("Code"))

    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self.text())
        self.copy_button.set_words(tr("Copied"))


class _Lines(QPlainTextEdit):
    """Lines of code, all of them visible; scrolls sideways."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.viewport().setAutoFillBackground(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setUndoRedoEnabled(False)
        self.document().setDocumentMargin(0)
        self.setFont(mono_font(self))
        self._shown = ""

    def set_text(self, text: str) -> None:
        if self._shown and text.startswith(self._shown):
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(text[len(self._shown) :])
        else:
            self.setPlainText(text)
        self._shown = text
        self._fit()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(5 * GRID, 0)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        if event.angleDelta().x():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _fit(self) -> None:
        bar = self.horizontalScrollBar().sizeHint().height()
        height = self.blockCount() * self.fontMetrics().lineSpacing() + bar + 2
        if height != self.minimumHeight():
            self.setFixedHeight(height)


class MarkdownView(QWidget):
    """A Markdown text that may grow.

    Args:
        width: in pixels, what it will probably have when it is shown: heights are known before that.
    """

    def __init__(self, width: int = 80 * GRID) -> None:
        super().__init__()
        self._width = width
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(GRID)
        self._text = ""
        self._pieces: list[Piece] = []
        self._pending: list[Piece] = []
        self._more = QTimer(self, singleShot=True, interval=0)
        self._more.timeout.connect(self._show_pending)
        self._views: list[ProseView | CodeView] = []
        self._not_before_s = 0.0

    def text(self) -> str:
        """What is shown."""
        return self._text

    def is_drawn(self) -> bool:
        """Whether all of a long text has been drawn."""
        return not self._pending

    def grow(self, text: str) -> bool:
        """Show `text`, which is longer than before, unless the last drawing was too recent for what it cost.

        Returns:
            Whether it was drawn.
        """
        now = time.monotonic()
        if now < self._not_before_s:
            return False
        self.set_text(text)
        after = time.monotonic()
        self._not_before_s = after + (after - now) * (1 / _BUSY_SHARE - 1)
        return True

    def set_text(self, text: str) -> None:
        """Show `text`; pieces that are as before are left alone."""
        if text == self._text:
            return
        settled: list[Piece] = []
        if self._pieces and text.startswith(self._text):
            settled = self._pieces[:-1]
            start = self._pieces[-1].start
        else:
            start = 0
        tail = [Piece(start + piece.start, piece.text, piece.language) for piece in split_markdown(text[start:])]
        self._text = text
        self._show([*settled, *tail])

    def _show(self, pieces: list[Piece]) -> None:
        self._pending = pieces
        self._drop_from(len(pieces))
        self._show_pending()

    def _show_pending(self) -> None:
        """Draw pieces that differ from what is shown, for a while; the rest when events have been seen to."""
        until = time.monotonic() + _TURN_S
        for index, piece in enumerate(self._pending):
            if index < len(self._pieces) and piece == self._pieces[index]:
                continue
            if time.monotonic() > until:
                self._more.start()
                return
            self._show_piece(index, piece)
        self._pending = []

    def _show_piece(self, index: int, piece: Piece) -> None:
        is_code = piece.language is not None
        if index < len(self._pieces) and is_code != (self._pieces[index].language is not None):
            self._drop_from(index)
        if index == len(self._pieces):
            self._views.append(CodeView(self) if is_code else self._new_prose())
            self._rows.addWidget(self._views[index])
            self._pieces.append(piece)
        self._pieces[index] = piece
        view = self._views[index]
        if isinstance(view, CodeView):
            view.set_piece(piece)
        else:
            view.set_markdown(piece.text)

    def _new_prose(self) -> ProseView:
        view = ProseView(self)
        view.setAccessibleName(tr("Text of the message"))
        view.resize(self.width() if self.isVisible() else self._width, view.height())
        return view

    def _drop_from(self, index: int) -> None:
        for view in self._views[index:]:
            self._rows.removeWidget(view)
            view.hide()
            view.deleteLater()
        del self._views[index:]
        self._pieces = self._pieces[:index]
