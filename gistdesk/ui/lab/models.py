"""The models the Lab can work with: those in the settings, and adapters made by runs here.

Knows the desk and the runs; knows nothing of what is done with a model.
"""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox

from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.session.runs import Runs
from gistdesk.ui.widgets.labels import tip
from gistdesk.ui.widgets.model_title import model_title


class ModelBox(QComboBox):
    """A choice of model. A folder or hub id that is not listed can be typed in.

    Attributes: typed (whether one may be).
    """

    def __init__(self, desk: Desk, runs: Runs | None, *, typed: bool = False) -> None:
        """`runs`: their adapters are listed too; None leaves them out."""
        super().__init__()
        self._desk, self._runs = desk, runs
        self.setEditable(typed)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.refresh()
        desk.models_changed.connect(self.refresh)
        if runs is not None:
            runs.listed.connect(self.refresh)

    def setAccessibleName(self, name: str) -> None:  # noqa: N802
        super().setAccessibleName(name)
        field = self.lineEdit()
        if field is not None:
            field.setAccessibleName(name)

    @property
    def model(self) -> str:
        """The model as in the settings: "starter", a folder, or a hub id."""
        if self.isEditable() and self.currentText() != self.itemText(self.currentIndex()):
            return self.currentText().strip()
        return str(self.currentData() or "")

    def choose(self, name: str) -> None:
        self.setCurrentIndex(max(0, self.findData(name)))

    def refresh(self) -> None:
        """Update the list; the choice stays."""
        chosen = self.model if self.count() else self._desk.settings.model
        rows = [(row.name, model_title(row.name)) for row in self._desk.models() if row.download is None]
        for run in self._runs.all() if self._runs else ():
            if run.adapter is not None:
                rows += [(str(run.adapter), tr("Adapter of {title}", title=run.start.title))]
        if [self.itemData(number) for number in range(self.count())] == [name for name, _ in rows]:
            for number, (_, title) in enumerate(rows):
                self.setItemText(number, title)
            return
        self.blockSignals(True)
        self.clear()
        for name, title in rows:
            self.addItem(title, name)
            self.setItemData(self.count() - 1, tip(name), Qt.ItemDataRole.ToolTipRole)
        self.choose(chosen)
        if self.isEditable() and chosen and self.findData(chosen) < 0:
            self.setEditText(chosen)  # typed, and not in the list
        self.blockSignals(False)
