"""Small pieces the Chat place is drawn with: cards and flat buttons.

Knows nothing of chats or documents.
"""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout, QWidget

from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label, tip
from gistdesk.ui.widgets.theme import GRID, SMALL

RADIUS = GRID

FLAT_TEXT = """
QTextEdit, QTextEdit:focus, QPlainTextEdit, QPlainTextEdit:focus {
    background: transparent; border: 0; padding: 0; min-height: 0; }
"""
"""Style sheet for texts in a card or on the page: the theme's frame is for input fields."""


class Card(QFrame):
    """A rounded rectangle around other widgets.

    Attributes:
        kind: "plain" (a field), "tinted" (a little accent), "code" (a little darker) or "warning" (the warning's
            frame).
        ringed: whether the focus ring is drawn although the card itself lacks the focus (something inside it has it).
    """

    def __init__(self, kind: str = "plain", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = kind
        self.ringed = False
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(GRID + SMALL, GRID, GRID + SMALL, GRID)
        self.rows.setSpacing(SMALL)

    def set_ringed(self, ringed: bool) -> None:
        """Set whether to draw the focus ring."""
        self.ringed = ringed
        self.update()

    def focusInEvent(self, event: object) -> None:  # noqa: N802
        self.update()

    def focusOutEvent(self, event: object) -> None:  # noqa: N802
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        c = theme.colours()
        fill, line = {
            "plain": (c.surface, c.border),
            "tinted": (c.tint, c.tint),
            "code": (c.window, c.border),
            "warning": (c.surface, c.warning),
        }[self.kind]
        focused = self.ringed or self.hasFocus()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(fill))
        painter.setPen(QPen(QColor(c.accent if focused else line), 2 if focused else 1))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), RADIUS, RADIUS)


class FlatButton(QToolButton):
    """A button with one word or icon, without a frame until it is hovered or focused."""

    def __init__(self, icon: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        if icon:
            self.setIcon(theme.icon(icon, "muted"))
            self.setIconSize(QSize(theme.SMALL_ICON, theme.SMALL_ICON))
        else:
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def set_words(self, words: str) -> None:
        """Set what it says: its text, or tooltip if it is an icon; and its accessible name."""
        self.setText(words)
        self.setAccessibleName(words)
        if not self.icon().isNull():
            self.setToolTip(tip(words))


class Muted(Label):
    """Less important text; it wraps."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "muted")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
