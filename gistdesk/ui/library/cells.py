"""How the cells of the document table are drawn. Knows entries and the theme."""

from PySide6.QtCore import QAbstractItemModel, QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QMouseEvent, QPainter
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyleOptionViewItem, QWidget

from gistdesk.language.i18n import tr
from gistdesk.library import Entry
from gistdesk.ui.library.model import ENTRY, STATUS, TITLE, WIDTHS, AnyIndex, summary
from gistdesk.ui.library.states import fraction, look
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.rename import RenameDelegate


class CellDelegate(RenameDelegate):
    """Draws the title with a second line and the status with icon, words, bar and Retry; other cells by default.

    Signals: retry_pressed (entry id). By keyboard, Retry is in the row's menu and in the inspector.
    """

    retry_pressed = Signal(int)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        self.initStyleOption(option, index)
        c = theme.colours()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.fillRect(option.rect, QColor(c.selected if chosen else c.surface))
        painter.setPen(QColor(c.border))
        painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())
        inner = option.rect.adjusted(theme.GRID, 0, -theme.GRID, -1)
        entry: Entry = index.data(ENTRY)
        if index.column() == TITLE:
            self._paint_title(painter, inner, entry, option.font)
        elif index.column() == STATUS:
            self._paint_status(painter, inner, entry, option)
        else:
            painter.setPen(QColor(c.text))
            text = option.fontMetrics.elidedText(option.text, Qt.TextElideMode.ElideRight, inner.width())
            painter.drawText(inner, int(option.displayAlignment), text)
        self._paint_focus(painter, option, index)
        painter.restore()

    def _paint_focus(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Mark the row that has the keyboard focus: a line above and below, and one at its start."""
        view = option.widget
        if not isinstance(view, QAbstractItemView) or not view.hasFocus() or view.currentIndex().row() != index.row():
            return
        rect, colour = option.rect, QColor(theme.colours().accent)
        painter.fillRect(QRect(rect.left(), rect.top(), rect.width(), 2), colour)
        painter.fillRect(QRect(rect.left(), rect.bottom() - 1, rect.width(), 2), colour)
        if index.column() == TITLE:
            painter.fillRect(QRect(rect.left(), rect.top(), 2, rect.height()), colour)

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:  # noqa: N802
        return QSize(WIDTHS.get(index.column(), 240), row_height(option.fontMetrics))

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: AnyIndex) -> None:  # noqa: N802
        """Make the editor as high as a field, in the middle of the row."""
        height = editor.sizeHint().height()
        rect = option.rect.adjusted(1, (option.rect.height() - height) // 2, -1, 0)
        editor.setGeometry(rect.left(), rect.top(), rect.width(), height)

    def editorEvent(  # noqa: N802
        self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: AnyIndex
    ) -> bool:
        """Handle a click on "Retry" in a status."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonRelease:
            entry: Entry = index.data(ENTRY)
            inner = option.rect.adjusted(theme.GRID, 0, -theme.GRID, -1)
            if index.column() == STATUS and self._retry_rect(inner, entry, option.fontMetrics).contains(
                event.position().toPoint()
            ):
                self.retry_pressed.emit(entry.id)
                return True
        return super().editorEvent(event, model, option, index)

    def _retry_rect(self, rect: QRect, entry: Entry, metrics: QFontMetrics) -> QRect:
        """Where "Retry" is in a status; empty if there is nothing to retry."""
        width = metrics.horizontalAdvance(tr("Retry"))
        if entry.state not in ("failed", "cancelled") or entry.trashed or rect.width() < 4 * width:
            return QRect()
        return QRect(rect.right() - width, rect.top(), width + 1, rect.height())

    def _paint_title(self, painter: QPainter, rect: QRect, entry: Entry, font: QFont) -> None:
        c = theme.colours()
        upper, lower = QRect(rect), QRect(rect)
        upper.setBottom(rect.center().y())
        lower.setTop(rect.center().y() + 1)
        bold = QFont(font)
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(QColor(c.text))
        title = QFontMetrics(bold).elidedText(
            entry.title or entry.source_path.name, Qt.TextElideMode.ElideMiddle, rect.width()
        )
        painter.drawText(upper.translated(0, -1), int(Qt.AlignmentFlag.AlignBottom), title)
        painter.setFont(font)
        painter.setPen(QColor(c.muted))
        second = QFontMetrics(font).elidedText(summary(entry), Qt.TextElideMode.ElideMiddle, rect.width())
        painter.drawText(lower.translated(0, 1), int(Qt.AlignmentFlag.AlignTop), second)

    def _paint_status(self, painter: QPainter, rect: QRect, entry: Entry, option: QStyleOptionViewItem) -> None:
        c = theme.colours()
        name, colour = look(entry)
        size = theme.SMALL_ICON
        top = rect.center().y() - size // 2
        theme.paint_icon(painter, QRectF(rect.left(), top, size, size), name, getattr(c, colour))
        words = QRect(rect)
        words.setLeft(rect.left() + size + theme.GRID)
        retry = self._retry_rect(rect, entry, option.fontMetrics)
        if not retry.isEmpty():
            painter.setPen(QColor(c.accent))
            painter.drawText(retry, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), tr("Retry"))
            words.setRight(retry.left() - theme.GRID)
        painter.setPen(QColor(c.text if colour in ("good", "accent", "muted") else getattr(c, colour)))
        text = in_two_lines(option.text, option.fontMetrics, words.width())
        painter.drawText(words, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
        share = fraction(entry)
        if share is not None:
            bar = QRectF(words.left(), rect.bottom() - 2 * theme.SMALL, words.width(), 3)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.memory_free))
            painter.drawRoundedRect(bar, 1.5, 1.5)
            bar.setWidth(max(3.0, bar.width() * share))
            painter.setBrush(QColor(c.accent))
            painter.drawRoundedRect(bar, 1.5, 1.5)


def in_two_lines(text: str, metrics: QFontMetrics, width: int) -> str:
    """`text` broken at a space if too long for one line, and elided if too long for two."""
    words, n = text.split(" "), 1
    if metrics.horizontalAdvance(text) <= width or len(words) == 1:
        return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
    while n < len(words) - 1 and metrics.horizontalAdvance(" ".join(words[: n + 1])) <= width:
        n += 1
    lines = (" ".join(words[:n]), " ".join(words[n:]))
    return "\n".join(metrics.elidedText(line, Qt.TextElideMode.ElideRight, width) for line in lines)


def row_height(metrics: QFontMetrics) -> int:
    """Two lines of text with the grid's spacing around them."""
    return max(theme.ROW_HEIGHT, 2 * metrics.height() + 2 * theme.GRID)
