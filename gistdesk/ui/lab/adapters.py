"""The Adapters tab: adapters kept here and what was compressed with each; use, rename, export, delete.

Knows the desk's rows of models; knows nothing of how an adapter is made.
"""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.figures import PRECISIONS, count_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk, ModelRow
from gistdesk.session.notices import Notice
from gistdesk.session.runs import Runs
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.model_title import model_title
from gistdesk.ui.widgets.rename import RenameDelegate

NAME, BASE, PRECISION, DOCUMENTS = range(4)
_HEADERS = (later("Adapter"), later("Base model"), later("Trained in"), later("Documents"))
_ICONS = {"use": "check", "rename": "edit", "export": "export", "delete": "trash"}


class AdaptersTab(QWidget):
    """Attributes: table. Signals: use_asked (an adapter's folder, its name), told (a Notice)."""

    use_asked = Signal(str, str)
    told = Signal(object)

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._rows: list[ModelRow] = []
        self._note = Label(self)
        self._note.setWordWrap(True)
        theme.set_role(self._note, "muted")
        self.table = QTableWidget(self)
        self._buttons = {name: QPushButton(self) for name in _ICONS}
        for name, button in self._buttons.items():
            button.setIcon(theme.icon(_ICONS[name]))
            button.clicked.connect(partial(self.do, name))
        theme.set_kind(self._buttons["delete"], "danger")
        self._arrange()
        self.table.itemSelectionChanged.connect(self._show_possible)
        self.table.itemChanged.connect(self._on_edited)
        desk.models_changed.connect(self.refresh)
        desk.documents.changed.connect(self.refresh)
        self._retranslate()

    def _arrange(self) -> None:
        table = self.table
        table.setColumnCount(len(_HEADERS))
        table.setItemDelegate(RenameDelegate(table))
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(
            QAbstractItemView.EditTrigger.EditKeyPressed | QAbstractItemView.EditTrigger.DoubleClicked
        )
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(5 * theme.GRID)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setHighlightSections(False)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GRID)
        for button in self._buttons.values():
            buttons.addWidget(button)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(*(2 * theme.GRID,) * 4)
        column.setSpacing(theme.GRID)
        column.addLayout(buttons)
        column.addWidget(self._note)
        column.addWidget(table, 1)

    @property
    def chosen(self) -> ModelRow | None:
        row = self.table.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) and self.table.selectedItems() else None

    def refresh(self) -> None:
        """Show the adapters currently kept; the chosen one stays chosen."""
        chosen = self.chosen
        self._rows = [row for row in self._desk.models() if row.is_kept]
        models = [entry.gist_model for entry in self._desk.library.entries.all() if entry.gist is not None]
        self.table.blockSignals(True)
        self.table.setRowCount(len(self._rows))
        for number, row in enumerate(self._rows):
            precision = tr(PRECISIONS[row.adapter_precision]) if row.adapter_precision else "–"
            base = model_title(row.adapter_base) if row.adapter_base else "–"
            for column, text in enumerate((row.title, base, precision, count_text(models.count(row.name)))):
                item = QTableWidgetItem(text)
                if column != NAME:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.table.setItem(number, column, item)
        names = [row.name for row in self._rows]
        if chosen is not None and chosen.name in names:
            self.table.selectRow(names.index(chosen.name))
        self.table.blockSignals(False)
        self.table.setVisible(bool(self._rows))
        self._show_possible()

    def do(self, action: str, _: bool = False) -> None:
        """Apply one of the buttons' actions to the chosen adapter."""
        row = self.chosen
        if row is None:
            return
        if action == "use":
            self.use_asked.emit(row.name, row.title)
        elif action == "rename":
            self.table.editItem(self.table.item(self.table.currentRow(), NAME))
        elif action == "export":
            start = str(Path.home() / f"{row.title}-adapter")
            path, _filter = QFileDialog.getSaveFileName(self, tr("A new folder for the adapter"), start)
            if path:
                self._desk.export_adapter(row.name, Path(path))
        elif action == "delete":
            self.told.emit(
                Notice(
                    tr("Delete the adapter “{title}” permanently?", title=row.title),
                    later("Documents compressed with it can no longer be asked."),
                    actions=((later("Delete"), partial(self._desk.remove_adapter, row.name)),),
                )
            )

    def _on_edited(self, item: QTableWidgetItem) -> None:
        row = self._rows[item.row()]
        if item.column() == NAME and item.text().strip() and item.text().strip() != row.title:
            self._desk.rename_adapter(row.name, item.text().strip())
        self.refresh()

    def _show_possible(self) -> None:
        row = self.chosen
        for button in self._buttons.values():
            button.setEnabled(row is not None)
        self._buttons["use"].setEnabled(row is not None and row.name != self._desk.settings.model and not row.problem)
        self._buttons["delete"].setEnabled(row is not None and row.name != self._desk.settings.model)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        texts = {
            "use": tr("Use this adapter"),
            "rename": tr("Rename"),
            "export": tr("Export…"),
            "delete": tr("Delete…"),
        }
        for name, text in texts.items():
            self._buttons[name].setText(text)
        self._note.setText(
            tr("Adapters you have used or imported are kept here. Add more from Train, or from Settings > Models.")
        )
        self.table.setAccessibleName(tr("Adapters"))
        self.table.setHorizontalHeaderLabels([tr(text) for text in _HEADERS])
        self.refresh()
