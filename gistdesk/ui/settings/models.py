"""The Models page of the settings: models and adapters, whether they fit, and getting more.

Knows the desk's rows of models.
"""

import re
from functools import cached_property
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout

from gistdesk.language.i18n import later, tr
from gistdesk.models import SMOLLM2
from gistdesk.session.desk import Desk
from gistdesk.ui.settings.model_card import ModelCard
from gistdesk.ui.settings.offered import OfferedModels
from gistdesk.ui.settings.page import SettingsPage
from gistdesk.ui.settings.switching import ask_to_switch
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.flow import FlowRow
from gistdesk.ui.widgets.question import Question

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class ModelsPage(SettingsPage):
    """One card per model; models recommended or found here; a folder to add, a hub id to download.

    Attributes: offered.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Models"))
        self._desk = desk
        self._cards: dict[str, ModelCard] = {}
        self._list = QVBoxLayout()
        self._list.setSpacing(theme.GRID)
        self.column.addLayout(self._list)
        self.offered = OfferedModels(desk)
        self.column.addWidget(self.offered)
        self._has_looked = False
        self.add_text(later("Another model"), "heading")
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
        buttons = FlowRow(gap=theme.GRID)
        for button in (self.smollm2, self.folder, self.file, self.adapter):
            buttons.add(button)
        self.column.addWidget(buttons)
        theme.set_role(
            self.add_text(
                later(
                    "A model is a folder with safetensors weights, a GGUF file, or the id of one on huggingface.co. "
                    "Downloading is the only thing here that uses the network; an interrupted download can be "
                    "resumed later."
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
        self.offered.download_asked.connect(desk.download)
        self.offered.add_asked.connect(self.add_model)
        desk.model_arrived.connect(self._on_arrived)
        desk.models_changed.connect(self.refresh)
        desk.settings_changed.connect(self.refresh)
        desk.engine_changed.connect(self.refresh)
        self._retranslate()

    @cached_property
    def question(self) -> Question:
        """The question's card, shown over the settings, where the answer is wanted."""
        return Question(self.window())

    def use(self, name: str) -> None:
        """Use a model from now on; asks first if documents were compressed with another."""
        ask_to_switch(self._desk, name, self.question)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        if not self._has_looked:
            self._has_looked = True
            self._desk.found_models.look()

    def refresh(self) -> None:
        """Show what is currently known about models."""
        rows = self._desk.models()
        self.smollm2.setVisible(all(row.name != SMOLLM2 for row in rows))
        for name in self._cards.keys() - {row.name for row in rows}:
            card = self._cards.pop(name)
            self._list.removeWidget(card)
            card.hide()
            card.deleteLater()
        for row in rows:
            if row.name not in self._cards:
                self._cards[row.name] = ModelCard(self._desk)
                self._cards[row.name].use_asked.connect(self.use)
                self._list.addWidget(self._cards[row.name])
            self._cards[row.name].show_row(row)
        self.offered.refresh()
        self.order_focus()

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
        dialog.fileSelected.connect(self._desk.download)  # it is prepared, then listed
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

    def _on_arrived(self, name: str) -> None:
        """Typed text stays until now, since a failed download is tried again, perhaps under another name."""
        if name == self.hub_id.text().strip():
            self.hub_id.clear()

    def _retranslate(self) -> None:
        super()._retranslate()
        self.hub_id.setPlaceholderText(tr("Id of a model, such as owner/name"))
        self.hub_id.setAccessibleName(tr("Id of a model to download"))
        self.refresh()
