"""What a benchmark measures: model, tasks, methods, languages, size; with the time it will take and its command.

Knows the command line's arguments; starts nothing.
"""

import math
import re

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLineEdit, QPushButton, QSpinBox, QWidget

from gistdesk.benchmark_names import ENGLISH_ONLY, SIZES, TEXT_KINDS
from gistdesk.language.figures import count_text, duration_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.run import BENCHMARK
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.commands import BenchChoice, predicted_s, shown
from gistdesk.ui.lab.form import CheckList, CommandLine, Form, PathField
from gistdesk.ui.lab.models import ModelBox
from gistdesk.ui.lab.words import METHOD_NOTES, METHODS, TASKS
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.model_title import model_title

_SIZE_NAMES = (later("Quick: up to two minutes"), later("Standard"), later("Full: a night"), later("Custom sizes"))
_OWN = 3
_DOCUMENTS = (later("Bundled texts"), later("My document"), later("My folder"))
_FILES = (later("None"), later("LongBench folder"), later("Multiple choice (JSONL)"), later("Instructions (Alpaca+)"))
_FILE_OPTIONS = ("", "longbench", "choices", "instructions")


class BenchForm(Form):
    """Attributes: start (the button). Signals: started (a BenchChoice)."""

    started = Signal(object)

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self._runs = desk, runs
        self.model = ModelBox(desk, runs)
        self.size = self.add_choices(QComboBox(self), _SIZE_NAMES)
        self.lengths, self.depths, self.ratios = QLineEdit(self), QLineEdit(self), QLineEdit("100", self)
        self.samples, self.records, self.seed = QSpinBox(self), QSpinBox(self), QSpinBox(self)
        self.methods = CheckList(METHODS, list(METHODS)[:5], n_visible=5, parent=self)
        self.methods.set_notes(METHOD_NOTES)
        self.tasks = CheckList(TASKS, ["passkey"], n_visible=4, parent=self)
        self.languages = {"en": QCheckBox(self), "ko": QCheckBox(self)}
        self.documents = self.add_choices(QComboBox(self), _DOCUMENTS)
        self.document = PathField(folder=False, parent=self)
        self.files = self.add_choices(QComboBox(self), _FILES)
        self.file = PathField(folder=False, parent=self)
        self._predicted = Label(self)
        self.command = CommandLine(self)
        self.start = QPushButton(self)
        self._problem = Label(self)
        self._arrange()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.refresh)
        self._connect()
        self._on_size()
        self.retranslate()

    def _arrange(self) -> None:
        self.samples.setRange(1, 1000)
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setValue(1)
        self.records.setRange(0, 100_000)
        self.records.setValue(20)
        for box in (self.samples, self.records, self.seed):
            theme.inset(box)
        languages = QWidget(self)
        row = QHBoxLayout(languages)
        row.setContentsMargins(0, 0, 0, 0)
        for box in self.languages.values():
            box.setChecked(True)
            row.addWidget(box)
        row.addStretch()
        self.add(later("Model or adapter"), self.model)
        self.add(later("Size"), self.size)
        self.add(later("Methods"), self.methods)
        self.add(later("Tasks"), self.tasks)
        self.add(later("Languages"), languages)
        self.add(later("Document set"), self.documents, later("What needles are hidden in."))
        self._document_row = self.add("", self.document)
        self.add(later("Ratios"), self.ratios, later("Document tokens per gist token; several: 32, 100."))
        self.add(later("Lengths in tokens"), self.lengths)
        self.add(later("Depths in percent"), self.depths)
        self.add(later("Samples per cell"), self.samples)
        self.add(later("Questions from files"), self.files)
        self._file_rows = (self.add("", self.file), self.add(later("Questions per file"), self.records))
        self.add(later("Seed"), self.seed, later("The same seed gives the same documents and questions."))
        self._problem.setWordWrap(True)
        self._predicted.setWordWrap(True)
        theme.set_role(self._problem, "warning")
        theme.set_kind(self.start, "primary")
        self.start.setIcon(theme.icon("play", "on_accent"))
        self.follow(self.start, later("Start"))
        for widget in (self._problem, self._predicted, self.command, self.start):
            self.foot.addWidget(widget)

    def _connect(self) -> None:
        self.size.currentIndexChanged.connect(self._on_size)
        for field in (self.lengths, self.depths):
            field.textEdited.connect(self._on_own_size)
            field.textChanged.connect(self._on_changed)
        self.samples.valueChanged.connect(self._on_samples)
        for signal in (
            self.model.currentIndexChanged,
            self.methods.changed,
            self.tasks.changed,
            self.ratios.textChanged,
            self.documents.currentIndexChanged,
            self.document.changed,
            self.files.currentIndexChanged,
            self.file.changed,
            self.records.valueChanged,
            self.seed.valueChanged,
            *(box.toggled for box in self.languages.values()),
        ):
            signal.connect(self._on_changed)
        self._desk.settings_changed.connect(self._on_changed)
        self.start.clicked.connect(self._on_start)

    def choice(self) -> BenchChoice | None:
        """The current choice; None while it makes no sense, in which case the form says why."""
        self._problem.setText(self._obstacle())
        if self._problem.text():
            return None
        option = _FILE_OPTIONS[self.files.currentIndex()]
        return BenchChoice(
            lengths=_whole(self.lengths.text()),
            depths=_whole(self.depths.text()),
            samples=self.samples.value(),
            languages=[name for name, box in self.languages.items() if box.isChecked()],
            methods=self.methods.ticked,
            kinds=self.tasks.ticked,
            ratios=_figures(self.ratios.text()),
            seed=self.seed.value(),
            model=self.model.model,
            device=self._desk.settings.device,
            haystack=self.document.path if self.documents.currentIndex() else "",
            files={option: self.file.path} if option else None,
            records=self.records.value(),
        )

    def _obstacle(self) -> str:
        lengths, depths, ratios = _whole(self.lengths.text()), _whole(self.depths.text()), _figures(self.ratios.text())
        if not self.methods.ticked:
            return tr("Choose a method.")
        if not self.tasks.ticked and not self.files.currentIndex():
            return tr("Choose a task.")
        if not any(box.isChecked() for box in self.languages.values()):
            return tr("Choose a language.")
        in_english_only = not self.files.currentIndex() and set(self.tasks.ticked) <= set(ENGLISH_ONLY)
        if in_english_only and not self.languages["en"].isChecked():
            return tr("These tasks are in English only.")
        if not lengths or min(lengths) < 64:
            return tr("Lengths are whole numbers of 64 or more, for example 512, 2048.")
        if not depths or max(depths) > 100:
            return tr("Depths are percentages, for example 0, 50, 100.")
        if not ratios or min(ratios) < 1:
            return tr("Ratios are 1 or more, for example 32, 100.")
        if self.documents.currentIndex() and not self.document.path:
            return tr("Choose the document or folder that needles are hidden in.")
        if self.files.currentIndex() and not self.file.path:
            return tr("Choose the file or folder that questions come from.")
        return ""

    def refresh(self) -> None:
        """Show the prediction and the command for the current choice."""
        choice = self.choice()
        self._problem.setVisible(choice is None)
        self._predicted.setVisible(choice is not None)
        self.start.setEnabled(choice is not None)
        if choice is None:
            return
        seconds = predicted_s(choice, self._runs.of(BENCHMARK))
        time = (
            tr("not measured yet")
            if seconds is None or not choice.n_trials
            else tr("about {figure}", figure=duration_text(seconds))
        )
        counted = [tr("Samples: {n}", n=count_text(choice.n_trials))] if choice.n_trials else []
        parts = [*counted, tr("Predicted time: {time}", time=time)]
        if not set(TEXT_KINDS).isdisjoint(choice.kinds):
            parts.append(tr("Whole texts come on top, and their time") if choice.n_trials else tr("Whole texts"))
        if choice.files:
            parts.append(tr("Questions from files come on top, and their time"))
        self._predicted.setText("  ·  ".join(parts))
        self.command.show_words(shown(choice.words()))

    def title(self) -> str:
        """A name for the run."""
        size = (later("Quick"), later("Standard"), later("Full"), later("Custom sizes"))[self.size.currentIndex()]
        return f"{tr(size)} · {model_title(self.model.model)}"

    def choose_quick(self) -> None:
        """Choose the two-minute check."""
        self.model.choose("starter")
        self.size.setCurrentIndex(0)
        self._on_size()
        self.methods.tick(list(METHODS)[:5])
        self.tasks.tick(["passkey"])
        for box in self.languages.values():
            box.setChecked(True)
        self.documents.setCurrentIndex(0)
        self.files.setCurrentIndex(0)
        self.ratios.setText("100")
        self.refresh()

    def _on_size(self) -> None:
        number = self.size.currentIndex()
        if 0 <= number < _OWN:
            size = list(SIZES.values())[number]
            self.samples.blockSignals(True)
            self.lengths.setText(", ".join(map(str, size["lengths"])))
            self.depths.setText(", ".join(map(str, size["depths"])))
            self.samples.setValue(size["samples"])
            self.samples.blockSignals(False)
        self._on_changed()

    def _on_own_size(self) -> None:
        self.size.setCurrentIndex(_OWN)

    def _on_samples(self) -> None:
        self._on_own_size()
        self._on_changed()

    def _on_changed(self) -> None:
        self._document_row.setVisible(self.documents.currentIndex() > 0)
        self.document.is_folder = self.documents.currentIndex() == 2
        self.document.retranslate()
        for row in self._file_rows:
            row.setVisible(self.files.currentIndex() > 0)
        self.file.is_folder = self.files.currentIndex() == 1
        self.file.retranslate()
        self._soon.start(50)

    def _on_start(self) -> None:
        choice = self.choice()
        if choice is not None:
            self.started.emit(choice)

    def retranslate(self) -> None:
        super().retranslate()
        self.languages["en"].setText(tr("English"))
        self.languages["ko"].setText(tr("Korean"))
        self.records.setSpecialValueText(tr("All"))
        self.document.setAccessibleName(tr("Document set"))
        self.file.setAccessibleName(tr("Questions from files"))
        self.model.refresh()
        self.refresh()


def _whole(text: str) -> list[int]:
    """The integers in a comma-separated list; empty if it is anything else."""
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    return list(dict.fromkeys(map(int, parts))) if all(part.isdecimal() for part in parts) else []


def _figures(text: str) -> list[float]:
    try:
        found = [float(part) for part in re.split(r"[,\s]+", text.strip()) if part]
    except ValueError:
        return []
    return list(dict.fromkeys(found)) if all(map(math.isfinite, found)) else []
