"""The pre-flight check for training: what it will need against what is free, from the trainer's own `--dry-run`.

Runs that in its own process whenever the form changes. Knows its figures; computes none.
"""

import json
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QProcess, QProcessEnvironment, QTimer, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from gistdesk.complaints import FOR_A_WINDOW, said_in
from gistdesk.language.figures import bytes_text, duration_text, parameters_text
from gistdesk.language.i18n import later, tr
from gistdesk.roles import command
from gistdesk.session.run import Row
from gistdesk.ui.lab.words import bug_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label

_WAIT_MS = 700
_USES = {
    "weights": later("Weights"),
    "adapter, its gradients and moments": later("Adapter in training"),
    "activations of a micro-batch": later("Activations"),
    "full text of the teacher": later("Teacher's full text"),
    "logits of the answers": later("Answers"),
    "libraries": later("Libraries"),
}


class Preflight(QFrame):
    """Attributes: fits (None while unknown), problem (why it cannot be trained, as a sentence), figures.

    Signals: changed.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "card")
        self.fits: bool | None = None
        self.problem = ""
        self.figures: Row = {}
        self._words: tuple[str, ...] = ()
        self._process: QProcess | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._start)
        self._icon, self._verdict, self._time = Label(self), Label(self), Label(self)
        self._verdict.setWordWrap(True)
        self._time.setWordWrap(True)
        theme.set_role(self._time, "muted")
        self._uses = QGridLayout()
        self._uses.setHorizontalSpacing(2 * theme.GRID)
        self._uses.setVerticalSpacing(0)
        self._uses.setColumnStretch(0, 1)
        self._labels = [(Label(self), Label(self)) for _ in _USES]
        for row, (name, value) in enumerate(self._labels):
            theme.set_role(name, "muted")
            theme.set_role(value, "muted")
            self._uses.addWidget(name, row, 0)
            self._uses.addWidget(value, row, 1)
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        head.addWidget(self._icon)
        head.addWidget(self._verdict, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.GRID,) * 4)
        column.setSpacing(theme.SMALL)
        column.addLayout(head)
        column.addLayout(self._uses)
        column.addWidget(self._time)
        self._retranslate()

    def check(self, words: Sequence[str]) -> None:
        """Find out, after a short delay, what the training started by this command would need."""
        if tuple(words) != self._words:
            self._words = tuple(words)
            self._set(None, "", {})
            self._soon.start(_WAIT_MS)

    def check_again(self) -> None:
        """Check again, since the free memory may have changed."""
        if self._words:
            self._soon.start(0)

    def showEvent(self, event: QEvent) -> None:  # type: ignore[override]  # noqa: N802
        super().showEvent(event)  # type: ignore[arg-type]
        if self._words and self.fits is None and not self.problem:
            self._soon.start(_WAIT_MS)

    def _start(self) -> None:
        self.stop()
        if not self.isVisible():
            return
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        for name, value in {"PYTHONUTF8": "1", **FOR_A_WINDOW}.items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        program, *words = command("trainer", *self._words, "--dry-run")
        process.setProgram(program)
        process.setArguments(words)
        process.finished.connect(self._on_finished)
        self._process = process
        process.start()

    def stop(self) -> None:
        """Give up a check that is under way."""
        if self._process is not None:
            process, self._process = self._process, None
            process.finished.disconnect(self._on_finished)
            process.kill()
            process.waitForFinished(1000)
            process.deleteLater()

    def _on_finished(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        out = bytes(process.readAllStandardOutput().data()).decode(errors="replace")
        errors = bytes(process.readAllStandardError().data()).decode(errors="replace")
        process.deleteLater()
        try:
            figures = json.loads(out)
        except ValueError:
            last = (errors.strip().splitlines() or [""])[-1]
            said = bug_text(last) if "Traceback" in errors else said_in(last)
            self._set(False, said or tr("The check gave no result."), {})
            return
        self._set(bool(figures.get("fits")), "", figures)

    def _set(self, fits: bool | None, problem: str, figures: Row) -> None:
        self.fits, self.problem, self.figures = fits, problem, figures
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        figures, memory = self.figures, self.figures.get("memory_bytes", {})
        icon, colour = {None: ("working", "accent"), True: ("ready", "good"), False: ("error", "bad")}[self.fits]
        self._icon.setPixmap(theme.icon(icon, colour).pixmap(theme.SMALL_ICON, theme.SMALL_ICON))
        for (key, text), (name, value) in zip(_USES.items(), self._labels, strict=True):
            shown = bool(memory.get(key))
            name.setVisible(shown)
            value.setVisible(shown)
            name.setText(tr(text))
            value.setText(bytes_text(memory.get(key, 0)))
        self._time.setVisible(bool(figures))
        if self.fits is None:
            self._verdict.setText(tr("Checking what this will need…"))
        elif self.problem:
            self._verdict.setText(tr(self.problem))
        else:
            numbers = {"needed": bytes_text(figures["needed_bytes"]), "free": bytes_text(figures["free_bytes"])}
            self._verdict.setText(
                tr("Fits: needs about {needed}, {free} are free.", **numbers)
                if self.fits
                else tr("Does not fit: needs about {needed}, {free} are free.", **numbers)
            )
        if figures:
            told = [
                tr("Predicted time: {time}", time=duration_text(figures["training_s"])),
                f"{figures['device']}, {figures['precision']}",
                tr("trained: {size}", size=parameters_text(figures["trained_parameters"])),
            ]
            if figures["teacher_disk_bytes"]:
                told.append(tr("on disk until the end: up to {size}", size=bytes_text(figures["teacher_disk_bytes"])))
            self._time.setText("  ·  ".join(told))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
        elif event.type() == QEvent.Type.PaletteChange and hasattr(self, "_labels"):
            self._show()

    def _retranslate(self) -> None:
        self.setAccessibleName(tr("Pre-flight check"))
        self._show()
