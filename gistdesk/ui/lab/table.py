"""The Runs tab: every run in a sortable table; what can be done with the chosen one; a comparison of ticked ones.

Knows the runs; starts nothing by itself.
"""

from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.figures import count_text, duration_text, moment_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.run import Run
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.compare import FEWEST, MOST, Comparison
from gistdesk.ui.lab.words import STATE_ICONS, kind_text, resume_text, state_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import EmptyState, Label, tip
from gistdesk.ui.widgets.model_title import model_title

Index = QModelIndex | QPersistentModelIndex
NAME, KIND, MODEL, STATE, ACCURACY, STEPS, TOOK, SEED, STARTED = range(9)
HEADERS = (
    later("Run"),
    later("Kind"),
    later("Model"),
    later("Status"),
    later("Accuracy"),
    later("Steps"),
    later("Time taken"),
    later("Seed"),
    later("Started"),
)
_RIGHT = (ACCURACY, STEPS, TOOK, SEED)
_ICONS = {"open": "lab", "resume": "play", "use": "check", "export": "export", "reveal": "reveal", "delete": "trash"}
_NARROW = 112 * theme.GRID
SORT = int(Qt.ItemDataRole.UserRole)


class RunModel(QAbstractTableModel):
    """Attributes: ticked (names, in the order they were ticked). Signals: ticks_changed."""

    ticks_changed = Signal()

    def __init__(self, runs: Runs, parent: QWidget) -> None:
        super().__init__(parent)
        self._runs = runs
        self.rows = runs.all()
        self.ticked: list[str] = []

    def reload(self) -> None:
        """Runs were added or removed."""
        self.beginResetModel()
        self.rows = self._runs.all()
        names = {run.name for run in self.rows}
        self.ticked = [name for name in self.ticked if name in names]
        self.endResetModel()
        self.ticks_changed.emit()

    def touch(self, name: str) -> None:
        """A run has progressed."""
        for row, run in enumerate(self.rows):
            if run.name == name:
                self.dataChanged.emit(self.index(row, 0), self.index(row, len(HEADERS) - 1))

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return len(self.rows)

    def columnCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return len(HEADERS)

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == NAME else flags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return tr(HEADERS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section in _RIGHT else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def data(self, index: Index, role: int = 0) -> Any:
        run, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(run, column)
        if role == SORT:
            return _key(run, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == NAME:
            return Qt.CheckState.Checked if run.name in self.ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DecorationRole and column == STATE:
            icon, colour = STATE_ICONS[run.state]
            return theme.icon(icon, colour)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(_text(run, column))
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _RIGHT:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def setData(self, index: Index, value: Any, role: int = 0) -> bool:  # noqa: N802
        """Tick a run; beyond four, the one ticked first is unticked."""
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != NAME:
            return False
        self.toggle(self.rows[index.row()].name)
        return True

    def toggle(self, name: str) -> None:
        if name in self.ticked:
            self.ticked.remove(name)
        else:
            self.ticked = [*self.ticked, name][-MOST:]
        self.dataChanged.emit(self.index(0, NAME), self.index(len(self.rows) - 1, NAME))
        self.ticks_changed.emit()


def _text(run: Run, column: int) -> str:
    if column == ACCURACY:
        return "–" if run.score is None else f"{100 * run.score:.0f}%"
    if column == STEPS:
        return f"{count_text(run.step)} / {count_text(run.steps)}" if run.steps else count_text(run.step)
    if column == TOOK:
        return duration_text(run.seconds) if run.seconds else "–"
    texts = {
        NAME: run.start.title,
        KIND: kind_text(run),
        MODEL: model_title(run.model) if run.model else "–",
        STATE: state_text(run),
        SEED: "–" if run.seed is None else str(run.seed),
        STARTED: moment_text(run.start.created),
    }
    return texts[column]


def _key(run: Run, column: int) -> Any:
    keys = {ACCURACY: run.score, STEPS: run.step, TOOK: run.seconds, SEED: run.seed}
    if column in keys:
        value = keys[column]
        return -1.0 if value is None else float(value)
    return run.start.created if column == STARTED else _text(run, column).casefold()


class _Table(QTableView):
    """Signals: opened, delete_pressed, tick_pressed."""

    opened = Signal()
    delete_pressed = Signal()
    tick_pressed = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit()
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        elif event.key() == Qt.Key.Key_Space:
            self.tick_pressed.emit()
        else:
            super().keyPressEvent(event)


class RunsTab(QWidget):
    """Attributes: table, model_, comparison, search.

    Signals: open_asked, use_asked, export_asked, delete_asked, reveal_asked (a Run each), check_asked (the two-minute
    check).
    """

    open_asked = Signal(object)
    use_asked = Signal(object)
    export_asked = Signal(object)
    delete_asked = Signal(object)
    reveal_asked = Signal(object)
    check_asked = Signal()

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = runs
        self.model_ = RunModel(runs, self)
        self._sorted = QSortFilterProxyModel(self)
        self.table, self.search = _Table(self), QLineEdit(self)
        self.comparison, self._hint = Comparison(self), Label(self)
        self._buttons = {name: QPushButton(self) for name in _ICONS}
        for name, button in self._buttons.items():
            button.setIcon(theme.icon(_ICONS[name]))
            button.clicked.connect(lambda _=False, name=name: self.do(name))
        theme.set_kind(self._buttons["delete"], "danger")
        self._empty = EmptyState(
            "lab",
            later("No runs yet"),
            later("Training and benchmark runs are kept here, where you can compare and resume them."),
            ((later("Run the two-minute CPU check"), self.check_asked.emit),),
            self,
        )
        self._arrange()
        self._connect()
        self._retranslate()
        self._on_listed()

    def _arrange(self) -> None:
        self._sorted.setSourceModel(self.model_)
        self._sorted.setSortRole(SORT)
        self._sorted.setFilterKeyColumn(-1)
        self._sorted.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        table = self.table
        table.setModel(self._sorted)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(5 * theme.GRID)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(8 * theme.GRID)
        table.setSortingEnabled(True)
        table.sortByColumn(STARTED, Qt.SortOrder.DescendingOrder)
        bar = QHBoxLayout()
        bar.setContentsMargins(2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID, theme.GRID)
        bar.setSpacing(theme.GRID)
        bar.addWidget(self.search, 1)
        for button in self._buttons.values():
            bar.addWidget(button)
        theme.set_role(self._hint, "muted")
        self._hint.setContentsMargins(2 * theme.GRID, theme.SMALL, 2 * theme.GRID, theme.GRID)
        upper = QFrame(self)
        upper.setProperty("surface", "page")
        column = QVBoxLayout(upper)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(table, 1)
        column.addWidget(self._hint)
        self._split = QSplitter(Qt.Orientation.Vertical, self)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(upper)
        self._split.addWidget(self.comparison)
        self._split.setSizes([1000, 1000])
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self._split)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._pages)

    def _connect(self) -> None:
        self._runs.listed.connect(self._on_listed)
        self._runs.changed.connect(self._on_changed)
        self.model_.ticks_changed.connect(self._compare)
        self.search.textChanged.connect(self._sorted.setFilterFixedString)
        self.table.selectionModel().selectionChanged.connect(self._show_possible)
        self.table.opened.connect(self._on_opened)
        self.table.doubleClicked.connect(self._on_opened)
        self.table.delete_pressed.connect(lambda: self.do("delete"))
        self.table.tick_pressed.connect(self._on_tick_pressed)

    @property
    def chosen(self) -> Run | None:
        """The selected run."""
        rows = self.table.selectionModel().selectedRows()
        return self.model_.rows[self._sorted.mapToSource(rows[0]).row()] if rows else None

    def choose(self, name: str) -> None:
        """Select a run."""
        for row, run in enumerate(self.model_.rows):
            if run.name == name:
                self.table.selectRow(self._sorted.mapFromSource(self.model_.index(row, 0)).row())

    def do(self, name: str) -> None:
        """Apply an action to the chosen run."""
        run = self.chosen
        if run is None:
            return
        if name == "resume":
            self._runs.resume(run)
            name = "open"
        if name != "delete" or not run.is_live:
            signals = {
                "open": self.open_asked,
                "use": self.use_asked,
                "export": self.export_asked,
                "reveal": self.reveal_asked,
                "delete": self.delete_asked,
            }
            signals[name].emit(run)

    def _on_opened(self) -> None:
        self.do("open")

    def _on_tick_pressed(self) -> None:
        if self.chosen is not None:
            self.model_.toggle(self.chosen.name)

    def _on_listed(self) -> None:
        chosen = self.chosen.name if self.chosen else ""
        self.model_.reload()
        self._pages.setCurrentIndex(1 if self.model_.rows else 0)
        if self.model_.rows:
            self.choose(chosen or self.model_.rows[0].name)
        self._show_possible()

    def _on_changed(self, name: str) -> None:
        self.model_.touch(name)
        self._show_possible()
        if name in self.model_.ticked:
            self._compare()

    def _show_possible(self) -> None:
        run = self.chosen
        for button in self._buttons.values():
            button.setEnabled(run is not None)
        self._buttons["use"].setVisible(run is not None and run.adapter is not None)
        self._buttons["resume"].setVisible(run is not None and run.can_resume)
        self._buttons["export"].setEnabled(run is not None and run.step > 0)
        self._buttons["delete"].setEnabled(run is not None and not run.is_live)
        if run is not None:
            self._buttons["resume"].setText(resume_text(run))

    def _compare(self) -> None:
        ticked = [run for name in self.model_.ticked if (run := self._runs.run(name)) is not None]
        enough = len(ticked) >= FEWEST
        self.comparison.setVisible(enough)
        self.comparison.show_runs(ticked if enough else [])

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Name and status take the room available, or in a narrow window what they need."""
        super().resizeEvent(event)
        modes = QHeaderView.ResizeMode
        for column in (NAME, STATE):
            mode = modes.ResizeToContents if self.width() < _NARROW else modes.Stretch
            self.table.horizontalHeader().setSectionResizeMode(column, mode)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        texts = {
            "open": tr("Open"),
            "resume": tr("Resume"),
            "use": tr("Use this adapter"),
            "export": tr("Export…"),
            "reveal": tr("Show in folder"),
            "delete": tr("Delete…"),
        }
        for name, text in texts.items():
            self._buttons[name].setText(text)
        self.table.setAccessibleName(tr("Runs"))
        self.search.setPlaceholderText(tr("Find runs"))
        self.search.setAccessibleName(tr("Find runs"))
        self._hint.setText(tr("Tick two to four runs to compare them."))
        self.model_.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(HEADERS) - 1)
        for run in self.model_.rows:
            self.model_.touch(run.name)
        self._show_possible()
        self._compare()
