"""The window's menus and keys; the command palette lists the same. Knows the window's methods, not what they do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar

from gistdesk.language.i18n import later, tr
from gistdesk.ui.widgets import theme

if TYPE_CHECKING:
    from gistdesk.session.desk import Desk
    from gistdesk.ui.chat.place import ChatPlace
    from gistdesk.ui.library.place import LibraryPlace
    from gistdesk.ui.window.adding import Adding
    from gistdesk.ui.window.help import Help
    from gistdesk.ui.window.palette import Command

_CHAT = 1
_PALETTE = later("Command palette")


class Commanded(Protocol):
    """The window as its menus know it. The chat and the help are created on first use."""

    desk: Desk
    library: LibraryPlace
    adding: Adding
    chat: ChatPlace
    help: Help

    def menuBar(self) -> QMenuBar: ...  # noqa: N802
    def open_sample(self) -> None: ...
    def new_chat(self) -> None: ...
    def show_settings(self) -> None: ...
    def show_place(self, number: int) -> None: ...
    def show_inspector(self, shown: bool) -> None: ...
    def show_jobs(self, shown: bool) -> None: ...
    def show_palette(self) -> None: ...
    def focus_find(self) -> None: ...
    def close(self) -> bool: ...


class Menus:
    """Attributes: inspector, jobs, pause (checkable actions)."""

    def __init__(self, window: Commanded) -> None:
        self._window = window
        self._menus: list[tuple[QMenu, str]] = []
        self._actions: list[tuple[QAction, str]] = []
        w = window
        self._begin(later("File"))
        self._add(later("Add documents…"), w.adding.choose_files, "plus", "Ctrl+O")
        self._add(later("Add a folder…"), w.adding.choose_folder, "folder")
        self._add(later("Paste a document"), w.adding.paste, "plus", "Ctrl+V")
        self._add(later("Import gists…"), w.adding.choose_gists, "import")
        self._add(later("Open the sample document"), w.open_sample, "reader")
        self.pause = self._add(later("Pause compressing"), None, "pause")
        self.pause.setCheckable(True)
        self.pause.triggered.connect(w.desk.pause_queue)
        self._line()
        self._add(later("New chat"), w.new_chat, "chat", "Ctrl+N")
        self._add(later("Undo moving to the trash"), w.library.undo, "undo")
        self._line()
        self._add(later("Settings"), w.show_settings, "settings", "Ctrl+,")
        self._quit = self._add(later("Quit"), w.close, "close", "Ctrl+Q")
        self._begin(later("View"))
        for number, (text, icon) in enumerate(
            ((later("Library"), "library"), (later("Chat"), "chat"), (later("Lab"), "lab"))
        ):
            self._add(text, partial(w.show_place, number), icon, f"Ctrl+{number + 1}")
        self._line()
        self.inspector = self._add(later("Inspector"), None, "inspector", "F9")
        self.jobs = self._add(later("Jobs"), None, "jobs", "Ctrl+J")
        for action in (self.inspector, self.jobs):
            action.setCheckable(True)
        self.inspector.setChecked(True)
        self.inspector.triggered.connect(w.show_inspector)
        self.jobs.triggered.connect(w.show_jobs)
        self._line()
        self._add(later("Find"), w.focus_find, "search", "Ctrl+F")
        self._add(_PALETTE, w.show_palette, "search", "Ctrl+K")
        self._begin(later("Chat"))
        self._chat(later("Write a question"), lambda: w.chat.focus_composer(), "edit", "Ctrl+L")
        self._chat(later("Stop the answer"), lambda: w.chat.stop(), "stop")
        self._chat(later("Regenerate the answer"), lambda: w.chat.regenerate(), "retry", "Ctrl+R")
        self._chat(later("Look up passages"), lambda: w.chat.toggle_look_up(), "search")
        self._chat(later("Verify in source"), lambda: w.chat.verify(), "verify", "Ctrl+Shift+F")
        self._begin(later("Help"))
        self._add(later("Help"), lambda: w.help.show_help(), "help", "F1")

    def _begin(self, text: str) -> None:
        self._menus.append((self._window.menuBar().addMenu(text), text))

    def _line(self) -> None:
        self._menus[-1][0].addSeparator()

    def _add(self, text: str, slot: Callable[[], object] | None, icon: str, keys: str = "") -> QAction:
        action = QAction(theme.icon(icon), text, self._window)
        action.setIconVisibleInMenu(False)
        action.setMenuRole(QAction.MenuRole.NoRole)
        if keys:
            action.setShortcut(QKeySequence(keys))
        if slot is not None:
            action.triggered.connect(lambda _=False, slot=slot: slot())
        self._menus[-1][0].addAction(action)
        self._actions.append((action, text))
        return action

    def _chat(self, text: str, slot: Callable[[], object], icon: str, keys: str = "") -> None:
        """An action on the open chat, which brings its place to the front; the place is created if needed."""
        self._add(text, partial(self._in_chat, slot), icon, keys)

    def _in_chat(self, slot: Callable[[], object]) -> None:
        self._window.show_place(_CHAT)
        slot()

    def commands(self) -> list[Command]:
        """Everything in the menus, for the palette."""
        from gistdesk.ui.window.palette import Command

        actions = [action for action, text in self._actions if action.isEnabled() and text != _PALETTE]
        actions.sort(key=lambda action: action is self._quit)  # so that nobody lands on it by accident
        return [Command(each.text(), each.trigger, each.icon(), each.shortcut().toString()) for each in actions]

    def keys(self) -> list[tuple[str, str]]:
        """Every key in the menus, with the English text of its action."""
        return [(action.shortcut().toString(), text) for action, text in self._actions if action.shortcut().toString()]

    def retranslate(self) -> None:
        """Set every text again."""
        for menu, text in self._menus:
            menu.setTitle(tr(text))
        for action, text in self._actions:
            action.setText(tr(text))
