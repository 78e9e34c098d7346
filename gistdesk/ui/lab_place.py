"""The Lab place: the frame for training, benchmark and runs. What cannot be started from the window yet says so."""

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QFrame, QLabel, QPlainTextEdit, QTabWidget, QVBoxLayout, QWidget

from gistdesk.ui import theme
from gistdesk.ui.desk import Desk
from gistdesk.ui.i18n import later, tr
from gistdesk.ui.labels import EmptyState

_TABS = (
    (
        later("Train"),
        "train",
        later("No training yet"),
        later("Training is started from the command line for now."),
        "python -m trainer --help",
    ),
    (
        later("Benchmark"),
        "grid",
        later("No benchmark yet"),
        later("The needle-in-a-haystack benchmark is started from the command line for now."),
        "gistdesk niah --help",
    ),
    (
        later("Runs"),
        "lab",
        later("No runs yet"),
        later("Runs of training and of the benchmark will be compared here."),
        "",
    ),
)


class LabPlace(QObject):
    """Attributes: list_widget and inspector_widget (None: the Lab has neither), main_widget.

    Signals: told (a Notice)."""

    told = Signal(object)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.list_widget: QWidget | None = None
        self.inspector_widget: QWidget | None = None
        self.main_widget = _Tabs()

    def focus_find(self) -> None:
        """There is nothing to find yet: onto the tabs."""
        self.main_widget.tabBar().setFocus()


class _Tabs(QTabWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setDocumentMode(True)
        for text, icon, title, sentence, command in _TABS:
            self.addTab(_Tab(icon, title, sentence, command), theme.icon(icon), text)
        self._retranslate()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.tabBar().setAccessibleName(tr("Lab"))
        for number, (text, *_) in enumerate(_TABS):
            self.setTabText(number, tr(text))


class _Tab(QFrame):
    """An empty state over the command that does the same in a terminal."""

    def __init__(self, icon: str, title: str, sentence: str, command: str) -> None:
        super().__init__()
        self.setProperty("surface", "page")
        column = QVBoxLayout(self)
        column.addWidget(EmptyState(icon, title, sentence, parent=self), 1)
        self._heading, self._command = QLabel(self), QPlainTextEdit(command, self)
        theme.set_role(self._heading, "muted")
        self._command.setReadOnly(True)
        self._command.setTabChangesFocus(True)
        self._command.setFont(theme.mono_font(self._command))
        self._command.setFixedHeight(5 * theme.GRID)
        for widget in (self._heading, self._command):
            widget.setVisible(bool(command))
            column.addWidget(widget)
        column.setContentsMargins(*(2 * theme.GRID,) * 4)
        self._retranslate()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._heading.setText(tr("Command line"))
        self._command.setAccessibleName(tr("Command line"))
