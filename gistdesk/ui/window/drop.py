"""Documents dropped anywhere onto the window: what was dropped, and the picture over the window meanwhile.

Knows paths; others decide what is done with them.
"""

from pathlib import Path

from PySide6.QtCore import QMimeData, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme


def dropped_paths(data: QMimeData) -> list[Path]:
    """The local files and folders of a drag, each once."""
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    return list(dict.fromkeys(paths))


class DropPicture(QWidget):
    """Covers the window while something is dragged over it, and says what dropping would do."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._text = ""
        self.hide()

    def show_for(self, paths: list[Path]) -> None:
        n = len(paths)
        if n == 1 and paths[0].is_dir():
            self._text = tr("Drop to add the documents in “{name}”", name=paths[0].name)
        elif n == 1 and paths[0].suffix == ".gistkv":
            self._text = tr("Drop to import “{name}”", name=paths[0].name)
        else:
            self._text = tr("Drop to compress 1 file") if n == 1 else tr("Drop to compress {n} files", n=n)
        self.setAccessibleName(self._text)
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.raise_()
        self.show()
        self.update()

    @property
    def text(self) -> str:
        return self._text

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        c = theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(c.window)
        ground.setAlphaF(0.92)
        painter.fillRect(self.rect(), ground)
        frame = QRectF(self.rect()).adjusted(*(2.0 * theme.GRID,) * 2, *(-2.0 * theme.GRID,) * 2)
        painter.setPen(QPen(QColor(c.accent), 2, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(frame, 12, 12)
        side = 8.0 * theme.GRID
        middle = frame.center()
        theme.paint_icon(painter, QRectF(middle.x() - side / 2, middle.y() - side, side, side), "drop", c.accent)
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 1.7)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(c.text))
        below = QRectF(frame.left(), middle.y() + 2 * theme.GRID, frame.width(), 6.0 * theme.GRID)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop), self._text)
