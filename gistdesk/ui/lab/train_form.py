"""What to train: preset, base, data and a few fields; the pre-flight check, the command, Start.

Knows the command line's arguments; starts nothing.
"""

import shlex
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLineEdit, QPushButton, QSpinBox, QWidget

from gistdesk.language.figures import PRECISIONS as PRECISION_NAMES
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.run import TRAIN
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.commands import TRAINING, shown, train_words
from gistdesk.ui.lab.form import CommandLine, Form, PathField
from gistdesk.ui.lab.models import ModelBox
from gistdesk.ui.lab.preflight import Preflight
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.model_title import model_title

PRESETS = ("check", "quick", "standard", "full")
_PRESET_NAMES = (
    later("Check: 50 steps, minutes on a CPU"),
    later("Quick: 600 steps"),
    later("Standard: my own model, NF4, 600 steps"),
    later("Full: my own model, NF4, 6,000 steps"),
)
_DATA = (
    (later("As in the preset (generated facts)"), "", "", False),
    (later("My documents"), "documents", "mix={reconstruction: 0.5, continuation: 0.5}", True),
    (later("My questions and answers (JSONL)"), "questions", "mix={questions: 1.0}", False),
    (later("Instructions (Alpaca+ JSONL)"), "alpaca", "mix={alpaca: 1.0}", False),
    (later("LongBench (JSONL)"), "longbench", "mix={longbench: 1.0}", False),
)
_PRECISIONS = ("auto", "nf4", "int8", "bf16", "fp32")


