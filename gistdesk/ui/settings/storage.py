"""The Storage page of the settings: how much space the library takes, emptying its trash, cleaning up, moving it.

Knows the session's upkeep of the library; reads the library, and changes nothing in it.
"""

from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QWidget,
)

from gistdesk.core.errors import UserError
from gistdesk.language.figures import bytes_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.file_jobs import CANCELLED
from gistdesk.ui.settings.page import SettingsPage
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import ElidedLabel, Label

_BITS = ((later("16 bits"), 16), (later("8 bits: about half the file"), 8))


class StoragePage(SettingsPage):
    """Figures for the library's folder, and what can be done about them."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Storage"))
        self._desk = desk
        self._values = [Label() for _ in range(6)]
        self._job = 0
        self._folder = ElidedLabel()
        self.open, self.move_, self.clean, self.empty, self.cancel = (QPushButton() for _ in range(5))
        self.bits = QComboBox()
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._moving = QWidget()
        self._moving.hide()
        self._said = Label()
        self._said.setWordWrap(True)
        self._arrange()
        self.open.clicked.connect(self._on_open)
        self.move_.clicked.connect(self._on_move)
        self.clean.clicked.connect(self._on_clean)
        self.empty.clicked.connect(self._on_empty)
        self.cancel.clicked.connect(self._on_cancel)
        self.bits.activated.connect(self._on_bits)
        desk.file_jobs.changed.connect(self._on_progress)
        self._retranslate()

    def _arrange(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(3 * theme.GRID)
        grid.setVerticalSpacing(theme.GRID)
        grid.setColumnStretch(2, 1)
        names = (
            later("Gists"),
            later("Kept texts"),
            later("Database"),
            later("Trash"),
            later("Unused"),
            later("Total"),
        )
        for row, (name, value) in enumerate(zip(names, self._values, strict=True)):
            label = Label()
            self.set_text_of(label, name)
            theme.set_role(label, "muted")
            grid.addWidget(label, row, 0)
            grid.addWidget(value, row, 1, Qt.AlignmentFlag.AlignRight)
        self.column.addLayout(grid)
        self._add_buttons((self.clean, later("Clean up")), (self.empty, later("Empty the trash…")))
        self.add_text(later("New gists"), "heading")
        self.add_choices(self.bits, tuple(text for text, _ in _BITS))
        self.bits.setCurrentIndex(next(i for i, (_, bits) in enumerate(_BITS) if bits == self._desk.settings.kv_bits))
        self._names.append((self.bits, later("Bits of a stored number")))
        self.column.addWidget(self.bits, 0, Qt.AlignmentFlag.AlignLeft)
        note = later(
            "A gist token keeps keys and values of every layer of the model. With 8 bits a file is about half as "
            "large and slightly less exact. Existing gists stay as they are until they are recompressed."
        )
        theme.set_role(self.add_text(note), "muted")
        self.add_text(later("Folder of the library"), "heading")
        self.column.addWidget(self._folder)
        self._add_buttons((self.open, later("Open folder")), (self.move_, later("Move…")))
        self.set_text_of(self.cancel, later("Cancel"))
        moving = QHBoxLayout(self._moving)
        moving.setContentsMargins(0, 0, 0, 0)
        moving.setSpacing(theme.GRID)
        moving.addWidget(self._bar, 1)
        moving.addWidget(self.cancel)
        self.column.addWidget(self._moving)
        self.column.addWidget(self._said)
        self.column.addStretch()

    def _on_bits(self, number: int) -> None:
        self._desk.change_settings(kv_bits=_BITS[number][1])

    def _add_buttons(self, *buttons: tuple[QPushButton, str]) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        for button, text in buttons:
            self.set_text_of(button, text)
            row.addWidget(button)
        row.addStretch()
        self.column.addLayout(row)

    def refresh(self) -> None:
        """Measure the folder again."""
        storage = self._desk.upkeep.storage()
        figures = (storage.gists, storage.texts, storage.database, storage.trash, storage.unused, storage.total)
        for label, n_bytes in zip(self._values, figures, strict=True):
            label.setText(bytes_text(n_bytes))
        self.clean.setEnabled(storage.unused > 0)
        self.empty.setEnabled(storage.trash > 0 or any(self._n_trashed()))
        self._folder.setText(str(self._desk.library.store.folder))

    def _say(self, text: str, role: str = "good") -> None:
        theme.set_role(self._said, role)
        self._said.setText(text)

    def _on_clean(self) -> None:
        self._desk.upkeep.clean_up(self._on_cleaned)
        self._show_cleaning()

    def _on_empty(self) -> None:
        """What is deleted here cannot be restored: the one place in the window where a dialog asks."""
        n, chats = self._n_trashed()
        box = QMessageBox(
            QMessageBox.Icon.Warning,
            tr("Empty the trash"),
            tr(
                "Empty the trash permanently? Documents: {n}. Chats: {chats}. This cannot be undone.",
                n=n,
                chats=chats,
            ),
            QMessageBox.StandardButton.NoButton,
            self.window(),
        )
        box.setTextFormat(Qt.TextFormat.PlainText)
        delete = box.addButton(tr("Delete permanently"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        delete.clicked.connect(self.empty_trash)
        box.open()

    def _n_trashed(self) -> tuple[int, int]:
        """Documents and chats."""
        library = self._desk.library
        return len(library.entries.all(trashed=True)), len(library.chats.all(trashed=True))

    def empty_trash(self) -> None:
        """Delete what is in the trash, without asking."""
        self._desk.upkeep.empty_trash(self._on_cleaned)
        self._show_cleaning()

    def _show_cleaning(self) -> None:
        self._set_busy(True)
        self._say(tr("Cleaning up…"), "muted")

    def _set_busy(self, busy: bool) -> None:
        for button in (self.clean, self.empty, self.move_):
            button.setEnabled(not busy)
        if not busy:
            self.refresh()

    def _on_cleaned(self, outcome: object) -> None:
        if isinstance(outcome, UserError):
            self._say_error(outcome)
        elif isinstance(outcome, int):
            self._say(tr("Freed: {size}", size=bytes_text(outcome)))
        self._set_busy(False)

    def _say_error(self, error: UserError) -> None:
        self._say(f"{tr(error.message)} {tr(error.hint)}", "bad")

    def _on_open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._desk.library.store.folder)))

    def _on_move(self) -> None:
        dialog = QFileDialog(self.window(), tr("Choose a folder for the library"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.move_to)
        dialog.open()

    def move_to(self, folder: str) -> None:
        """Move the library; it stays usable while its files are copied."""
        if not self._desk.idle():
            self._say(tr("Wait until nothing is being compressed or answered, or cancel it."), "warning")
            return
        try:
            self._job = self._desk.upkeep.move_to(Path(folder), self._on_moved)
        except UserError as error:
            self._say_error(error)
            return
        self._set_busy(True)
        self._say("")
        self._bar.setValue(0)
        self._bar.setAccessibleName(tr("Moving"))
        self._moving.show()
        self.cancel.setEnabled(True)

    def _on_progress(self) -> None:
        for job in self._desk.file_jobs.jobs:
            if job.id == self._job and job.share is not None:
                self._bar.setValue(round(1000 * job.share))

    def _on_cancel(self) -> None:
        self.cancel.setEnabled(False)
        self._desk.file_jobs.cancel(self._job)

    def _on_moved(self, outcome: object) -> None:
        self._moving.hide()
        if isinstance(outcome, UserError):
            self._say_error(outcome)
        elif outcome is CANCELLED:
            self._say(tr("Not moved: the library is where it was."), "muted")
        else:
            self._say(tr("Moved."))
        self._set_busy(False)

    def _retranslate(self) -> None:
        super()._retranslate()
        self.refresh()
