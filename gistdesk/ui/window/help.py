"""Help (F1): how it works in four sentences, and the keys. Knows nothing of the window's state."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QGridLayout, QPushButton, QVBoxLayout, QWidget

from gistdesk.language.i18n import later, tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.overlay import Overlay

_SENTENCES = (
    later("Drop a document onto the window: the whole of it is compressed into a few gist tokens."),
    later("Ask questions of one or several documents in a chat. A document is not read again for each question."),
    later("An answer from compressed memory can be wrong. Look up passages reads the text, Verify in source shows it."),
    later("The lower the ratio, the more is kept of a document, and the more memory it takes. Measure shows how much."),
)
_OTHER_KEYS = (
    ("Enter", later("Send; in the list: open")),
    ("Shift+Enter", later("New line")),
    ("Esc", later("Stop; close")),
    ("Delete", later("Move the chosen documents to the trash (in the list)")),
)
"""Keys of focused widgets; the others come from the menus."""


class Help(Overlay):
    """The card with the help."""

    def __init__(self, parent: QWidget, keys: Sequence[tuple[str, str]]) -> None:
        """`keys`: the menus' keys, each with the English text of what it does."""
        super().__init__(parent, width=80 * theme.GRID)
        self._keys = (*keys, *_OTHER_KEYS)
        self._title, self._keys_title = Label(self.card), Label(self.card)
        theme.set_role(self._title, "title")
        theme.set_role(self._keys_title, "heading")
        self.body.addWidget(self._title)
        column = QVBoxLayout()
        column.setSpacing(theme.GRID)
        self._sentences = [Label(self.card) for _ in _SENTENCES]
        for label in self._sentences:
            label.setWordWrap(True)
            column.addWidget(label)
        column.addSpacing(theme.GRID)
        column.addWidget(self._keys_title)
        grid = QGridLayout()
        grid.setHorizontalSpacing(3 * theme.GRID)
        grid.setVerticalSpacing(theme.SMALL)
        grid.setColumnStretch(1, 1)
        self._meanings = [Label(self.card) for _ in self._keys]
        for row, ((keys, _), meaning) in enumerate(zip(self._keys, self._meanings, strict=True)):
            name = Label(keys, self.card)
            name.setFont(theme.mono_font(name))
            meaning.setWordWrap(True)
            grid.addWidget(name, row, 0)
            grid.addWidget(meaning, row, 1)
        column.addLayout(grid)
        self._close = QPushButton(self.card)
        self._close.clicked.connect(self.dismiss)
        self.foot.addStretch()
        self.foot.addWidget(self._close)
        self.body.addLayout(column)
        self._retranslate()

    def show_help(self) -> None:
        self.open()
        self._close.setFocus(Qt.FocusReason.OtherFocusReason)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._title.setText(tr("Help"))
        self.card.setAccessibleName(tr("Help"))
        self._keys_title.setText(tr("Keys"))
        for label, sentence in zip(self._sentences, _SENTENCES, strict=True):
            label.setText(tr(sentence))
        for label, (_, meaning) in zip(self._meanings, self._keys, strict=True):
            label.setText(tr(meaning).removesuffix("…"))
        self._close.setText(tr("Close"))
