"""One settings page: a title and rows of label, control and a sentence. Knows nothing of what is set."""

from itertools import pairwise

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.combo import fit_list
from gistdesk.ui.widgets.labels import Label


def show_value(box: QSpinBox | QDoubleSpinBox, value: float) -> None:
    """Unless something is being typed into it, which is taken when the box is left."""
    if not box.hasFocus():
        box.setValue(value)  # type: ignore[arg-type]


class SettingsPage(QScrollArea):
    """A page whose texts are given in English, marked by `later`, and set again when the language changes."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self._texts: list[tuple[QWidget, str]] = []
        self._names: list[tuple[QWidget, str]] = []
        self._choices: list[tuple[QComboBox, tuple[str, ...]]] = []
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inner = QWidget(self)
        self.column = QVBoxLayout(inner)
        self.column.setContentsMargins(*(3 * theme.GRID,) * 4)
        self.column.setSpacing(2 * theme.GRID)
        self.add_text(title, "title")
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(3 * theme.GRID)
        self._grid.setVerticalSpacing(theme.SMALL)
        self._grid.setColumnStretch(1, 1)
        self.column.addLayout(self._grid)
        self.setWidget(inner)

    def add_row(self, label: str, control: QWidget, note: str = "") -> None:
        """Add a control with its label at the left and, below, a sentence on what it does."""
        row = self._grid.rowCount()
        name = Label(self)
        name.setBuddy(control)
        name.setMinimumHeight(4 * theme.GRID)
        self._texts.append((name, label))
        self._names.append((control, label))
        self._grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignTop)
        if isinstance(control, QAbstractButton | QComboBox) or control.sizePolicy().horizontalPolicy() in (
            QSizePolicy.Policy.Minimum,
            QSizePolicy.Policy.Fixed,
        ):
            self._grid.addWidget(control, row, 1, Qt.AlignmentFlag.AlignLeft)
        else:
            self._grid.addWidget(control, row, 1)
        if note:
            text = Label(self)
            text.setWordWrap(True)
            theme.set_role(text, "muted")
            self._texts.append((text, note))
            self._grid.addWidget(text, row + 1, 1)
        self._grid.setRowMinimumHeight(row + 2, theme.GRID)

    def add_text(self, text: str, role: str = "") -> QLabel:
        """Add a paragraph over the whole width."""
        label = Label(self)
        label.setWordWrap(True)
        theme.set_role(label, role)
        self._texts.append((label, text))
        self.column.addWidget(label)
        return label

    def add_choices(self, box: QComboBox, texts: tuple[str, ...]) -> QComboBox:
        """Fill a box with texts that follow the language."""
        box.addItems(list(texts))
        self._choices.append((box, texts))
        return box

    def set_text_of(self, widget: QWidget, text: str) -> None:
        """Set a button's or label's text, which follows the language."""
        self._texts.append((widget, text))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self.order_focus()

    def order_focus(self) -> None:
        """Tab goes down the page, once everything has its place, in whatever order it was made."""
        QTimer.singleShot(0, self, self._order_focus)

    def _order_focus(self) -> None:
        inner = self.widget()
        here = [each for each in inner.findChildren(QWidget) if each.window() is inner.window()]  # and not in a popup
        reached = [each for each in here if each.focusPolicy() & Qt.FocusPolicy.TabFocus and not each.focusProxy()]
        places = {each: each.mapTo(inner, QPoint(0, each.height() // 2)) for each in reached}
        for one, next_one in pairwise(
            sorted(reached, key=lambda each: (places[each].y() // theme.GRID, places[each].x()))
        ):
            QWidget.setTabOrder(one, next_one)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        for widget, text in self._texts:
            widget.setText(tr(text))  # type: ignore[attr-defined]
        for control, text in self._names:
            control.setAccessibleName(tr(text))
        for box, texts in self._choices:
            for number, text in enumerate(texts):
                box.setItemText(number, tr(text))
            fit_list(box)
