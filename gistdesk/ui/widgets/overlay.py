"""A card over the dimmed window: keeps the focus inside, closes on Escape, gives the focus back.

Knows nothing of what is on the card.
"""

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget
from shiboken6 import isValid

from gistdesk.ui.widgets import theme


class Overlay(QWidget):
    """Attributes: card; body (the layout of its contents, which scrolls); foot (a row below that is always visible).

    Signals: closed.
    """

    closed = Signal()

    def __init__(self, parent: QWidget, *, width: int, top: bool = False) -> None:
        """`width` is the card's maximum, in pixels; `top` puts it near the upper edge."""
        super().__init__(parent)
        self.card = QFrame(self)
        self.card.setProperty("surface", "card")
        inner = QWidget(self.card)
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(*(3 * theme.GRID,) * 4)
        self.body.setSpacing(2 * theme.GRID)
        self._area = QScrollArea(self.card)
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)  # its frame would take room from the card's contents
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(inner)
        around = QVBoxLayout(self.card)
        around.setContentsMargins(1, 1, 1, 1)
        around.setSpacing(0)
        around.addWidget(self._area)
        self._foot = QWidget(self.card)
        self.foot = QHBoxLayout(self._foot)
        self.foot.setContentsMargins(3 * theme.GRID, 0, 3 * theme.GRID, 3 * theme.GRID)
        self.foot.setSpacing(theme.GRID)
        around.addWidget(self._foot)
        self._width, self._top = width, top
        self._before: QWidget | None = None
        parent.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Show the card over everything in the window."""
        focus = QApplication.focusWidget()
        if focus is not None and not self.isAncestorOf(focus):
            self._before = focus
        self._cover()
        self.raise_()
        self.show()
        self.arrange_card()

    def dismiss(self) -> None:
        """Close without doing anything."""
        if not self.isVisible():
            return
        self.hide()
        if self._before is not None and isValid(self._before) and self._before.isVisible():  # it may be gone by now
            self._before.setFocus(Qt.FocusReason.OtherFocusReason)
        self._before = None
        self.closed.emit()

    def arrange_card(self) -> None:
        """Lay the card out again, as high as its contents; what does not fit into the window scrolls."""
        margin = 2 * theme.GRID
        width = max(0, min(self._width, self.width() - 2 * margin))
        self.body.activate()
        edges = 2 * (self.card.frameWidth() + 1)  # the theme's border, and the margins within
        wanted = self.body.totalHeightForWidth(width - edges) if self.body.hasHeightForWidth() else -1
        self._foot.setVisible(self.foot.count() > 0)
        foot = self.foot.sizeHint().height() if self.foot.count() else 0
        height = min(max(wanted, self.body.sizeHint().height()) + foot + edges, self.height() - 2 * margin)
        y = self.height() // 8 if self._top else (self.height() - height) // 2
        height = min(height, self.height() - y - margin)
        self.card.setGeometry((self.width() - width) // 2, y, width, height)

    def room_for_body(self) -> int:
        """The greatest height the body can have without scrolling."""
        foot = self.foot.sizeHint().height() if self.foot.count() else 0
        return self.height() - 4 * theme.GRID - foot - 2 * (self.card.frameWidth() + 1)

    def _cover(self) -> None:
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._cover()
            self.arrange_card()
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest and self.isVisible():
            self.arrange_card()
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        bar, key = self._area.verticalScrollBar(), event.key()
        steps = {
            Qt.Key.Key_Down: bar.singleStep(),
            Qt.Key.Key_Up: -bar.singleStep(),
            Qt.Key.Key_PageDown: bar.pageStep(),
            Qt.Key.Key_PageUp: -bar.pageStep(),
        }
        if key == Qt.Key.Key_Escape:
            self.dismiss()
        elif key in steps:
            bar.setValue(bar.value() + steps[Qt.Key(key)])
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        event.accept()  # nothing below may be clicked

    def focusNextPrevChild(self, forward: bool) -> bool:  # noqa: N802
        """Tab cycles within the card."""
        start: QWidget = QApplication.focusWidget() or self.card
        widget: QWidget | None = start
        while True:
            assert widget is not None
            widget = widget.nextInFocusChain() if forward else widget.previousInFocusChain()
            if widget is None or widget is start:
                return True
            if _is_stop(widget) and self.card.isAncestorOf(widget):
                reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
                widget.setFocus(reason)
                self._area.ensureWidgetVisible(widget)
                return True

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 150 if theme.is_dark() else 90))


def _is_stop(widget: QWidget) -> bool:
    """Whether Tab stops there; among radio buttons only at the chosen one, and the arrow keys go to the others."""
    if not (widget.isEnabled() and widget.isVisible()):
        return False
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    if group is not None and group.exclusive() and group.checkedButton() is not None:
        return bool(group.checkedButton() is widget)
    return bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