class TrainForm(Form):
    """Attributes: start (the button), preflight. Signals: started (the command's arguments, a title)."""

    started = Signal(list, str)

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self._runs = desk, runs
        self.preset = self.add_choices(QComboBox(self), _PRESET_NAMES)
        self.base = ModelBox(desk, None, typed=True)
        self.adapter = QComboBox(self)
        self.data = self.add_choices(QComboBox(self), tuple(text for text, *_ in _DATA))
        self.path = PathField(folder=False, parent=self)
        self.precision = QComboBox(self)
        self.steps, self.batch, self.rank, self.seed = QSpinBox(self), QSpinBox(self), QSpinBox(self), QSpinBox(self)
        self.learning_rate = QDoubleSpinBox(self)
        self.further = QLineEdit(self)
        self.preflight = Preflight(self)
        self.command = CommandLine(self)
        self.start = QPushButton(self)
        self._problem = Label(self)
        self._arrange()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.refresh)
        self.show_preset()
        self._connect()
        self.retranslate()

    def show_preset(self) -> None:
        """Show the preset's own values, ready to be changed."""
        values = TRAINING[PRESETS[self.preset.currentIndex()]]
        for name, box in self._boxes().items():
            box.setValue(values[name])
        self.precision.setCurrentIndex(_PRECISIONS.index(values["precision"]))

    def _boxes(self) -> dict[str, Any]:
        """The numeric fields, by their names in the configuration."""
        numbers = {"steps": self.steps, "learning_rate": self.learning_rate, "batch": self.batch}
        return {**numbers, "rank": self.rank, "seed": self.seed}

    def _changed(self) -> dict[str, str]:
        """What differs from the preset, in the command line's form."""
        values = TRAINING[PRESETS[self.preset.currentIndex()]]
        now = {name: box.value() for name, box in self._boxes().items()}
        now["precision"] = self.precision.currentData()
        texts = {name: (_text(value), _text(values[name])) for name, value in now.items()}
        return {name: text for name, (text, own) in texts.items() if text != own}

    def _arrange(self) -> None:
        self.steps.setRange(1, 10_000_000)
        self.batch.setRange(1, 1024)
        self.rank.setRange(1, 1024)
        self.seed.setRange(0, 2**31 - 1)
        self.learning_rate.setDecimals(6)
        self.learning_rate.setRange(0.000001, 1.0)
        self.learning_rate.setSingleStep(0.0001)
        for box in (self.steps, self.batch, self.rank, self.seed, self.learning_rate):
            theme.inset(box)
        for box in (self.adapter, self.preset, self.data):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(12)
        for name in _PRECISIONS:
            self.precision.addItem(PRECISION_NAMES.get(name, ""), name)
        self.add(later("Preset"), self.preset)
        self.add(later("Base model"), self.base, later("Starter, a model's folder, or a hub id."))
        self.add(later("Start from"), self.adapter)
        self.add(later("Data"), self.data)
        self._path_row = self.add("", self.path)
        self.add(later("Precision of the base"), self.precision)
        self.add(later("Steps"), self.steps)
        self.add(later("Learning rate"), self.learning_rate)
        self.add(later("Batch"), self.batch, later("Documents per step."))
        self.add(later("Rank"), self.rank, later("Of the adapter; a higher one can learn more and needs more memory."))
        self.add(later("Seed"), self.seed, later("Of weights and data."))
        self.add(later("More fields"), self.further, later("Fields of the configuration, as field=value."))
        self._problem.setWordWrap(True)
        theme.set_role(self._problem, "warning")
        theme.set_kind(self.start, "primary")
        self.start.setIcon(theme.icon("play", "on_accent"))
        self.follow(self.start, later("Start"))
        for widget in (self._problem, self.preflight, self.command, self.start):
            self.foot.addWidget(widget)

    def _connect(self) -> None:
        for signal in (
            self.preset.currentIndexChanged,
            self.base.currentIndexChanged,
            self.base.editTextChanged,
            self.adapter.currentIndexChanged,
            self.data.currentIndexChanged,
            self.path.changed,
            self.precision.currentIndexChanged,
            self.steps.valueChanged,
            self.learning_rate.valueChanged,
            self.batch.valueChanged,
            self.rank.valueChanged,
            self.seed.valueChanged,
            self.further.textChanged,
        ):
            signal.connect(self._on_changed)
        self.preset.currentIndexChanged.connect(self.show_preset)
        self._runs.listed.connect(self._list_adapters)
        self._desk.settings_changed.connect(self._on_changed)
        self.preflight.changed.connect(self._on_checked)
        self.start.clicked.connect(self._on_start)

    def words(self) -> list[str] | None:
        """The command line's arguments; None while something is missing, in which case the form says what."""
        _, field, mix, _ = _DATA[self.data.currentIndex()]
        self._problem.setText("")
        if field and not self.path.path:
            self._problem.setText(tr("Choose the file or folder it should learn from."))
        if not self.base.model:
            self._problem.setText(tr("Choose a base model."))
        try:
            further = shlex.split(self.further.text())
        except ValueError:
            further = [""]
        if any("=" not in word for word in further):
            self._problem.setText(tr("More fields are written as field=value, for example slots=32."))
        if self._problem.text():
            return None
        device = self._desk.settings.device
        settings = {
            "base": self.base.model,
            "start_from": self.adapter.currentData() or "",
            "device": "" if device == "auto" else device,
            "threads": str(self._desk.settings.threads or ""),
            **self._changed(),
            field: self.path.path if field else "",
        }
        words = train_words(PRESETS[self.preset.currentIndex()], settings)
        for word in ([mix] if mix else []) + further:
            words += ["--set", word]
        if self.steps.value() < 50:
            words += ["--set", f"warmup_steps={self.steps.value() // 10}"]
        return words

    def title(self) -> str:
        """A name for the run."""
        name = (later("Check"), later("Quick"), later("Standard"), later("Full"))[self.preset.currentIndex()]
        return f"{tr(name)} · {model_title(self.base.model)}"

    def choose_check(self) -> None:
        """Choose the smallest possible run."""
        self.preset.setCurrentIndex(0)
        self.base.choose("starter")
        self.data.setCurrentIndex(0)

    def refresh(self) -> None:
        words = self.words()
        self._problem.setVisible(words is None)
        self.preflight.setVisible(words is not None)
        if words is not None:
            self.command.show_words(shown(words))
            self.preflight.check([word for word in words if word not in ("--work", "{folder}")])
        self._on_checked()

    def _on_checked(self) -> None:
        """Disable Start for what cannot fit."""
        is_there = not self._problem.text() and self.preflight.fits is True
        self.start.setEnabled(is_there)

    def _on_changed(self) -> None:
        self._path_row.setVisible(self.data.currentIndex() > 0)
        self.path.is_folder = _DATA[self.data.currentIndex()][3]
        self.path.retranslate()
        self._soon.start(50)

    def _on_start(self) -> None:
        words = self.words()
        if words is not None:
            self.started.emit(words, self.title())

    def _list_adapters(self) -> None:
        chosen = self.adapter.currentData() or ""
        self.adapter.blockSignals(True)
        self.adapter.clear()
        self.adapter.addItem(tr("A fresh adapter"), "")
        for run in self._runs.of(TRAIN):
            if run.adapter is not None:
                self.adapter.addItem(tr("Adapter of {title}", title=run.start.title), str(run.adapter))
        self.adapter.setCurrentIndex(max(0, self.adapter.findData(chosen)))
        self.adapter.blockSignals(False)

    def retranslate(self) -> None:
        super().retranslate()
        self.path.setAccessibleName(tr("Data"))
        self.precision.setItemText(0, tr("Automatic"))
        self.further.setPlaceholderText(tr("For example {fields}", fields="slots=32 ratio=64"))
        self.base.refresh()
        self._list_adapters()
        self._on_changed()


def _text(value: object) -> str:
    """A value in the command line's form; the fields are rounded."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
