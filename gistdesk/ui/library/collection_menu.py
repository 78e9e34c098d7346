"""The menu that puts documents into collections: each with a tick, and a field for a new one. Knows names only."""

from collections.abc import Collection, Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLineEdit, QMenu, QWidget, QWidgetAction

from gistdesk.language.i18n import tr


class CollectionMenu(QMenu):
    """Attributes: field, for the name of a new collection.

    Signals: put (a collection's name), taken (a collection's name).
    """

    put = Signal(str)
    taken = Signal(str)

    def __init__(self, collections: Mapping[str, Collection[int]], chosen: Collection[int], parent: QWidget) -> None:
        """A collection is ticked if all `chosen` entries are in it."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name, entry_ids in collections.items():
            action = self.addAction(name.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(set(chosen) <= set(entry_ids))
            signal = self.taken if action.isChecked() else self.put
            action.triggered.connect(lambda _=False, name=name, signal=signal: signal.emit(name))
        if collections:
            self.addSeparator()
        self.field = QLineEdit(self)
        self.field.setPlaceholderText(tr("New collection, then Enter"))
        self.field.setAccessibleName(tr("Name of a new collection"))
        self.field.setMinimumWidth(self.field.fontMetrics().averageCharWidth() * 36)
        self.field.returnPressed.connect(self._on_named)
        action = QWidgetAction(self)
        action.setDefaultWidget(self.field)
        self.addAction(action)
        if not collections:
            self.setActiveAction(action)

    def _on_named(self) -> None:
        name = self.field.text().strip()
        if name:
            self.put.emit(name)
            self.close()
