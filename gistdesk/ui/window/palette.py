"""The command palette (Ctrl+K): everything that can be done or opened, found by a few letters.

Knows commands as names and callables.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QKeyEvent
from PySide6.QtWidgets import QHeaderView, QLineEdit, QTreeWidget, QTreeWidgetItem, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.overlay import Overlay

_MOST = 50
_WANTED, _LEAST, _AROUND = 44 * theme.GRID, 16 * theme.GRID, 12 * theme.GRID
"""Heights: the list's in a large window, its minimum, and what surrounds it."""


@dataclass(frozen=True)
class Command:
    """Something to find: its text, what it does, its icon, and its keys as text."""

    text: str
    run: Callable[[], object]
    icon: QIcon
    keys: str = ""


def score(wanted: str, text: str) -> float | None:
    """How well `text` matches what was typed: the typed letters in order, better if adjacent or at the
    beginnings of words. None: no match. 0: nothing was typed, and everything matches equally."""
    folded, at, total = text.casefold(), -1, 0.0
    for letter in wanted.casefold().replace(" ", ""):
        found = folded.find(letter, at + 1)
        if found < 0:
            return None
        begins = found == 0 or not folded[found - 1].isalnum()
        total += 3 if begins else 2 if found == at + 1 else 1 / (found - at)
        at = found
    return total - len(text) / 1000 if total else 0.0


class Palette(Overlay):
    """Shows commands and runs the chosen one."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, width=72 * theme.GRID, top=True)
        self._commands: list[Command] = []
        self.field = QLineEdit(self.card)
        self._area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)  # the list has its own
        self.list = QTreeWidget(self.card)
        self.list.setColumnCount(2)
        self.list.setHeaderHidden(True)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.header().setStretchLastSection(False)
        self.list.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.list.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.body.setContentsMargins(*(2 * theme.GRID,) * 4)
        self.body.setSpacing(theme.GRID)
        self.body.addWidget(self.field)
        self.body.addWidget(self.list)
        self.field.textChanged.connect(self._on_text)
        self.field.returnPressed.connect(self._on_run)
        self.field.installEventFilter(self)
        self.list.itemClicked.connect(self._on_run)
        self._retranslate()

    def show_commands(self, commands: Sequence[Command]) -> None:
        self._commands = list(commands)
        self.field.clear()
        room = self.parentWidget().height() if self.parentWidget() is not None else 0
        self.list.setFixedHeight(max(_LEAST, min(_WANTED, room * 7 // 8 - _AROUND)))  # the card itself never scrolls
        self._on_text("")
        self.open()
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_text(self, wanted: str) -> None:
        rated = [(score(wanted, each.text), number, each) for number, each in enumerate(self._commands)]
        fitting = sorted(((-rate, number, each) for rate, number, each in rated if rate is not None))
        self.list.clear()
        for _, _, command in fitting[:_MOST]:
            item = QTreeWidgetItem([command.text, command.keys])
            item.setIcon(0, command.icon)
            item.setForeground(1, QColor(theme.colours().muted))
            item.setData(0, Qt.ItemDataRole.UserRole, command)
            item.setSizeHint(0, QSize(0, 4 * theme.GRID))
            self.list.addTopLevelItem(item)
        self._go_to(0)

    def _go_to(self, row: int) -> None:
        """Select a row, or the first or last one if it is out of range."""
        item = self.list.topLevelItem(max(0, min(self.list.topLevelItemCount() - 1, row)))
        if item is not None:
            self.list.setCurrentItem(item)

    def _on_run(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            command: Command = item.data(0, Qt.ItemDataRole.UserRole)
            self.dismiss()
            command.run()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}.get(
                Qt.Key(event.key())
            )
            if step is not None:
                self._go_to(self.list.currentIndex().row() + step)
                return True
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.field.setPlaceholderText(tr("Type a command, a document or a chat"))
        self.field.setAccessibleName(tr("Command palette"))
        self.card.setAccessibleName(tr("Command palette"))
        self.list.setAccessibleName(tr("Commands"))
