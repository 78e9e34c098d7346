"""A code block of an answer. Knows nothing of messages."""

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QGuiApplication, QResizeEvent, QTextCursor, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.chat.look import Card, FlatButton, Muted
from gistdesk.ui.chat.pieces import Piece
from gistdesk.ui.widgets.theme import GRID, SMALL, mono_font


class CodeView(Card):
    """A code block: its language, a button that copies it, and lines that are not wrapped.

    Attributes: copy_button.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("code", parent)
        self.rows.setContentsMargins(GRID + SMALL, SMALL, GRID, SMALL)
        self._language = Muted()
        self.copy_button = FlatButton()
        self.copy_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the message says when
        self.copy_button.clicked.connect(self._on_copy_clicked)
        head = QHBoxLayout()
        head.addWidget(self._language, 1)
        head.addWidget(self.copy_button)
        self._code = _Lines()
        self.rows.addLayout(head)
        self.rows.addWidget(self._code)
        self._retranslate()

    def set_piece(self, piece: Piece) -> None:
        """Show this block; what it shares with the last one is not redrawn."""
        self._language.setText(piece.language or "")
        self._code.set_text(piece.text)

    def text(self) -> str:
        """The code."""
        return self._code.toPlainText()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.copy_button.set_words(tr("Copy code"))
        self._code.setAccessibleName(tr("Code"))

    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self.text())
        self.copy_button.set_words(tr("Copied"))


class _Lines(QPlainTextEdit):
    """Lines of code, all of them visible; scrolls sideways."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.viewport().setAutoFillBackground(False)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setUndoRedoEnabled(False)
        self.document().setDocumentMargin(0)
        self.setFont(mono_font(self))
        self._shown = ""

    def set_text(self, text: str) -> None:
        if self._shown and text.startswith(self._shown):
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(text[len(self._shown) :])
        else:
            self.setPlainText(text)
        self._shown = text
        self._fit()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(5 * GRID, 0)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        if event.angleDelta().x():
            super().wheelEvent(event)
        else:
            event.ignore()

    def _fit(self) -> None:
        bar = self.horizontalScrollBar().sizeHint().height()
        height = self.blockCount() * self.fontMetrics().lineSpacing() + bar + 2
        if height != self.minimumHeight():
            self.setFixedHeight(height)
