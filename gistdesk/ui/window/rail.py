"""The rail at the left edge: one button per place, settings at the foot. Knows names and icons, not places.

Tab reaches the current place's button; the arrow keys go to the others.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme


class Rail(QFrame):
    """Signals: place_chosen (index), settings_pressed."""

    place_chosen = Signal(int)
    settings_pressed = Signal()

    def __init__(self, places: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        """`places`: the English text, marked by `later`, and the icon of each."""
        super().__init__(parent)
        self.setProperty("surface", "rail")
        self._texts = [text for text, _ in places]
        self._group = QButtonGroup(self)
        self.buttons = [self._button(icon) for _, icon in places]
        self._settings = self._button("settings")
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.GRID,) * 4)
        column.setSpacing(theme.GRID)
        for number, button in enumerate(self.buttons):
            button.setCheckable(True)
            self._group.addButton(button, number)
            column.addWidget(button)
        column.addStretch()
        column.addWidget(self._settings)
        self._group.idClicked.connect(self.place_chosen)
        self._settings.clicked.connect(self.settings_pressed)
        self._retranslate()

    def _button(self, icon: str) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(theme.icon(icon))
        button.setIconSize(QSize(24, 24))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setFixedHeight(7 * theme.GRID)
        return button

    def choose(self, number: int) -> None:
        """Mark a place's button as the chosen one."""
        self.buttons[number].setChecked(True)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.setAccessibleName(tr("Places"))
        for number, (button, text) in enumerate(zip(self.buttons, self._texts, strict=True)):
            button.setText(tr(text))
            button.setToolTip(f"{tr(text)} (Ctrl+{number + 1})")
        self._settings.setText(tr("Settings"))
        widest = max(
            button.fontMetrics().horizontalAdvance(button.text()) for button in (*self.buttons, self._settings)
        )
        self.setFixedWidth(max(10 * theme.GRID, widest + 5 * theme.GRID))
        self._settings.setToolTip(f"{tr('Settings')} (Ctrl+,)")
