"""Questions kept to be asked again: a button with a menu. Knows texts; knows nothing of the desk."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from gistdesk.language.i18n import later, tr
from gistdesk.ui.chat.look import FlatButton

_SHOWN_CHARACTERS = 60
_EXAMPLES = (
    later("Summarise this document in five sentences."),
    later("Which dates are mentioned, and what for?"),
    later("Which amounts of money are mentioned?"),
    later("Who signed this, and when?"),
)


class PresetButton(FlatButton):
    """Signals: chosen (a question to put in the field), kept (the question in the field), dropped (a kept one)."""

    chosen = Signal(str)
    kept = Signal(str)
    dropped = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("more", parent)
        self._prompts: Sequence[str] = ()
        self._written = ""
        self.clicked.connect(self._on_clicked)
        self._retranslate()

    def show_prompts(self, prompts: Sequence[str]) -> None:
        """Set the kept questions."""
        self._prompts = prompts

    def show_written(self, text: str) -> None:
        """Set what is in the field and could be kept."""
        self._written = text.strip()

    def menu_of_now(self) -> QMenu:
        """A menu of what can currently be asked, kept and dropped."""
        menu = QMenu(self)
        for prompt in self._prompts or tuple(map(tr, _EXAMPLES)):
            self._action(menu, prompt).triggered.connect(lambda _=False, p=prompt: self.chosen.emit(p))
        menu.addSeparator()
        keep = menu.addAction(tr("Keep this question"))
        keep.setEnabled(bool(self._written) and self._written not in self._prompts)
        keep.triggered.connect(lambda: self.kept.emit(self._written))
        drop = menu.addMenu(tr("Forget a question"))
        drop.setEnabled(bool(self._prompts))
        for prompt in self._prompts:
            self._action(drop, prompt).triggered.connect(lambda _=False, p=prompt: self.dropped.emit(p))
        return menu

    def _action(self, menu: QMenu, prompt: str) -> QAction:
        """An action on one line; an ampersand is shown as such."""
        short = " ".join(prompt.split())
        shown = short if len(short) <= _SHOWN_CHARACTERS else f"{short[:_SHOWN_CHARACTERS]}…"
        return menu.addAction(shown.replace("&", "&&"))

    def _on_clicked(self) -> None:
        menu = self.menu_of_now()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.mapToGlobal(QPoint(0, -menu.sizeHint().height())))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.set_words(tr("Kept questions"))
