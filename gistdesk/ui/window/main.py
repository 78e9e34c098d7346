"""The main window: rail, places, resource bar, drawer, banners, menus and keys; drops onto it; quitting.

Puts the places together and passes on what they ask of one another. Knows of a place only what `Place` names. Chat,
Lab and the cards over the window are created, and their modules imported, when first opened.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractScrollArea,
    QApplication,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gistdesk.folders import folders
from gistdesk.language.i18n import later, tr
from gistdesk.library import Entry, Passage
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.session.runs import Runs
from gistdesk.ui.library.place import LibraryPlace
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.banner import BannerArea
from gistdesk.ui.widgets.model_title import model_title
from gistdesk.ui.widgets.overlay import Overlay
from gistdesk.ui.window.adding import Adding
from gistdesk.ui.window.announcer import Announcer
from gistdesk.ui.window.columns import CHAT, LAB, LIBRARY, Columns, Place
from gistdesk.ui.window.drop import DropPicture, dropped_paths
from gistdesk.ui.window.jobs_drawer import JobsDrawer
from gistdesk.ui.window.menus import Menus
from gistdesk.ui.window.notifications import Notifications
from gistdesk.ui.window.rail import Rail
from gistdesk.ui.window.resource_bar import ResourceBar

if TYPE_CHECKING:
    from gistdesk.ui.chat.place import ChatPlace
    from gistdesk.ui.lab.place import LabPlace
    from gistdesk.ui.settings.dialog import SettingsDialog
    from gistdesk.ui.widgets.question import Question
    from gistdesk.ui.window.drop_sheet import DropSheet, RecompressSheet
    from gistdesk.ui.window.first_run import FirstRun
    from gistdesk.ui.window.help import Help
    from gistdesk.ui.window.palette import Palette
    from gistdesk.ui.window.quitting import Quitting

_FRAME = QSize(theme.GRID, 5 * theme.GRID)
"""The most a window manager puts around the window."""
_Card = TypeVar("_Card", bound=Overlay)


class MainWindow(QMainWindow):
    """Attributes: library, chat, lab (the places), desk, runs."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk, self.library = desk, LibraryPlace(desk)
        self.runs = Runs(folders().data / "runs", desk, self)
        self._language, self._theme = desk.settings.language, desk.settings.theme
        self._settings_dialog: SettingsDialog | None = None
        self.rail = Rail(((later("Library"), "library"), (later("Chat"), "chat"), (later("Lab"), "lab")))
        self.columns = Columns(self, desk, lambda: self.place)
        self.columns.fill(LIBRARY, self.library)
        self._stack = QStackedWidget()
        self._pages = QStackedWidget()
        self.first_run: FirstRun | None = None
        self.drawer = JobsDrawer(desk, self.runs)
        self.bar = ResourceBar(desk, self.runs)
        self._arrange()
        self.drop_picture = DropPicture(self)
        self.adding = Adding(self, desk, lambda: self.question)
        self.menus = Menus(self)
        self.announcer = Announcer(self, desk, lambda: self.chat.chat_id if self.has_opened(CHAT) else None)
        self.notifications = Notifications(self, desk, self.runs)
        self._connect()
        self._leave_drops_to_window()
        self.show_place(LIBRARY)
        self.columns.restore()
        self._on_settings()
        self._retranslate()

    # --- parts

    def _arrange(self) -> None:
        for splitter in self.columns.splitters:
            self._stack.addWidget(splitter)
        places = QWidget()
        row = QHBoxLayout(places)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(self._stack, 1)
        self._pages.addWidget(places)
        self._central = QWidget()
        self.banners = BannerArea(self._central, self._below_banners)
        column = QVBoxLayout(self._central)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self._pages, self.drawer, self.bar):
            column.addWidget(widget, 1 if widget is self._pages else 0)
        self.setCentralWidget(self._central)
        self.drawer.hide()
        self.setAcceptDrops(True)
        self.setMinimumSize(80 * theme.GRID, 50 * theme.GRID)
        self.resize(QSize(160 * theme.GRID, 100 * theme.GRID).boundedTo(self.screen().availableSize() - _FRAME))

    def _connect(self) -> None:
        self.rail.place_chosen.connect(self.show_place)
        self.rail.settings_pressed.connect(self.show_settings)
        self.bar.jobs_toggled.connect(self.show_jobs)
        self.bar.models_pressed.connect(self.show_models)
        self.drawer.closed.connect(self._on_drawer_closed)
        self.library.chat_requested.connect(self.chat_about)
        self.library.files_requested.connect(self.adding.choose_files)
        self.library.sample_requested.connect(self.open_sample)
        self.library.recompress_requested.connect(self._on_recompress)
        self.library.export_requested.connect(self._on_export)
        self.library.told.connect(self._on_told)
        self.runs.told.connect(self._on_told)
        self.library.reader_toggled.connect(self.columns.make_room_for_reader)
        self.library.reader_toggled.connect(self._leave_drops_to_window)
        self.columns.fitted.connect(self._on_fitted)
        self.adding.added.connect(self._on_added)
        self.adding.pasted.connect(self.open_paths)
        self.adding.chosen.connect(lambda paths: self.drop_sheet.show_paths(paths))
        self.adding.told.connect(self.banners.tell)
        self.adding.sample_ready.connect(self._on_sample_ready)
        self.desk.notice.connect(self._on_notice)
        self.desk.model_arrived.connect(self._on_model_arrived)
        self.desk.settings_changed.connect(self._on_settings)
        self.desk.file_jobs.slow.connect(self._on_slow_files)

    def _leave_drops_to_window(self) -> None:
        """Keep text fields from taking a dropped file as text."""
        for field in self.findChildren(QLineEdit):
            field.setAcceptDrops(False)
        for area in self.findChildren(QAbstractScrollArea):
            area.setAcceptDrops(False)
            area.viewport().setAcceptDrops(False)

    # --- places

    @cached_property
    def chat(self) -> "ChatPlace":
        from gistdesk.ui.chat.place import ChatPlace

        place = ChatPlace(self.desk)
        place.source_requested.connect(self._on_source)
        place.models_requested.connect(self.show_models)
        place.documents_requested.connect(self.adding.choose_files)
        self._take_in(CHAT, place)
        return place

    @cached_property
    def lab(self) -> "LabPlace":
        from gistdesk.ui.lab.place import LabPlace

        place = LabPlace(self.desk, self.runs)
        place.told.connect(self._on_told)
        place.use_asked.connect(self._on_adapter)
        self._take_in(LAB, place)
        return place

    @cached_property
    def drop_sheet(self) -> "DropSheet":
        from gistdesk.ui.window.drop_sheet import DropSheet

        sheet = self._laid_over(DropSheet(self.desk, self._central))
        sheet.documents_added.connect(self.adding.added)
        return sheet

    @cached_property
    def recompress_sheet(self) -> "RecompressSheet":
        from gistdesk.ui.window.drop_sheet import RecompressSheet

        return self._laid_over(RecompressSheet(self.desk, self._central))

    @cached_property
    def question(self) -> "Question":
        from gistdesk.ui.widgets.question import Question

        return self._laid_over(Question(self._central))

    @cached_property
    def palette_(self) -> "Palette":
        from gistdesk.ui.window.palette import Palette

        return self._laid_over(Palette(self._central))

    @cached_property
    def help(self) -> "Help":
        from gistdesk.ui.window.help import Help

        return self._laid_over(Help(self._central, self.menus.keys()))

    @cached_property
    def quitting(self) -> "Quitting":
        from gistdesk.ui.window.quitting import Quitting

        return Quitting(self, self.desk, self.runs)

    def _laid_over(self, card: _Card) -> _Card:
        self._leave_drops_to_window()
        return card

    def has_opened(self, number: int) -> bool:
        """Whether a place has been created."""
        return ("library", "chat", "lab")[number] in self.__dict__

    def _take_in(self, number: int, place: Place) -> None:
        self.columns.fill(number, place)
        self._leave_drops_to_window()

    def _place(self, number: int) -> Place:
        places: tuple[Callable[[], Place], ...] = (lambda: self.library, lambda: self.chat, lambda: self.lab)
        return places[number]()

    @property
    def place(self) -> int:
        """The current place: LIBRARY, CHAT or LAB."""
        return self._stack.currentIndex()

    def show_place(self, number: int) -> None:
        """Go to a place, and move the focus there unless it is on the rail."""
        if self._pages.currentIndex() != 0:
            self._end_welcome()
        self._place(number)
        self._stack.setCurrentIndex(number)
        self.rail.choose(number)
        self.columns.fit()
        QTimer.singleShot(0, self.banners, self.banners.fit)
        holder = QApplication.focusWidget()
        if holder is None or not self.rail.isAncestorOf(holder):
            self._focus_place(number)

    def _focus_place(self, number: int) -> None:
        """Put the focus where the keyboard is wanted first in a place."""
        if number == LIBRARY:
            self.library.focus_list()
        elif number == CHAT and self.chat.chat_id is not None:
            self.chat.focus_composer()
        else:
            self._place(number).focus_find()

    def focus_find(self) -> None:
        """Ctrl+F."""
        self._place(self.place).focus_find()

    def show_inspector(self, shown: bool) -> None:
        """F9."""
        self.columns.show_inspector(self.place, shown)

    def _on_fitted(self, has_inspector: bool, shown: bool) -> None:
        self.menus.inspector.setEnabled(has_inspector)
        self.menus.inspector.setChecked(shown)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self.columns.fit()

    def _below_banners(self) -> int:
        """Height that banners must not cover: the bar, the drawer, and the question field."""
        heights = [self.bar.height(), self.drawer.height() if self.drawer.isVisible() else 0]
        if self.place == CHAT and self.has_opened(CHAT):
            heights.append(self.chat.composer.height())
        return sum(heights)

    def show_jobs(self, shown: bool) -> None:
        """Ctrl+J."""
        self.drawer.setVisible(shown)
        QTimer.singleShot(0, self.banners, self.banners.fit)
        self.drawer.refresh()
        self.bar.jobs.setChecked(shown)
        self.menus.jobs.setChecked(shown)

    def _on_slow_files(self) -> None:
        """Show a long copy among the jobs, where it can be cancelled."""
        self.show_jobs(True)

    def _on_drawer_closed(self) -> None:
        self.show_jobs(False)
        self.bar.jobs.setFocus()

    def show_settings(self) -> None:
        """Ctrl+,"""
        self._open_settings(0)

    def show_models(self) -> None:
        from gistdesk.ui.settings.dialog import MODELS

        self._open_settings(MODELS)

    def _open_settings(self, page: int) -> None:
        if self._settings_dialog is None:
            from gistdesk.ui.settings.dialog import SettingsDialog

            self._settings_dialog = SettingsDialog(self.desk, self)
        self._settings_dialog.show_page(page)

    def show_palette(self) -> None:
        """Ctrl+K."""
        from gistdesk.ui.window.palette import Command

        commands = self.menus.commands()
        commands += [
            Command(entry.title, partial(self._show_entry, entry.id), theme.icon("file", "muted"))
            for entry in self.desk.library.entries.all()
        ]
        commands += [
            Command(
                tr("Chat with collection: {name}", name=name),
                partial(self.library.chat_with_collection, name),
                theme.icon("folder", "muted"),
            )
            for name in self.desk.library.collections.all()
        ]
        commands += [
            Command(chat.title, partial(self._show_chat, chat.id), theme.icon("chat", "muted"))
            for chat in self.desk.library.chats.all()
            if chat.title
        ]
        self.palette_.show_commands(commands)

    def _show_entry(self, entry_id: int) -> None:
        self.show_place(LIBRARY)
        self.library.choose([entry_id])

    def _show_chat(self, chat_id: int) -> None:
        self.show_place(CHAT)
        self.chat.open(chat_id)

    # --- documents

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Add files and folders from a drop, the command line or another instance."""
        self.show()
        self.raise_()
        self.activateWindow()
        if self.place == LAB or self._pages.currentIndex() != 0:
            self.show_place(LIBRARY)
        self.adding.take(paths)

    def _go_on(self) -> None:
        self.menus.pause.setChecked(False)
        self.desk.pause_queue(False)

    def _on_added(self, entry_ids: list[int]) -> None:
        if self.desk.queue_paused:
            notice = Notice(later("Compressing is paused."), actions=((later("Resume"), self._go_on),))
            self.banners.tell(notice, "info")
        if self.place == CHAT and self.chat.chat_id is not None:
            self.chat.use_documents(entry_ids)
            return
        self.show_place(LIBRARY)
        self.library.choose(entry_ids)

    def _on_sample_ready(self, entry_id: int, question: str) -> None:
        """The path to a first answer ends with the question in its field: Enter asks it."""
        self.chat_about([entry_id])
        self.chat.composer.field.setPlainText(question)
        self.chat.composer.field.selectAll()

    def open_sample(self) -> None:
        """Add the bundled sample, and open a chat about it as soon as it is compressed."""
        self.show_place(LIBRARY)
        self.adding.open_sample()

    def chat_about(self, entry_ids: list[int]) -> None:
        """Start a chat about these documents."""
        self.show_place(CHAT)
        self.chat.open_new(entry_ids)

    def new_chat(self) -> None:
        """Ctrl+N: a chat about the documents chosen in the Library, else about the open chat's."""
        if self.place == LIBRARY and any(entry.gist is not None for entry in self.library.chosen):
            self.library.do("chat")
            return
        self.show_place(CHAT)
        self.chat.new_chat()

    def _on_source(self, passage: Passage) -> None:
        self.show_place(LIBRARY)
        self.library.show_passage(passage)

    def _on_recompress(self, entries: list[Entry]) -> None:
        self.recompress_sheet.show_entries(entries)

    def _on_adapter(self, name: str, title: str) -> None:
        notice = Notice(tr("The adapter of “{title}” is in use.", title=title))
        self._use_model(name, lambda: self._on_told(notice))

    def _use_model(self, name: str, used: Callable[[], object] = lambda: None) -> None:
        from gistdesk.ui.settings.switching import ask_to_switch

        ask_to_switch(self.desk, name, self.question, used)

    def _on_export(self, entry: Entry) -> None:
        self.question.ask(
            tr("Export the gist of “{title}”?", title=entry.title),
            tr(
                "A gist encodes its document: whoever has this file and the model can ask what the document says. "
                "Share it as you would share the document."
            ),
            tr("Choose where…"),
            partial(self.library.export_to_chosen_file, entry),
        )

    # --- dropping

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        paths = dropped_paths(event.mimeData())
        if paths:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.drop_picture.show_for(paths)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        self.drop_picture.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        self.drop_picture.hide()
        paths = dropped_paths(event.mimeData())
        if paths:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.open_paths(paths)

    # --- notices

    def _on_notice(self, notice: Notice, tone: str = "warning") -> None:
        """Show a notice where the user is looking: the settings lie in front of the window."""
        dialog = self._settings_dialog
        area = dialog.banners if dialog is not None and dialog.isVisible() else self.banners
        area.tell(notice, tone)

    def _on_model_arrived(self, name: str) -> None:
        use = partial(self._use_model, name)
        self._on_notice(
            Notice(tr("“{title}” has been downloaded.", title=model_title(name)), actions=((later("Use it"), use),)),
            "info",
        )

    def _on_told(self, notice: Notice) -> None:
        self.banners.tell(notice, "warning" if notice.hint else "info")

    def _on_settings(self) -> None:
        settings = self.desk.settings
        app = QApplication.instance()
        if settings.theme != self._theme and isinstance(app, QApplication):
            self._theme = settings.theme
            theme.apply(app, settings.theme)
        if settings.language != self._language:
            self._language = settings.language
            theme.use_language(settings.language)
        if settings.first_run:
            self._show_welcome()

    def _show_welcome(self) -> None:
        if self.first_run is None:
            from gistdesk.ui.window.first_run import FirstRun

            self.first_run = FirstRun(self.desk)
            self.first_run.started.connect(self._on_start)
            self.first_run.skipped.connect(self._end_welcome)
            self._pages.addWidget(self.first_run)
        self._pages.setCurrentWidget(self.first_run)
        self.first_run.start.setFocus()

    def _end_welcome(self) -> None:
        self._pages.setCurrentIndex(0)
        if self.desk.settings.first_run:
            self.desk.change_settings(first_run=False)

    def _on_start(self) -> None:
        self._end_welcome()
        self.open_sample()

    # --- the window itself

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() == Qt.Key.Key_Escape and self.place == CHAT:
            self.chat.stop()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if self.quitting.may_close():
            self.columns.keep()
            self.end_places()
            event.accept()
            QApplication.quit()
        else:
            event.ignore()

    def end_places(self) -> None:
        """End the places' processes; runs go on."""
        if self.has_opened(LAB):
            self.lab.close()
        self.runs.close()

    def quit_now(self) -> None:
        """Close without questions."""
        self.quitting.quit_now()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
        elif event.type() == QEvent.Type.ActivationChange and self.isActiveWindow():
            self.desk.documents.look_at_sources()  # files are changed in other windows

    def _retranslate(self) -> None:
        self.setWindowTitle("gistdesk")
        self.menus.retranslate()
