"""A row of widgets that wraps. Knows nothing of what they are."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from gistdesk.ui.widgets.theme import GRID, SMALL


class FlowRow(QWidget):
    """Widgets in a row that wraps when it is too long; as high as it needs to be.

    Signals: height_changed (pixels).
    """

    height_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None, *, gap: int = SMALL, at_right: bool = False) -> None:
        """`at_right`: rows are aligned to the right instead of the left."""
        super().__init__(parent)
        self._gap, self._at_right = gap, at_right
        self._widgets: list[QWidget] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def add(self, widget: QWidget) -> None:
        """Put `widget` at the end."""
        widget.setParent(self)
        self._widgets.append(widget)

    def replace(self, widgets: Sequence[QWidget]) -> None:
        """Show these instead; widgets no longer shown are deleted."""
        for old in self._widgets:
            if old not in widgets:
                old.hide()
                old.deleteLater()
        self._widgets = list(widgets)
        for widget in widgets:
            widget.setParent(self)
            widget.show()
        self._place()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(GRID, self.minimumHeight())

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return done

    def _place(self) -> None:
        lines: list[list[tuple[QWidget, QSize]]] = [[]]
        x = 0
        for widget in self._widgets:
            if widget.isHidden():
                continue
            size = widget.sizeHint().expandedTo(widget.minimumSize())
            size.setWidth(min(size.width(), max(self.width(), GRID)))
            if x and x + size.width() > self.width():
                lines.append([])
                x = 0
            lines[-1].append((widget, size))
            x += size.width() + self._gap
        y = 0
        for line in lines:
            height = max((size.height() for _, size in line), default=0)
            length = sum(size.width() + self._gap for _, size in line) - self._gap
            x = self.width() - length if self._at_right else 0
            for widget, size in line:
                widget.setGeometry(x, y + (height - size.height()) // 2, size.width(), size.height())
                x += size.width() + self._gap
            y += height + self._gap
        if y - self._gap != self.minimumHeight() or y - self._gap != self.maximumHeight():
            self.setFixedHeight(max(0, y - self._gap))
            self.height_changed.emit(self.minimumHeight())
