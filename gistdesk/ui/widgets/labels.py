"""Labels and tooltips that show text as it is, and labels that adapt to the room they have.

Titles, paths and messages come from outside; what looks like HTML in them stays text. Knows nothing of what they say.
"""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtGui import Qt as Text
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme


class Label(QLabel):
    """A label that takes nothing for HTML unless told to: Qt would load the pictures a title names."""

    def __init__(self, text: str | QWidget | None = "", parent: QWidget | None = None) -> None:
        """Arguments as in Qt: a text, a parent, or both."""
        if not isinstance(text, str):
            text, parent = "", text
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        if text:
            self.setText(text)


def tip(text: str) -> str:
    """A tooltip showing `text` as it is, even where Qt would take it for HTML."""
    if not Text.mightBeRichText(text):
        return text
    from html import escape  # its table of entities is not needed to draw the window

    return f"<qt>{escape(text).replace(chr(10), '<br>')}</qt>"


class ElidedLabel(Label):
    """One line that is elided, in the middle unless told otherwise, when there is no room for it; the tooltip then
    has all of it."""

    def __init__(
        self,
        text: str = "",
        parent: QWidget | None = None,
        *,
        where: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
    ) -> None:
        super().__init__(parent)
        self._where, self._ending = where, ""
        self.setText(text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def setText(self, text: str, *, ending: str = "") -> None:  # noqa: N802
        """`ending` is the end of `text` and is shown whole, as long as there is room for a little more."""
        self._ending = ending
        super().setText(text)
        self._explain()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(4 * theme.GRID, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._explain()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.contentsRect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), self._shortened())

    def _shortened(self) -> str:
        metrics, room = self.fontMetrics(), self.contentsRect().width()
        room_of_beginning = room - metrics.horizontalAdvance(self._ending)
        if not self._ending:
            return metrics.elidedText(self.text(), self._where, room)
        if room_of_beginning < 4 * theme.GRID:  # the middle would join two halves that say something else together
            beginning = metrics.elidedText(
                self.text().removesuffix(self._ending), Qt.TextElideMode.ElideRight, room // 2
            )
            left = room - metrics.horizontalAdvance(beginning)
            return beginning + metrics.elidedText(self._ending, Qt.TextElideMode.ElideRight, left)
        return metrics.elidedText(self.text().removesuffix(self._ending), self._where, room_of_beginning) + self._ending

    def _explain(self) -> None:
        self.setToolTip(tip(self.text()) if self._shortened() != self.text() else "")


class EmptyState(QWidget):
    """What an empty place is for: a picture, a line, a sentence, buttons.

    Attributes: buttons.
    """

    def __init__(
        self,
        icon: str,
        title: str,
        text: str,
        actions: Sequence[tuple[str, Callable[[], object]]] = (),
        parent: QWidget | None = None,
    ) -> None:
        """Texts are in English (marked by `later`); the first action's button is the default one."""
        super().__init__(parent)
        self._icon, self._texts = icon, (title, text, *(label for label, _ in actions))
        self._more = ""
        self._picture = Label(self)
        self._title, self._text = Label(self), Label(self)
        theme.set_role(self._title, "title")
        theme.set_role(self._text, "muted")
        self.buttons = [QPushButton(self) for _ in actions]
        self._arrange()
        for number, (button, (_, action)) in enumerate(zip(self.buttons, actions, strict=True)):
            theme.set_kind(button, "" if number else "primary")
            button.clicked.connect(lambda _=False, action=action: action())
        self._retranslate()

    def _arrange(self) -> None:
        for label in (self._picture, self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(label is not self._picture)
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addStretch()
        for button in self.buttons:
            row.addWidget(button)
        row.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(*(4 * theme.GRID,) * 4)
        column.setSpacing(2 * theme.GRID)
        column.addStretch(2)
        for label in (self._picture, self._title, self._text):
            column.addWidget(label)
        column.addLayout(row)
        column.addStretch(3)

    def say(self, text: str, more: str) -> None:
        """Show other sentences instead of the original ones; also in English."""
        self._texts = (self._texts[0], text, *self._texts[2:])
        self._more = more
        self._retranslate()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
        elif event.type() == QEvent.Type.PaletteChange:
            self._draw()

    def _retranslate(self) -> None:
        labels: list[QLabel | QPushButton] = [self._title, self._text, *self.buttons]
        for widget, text in zip(labels, self._texts, strict=True):
            widget.setText(tr(text))
        if self._more:
            self._text.setText(f"{tr(self._texts[1])} {tr(self._more)}")
        self._draw()

    def _draw(self) -> None:
        side = 8 * theme.GRID
        self._picture.setPixmap(theme.icon(self._icon, "accent").pixmap(QSize(side, side), self.devicePixelRatioF()))
