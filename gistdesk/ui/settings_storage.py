"""The Storage page of the settings: how much the library takes, emptying its trash, cleaning up, moving it.

Knows the library's upkeep.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QLabel, QMessageBox, QProgressBar, QPushButton

from gistdesk.core.errors import UserError
from gistdesk.library import Library
from gistdesk.ui import theme
from gistdesk.ui.desk import Desk
from gistdesk.ui.figures import bytes_text
from gistdesk.ui.i18n import later, tr
from gistdesk.ui.labels import ElidedLabel
from gistdesk.ui.settings_page import SettingsPage


class _Upkeep(QObject):
    """Work on the library's folder in a thread, with a library object of its own. Signals: ended (bytes or error)."""

    ended = Signal(object)

    def __init__(self, folder: Path, work: Callable[[Library], int]) -> None:
        super().__init__()
        self._folder, self._work = folder, work
        self.thread_ = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        self.thread_.start()

    def _run(self) -> None:
        outcome: object
        try:
            library = Library(self._folder)
            try:
                outcome = self._work(library)
            finally:
                library.close()
        except UserError as error:
            outcome = error
        self.ended.emit(outcome)


class StoragePage(SettingsPage):
    """Figures of the library's folder, and what can be done about them."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Storage"))
        self._desk = desk
        self._values = [QLabel() for _ in range(6)]
        self._moving: Iterator[float] | None = None
        self._work: _Upkeep | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._move_on)
        self._folder = ElidedLabel()
        self.open, self.move_, self.clean, self.empty = (QPushButton() for _ in range(4))
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._bar.hide()
        self._said = QLabel()
        self._said.setWordWrap(True)
        self._arrange()
        self.open.clicked.connect(self._on_open)
        self.move_.clicked.connect(self._on_move)
        self.clean.clicked.connect(self._on_clean)
        self.empty.clicked.connect(self._on_empty)
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
            label = QLabel()
            self.set_text_of(label, name)
            theme.set_role(label, "muted")
            grid.addWidget(label, row, 0)
            grid.addWidget(value, row, 1, Qt.AlignmentFlag.AlignRight)
        self.column.addLayout(grid)
        self._add_buttons((self.clean, later("Clean up")), (self.empty, later("Empty the trash…")))
        self.add_text(later("Folder of the library"), "heading")
        self.column.addWidget(self._folder)
        self._add_buttons((self.open, later("Open folder")), (self.move_, later("Move…")))
        self.column.addWidget(self._bar)
        self.column.addWidget(self._said)
        self.column.addStretch()

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
        storage = self._desk.library.storage()
        figures = (storage.gists, storage.texts, storage.database, storage.trash, storage.unused, storage.total)
        for label, n_bytes in zip(self._values, figures, strict=True):
            label.setText(bytes_text(n_bytes))
        self.clean.setEnabled(storage.unused > 0)
        self.empty.setEnabled(storage.trash > 0 or bool(self._desk.library.entries(trashed=True)))
        self._folder.setText(str(self._desk.library.folder))

    def _say(self, text: str, role: str = "good") -> None:
        theme.set_role(self._said, role)
        self._said.setText(text)

    def _on_clean(self) -> None:
        self._start(Library.clean_up)

    def _on_empty(self) -> None:
        """What is deleted here cannot be brought back: the one place of the window where a dialog asks."""
        n = len(self._desk.library.entries(trashed=True))
        box = QMessageBox(
            QMessageBox.Icon.Warning,
            tr("Empty the trash"),
            tr("Delete for good what is in the trash? Documents: {n}. This cannot be undone.", n=n),
            QMessageBox.StandardButton.NoButton,
            self.window(),
        )
        delete = box.addButton(tr("Delete for good"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        delete.clicked.connect(self.empty_trash)
        box.open()

    def empty_trash(self) -> None:
        """Delete what is in the trash, without asking."""
        self._start(Library.empty_trash)

    def _start(self, work: Callable[[Library], int]) -> None:
        self._work = _Upkeep(self._desk.library.folder, work)
        self._work.ended.connect(self._on_ended)
        for button in (self.clean, self.empty, self.move_):
            button.setEnabled(False)
        self._say(tr("Cleaning up…"), "muted")
        self._work.start()

    def _on_ended(self, outcome: object) -> None:
        if isinstance(outcome, UserError):
            self._say(f"{tr(outcome.message)} {tr(outcome.hint)}", "bad")
        elif isinstance(outcome, int):
            self._say(tr("Freed: {size}", size=bytes_text(outcome)))
        self.move_.setEnabled(True)
        self.refresh()
        self._desk.entries_changed.emit()

    def _on_open(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._desk.library.folder)))

    def _on_move(self) -> None:
        dialog = QFileDialog(self.window(), tr("Choose a folder for the library"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.move_to)
        dialog.open()

    def move_to(self, folder: str) -> None:
        """Move the library; steps are taken while the window is idle."""
        if not self._desk.idle():
            self._say(tr("Wait until nothing is being compressed or answered, or cancel it."), "warning")
            return
        self._moving = self._desk.library.move_to(Path(folder))
        self._bar.setAccessibleName(tr("Moving"))
        self._bar.show()
        self._timer.start(0)

    def _move_on(self) -> None:
        assert self._moving is not None
        try:
            self._bar.setValue(round(1000 * next(self._moving)))
            return
        except StopIteration:
            self._say(tr("Moved."))
        except UserError as error:
            self._say(f"{tr(error.message)} {tr(error.hint)}", "bad")
        self._timer.stop()
        self._moving = None
        self._bar.hide()
        self.refresh()
        self._desk.entries_changed.emit()

    def _retranslate(self) -> None:
        super()._retranslate()
        self.refresh()
