"""Curves drawn with our own code: axes with round figures, lines that differ in dash as well as colour, a legend.

Knows numbers and names; knows nothing of what was measured.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from gistdesk.ui.widgets import theme

_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
_LIGHT = ("#3f56c9", "#b3541e", "#1c7a6b", "#8a3a86")
_DARK = ("#9dacff", "#f2a56b", "#5fd0bb", "#e29bdd")
_MOST_POINTS = 1200


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        points: (x, y), x rising.
        faint: raw values behind a smoothed line of the same number.
        number: which colour and dash; curves with one number are the same thing.
    """

    name: str
    points: Sequence[tuple[float, float]]
    number: int = 0
    faint: bool = False
    dots: bool = False


def line_colour(number: int) -> QColor:
    """The colour of curve `number` in the current theme."""
    return QColor((_DARK if theme.is_dark() else _LIGHT)[number % 4])


def smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Exponential moving average over about a tenth of the points, corrected for the bias of the first one."""
    found, mean, share = [], 0.0, 1 - 1 / max(2.0, min(40.0, len(points) / 10))
    for n, (x, y) in enumerate(points, 1):
        mean = share * mean + (1 - share) * y
        found.append((x, mean / (1 - share**n)))
    return found


def round_steps(low: float, high: float, n: int) -> list[float]:
    """About `n` round figures from `low` to `high`."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    raw = span / max(1, n)
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


