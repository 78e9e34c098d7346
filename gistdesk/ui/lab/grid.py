"""The grids: a small table per method, language and task, length across, depth down, filled in as samples are measured.

Questions about whole texts and from files have no depth: one row, with a column for each length that occurs.

Every cell prints its value over a colour ramp that works for people who cannot tell red from green. Knows samples as
the benchmark writes them; knows nothing of how they were measured.
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from gistdesk.benchmark_names import BY_RATIO, ENGLISH_ONLY, TEXT_KINDS, length_class
from gistdesk.language.figures import count_text
from gistdesk.language.i18n import tr
from gistdesk.session.run import Row, points
from gistdesk.ui.lab.words import interval_text, language_name, method_name, share_text, task_name
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label, tip
from gistdesk.ui.widgets.ramp import ramp

Index = QModelIndex | QPersistentModelIndex
_CELL_WIDTH, _CELL_HEIGHT = 7 * theme.GRID, 4 * theme.GRID


@dataclass(frozen=True)
class Series:
    """One grid: a method (with its ratio if several are measured), a language and a task."""

    method: str
    ratio: float | None
    language: str
    task: str


@dataclass
class Cell:
    """Samples of one length and depth, or of texts of about one length."""

    trials: list[Row] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.trials)

    @property
    def points(self) -> float:
        return sum(points(trial) for trial in self.trials)


def series_of(trial: Row, *, several_ratios: bool) -> Series:
    """The grid a sample belongs to."""
    ratio = trial.get("ratio_asked") if several_ratios else None
    return Series(trial["method"], ratio, trial["language"], trial["needle_kind"])


class GridModel(QAbstractTableModel):
    """Cells of one series; depths down, lengths across. Without depths, lengths are classes, added as needed."""

    def __init__(self, series: Series, lengths: Sequence[int], depths: Sequence[int], parent: QObject) -> None:
        super().__init__(parent)
        self.series, self.lengths = series, list(lengths) if depths else []
        self.depths: list[int | None] = list(depths) or [None]
        self.cells: dict[tuple[int, int | None], Cell] = {}

    def add(self, trial: Row) -> None:
        """Put a sample in its cell."""
        length, depth = trial["context_tokens"], trial.get("depth_percent")
        if depth not in self.depths:
            return
        if depth is None:
            length = length_class(length)
            self._make_column(length)
        else:
            length = min(self.lengths, key=lambda each: abs(each - length))
        self.cells.setdefault((length, depth), Cell()).trials.append(trial)
        index = self.index(self.depths.index(depth), self.lengths.index(length))
        self.dataChanged.emit(index, index)

    def _make_column(self, length: int) -> None:
        if length not in self.lengths:
            at = bisect(self.lengths, length)
            self.beginInsertColumns(QModelIndex(), at, at)
            self.lengths.insert(at, length)
            self.endInsertColumns()

    def cell(self, index: Index) -> Cell | None:
        return self.cells.get((self.lengths[index.column()], self.depths[index.row()]))

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return len(self.depths)

    def columnCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return len(self.lengths)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            length = short_count(self.lengths[section])
            return length if self.depths != [None] else f"≤{length}"
        depth = self.depths[section]
        return "" if depth is None else f"{depth}%"

    def data(self, index: Index, role: int = 0) -> Any:
        cell = self.cell(index)
        if role == Qt.ItemDataRole.DisplayRole:
            return share_text(cell.points, cell.n) if cell else ""
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._described(index, cell)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(self._described(index, cell))
        if role == Qt.ItemDataRole.UserRole:
            return cell
        return None

    def _described(self, index: Index, cell: Cell | None) -> str:
        where = place_text(self.lengths[index.column()], self.depths[index.row()])
        if cell is None:
            return f"{where}: {tr('not measured yet')}"
        figures = tr(
            "{share}, n = {n}, 95% interval {interval}",
            share=share_text(cell.points, cell.n),
            n=cell.n,
            interval=interval_text(cell.points, cell.n),
        )
        return f"{where}: {figures}"


class _Paint(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        cell, rect = index.data(Qt.ItemDataRole.UserRole), option.rect.adjusted(1, 1, -1, -1)
        colours = theme.colours()
        painter.save()
        if cell is None:
            painter.fillRect(rect, QColor(colours.memory_free))
        else:
            colour = ramp(cell.points / cell.n)
            painter.fillRect(rect, colour)
            luminance = 0.2126 * colour.redF() + 0.7152 * colour.greenF() + 0.0722 * colour.blueF()
            painter.setPen(QColor("#ffffff" if luminance < 0.45 else "#101218"))
            painter.drawText(rect, int(Qt.AlignmentFlag.AlignCenter), index.data())
        view = option.widget
        current = isinstance(view, QTableView) and view.currentIndex() == index
        if option.state & QStyle.StateFlag.State_HasFocus or (current and getattr(view, "is_open", False)):
            painter.setPen(QPen(QColor(colours.surface), 4))
            painter.drawRect(rect.adjusted(1, 1, -1, -1))
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRect(rect)
        painter.restore()


class Grid(QTableView):
    """Signals: opened (the Cell that was clicked, or on which Enter was pressed, and its Series); grown."""

    opened = Signal(object, object)
    grown = Signal()

    def __init__(self, model: GridModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.grid_model, self.is_open = model, False
        self.setModel(model)
        self.setItemDelegate(_Paint(self))
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            header.setSectionsClickable(False)
            header.setHighlightSections(False)
            header.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            header.setDefaultAlignment(Qt.AlignmentFlag.AlignCenter)
        self.horizontalHeader().setMinimumSectionSize(_CELL_WIDTH)
        self.horizontalHeader().setDefaultSectionSize(_CELL_WIDTH)
        self.verticalHeader().setMinimumSectionSize(_CELL_HEIGHT)
        self.verticalHeader().setDefaultSectionSize(_CELL_HEIGHT)
        self.verticalHeader().setFixedWidth(7 * theme.GRID)
        self.horizontalHeader().setFixedHeight(4 * theme.GRID)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFixedSize(self.sizeHint())
        self.clicked.connect(self._on_opened)
        model.dataChanged.connect(self.viewport().update)
        model.columnsInserted.connect(self._on_columns)

    def sizeHint(self) -> QSize:  # noqa: N802
        model = self.grid_model
        return QSize(
            7 * theme.GRID + _CELL_WIDTH * len(model.lengths) + 6,
            4 * theme.GRID + _CELL_HEIGHT * len(model.depths) + 6,
        )

    def _on_columns(self) -> None:
        self.setFixedSize(self.sizeHint())
        self.grown.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._on_opened(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def _on_opened(self, index: QModelIndex) -> None:
        cell = self.grid_model.cell(index) if index.isValid() else None
        if cell is not None:
            self.opened.emit(cell, self.grid_model.series)


class _Titled(QWidget):
    """A grid under its method's name, with the score over all its samples."""

    def __init__(self, grid: Grid, parent: QWidget) -> None:
        super().__init__(parent)
        self.grid = grid
        self._title, self._figures = Label(self), Label(self)
        self._title.setBuddy(grid)
        self._title.setStyleSheet("font-weight: 600;")
        theme.set_role(self._figures, "muted")
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        head.addWidget(self._title)
        head.addWidget(self._figures)
        head.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SMALL)
        column.addLayout(head)
        column.addWidget(grid)
        column.addStretch()
        grid.grown.connect(self._fit)
        self._fit()

    def _fit(self) -> None:
        self.setFixedWidth(max(self.grid.width(), 22 * theme.GRID))

    def refresh(self) -> None:
        series, cells = self.grid.grid_model.series, self.grid.grid_model.cells.values()
        n, right = sum(cell.n for cell in cells), sum(cell.points for cell in cells)
        name = method_name(series.method, series.ratio)
        figures = f"{share_text(right, n)} · n {n}" if n else ""
        self._title.setText(name)
        self._figures.setText(figures)
        where = f"{language_name(series.language)}, {task_name(series.task)}"
        self.grid.setAccessibleName(f"{name}, {where}. {figures}")


