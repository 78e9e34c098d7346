"""The offer to set up CUDA, on the Hardware page: which card there is, what it would take, how far it has got.

Checks when shown. Knows the desk's CUDA set-up; decides nothing.
"""

from PySide6.QtCore import QEvent
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gistdesk.language.figures import bytes_text
from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.speech import announce


class CudaOffer(QWidget):
    """Attributes: install, cancel, remove (buttons), said (a label)."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cuda = desk.cuda
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.said, self._problem = Label(self), Label(self)
        for label in (self.said, self._problem):
            label.setWordWrap(True)
        theme.set_role(self.said, "muted")
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self.install, self.cancel, self.remove = QPushButton(self), QPushButton(self), QPushButton(self)
        self.install.setIcon(theme.icon("download"))
        theme.set_kind(self.remove, "quiet")
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GRID)
        for button in (self.install, self.cancel, self.remove):
            buttons.addWidget(button)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, theme.GRID, 0, 0)
        column.setSpacing(theme.GRID)
        for widget in (self.said, self._bar, self._problem):
            column.addWidget(widget)
        column.addLayout(buttons)
        self.install.clicked.connect(self._cuda.install)
        self.cancel.clicked.connect(self._cuda.cancel)
        self.remove.clicked.connect(self._cuda.remove)
        self._cuda.changed.connect(self._show)
        self._cuda.used_changed.connect(self._on_used)
        self._show()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self._cuda.look()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._show()

    def _on_used(self) -> None:
        announce(self, self.said.text())

    def _show(self) -> None:
        cuda, facts, busy = self._cuda, self._cuda.facts, self._cuda.busy
        self.said.setText(self._phase_in_words() if busy else self._facts_in_words())
        self._problem.setText(tr(cuda.problem) if cuda.problem else "")
        self._problem.setVisible(bool(cuda.problem) and not busy)
        self._bar.setVisible(busy)
        self._bar.setRange(0, 1000 if cuda.total_bytes else 0)
        self._bar.setValue(round(1000 * cuda.done_bytes / max(1, cuda.total_bytes)))
        self._bar.setAccessibleName(tr("Setting CUDA up"))
        self.install.setVisible(not busy and bool(facts.get("can_install")))
        size = bytes_text(facts.get("fetch_bytes", 0))
        self.install.setText(tr("Resume") if facts.get("unfinished") else tr("Download {size} and set up", size=size))
        self.cancel.setVisible(busy and cuda.phase != "remove")
        self.cancel.setText(tr("Cancel"))
        self.remove.setVisible(not busy and bool(facts.get("in_use") or facts.get("unfinished")))
        self.remove.setText(tr("Remove CUDA"))

    def _phase_in_words(self) -> str:
        cuda = self._cuda
        if cuda.phase == "fetching":
            done, total = bytes_text(cuda.done_bytes), bytes_text(cuda.total_bytes)
            return tr("Downloading: {done} of {total}", done=done, total=total)
        if cuda.phase == "unpacking":
            return tr("Unpacking")
        if cuda.phase == "testing":
            return tr("Testing it on the card")
        return tr("Removing") if cuda.phase == "remove" else tr("Asking the package index")

    def _facts_in_words(self) -> str:
        facts = self._cuda.facts
        if not facts:
            return tr("Looking for a graphics card")
        card = facts["card"]["name"] if facts["card"] else ""
        if facts["can_install"]:
            offer = tr(
                "{card} is not used: the bundled PyTorch has no CUDA support. Setting up CUDA uses the network and "
                "takes {size} of disk space; it is tested before it is used, and can be removed again.",
                card=card,
                size=bytes_text(facts["disk_bytes"]),
            )
            if not facts["in_use"]:
                return offer
            return tr("CUDA is set up and used. A newer version can be set up; the present one stays until it works.")
        if facts["in_use"]:
            return tr("CUDA is set up and used.")
        if facts["own_cuda"]:
            return tr("PyTorch has CUDA here; there is nothing to set up.")
        return f"{tr(facts['problem'])} {tr(facts['hint'])}"
