"""The Models page of the settings: models and adapters, whether they fit, and getting more.

Knows the desk's rows of models.
"""

import re
from functools import cached_property
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from gistdesk.language.figures import PRECISIONS, bytes_text, parameters_text
from gistdesk.language.i18n import later, tr
from gistdesk.models import NAMED, SMOLLM2
from gistdesk.session.desk import Desk, ModelRow
from gistdesk.ui.library.model import model_title
from gistdesk.ui.settings.page import SettingsPage
from gistdesk.ui.settings.switching import ask_to_switch
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.fit_badge import FitBadge, numbers
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.widgets.question import Question

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class ModelsPage(SettingsPage):
    """One card per model, a folder to add, a hub id to download."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Models"))
        self._desk = desk
        self._cards: dict[str, _ModelCard] = {}
        self._list = QVBoxLayout()
        self._list.setSpacing(theme.GRID)
        self.column.addLayout(self._list)
        self.folder = QPushButton()
        self.folder.setIcon(theme.icon("folder"))
        self.set_text_of(self.folder, later("Add a folder…"))
        self.file = QPushButton()
        self.file.setIcon(theme.icon("file"))
        self.set_text_of(self.file, later("Add a GGUF file…"))
        self.smollm2 = QPushButton()
        self.smollm2.setIcon(theme.icon("download"))
        self.set_text_of(self.smollm2, later("Get SmolLM2 (93 MB)"))
        self.hub_id = QLineEdit()
        self.download = QPushButton()
        self.download.setIcon(theme.icon("download"))
        self.set_text_of(self.download, later("Download"))
        self.download.setEnabled(False)
        self.adapter = QPushButton()
        self.adapter.setIcon(theme.icon("import"))
        self.set_text_of(self.adapter, later("Import an adapter…"))
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addWidget(self.hub_id, 1)
        row.addWidget(self.download)
        self.column.addLayout(row)
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addWidget(self.smollm2)
        row.addWidget(self.folder)
        row.addWidget(self.file)
        row.addWidget(self.adapter)
        row.addStretch()
        self.column.addLayout(row)
        theme.set_role(
            self.add_text(
                later(
                    "A model is a folder with safetensors weights, a GGUF file, or the id of one on huggingface.co. "
                    "Downloading is the only thing here that uses the network; a download that is interrupted goes on "
                    "later."
                )
            ),
            "muted",
        )
        theme.set_role(
            self.add_text(
                later(
                    "An adapter lets a model compress. It is a folder in peft's layout with a gist.json, is trained in "
                    "the Lab, and belongs to the model that it was trained for."
                )
            ),
            "muted",
        )
        self.column.addStretch()
        self.adapter.clicked.connect(self._on_import_adapter)
        self.folder.clicked.connect(self._on_add_folder)
        self.file.clicked.connect(self._on_add_file)
        self.smollm2.clicked.connect(self._on_get_smollm2)
        self.download.clicked.connect(self._on_download)
        self.hub_id.returnPressed.connect(self._on_download)
        self.hub_id.textChanged.connect(self._on_hub_id_edited)
        desk.models_changed.connect(self.refresh)
        desk.settings_changed.connect(self.refresh)
        desk.engine_changed.connect(self.refresh)
        self._retranslate()

    @cached_property
    def question(self) -> Question:
        """Over the settings, where the answer is wanted."""
        return Question(self.window())

    def use(self, name: str) -> None:
        """Use a model from now on; asks where documents were compressed with another."""
        ask_to_switch(self._desk, name, self.question)

    def refresh(self) -> None:
        """Show the models as they are known now."""
        rows = self._desk.models()
        self.smollm2.setVisible(all(row.name != SMOLLM2 for row in rows))
        for name in self._cards.keys() - {row.name for row in rows}:
            card = self._cards.pop(name)
            self._list.removeWidget(card)
            card.hide()
            card.deleteLater()
        for row in rows:
            if row.name not in self._cards:
                self._cards[row.name] = _ModelCard(self._desk)
                self._cards[row.name].use_asked.connect(self.use)
                self._list.addWidget(self._cards[row.name])
            self._cards[row.name].show_row(row)

    def _on_add_folder(self) -> None:
        dialog = QFileDialog(self.window(), tr("Choose a model's folder"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.add_model)
        dialog.open()

    def _on_get_smollm2(self) -> None:
        self._desk.download(SMOLLM2)

    def _on_add_file(self) -> None:
        dialog = QFileDialog(self.window(), tr("Choose a model's file"), "", "GGUF (*.gguf)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._desk.download)  # it is prepared, and then on the list
        dialog.open()

    def _on_import_adapter(self) -> None:
        dialog = QFileDialog(self.window(), tr("Choose an adapter's folder"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.import_adapter)
        dialog.open()

    def import_adapter(self, folder: str) -> None:
        """Keep a copy of an adapter."""
        self._desk.import_adapter(Path(folder))

    def add_model(self, name: str) -> None:
        """Put a folder or a hub id on the list."""
        models = self._desk.settings.models
        if name not in models:
            self._desk.change_settings(models=(*models, name))

    def _on_hub_id_edited(self, text: str) -> None:
        self.download.setEnabled(_HUB_ID.fullmatch(text.strip()) is not None)

    def _on_download(self) -> None:
        if self.download.isEnabled():
            self._desk.download(self.hub_id.text().strip())
            self.hub_id.clear()

    def _retranslate(self) -> None:
        super()._retranslate()
        self.hub_id.setPlaceholderText(tr("Id of a model, such as owner/name"))
        self.hub_id.setAccessibleName(tr("Id of a model to download"))
        self.refresh()


class _ModelCard(QFrame):
    """A model: its title, size and fit, and what can be done with it. Signals: use_asked (its name)."""

    use_asked = Signal(str)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.setProperty("surface", "card")
        self._desk = desk
        self._row: ModelRow | None = None
        self._title, self._facts = ElidedLabel(), Label()
        theme.set_role(self._title, "heading")
        theme.set_role(self._facts, "muted")
        self._facts.setWordWrap(True)
        self._badge: FitBadge | None = None
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self.use, self.remove, self.export = QPushButton(), QPushButton(), QPushButton()
        for button in (self.remove, self.export):
            theme.set_kind(button, "quiet")
        self._top = QHBoxLayout()
        self._top.setSpacing(2 * theme.GRID)
        self._top.addWidget(self._title, 1)
        for button in (self.remove, self.export, self.use):
            self._top.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.SMALL)
        column.addLayout(self._top)
        column.addWidget(self._facts)
        column.addWidget(self._bar)
        self.use.clicked.connect(self._on_use)
        self.remove.clicked.connect(self._on_remove)
        self.export.clicked.connect(self._on_export)

    def show_row(self, row: ModelRow) -> None:
        self._row = row
        in_use = self._desk.settings.model == row.name
        title = model_title(row.name) if row.name in NAMED else row.title
        self._title.setText(title)
        self._facts.setText("  ·  ".join(_facts(row)))
        downloading = row.downloading is not None
        self._bar.setVisible(downloading)
        self._bar.setValue(round(1000 * (row.downloading or 0)))
        self._bar.setAccessibleName(tr("Download of {title}", title=title))
        self.use.setVisible(not downloading)
        self.use.setText(tr("In use") if in_use else tr("Use"))
        self.use.setEnabled(not in_use and not row.problem)
        self.use.setAccessibleName(f"{self.use.text()}: {title}")
        self.remove.setVisible(downloading or ((row.is_kept or row.name in self._desk.settings.models) and not in_use))
        words = tr("Delete…") if row.is_kept else tr("Remove from list")
        self.remove.setText(tr("Cancel") if downloading else words)
        self.remove.setAccessibleName(f"{self.remove.text()}: {title}")
        self.export.setVisible(row.has_adapter and not downloading)
        self.export.setText(tr("Export the adapter…"))
        self.export.setAccessibleName(f"{self.export.text()}: {title}")
        if self._badge is None:
            self._badge = FitBadge(row)
            self._top.insertWidget(1, self._badge)
        self._badge.show_row(row)

    def _on_use(self) -> None:
        if self._row is not None:
            self.use_asked.emit(self._row.name)

    def _on_remove(self) -> None:
        if self._row is None:
            return
        if self._row.downloading is not None:
            self._desk.cancel_download(self._row.name)
        elif self._row.is_kept:
            self._ask_to_delete()
        else:
            kept = tuple(name for name in self._desk.settings.models if name != self._row.name)
            self._desk.change_settings(models=kept)

    def _ask_to_delete(self) -> None:
        box = QMessageBox(
            QMessageBox.Icon.Warning,
            tr("Delete the adapter"),
            tr(
                "Delete the adapter “{title}” for good? What was compressed with it cannot be asked any more.",
                title=self._title.text(),
            ),
            QMessageBox.StandardButton.NoButton,
            self.window(),
        )
        box.setTextFormat(Qt.TextFormat.PlainText)
        delete = box.addButton(tr("Delete for good"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        delete.clicked.connect(self.delete_adapter)
        box.open()

    def delete_adapter(self) -> None:
        """Without asking."""
        if self._row is not None:
            self._desk.remove_adapter(self._row.name)

    def _on_export(self) -> None:
        if self._row is not None:
            start = str(Path.home() / f"{Path(self._row.name).name}-adapter")
            path, _ = QFileDialog.getSaveFileName(self.window(), tr("A new folder for the adapter"), start)
            if path:
                self._desk.export_adapter(self._row.name, Path(path))


def _facts(row: ModelRow) -> list[str]:
    if row.downloading is not None:
        percent = round(100 * row.downloading)
        is_file = Path(row.name).is_absolute()
        return [
            tr("Preparing {percent}%", percent=percent) if is_file else tr("Downloading {percent}%", percent=percent)
        ]
    facts = []
    if row.n_parameters:
        facts.append(parameters_text(row.n_parameters))
    if row.file_bytes:
        facts.append(tr("{size} on disk", size=bytes_text(row.file_bytes)))
    if row.precision:
        facts.append(tr("loaded as {precision}", precision=tr(PRECISIONS[row.precision])))
    facts.append(numbers(row))
    if row.adapter_base:
        facts.append(tr("adapter for {base}", base=model_title(row.adapter_base)))
    if row.adapter_precision:
        facts.append(tr("trained in {precision}", precision=tr(PRECISIONS[row.adapter_precision])))
    if row.n_parameters and not row.has_adapter:
        facts.append(tr("no adapter: it compresses by the text's own keys"))
    if Path(row.name).is_absolute():
        facts.append(row.name)
    return facts