class GridBoard(QScrollArea):
    """All grids of a run, in rows by language and task, as many side by side as there is room for.

    Signals: opened (Cell, Series).
    """

    opened = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._inner = QWidget(self)
        self._layout = QGridLayout(self._inner)
        self._layout.setHorizontalSpacing(3 * theme.GRID)
        self._layout.setVerticalSpacing(theme.GRID)
        self._layout.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, 2 * theme.GRID)
        self.setWidget(self._inner)
        self._grids: dict[Series, _Titled] = {}
        self._headings: dict[tuple[str, str], QLabel] = {}
        self._n_columns = 0
        self._n_shown = 0
        self._several_ratios = False
        self._axes: tuple[list[int], list[int]] = ([], [])

    @property
    def grids(self) -> list[Grid]:
        """All grids in the order they are shown."""
        return [titled.grid for titled in self._grids.values()]

    def start_over(self, config: Row) -> None:
        """Show empty grids for what a configuration will measure."""
        for widget in (*self._grids.values(), *self._headings.values()):
            self._layout.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._grids, self._headings, self._n_shown = {}, {}, 0
        ratio = config.get("ratio", 100.0)
        self._several_ratios = isinstance(ratio, list) and len(ratio) > 1
        self._axes = (sorted(config.get("lengths", ())), sorted(config.get("depths", ())))
        for series in expected_series(config):
            self._grid(series)
        self._arrange()

    def show_trials(self, trials: Sequence[Row]) -> None:
        """Add the samples that are new since the last call."""
        if len(trials) < self._n_shown:
            for titled in self._grids.values():
                titled.grid.grid_model.cells.clear()
                titled.grid.viewport().update()
            self._n_shown = 0
        touched = set()
        for trial in trials[self._n_shown :]:
            series = series_of(trial, several_ratios=self._several_ratios)
            if series not in self._grids:
                self._grid(series, has_depths=trial.get("depth_percent") is not None)
                self._arrange()
            self._grids[series].grid.grid_model.add(trial)
            touched.add(series)
        self._n_shown = len(trials)
        for series in touched:
            self._grids[series].refresh()

    def retranslate(self) -> None:
        for titled in self._grids.values():
            titled.refresh()
        for (language, task), heading in self._headings.items():
            heading.setText(f"{language_name(language)}  ·  {task_name(task)}")

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        if self._columns() != self._n_columns:
            self._arrange()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.LanguageChange, QEvent.Type.PaletteChange) and hasattr(self, "_grids"):
            self.retranslate()

    def _grid(self, series: Series, *, has_depths: bool = True) -> None:
        lengths, depths = self._axes
        grid = Grid(GridModel(series, lengths, depths if has_depths else (), self), self._inner)
        grid.opened.connect(self.opened)
        self._grids[series] = _Titled(grid, self._inner)
        grid.grown.connect(self._arrange)
        where = series.language, series.task
        if where not in self._headings:
            self._headings[where] = Label(self._inner)
            theme.set_role(self._headings[where], "heading")
        self.retranslate()

    def _columns(self) -> int:
        widest = max((titled.width() for titled in self._grids.values()), default=1)
        return max(1, (self.viewport().width() - 4 * theme.GRID) // (widest + 3 * theme.GRID))

    def _arrange(self) -> None:
        self._n_columns = self._columns()
        for widget in (*self._grids.values(), *self._headings.values()):
            self._layout.removeWidget(widget)
        for number in range(self._layout.rowCount()):
            self._layout.setRowStretch(number, 0)
        for number in range(self._layout.columnCount()):
            self._layout.setColumnStretch(number, 0)
        row = 0
        for where, heading in self._headings.items():
            self._layout.addWidget(heading, row, 0, 1, self._n_columns)
            own = [titled for series, titled in self._grids.items() if (series.language, series.task) == where]
            for number, titled in enumerate(own):
                self._layout.addWidget(titled, row + 1 + number // self._n_columns, number % self._n_columns)
                titled.show()
            heading.show()
            row += 2 + (len(own) - 1) // self._n_columns
        self._layout.setRowStretch(row, 1)
        self._layout.setColumnStretch(self._n_columns, 1)


def expected_series(config: Row) -> Iterable[Series]:
    """The grids of needles that a configuration will fill, in order; others come with their first sample."""
    found = config.get("ratio", 100.0)
    ratios = found if isinstance(found, list) and len(found) > 1 else [None]
    kinds = ["own"] if config.get("needle") else config.get("kinds", ())
    for task in kinds:
        for language in config.get("languages", ()):
            if task in TEXT_KINDS or (task in ENGLISH_ONLY and language != "en"):
                continue
            for method in config.get("methods", ()):
                for ratio in ratios if method in BY_RATIO else [None]:
                    yield Series(method, ratio, language, task)


def place_text(length: int, depth: int | None) -> str:
    """A cell's place: "8,192 tokens, depth 50%"; or how long its texts are."""
    if depth is None:
        return tr("texts of up to {length} tokens", length=count_text(length))
    return tr("{length} tokens, depth {depth}%", length=count_text(length), depth=depth)


def short_count(n: int) -> str:
    """A length as a column header: "512", "2k", "16k"."""
    return f"{n // 1024}k" if n >= 1024 and n % 1024 == 0 else count_text(n)
