"""The local server's page: its switch, and its address and token to copy. Knows the desk's server and settings."""

from PySide6.QtWidgets import QApplication, QCheckBox, QHBoxLayout, QLineEdit, QPushButton, QSpinBox, QWidget

from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.ui.settings.page import SettingsPage, show_value
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label


class ServerPage(SettingsPage):
    """Attributes: on (the switch), port, address, token."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Local server"))
        self._desk = desk
        self.add_text(
            later(
                "Other programs on this computer can ask your documents through an API compatible with OpenAI's chat "
                "completions: with this address and token, and a document's title as the model."
            )
        )
        self.on = QCheckBox()
        self.set_text_of(self.on, later("Accept requests from programs on this computer"))
        self.port = QSpinBox()
        self.port.setRange(1024, 65535)
        self.port.setMinimumWidth(16 * theme.GRID)
        theme.inset(self.port)
        self.address, self.token = _Copied(self), _Copied(self, is_secret=True)
        self.state = Label()
        self.state.setWordWrap(True)
        self.add_row(
            later("Server"),
            self.on,
            later("Off unless you switch it on. It cannot be reached from outside this computer."),
        )
        self.add_row(later("Status"), self.state)
        self.add_row(later("Port"), self.port)
        self.add_row(later("Address"), self.address)
        self.add_row(later("Token"), self.token, later("Anyone on this computer who has it can ask."))
        self.column.addStretch()
        self.on.clicked.connect(lambda wanted: desk.change_settings(server=wanted))
        self.port.editingFinished.connect(self._on_port)
        desk.settings_changed.connect(self.refresh)
        desk.server.changed.connect(self.refresh)
        self._retranslate()

    def _on_port(self) -> None:
        if self.port.value() != self._desk.settings.server_port:
            self._desk.change_settings(server_port=self.port.value())

    def refresh(self) -> None:
        settings, server = self._desk.settings, self._desk.server
        self.on.setChecked(settings.server)
        show_value(self.port, settings.server_port)
        self.address.show_text(f"http://127.0.0.1:{server.port}/v1" if server.port else "")
        self.token.show_text(server.token if server.port else "")
        if server.problem:
            words = tr(server.problem)
        elif server.port:
            words = tr("Listening on port {port}", port=server.port)
        else:
            words = tr("Starting…") if settings.server else tr("Off")
        self.state.setText(words)

    def _retranslate(self) -> None:
        super()._retranslate()
        for field in (self.address, self.token):
            field.retranslate()
        self.refresh()


class _Copied(QWidget):
    """A text to copy; a secret one is not shown."""

    def __init__(self, parent: QWidget, *, is_secret: bool = False) -> None:
        super().__init__(parent)
        self.field, self.copy = QLineEdit(self), QPushButton(self)
        self.field.setReadOnly(True)
        if is_secret:
            self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.copy.clicked.connect(lambda: QApplication.clipboard().setText(self.field.text()))
        self.setFocusProxy(self.field)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        row.addWidget(self.field, 1)
        row.addWidget(self.copy)

    def setAccessibleName(self, name: str) -> None:  # noqa: N802
        super().setAccessibleName(name)
        self.field.setAccessibleName(name)

    def show_text(self, text: str) -> None:
        self.field.setText(text)
        self.copy.setEnabled(bool(text))

    def retranslate(self) -> None:
        self.copy.setText(tr("Copy"))
