"""A question on a card in the window: what it is about, one thing to do, Cancel. Knows nothing of the subject."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.overlay import Overlay


class Question(Overlay):
    """Attributes: yes, no (its buttons)."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, width=60 * theme.GRID)
        self._title, self._text = Label(self.card), Label(self.card)
        for label in (self._title, self._text):
            label.setWordWrap(True)
        theme.set_role(self._title, "heading")
        self.yes, self.no = QPushButton(self.card), QPushButton(self.card)
        theme.set_kind(self.yes, "primary")
        self.yes.setDefault(True)
        self._then: Callable[[], object] | None = None
        self._otherwise: Callable[[], object] | None = None
        self.yes.clicked.connect(self._on_yes)
        self.no.clicked.connect(self.dismiss)
        self.closed.connect(self._on_closed)
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addStretch()
        row.addWidget(self.no)
        row.addWidget(self.yes)
        self.body.addWidget(self._title)
        self.body.addWidget(self._text)
        self.body.addLayout(row)
        self._retranslate()

    def ask(
        self,
        title: str,
        text: str,
        yes: str,
        then: Callable[[], object],
        *,
        otherwise: Callable[[], object] | None = None,
    ) -> None:
        """Show translated texts; `then` is called when the answer is yes, `otherwise` when it is not."""
        self._title.setText(title)
        self._text.setText(text)
        self.yes.setText(yes)
        self._then, self._otherwise = then, otherwise
        self.card.setAccessibleName(title)
        self.open()
        self.yes.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_yes(self) -> None:
        self._otherwise = None
        self.dismiss()
        if self._then is not None:
            self._then()

    def _on_closed(self) -> None:
        otherwise, self._otherwise = self._otherwise, None
        if otherwise is not None:
            otherwise()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.no.setText(tr("Cancel"))
