"""A question on a card in the window: what it is about, one or two things to do, Cancel. Does not know the subject."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QPushButton, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.overlay import Overlay


class Question(Overlay):
    """Attributes: yes, also, no (its buttons); `also`, a second way to say yes, is hidden if there is none."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, width=60 * theme.GRID)
        self._title, self._text = Label(self.card), Label(self.card)
        for label in (self._title, self._text):
            label.setWordWrap(True)
        theme.set_role(self._title, "heading")
        self.yes, self.also, self.no = (QPushButton(self.card) for _ in range(3))
        theme.set_kind(self.yes, "primary")
        self.yes.setDefault(True)
        self._then: Callable[[], object] | None = None
        self._otherwise: Callable[[], object] | None = None
        self._instead: Callable[[], object] | None = None
        self.yes.clicked.connect(self._on_yes)
        self.also.clicked.connect(self._on_also)
        self.no.clicked.connect(self.dismiss)
        self.closed.connect(self._on_closed)
        self.foot.addStretch()
        for button in (self.no, self.also, self.yes):
            self.foot.addWidget(button)
        self.body.addWidget(self._title)
        self.body.addWidget(self._text)
        self._retranslate()

    def ask(
        self,
        title: str,
        text: str,
        yes: str,
        then: Callable[[], object],
        *,
        also: tuple[str, Callable[[], object]] | None = None,
        otherwise: Callable[[], object] | None = None,
    ) -> None:
        """Show translated texts; `then` is called when the answer is yes, `otherwise` when it is Cancel.

        `also` is another way to say yes: its text, and what to call then.
        """
        self._title.setText(title)
        self._text.setText(text)
        self.yes.setText(yes)
        self._then, self._otherwise = then, otherwise
        self._instead = also[1] if also is not None else None
        self.also.setText(also[0] if also is not None else "")
        self.also.setVisible(also is not None)
        self.card.setAccessibleName(title)
        self.open()
        self.yes.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_yes(self) -> None:
        self._end_with(self._then)

    def _on_also(self) -> None:
        self._end_with(self._instead)

    def _end_with(self, chosen: Callable[[], object] | None) -> None:
        self._otherwise = None
        self.dismiss()
        if chosen is not None:
            chosen()

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
