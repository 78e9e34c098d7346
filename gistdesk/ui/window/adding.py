"""Adding documents: from dialogs, drops, the command line and folders, up to the sheet that asks for the ratio.

Knows the desk; reads no document, and knows nothing of the cards over the window.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from gistdesk.core.errors import UserError
from gistdesk.folders import resource
from gistdesk.formats import ENDINGS
from gistdesk.language.figures import bytes_text
from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.session.files import Found
from gistdesk.session.notices import Notice

if TYPE_CHECKING:
    from gistdesk.ui.widgets.question import Question

_GISTS = "*.gistkv"
_DOCUMENTS = " ".join([*(f"*{ending}" for ending in ENDINGS), _GISTS])


class Adding(QObject):
    """Signals: added (entry ids), sample_ready (an entry id that can be asked now, and a question it answers), pasted
    (files, to be opened like dropped ones), chosen (documents that still need a ratio), told (a notice)."""

    added = Signal(list)
    sample_ready = Signal(int, str)
    pasted = Signal(list)
    chosen = Signal(list)
    told = Signal(object)

    def __init__(self, window: QWidget, desk: Desk, question: Callable[[], Question]) -> None:
        """`question` gives the card that asks, created on first use."""
        super().__init__(window)
        self._window, self._desk, self._question = window, desk, question
        self._sample: int | None = None
        desk.documents.one_changed.connect(self._on_entry)

    # --- dialogs

    def choose_files(self) -> None:
        """Ctrl+O: choose documents to add."""
        filters = (tr("Documents ({patterns})", patterns=_DOCUMENTS), tr("All files ({patterns})", patterns="*"))
        self._open_dialog(tr("Add documents"), QFileDialog.FileMode.ExistingFiles, filters)

    def choose_folder(self) -> None:
        """Choose a folder of documents to add."""
        self._open_dialog(tr("Add a folder"), QFileDialog.FileMode.Directory, ())

    def choose_gists(self) -> None:
        """Choose gist files to import."""
        filters = (tr("Gist files ({pattern})", pattern=_GISTS),)
        self._open_dialog(tr("Import gists"), QFileDialog.FileMode.ExistingFiles, filters)

    def _open_dialog(self, title: str, mode: QFileDialog.FileMode, filters: Sequence[str]) -> None:
        dialog = QFileDialog(self._window, title)
        dialog.setFileMode(mode)
        if filters:
            dialog.setNameFilters(list(filters))
        dialog.filesSelected.connect(self._on_chosen)
        dialog.open()

    def _on_chosen(self, names: list[str]) -> None:
        self.take([Path(name) for name in names])

    def paste(self) -> None:
        """Ctrl+V: copied files, or a text, which becomes a file in the library."""
        data = QGuiApplication.clipboard().mimeData()
        paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data.hasUrls() else []
        try:
            if not paths and data.text().strip():
                paths = [self._desk.documents.paste(data.text())]
        except UserError as error:
            self.told.emit(Notice(error.message, error.hint))
            return
        if paths:
            self.pasted.emit(paths)
        else:
            notice = Notice(tr("There is no file or text to paste."), tr("Copy one first, then paste it here."))
            self.told.emit(notice)

    # --- paths

    def take(self, paths: Sequence[Path]) -> None:
        """Import gists, ask about folders once, and show documents in the drop sheet."""
        gists = [path for path in paths if path.suffix.lower() == ".gistkv"]
        folders = [path for path in paths if path.is_dir()]
        files = [path for path in paths if path not in gists and path not in folders]
        for path in gists:
            self._desk.documents.import_gist(path)
        if folders:
            self._desk.documents.find(folders, partial(self._ask_about, folders, files))
        elif files:
            self._add(files)

    def _ask_about(self, folders: list[Path], files: list[Path], found: Found) -> None:
        names = ", ".join(folder.name for folder in folders)
        if found.paths:
            self._question().ask(
                tr("Add the documents in “{name}”?", name=names),
                tr("Documents: {n} · Total: {total}", n=len(found.paths), total=bytes_text(found.n_bytes)),
                tr("Add"),
                partial(self._add, [*files, *found.paths]),
                otherwise=partial(self._add, files) if files else None,
            )
            return
        self.told.emit(
            Notice(
                tr("“{name}” contains no readable documents.", name=names),
                tr("PDF, Word, EPUB, HTML, Markdown and plain text files can be read."),
            )
        )
        if files:
            self._add(files)

    def _add(self, paths: list[Path]) -> None:
        settings = self._desk.settings
        if settings.remember_ratio:
            self.added.emit(self._desk.documents.add(paths, self._desk.estimates.ratio))
        else:
            self.chosen.emit(paths)

    # --- the sample

    def open_sample(self) -> None:
        """Add the bundled sample; `sample_ready` is emitted when it is compressed."""
        self._sample = self._desk.documents.open_sample()
        self.added.emit([self._sample])

    def _on_entry(self, entry_id: int) -> None:
        if entry_id != self._sample:
            return
        try:
            entry = self._desk.library.entries.get(entry_id)
        except UserError:  # deleted meanwhile
            self._sample = None
            return
        if entry.state in ("ready", "failed", "cancelled"):
            self._sample = None
        if entry.state == "ready":
            self.sample_ready.emit(entry_id, _question_for(entry.source_path))


def _question_for(sample: Path) -> str:
    """A question that the bundled sample answers."""
    samples = json.loads(resource("samples/samples.json").read_text(encoding="utf-8"))
    questions: list[str] = [each["questions"][0][0] for each in samples if each["file"] == sample.name]
    return questions[0] if questions else ""