class Plot(QWidget):
    """Curves under a title. Values under the mouse are shown at the top; a screen reader gets the latest ones."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._empty = "", ""
        self._lines: list[Line] = []
        self._y_text: Callable[[float], str] = lambda y: f"{y:g}"
        self._range: tuple[float | None, float | None] = (None, None)
        self._mouse_x: float | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(40 * theme.GRID, 24 * theme.GRID)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(24 * theme.GRID, 17 * theme.GRID)

    def show_lines(
        self,
        title: str,
        lines: Sequence[Line],
        *,
        empty: str = "",
        y_text: Callable[[float], str] = lambda y: f"{y:g}",
        y_range: tuple[float | None, float | None] = (None, None),
    ) -> None:
        """`y_text` formats a value; `y_range` fixes an end of the axis; `empty` is shown while there are no points."""
        self._title, self._lines, self._empty = title, [line for line in lines if line.points], empty
        self._y_text, self._range = y_text, y_range
        self.setAccessibleName(title)
        last = "; ".join(f"{line.name} {y_text(line.points[-1][1])}" for line in self._lines if not line.faint)
        self.setAccessibleDescription(last or empty)
        self.update()

    # --- drawing

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        self._mouse_x = None
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        self._mouse_x = event.position().x()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.colours()
        bold, metrics = QFont(self.font()), self.fontMetrics()
        bold.setWeight(QFont.Weight.DemiBold)
        bold.setPointSizeF(11)
        painter.setFont(bold)
        painter.setPen(QColor(colours.text))
        title = painter.fontMetrics().elidedText(self._title, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(QPointF(0, metrics.ascent() + 2), title)
        title_width = painter.fontMetrics().horizontalAdvance(title)
        painter.setFont(self.font())
        small = QFont(self.font())
        small.setPointSizeF(max(7.0, small.pointSizeF() * 0.9))
        painter.setFont(small)
        points = [point for line in self._lines for point in line.points if math.isfinite(point[1])]
        if not points:
            painter.setPen(QColor(colours.muted))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self._empty)
            return
        x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
        y_low, y_high = self._y_ends([y for _, y in points])
        if x_high == x_low:
            x_high = x_low + 1
        ticks = round_steps(y_low, y_high, max(2, self.height() // 56))
        left = max(painter.fontMetrics().horizontalAdvance(self._y_text(y)) for y in ticks) + theme.GRID
        height = painter.fontMetrics().height()
        top = metrics.height() + theme.GRID + self._legend_height(painter, title_width)
        area = QRectF(left, top, self.width() - left - theme.GRID, self.height() - top - height - theme.SMALL)
        if area.width() < 24 or area.height() < 24:
            return

        def place(x: float, y: float) -> QPointF:
            across, up = (x - x_low) / (x_high - x_low), (y - y_low) / (y_high - y_low)
            return QPointF(area.left() + across * area.width(), area.bottom() - max(0.0, min(1.0, up)) * area.height())

        self._draw_axes(painter, area, ticks, (x_low, x_high), place)
        self._draw_legend(painter, title_width, metrics.height())
        for line in sorted(self._lines, key=lambda line: not line.faint):
            self._draw_line(painter, line, place)
        if self._mouse_x is not None and area.left() <= self._mouse_x <= area.right():
            self._draw_reading(painter, area, x_low + (self._mouse_x - area.left()) / area.width() * (x_high - x_low))

    def _y_ends(self, values: list[float]) -> tuple[float, float]:
        low, high = min(values), max(values)
        margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
        fixed_low, fixed_high = self._range
        low = low - margin if fixed_low is None else min(fixed_low, low)
        high = high + margin if fixed_high is None else max(fixed_high, high)
        return low, high if high > low else low + 1

    def _draw_axes(
        self,
        painter: QPainter,
        area: QRectF,
        ticks: list[float],
        x_ends: tuple[float, float],
        place: Callable[[float, float], QPointF],
    ) -> None:
        colours, metrics = theme.colours(), painter.fontMetrics()
        for y in ticks:
            at = place(x_ends[0], y).y()
            painter.setPen(QPen(QColor(colours.border), 1))
            painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))
            painter.setPen(QColor(colours.muted))
            text = self._y_text(y)
            painter.drawText(
                QPointF(area.left() - metrics.horizontalAdvance(text) - theme.SMALL, at + metrics.ascent() / 2 - 1),
                text,
            )
        for x in round_steps(*x_ends, max(2, int(area.width()) // 90)):
            text, at = f"{x:,.0f}" if x == round(x) else "", place(x, ticks[0]).x()
            width = metrics.horizontalAdvance(text)
            painter.drawText(
                QPointF(max(area.left(), min(at - width / 2, area.right() - width)), self.height() - 3), text
            )

    def _named(self) -> list[Line]:
        return [line for line in self._lines if line.name]

    def _legend_height(self, painter: QPainter, title_width: int) -> int:
        """Height of the names, which are beside the title if there is room, else in rows below it."""
        if title_width + self._legend_width(painter) < self.width():
            return 0
        return (1 + max(row for _, row, _ in self._legend(painter))) * painter.fontMetrics().height()

    def _legend_width(self, painter: QPainter) -> int:
        return sum(self._name_width(painter, line) for line in self._named())

    def _name_width(self, painter: QPainter, line: Line) -> int:
        return painter.fontMetrics().horizontalAdvance(line.name) + 5 * theme.GRID

    def _legend(self, painter: QPainter) -> list[tuple[int, int, Line]]:
        """(x, row, line) of every name, in as many rows as the width requires."""
        found: list[tuple[int, int, Line]] = []
        x = row = 0
        for line in self._named():
            width = self._name_width(painter, line)
            if x and x + width - theme.GRID > self.width():
                x, row = 0, row + 1
            found.append((x, row, line))
            x += width
        return found

    def _draw_legend(self, painter: QPainter, title_width: int, first_row: int) -> None:
        metrics = painter.fontMetrics()
        beside = not self._legend_height(painter, title_width)
        left = self.width() - self._legend_width(painter) if beside else 0
        top = metrics.ascent() + 2 + (0 if beside else first_row)
        for right, row, line in self._legend(painter):
            x, y = left + right, top + row * metrics.height()
            painter.setPen(self._pen(line))
            painter.drawLine(
                QPointF(x, y - metrics.ascent() / 3), QPointF(x + 3 * theme.GRID, y - metrics.ascent() / 3)
            )
            painter.setPen(QColor(theme.colours().muted))
            painter.drawText(QPointF(x + 3 * theme.GRID + theme.SMALL, y), line.name)

    def _pen(self, line: Line) -> QPen:
        colour = line_colour(line.number)
        if line.faint:
            colour.setAlphaF(0.35)
        pen = QPen(colour, 1.2 if line.faint else 2)
        pen.setStyle(Qt.PenStyle.SolidLine if line.faint else _DASHES[line.number % 4])
        return pen

    def _draw_line(self, painter: QPainter, line: Line, place: Callable[[float, float], QPointF]) -> None:
        step = max(1, len(line.points) // _MOST_POINTS)
        kept = [*line.points[::step], line.points[-1]]
        spots = [place(x, y) for x, y in kept if math.isfinite(y)]
        painter.setPen(self._pen(line))
        painter.drawPolyline(spots)
        if line.dots or len(spots) <= 2:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(line_colour(line.number))
            for spot in spots:
                painter.drawEllipse(spot, 3, 3)
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_reading(self, painter: QPainter, area: QRectF, x: float) -> None:
        """Draw the values nearest to the mouse."""
        near = {line.name: min(line.points, key=lambda point: abs(point[0] - x)) for line in self._named()}
        if not near:
            return
        at = next(iter(near.values()))[0]
        text = "   ".join([f"{at:,.0f}", *(f"{name} {self._y_text(y)}" for name, (_, y) in near.items())])
        colours, metrics = theme.colours(), painter.fontMetrics()
        painter.setPen(QPen(QColor(colours.muted), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(self._mouse_x or 0, area.top()), QPointF(self._mouse_x or 0, area.bottom()))
        width = metrics.horizontalAdvance(text) + 2 * theme.GRID
        box = QRectF(max(0, min((self._mouse_x or 0) - width / 2, self.width() - width)), area.top(), width, 20)
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.setBrush(QColor(colours.raised))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor(colours.text))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
        painter.setBrush(Qt.BrushStyle.NoBrush)
