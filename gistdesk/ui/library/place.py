"""The Library: the list of documents, the kept text of one, the inspector, and what can be done with documents.

Every action goes to the desk. What concerns the window (sheets, banners, places) is requested by signal.
"""

import re
import unicodedata
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, QUrl, Signal
from PySide6.QtGui import QCursor, QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QVBoxLayout, QWidget

from gistdesk.core.errors import UserError
from gistdesk.core.title import file_name
from gistdesk.language.i18n import later, tr
from gistdesk.library import Entry, Passage
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.ui.library.collection_menu import CollectionMenu
from gistdesk.ui.library.inspector import LibraryInspector, possible
from gistdesk.ui.library.list import LibraryList
from gistdesk.ui.library.recall_card import RecallCard
from gistdesk.ui.library.states import WORKING
from gistdesk.ui.widgets import theme

if TYPE_CHECKING:
    from gistdesk.ui.library.reader import Reader

GIST_FILES = "*.gistkv"


class LibraryPlace(QObject):
    """Attributes: list_widget, main_widget (hidden until a text is opened; then holds the reader), inspector_widget.

    Signals:
        chat_requested: about these entry ids.
        files_requested: choose documents to add.
        sample_requested: add the sample.
        recompress_requested: these entries, at a ratio still to be chosen.
        export_requested: the gist of this entry.
        told: a Notice for the window's banners.
        reader_toggled: the reader was opened or closed.
    """

    chat_requested = Signal(list)
    files_requested = Signal()
    sample_requested = Signal()
    recompress_requested = Signal(list)
    export_requested = Signal(object)
    told = Signal(object)
    reader_toggled = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.list_widget = LibraryList(desk)
        self.main_widget = QWidget()
        self.inspector_widget = LibraryInspector(RecallCard(desk))
        self.main_widget.hide()
        self._read: tuple[int, str | None] | None = None
        self._deleted: list[list[int]] = []
        table = self.list_widget.table
        self.list_widget.add_pressed.connect(self.files_requested)
        self.list_widget.sample_pressed.connect(self.sample_requested)
        self.list_widget.chat_pressed.connect(self.chat_with_collection)
        self.inspector_widget.asked.connect(self.do)
        self.inspector_widget.password_given.connect(desk.documents.retry)
        self.inspector_widget.fingerprint_copied.connect(self._on_copied)
        table.chosen.connect(self._show_chosen)
        table.opened.connect(self._on_opened)
        table.retry_pressed.connect(self._on_retry_pressed)
        table.delete_pressed.connect(self._on_delete_pressed)
        table.menu_asked.connect(self._on_menu_asked)
        table.model_.renamed.connect(desk.documents.rename)
        table.model_.dataChanged.connect(self._show_chosen)
        self._show_chosen()

    @cached_property
    def reader(self) -> "Reader":
        """Where kept texts are read; created, and its module imported, with the first text."""
        from gistdesk.ui.library.reader import Reader

        reader = Reader(self.main_widget)
        reader.closed.connect(self._on_reader_closed)
        column = QVBoxLayout(self.main_widget)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(reader)
        return reader

    @property
    def chosen(self) -> list[Entry]:
        """The chosen entries."""
        return self.list_widget.table.selected()

    def focus_find(self) -> None:
        """Ctrl+F: find in the text if one is open, else in the list."""
        focus = QApplication.focusWidget()
        if self.main_widget.isVisible() and focus is not None and self.main_widget.isAncestorOf(focus):
            self.reader.focus_find()
        else:
            self.list_widget.search.setFocus()
            self.list_widget.search.selectAll()

    def focus_list(self) -> None:
        """Focus the table, or in an empty library its first button."""
        self.list_widget.focus_rows()

    def choose(self, entry_ids: list[int]) -> None:
        """Select these entries, clearing any search that hides them."""
        table = self.list_widget.table
        if any(table.model_.row_of(each) is None for each in entry_ids):
            self.list_widget.show_everything()
        table.select(entry_ids)

    def show_passage(self, passage: Passage) -> None:
        """Open the kept text at a passage; where the text has changed since, at the same words if it still has them."""
        self.choose([passage.entry_id])
        if not self.read(passage.entry_id):
            return
        pages = self._desk.library.texts.pages(passage.entry_id)
        page, start, end = passage.page - 1, passage.start, passage.end
        if page < len(pages) and pages[page][start:end] == passage.text:
            self.reader.show_place(page, start, end)
        elif (at := _first_match(pages, passage.text, whole=True)) is not None:
            self.reader.show_place(*at)
        else:
            self.told.emit(Notice(tr("The document has changed since then and no longer has this passage.")))

    def read(self, entry_id: int) -> bool:
        """Open the kept text of an entry. Returns whether there is one."""
        try:
            entry = self._desk.library.entries.get(entry_id)
            pages = self._desk.library.texts.pages(entry_id)
        except UserError as error:
            self.told.emit(Notice(error.message, error.hint))
            return False
        if not pages:
            return False
        read = (entry_id, entry.text_sha256)
        is_another = self._read != read or not self.main_widget.isVisible()
        if is_another:
            self.reader.show_text(entry.title, pages, entry.page_label)
        self._read = read
        self.main_widget.show()
        if is_another:
            self._show_searched(pages)
        self.reader_toggled.emit()
        self.reader.focus_text()
        return True

    # --- what can be done

    def do(self, action: str) -> None:
        """Apply one of the inspector's actions to the chosen entries."""
        entries = self.chosen
        if action not in possible(entries):
            return
        ids = [entry.id for entry in entries]
        if action == "chat":
            self.chat_requested.emit(ids)
        elif action == "read":
            self.read(ids[0])
        elif action == "next":
            self._desk.documents.compress_next(ids[0])
        elif action == "rename":
            self.list_widget.table.edit_title()
        elif action == "collect":
            self._open_collections(ids)
        elif action == "recompress":
            self.recompress_requested.emit(entries)
        elif action == "retry":
            for each in ids:
                self._desk.documents.retry(each)
        elif action == "retry_small":
            for each in ids:
                self._desk.documents.retry(each, less_memory=True)
        elif action == "keep":
            self._desk.documents.keep_gist(entries[0].id)
        elif action == "cancel":
            for entry in entries:
                if entry.state in WORKING:
                    self._desk.documents.cancel(entry.id)
        elif action == "reveal":
            self._reveal(entries[0].source_path)
        elif action == "export":
            self.export_requested.emit(entries[0])
        elif action == "restore":
            self._desk.documents.restore(ids)
        elif action == "trash":
            self.trash(ids)

    def _open_collections(self, entry_ids: list[int]) -> None:
        button = self.inspector_widget.button("collect")
        menu = CollectionMenu(self._desk.library.collections.all(), entry_ids, self.list_widget)
        menu.put.connect(lambda name: self._desk.documents.collect(name, entry_ids))
        menu.taken.connect(lambda name: self._desk.documents.take_out(name, entry_ids))
        at = button.mapToGlobal(button.rect().bottomLeft()) if button.isVisible() else QCursor.pos()
        menu.popup(at)
        if not self._desk.library.collections.all():
            menu.field.setFocus()

    def chat_with_collection(self, name: str) -> None:
        """Start a chat about all documents in a collection that can be asked about; report those that cannot."""
        entries = [self._desk.library.entries.get(each) for each in self._desk.library.collections.all().get(name, [])]
        ready = [entry.id for entry in entries if "chat" in possible([entry])]
        if len(ready) < len(entries):
            n = len(entries) - len(ready)
            self.told.emit(Notice(tr("Not compressed yet, and left out of the chat: {n}", n=n)))
        if ready:
            self.chat_requested.emit(ready)

    def trash(self, entry_ids: list[int]) -> None:
        """Move entries to the trash, and offer Undo."""
        self._deleted.append(entry_ids)
        self._desk.documents.trash(entry_ids)
        if self._read is not None and self._read[0] in entry_ids:
            self._on_reader_closed()
        message = tr("Moved to the trash: {n}", n=len(entry_ids))
        self.told.emit(Notice(message, actions=((later("Undo"), partial(self._bring_back, entry_ids)),)))

    def undo(self) -> None:
        """Restore what was deleted last, and was not restored yet."""
        if self._deleted:
            self._bring_back(self._deleted[-1])

    def _bring_back(self, entry_ids: list[int]) -> None:
        self._deleted = [each for each in self._deleted if each != entry_ids]
        self._desk.documents.restore(entry_ids)
        self.choose(entry_ids)

    def export_to_chosen_file(self, entry: Entry) -> None:
        """Ask where to, and export the gist of `entry`."""
        dialog = QFileDialog(self.list_widget.window(), tr("Export gist"), str(Path.home()))
        dialog.selectFile(f"{file_name(entry.title)}.gistkv")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("gistkv")
        dialog.setNameFilter(tr("Gist files ({pattern})", pattern=GIST_FILES))
        dialog.fileSelected.connect(lambda name: self._export(entry, Path(name)))
        dialog.open()

    def _export(self, entry: Entry, target: Path) -> None:
        self._desk.documents.export_gist(entry, target, self._on_exported)

    def _on_exported(self, target: Path) -> None:
        self.told.emit(Notice(tr("Exported: {path}", path=target)))

    def _reveal(self, source: Path) -> None:
        folder = source.parent
        if not source.exists():
            self.told.emit(
                Notice(
                    tr("{name} is no longer where it was.", name=source.name),
                    tr("Its kept text and its gist are still here. It was in {folder}.", folder=folder),
                )
            )
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
            self.told.emit(Notice(tr("No file manager could be opened."), str(folder)))

    # --- slots

    def _show_chosen(self) -> None:
        entries = self.chosen
        left = self._desk.documents.eta_s(entries[0].id) if len(entries) == 1 else None
        self.inspector_widget.show_entries(entries, left)
        if self._read is not None and self.main_widget.isVisible() and len(entries) == 1:
            self._read_along(entries[0])

    def _read_along(self, entry: Entry) -> None:
        """While the reader is open, it shows the text of the chosen entry, and of its newest gist."""
        if self._read == (entry.id, entry.text_sha256) or entry.text_sha256 is None:
            return
        try:
            pages = self._desk.library.texts.pages(entry.id)
        except UserError:
            return
        self._read = (entry.id, entry.text_sha256)
        self.reader.show_text(entry.title, pages, entry.page_label)
        self._show_searched(pages)

    def _show_searched(self, pages: list[str]) -> None:
        """A text that was found by a search is shown where it has what was searched for."""
        if (at := _first_match(pages, self.list_widget.search.text())) is not None:
            self.reader.show_place(*at)

    def _on_opened(self, entry_id: int) -> None:
        entry = next((each for each in self.chosen if each.id == entry_id), None)
        if entry is None:
            return
        if entry.text_sha256 is not None:
            self.read(entry_id)
        elif "chat" in possible([entry]):
            self.chat_requested.emit([entry_id])

    def _on_reader_closed(self) -> None:
        self.main_widget.hide()
        self._read = None
        self.reader_toggled.emit()
        self.focus_list()

    def _on_retry_pressed(self, entry_id: int) -> None:
        self._desk.documents.retry(entry_id)

    def _on_delete_pressed(self) -> None:
        if not self.list_widget.in_trash:
            self.do("trash")

    def _on_copied(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)

    def _on_menu_asked(self, point: QPoint) -> None:
        menu = QMenu(self.list_widget)
        for name, text, icon in self.inspector_widget.actions_for(self.chosen):
            action = menu.addAction(theme.icon(icon), text)
            action.setData(name)
        menu.triggered.connect(lambda action: self.do(action.data()))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(point)


def _first_match(pages: list[str], search: str, *, whole: bool = False) -> tuple[int, int, int] | None:
    """Page from 0, start and end of all that was searched for, or else, unless `whole`, of its longest word."""
    wanted = unicodedata.normalize("NFC", search.strip())
    for words in (wanted, *([] if whole else sorted(wanted.split(), key=len, reverse=True))):
        for number, page in enumerate(pages if words else []):
            if found := re.search(re.escape(words), page, re.IGNORECASE):
                return number, *found.span()
    return None
