"""A badge that says whether a model fits this computer: icon, word and numbers. Knows rows of models only."""

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from gistdesk.language.figures import bytes_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import ModelRow
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label, tip

_LOOKS = {
    "fits": (later("Fits"), "ready", "good"),
    "tight": (later("Tight"), "warning", "warning"),
    "too large": (later("Too large"), "error", "bad"),
    "unknown": (later("Size not known yet"), "info", "muted"),
}


def numbers(row: ModelRow) -> str:
    """The figures behind a badge: "Needs 1.2 GB, 8.0 GB are free"; or what is wrong with the model."""
    if row.problem:
        return tr(row.problem)
    free = bytes_text(row.free_bytes)
    if row.needed_bytes is None:
        return tr("{free} are free", free=free)
    return tr("Needs {needed}, {free} are free", needed=bytes_text(row.needed_bytes), free=free)


class FitBadge(QWidget):
    """Shows a row's fit, its numbers as the tooltip."""

    def __init__(self, row: ModelRow, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = row
        self._icon, self._text = Label(self), Label(self)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(theme.SMALL)
        line.addWidget(self._icon)
        line.addWidget(self._text)
        self.show_row(row)

    def show_row(self, row: ModelRow) -> None:
        self._row = row
        text, icon, colour = _LOOKS["too large" if row.problem else row.fit]
        if row.problem:
            text = later("Cannot be used")
        self._icon.setPixmap(theme.icon(icon, colour).pixmap(theme.SMALL_ICON, theme.SMALL_ICON))
        self._text.setText(tr(text))
        theme.set_role(self._text, colour)
        self.setToolTip(tip(numbers(row)))
        self.setAccessibleName(f"{tr(text)}: {numbers(row)}")

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.LanguageChange, QEvent.Type.PaletteChange):
            self.show_row(self._row)
