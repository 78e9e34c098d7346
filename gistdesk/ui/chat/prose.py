"""A run of Markdown, or plain text, that is as high as it needs to be.

What a model writes is not trusted: HTML stays text, and pictures are not loaded. Knows nothing of messages.
"""

import math

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, QUrl
from PySide6.QtGui import (
    QColor,
    QDesktopServices,
    QFocusEvent,
    QFont,
    QImage,
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
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import tip
from gistdesk.ui.widgets.speech import announce
from gistdesk.ui.widgets.theme import GRID, SMALL

_MARKDOWN = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
_OPENED = ("http", "https")
"""Links with these schemes are opened; whatever else a model may have written is not."""
_ENDS = {
    Qt.FocusReason.TabFocusReason: QTextCursor.MoveOperation.Start,
    Qt.FocusReason.BacktabFocusReason: QTextCursor.MoveOperation.End,
}
_LINE_HEIGHT = 125.0
"""Per cent; Hangul needs the space."""


class ProseView(QTextBrowser):
    """Markdown or plain text that is as high as it needs to be and never scrolls vertically."""

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
            | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
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
        """Draw `text` as Markdown, with HTML in it shown as text."""
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

    def has_links(self) -> bool:
        """Whether there is a link that can be opened."""
        block = self.document().begin()
        while block.isValid():
            parts = block.begin()
            while not parts.atEnd():
                if QUrl(parts.fragment().charFormat().anchorHref()).scheme() in _OPENED:
                    return True
                parts += 1
            block = block.next()
        return False

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """Tab goes to the first link, and Shift+Tab to the last; Qt continues from there, and Enter opens one."""
        super().focusInEvent(event)
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self.moveCursor(_ENDS[event.reason()])
            self.focusNextPrevChild(event.reason() == Qt.FocusReason.TabFocusReason)

    def wanted_width(self, most: int) -> int:
        """Width of the text's longest line in pixels, at most `most`."""
        return min(most, math.ceil(self.document().idealWidth()) + 2)

    def loadResource(self, kind: int, name: QUrl | str) -> object:  # noqa: N802
        """An empty picture, whatever the name: if this returned nothing, Qt would open the name as a file itself,
        and wait for ever if that is a pipe."""
        picture = QImage(1, 1, QImage.Format.Format_ARGB32)
        picture.fill(Qt.GlobalColor.transparent)
        return picture

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
        """Set line height, modest headings, and tables with thin lines: Qt's Markdown reader has no style sheet."""
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
        if url.scheme() in _OPENED:
            QDesktopServices.openUrl(url)

    def _on_highlighted(self, url: QUrl) -> None:
        self.setToolTip(tip(url.toString()))
        if not url.isEmpty() and self.hasFocus():
            words = self.textCursor().selectedText()
            announce(self, tr("Link: {words}, {address}", words=words, address=url.toString()))


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
