"""The banner in an answer that failed: what happened, what to do, Retry, and details to copy.

Buttons are below the text, so that it fits into a narrow column. Does not know what failed.
"""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from gistdesk.language.i18n import later, tr
from gistdesk.session.answers import OUTDATED, TOO_MUCH
from gistdesk.session.notices import Notice
from gistdesk.ui.chat.look import Card, Muted
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.flow import FlowRow
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.theme import GRID, SMALL

_REMEDIES = {TOO_MUCH: ("models", later("Choose another model")), OUTDATED: ("recompress", later("Recompress"))}


class ChatBanner(Card):
    """Signals: retried; remedied: the chosen remedy, "models" (choose another one) or "recompress"."""

    retried = Signal()
    remedied = Signal(str)

    def __init__(self, notice: Notice, parent: QWidget | None = None, *, kind: str = "") -> None:
        """`kind` is the problem's, which decides what is offered beside Retry."""
        super().__init__("warning", parent)
        self._notice = notice
        self._sign = Label()
        self._message = Label()
        self._message.setWordWrap(True)
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        self._message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._hint = Muted()
        self._details = QPlainTextEdit(notice.details)
        self._details.setReadOnly(True)
        self._details.setFont(theme.mono_font(self._details))
        self._details.setFixedHeight(14 * GRID)
        self._details.setTabChangesFocus(True)
        self._details.hide()
        self._kind = kind
        self.remedy = QPushButton()
        self.remedy.setVisible(kind in _REMEDIES)
        theme.set_kind(self.remedy, "primary")
        self.remedy.clicked.connect(self._on_remedy)
        self.retry, self._more, self._copy = QPushButton(), QPushButton(), QPushButton()
        theme.set_kind(self._more, "link")
        self._more.setCheckable(True)
        self._arrange()
        self._more.toggled.connect(self._on_more_toggled)
        self.retry.clicked.connect(self.retried)
        self._copy.clicked.connect(self._on_copy_clicked)
        self._more.setVisible(bool(notice.details))
        self._copy.hide()
        self._retranslate()

    def _arrange(self) -> None:
        texts = QVBoxLayout()
        texts.setSpacing(SMALL)
        texts.addWidget(self._message)
        texts.addWidget(self._hint)
        head = QHBoxLayout()
        head.setSpacing(GRID)
        head.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(texts, 1)
        buttons = FlowRow(gap=GRID)
        for button in (self.remedy, self.retry, self._more, self._copy):
            buttons.add(button)
        self.rows.setSpacing(GRID)
        self.rows.addLayout(head)
        self.rows.addWidget(self._details)
        self.rows.addWidget(buttons)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.LanguageChange, QEvent.Type.PaletteChange):
            self._retranslate()

    def _retranslate(self) -> None:
        sign = theme.icon("warning", "warning").pixmap(theme.ICON, theme.ICON)
        self._sign.setPixmap(sign)
        self._message.setText(tr(self._notice.message))
        self._hint.setText(tr(self._notice.hint))
        self._hint.setVisible(bool(self._notice.hint))
        self.setAccessibleName(f"{self._message.text()} {self._hint.text()}")
        self.retry.setText(tr("Ask anyway") if self._kind == TOO_MUCH else tr("Retry"))
        if self._kind in _REMEDIES:
            self.remedy.setText(tr(_REMEDIES[self._kind][1]))
        self._more.setText(tr("Details"))
        self._details.setAccessibleName(tr("Details"))
        self._copy.setText(tr("Copy details"))

    def _on_remedy(self) -> None:
        self.remedied.emit(_REMEDIES[self._kind][0])

    def _on_more_toggled(self, shown: bool) -> None:
        self._details.setVisible(shown)
        self._copy.setVisible(shown)

    def _on_copy_clicked(self) -> None:
        parts = (self._message.text(), self._hint.text(), self._notice.details)
        QGuiApplication.clipboard().setText("\n".join(part for part in parts if part))
