"""A text field for questions: grows with its lines, Enter submits, and input methods may finish first.

Knows nothing of chats.
"""

import time

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QGuiApplication, QInputMethodEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QSizePolicy, QWidget

from gistdesk.ui.chat.look import FLAT_TEXT
from gistdesk.ui.widgets.theme import SMALL

_SAME_KEY_S = 0.05
"""Some input methods commit on Enter and then pass on that same Enter at once; a second key press takes longer."""


class PromptEdit(QPlainTextEdit):
    """A field of one to ten lines. Enter emits `entered`, Shift+Enter starts a new line.

    Signals:
        entered: Enter was pressed while nothing was being composed.
        escaped: Esc was pressed while nothing was being composed.
        focus_changed: whether it now has the focus.
    """

    entered = Signal()
    escaped = Signal()
    focus_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None, *, most_lines: int = 10) -> None:
        super().__init__(parent)
        self._most_lines = most_lines
        self._composing = False
        self._composed_until_s = -1.0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setStyleSheet(FLAT_TEXT)
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(SMALL)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)
        self._fit()

    def finish_composing(self) -> None:
        """Have the input method commit what is being composed."""
        if self._composing:
            QGuiApplication.inputMethod().commit()

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:  # noqa: N802
        was_composing, self._composing = self._composing, bool(event.preeditString())
        super().inputMethodEvent(event)
        if was_composing and not self._composing:
            self._composed_until_s = time.monotonic()
        self._fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._on_enter(event)
        elif event.key() == Qt.Key.Key_Escape and not self._composing:
            self.escaped.emit()
        elif event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) and not self._scrolls():
            event.ignore()  # so that the transcript above scrolls
        else:
            super().keyPressEvent(event)

    def _on_enter(self, event: QKeyEvent) -> None:
        event.accept()
        if self._composing:
            self.finish_composing()
        elif time.monotonic() - self._composed_until_s > _SAME_KEY_S and not event.isAutoRepeat():
            self.entered.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        super().focusOutEvent(event)
        self.focus_changed.emit(False)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:  # noqa: N802
        """Leave files dropped here to the window."""
        return not source.hasUrls() and super().canInsertFromMimeData(source)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(10 * SMALL, self.minimumHeight())

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(80 * SMALL, self.minimumHeight())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        n_lines = self._n_lines()
        shown = min(max(n_lines, 1), self._most_lines)
        height = shown * self.fontMetrics().lineSpacing() + 2 * SMALL + 1
        if height != self.minimumHeight():
            self.setFixedHeight(height)
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(policy.ScrollBarAsNeeded if self._scrolls() else policy.ScrollBarAlwaysOff)

    def _n_lines(self) -> int:
        return round(self.document().size().height())  # a plain text's layout counts lines

    def _scrolls(self) -> bool:
        return self._n_lines() > self._most_lines
