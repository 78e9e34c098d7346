"""Chooses how much and how a document is compressed, and says what that will cost. Knows the predictions."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from gistdesk.core.methods import GIST_METHODS, chosen_method, usual_ratio
from gistdesk.language.figures import bytes_text, count_text, duration_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.estimates import OWN, MeasuredRecall
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label

PRESETS = (8.0, 32.0, 100.0)
"""What each one keeps is measured, not promised."""
_CUSTOM = len(PRESETS)
METHODS = (("auto", later("Automatic")), *((method.name, method.choice) for method in GIST_METHODS))
LEAST, MOST = 2.0, 1000.0


class RatioChooser(QWidget):
    """Signals: changed."""

    changed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._tokens: list[int] = []
        self._model = ""
        self._group = QButtonGroup(self)
        self.buttons = [QRadioButton(self) for _ in range(_CUSTOM + 1)]
        self._notes = [Label(self) for _ in range(_CUSTOM + 1)]
        self.spin = QDoubleSpinBox(self)
        self.spin.setRange(LEAST, MOST)
        self.spin.setDecimals(0)
        self.spin.setSuffix("x")
        theme.inset(self.spin)
        self._method_name, self.methods = Label(self), QComboBox(self)
        for name, _ in METHODS:
            self.methods.addItem("", name)
        self.remember = QCheckBox(self)
        self._names = [Label(self) for _ in range(3)]
        self._values = [Label(self) for _ in range(3)]
        self._arrange()
        self._choose(desk.settings.ratio)
        self.remember.setChecked(desk.settings.remember_ratio)
        desk.models_changed.connect(self._show_measured)
        self._group.idToggled.connect(self._on_changed)
        self.spin.valueChanged.connect(self._on_changed)
        self.methods.currentIndexChanged.connect(self._on_method)
        self._retranslate()

    def _arrange(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * theme.GRID)
        grid.setVerticalSpacing(theme.SMALL)
        grid.setColumnStretch(1, 1)
        for number, button in enumerate(self.buttons):
            self._group.addButton(button, number)
            grid.addWidget(button, number, 0)
            self._notes[number].setWordWrap(True)
            theme.set_role(self._notes[number], "muted")
            if number < _CUSTOM:
                grid.addWidget(self._notes[number], number, 1)
        custom = QHBoxLayout()
        self.spin.setMinimumWidth(12 * theme.GRID)
        custom.setSpacing(2 * theme.GRID)
        custom.addWidget(self.spin)
        custom.addWidget(self._notes[_CUSTOM], 1)
        grid.addLayout(custom, _CUSTOM, 1)
        theme.set_role(self._method_name, "muted")
        grid.addWidget(self._method_name, _CUSTOM + 1, 0)
        grid.addWidget(self.methods, _CUSTOM + 1, 1)
        figures = QHBoxLayout()
        figures.setSpacing(4 * theme.GRID)
        for name, value in zip(self._names, self._values, strict=True):
            theme.set_role(name, "muted")
            theme.set_role(value, "heading")
            pair = QVBoxLayout()
            pair.setSpacing(0)
            pair.addWidget(name)
            pair.addWidget(value)
            figures.addLayout(pair)
        figures.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2 * theme.GRID)
        column.addLayout(grid)
        column.addLayout(figures)
        column.addWidget(self.remember)

    @property
    def ratio(self) -> float:
        """Tokens per gist token."""
        number = self._group.checkedId()
        return PRESETS[number] if 0 <= number < _CUSTOM else self.spin.value()

    @property
    def method(self) -> str:
        """See `gistdesk.core.methods`; "auto" is the model's usual one."""
        return str(self.methods.currentData())

    def show_tokens(self, tokens: Sequence[int], model: str = "") -> None:
        """Set what will be compressed: tokens of each document counted so far; with the chosen model unless given.

        Measurements and predictions shown are for that model and the chosen method.
        """
        self._tokens = list(tokens)
        if model != self._model:
            self._model = "" if model == self._desk.settings.model else model
            self._show_measured()
        self._predict()

    def keep(self) -> None:
        """Remember the ratio for next time, if that is ticked."""
        if self.remember.isChecked():
            self._desk.change_settings(ratio=self.ratio, remember_ratio=True)
        elif self._desk.settings.remember_ratio:
            self._desk.change_settings(remember_ratio=False)

    def start_over(self) -> None:
        """Go back to the starting ratio and the model's usual method, with the latest measurements."""
        self._show_measured()
        self.methods.setCurrentIndex(0)
        self._choose(self._desk.estimates.ratio)
        self.remember.setChecked(self._desk.settings.remember_ratio)

    def _choose(self, ratio: float) -> None:
        number = PRESETS.index(ratio) if ratio in PRESETS else _CUSTOM
        self.buttons[number].setChecked(True)
        self.spin.setValue(ratio)
        self.spin.setEnabled(number == _CUSTOM)

    def _show_measured(self) -> None:
        for number, (button, note) in enumerate(zip(self.buttons, self._notes, strict=True)):
            ratio = PRESETS[number] if number < _CUSTOM else self.spin.value()
            rows = self._desk.estimates.measured_at(ratio, method=self.method, model=self._model)
            note.setText(_measured_words(rows) + self._untrained_words(ratio))
            button.setAccessibleDescription(note.text())

    def _untrained_words(self, ratio: float) -> str:
        """A few words if the adapter used by default was never trained at this ratio."""
        info = self._desk.model_info() if self.method in ("auto", "adapter") and not self._model else None
        trained = info.trained_ratios if info else None
        if trained is None or trained[0] <= ratio <= trained[1]:
            return ""
        return " · " + tr("the adapter was trained at {low}x to {high}x", low=f"{trained[0]:g}", high=f"{trained[1]:g}")

    def _on_method(self) -> None:
        """Lower the ratio with the method: the text's own keys keep facts at lower ratios than an adapter does."""
        self._on_changed()
        if self.method not in ("auto", "adapter"):
            self._choose(min(self.ratio, usual_ratio(chosen_method(self.method, has_adapter=False))))

    def _on_changed(self) -> None:
        self._show_measured()
        self.spin.setEnabled(self._group.checkedId() == _CUSTOM)
        self._predict()
        self.changed.emit()

    def _predict(self) -> None:
        if not self._tokens:
            self._desk.forecast(0)
            for value in self._values:
                value.setText("–")
            return
        tokens, n = sum(self._tokens), len(self._tokens)
        predicted = self._desk.estimates.predict(tokens, self.ratio, n, method=self.method, model=self._model)
        self._desk.forecast(predicted.memory_bytes)
        self._values[0].setText(tr("about {figure}", figure=bytes_text(predicted.file_bytes)))
        self._values[0].setToolTip(tr("Gist tokens: {n}", n=count_text(predicted.n_slots)))
        self._values[1].setText(bytes_text(predicted.memory_bytes) if predicted.memory_bytes else tr("not known yet"))
        self._values[2].setText(
            tr("not measured yet")
            if predicted.seconds is None
            else tr("about {figure}", figure=duration_text(predicted.seconds))
        )

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        for button, ratio in zip(self.buttons, PRESETS, strict=False):
            button.setText(f"{ratio:.0f}x")
        self._show_measured()
        self.buttons[_CUSTOM].setText(tr("Custom"))
        self.spin.setAccessibleName(tr("Custom ratio"))
        self._method_name.setText(tr("Method"))
        self.methods.setAccessibleName(tr("Method"))
        for number, (_, text) in enumerate(METHODS):
            self.methods.setItemText(number, tr(text))
        self.remember.setText(tr("Remember, and do not ask again"))
        for label, text in zip(self._names, (tr("File size"), tr("Memory"), tr("Time")), strict=True):
            label.setText(text)
        self._predict()


_KINDS = {
    "passkey": later("passkeys {right}%"),
    "fact": later("single facts {right}%"),
    "facts-4": later("one of four facts {right}%"),
    "facts-8": later("one of eight facts {right}%"),
    OWN: later("facts of your documents {right}%"),
}


def _measured_words(rows: Sequence[MeasuredRecall]) -> str:
    """How much was recalled from gists at a ratio, each with the number asked; the library's own documents first."""
    if not rows:
        return tr("not measured yet")
    parts = []
    for row in sorted(rows, key=lambda row: row.kind != OWN):
        right = f"{100 * row.n_right / row.n:.0f}"
        words = tr(_KINDS[row.kind], right=right) if row.kind in _KINDS else f"{row.kind} {right}%"
        parts.append(f"{words} (n = {count_text(row.n)})")
    return tr("Measured: {what}", what=", ".join(parts))
