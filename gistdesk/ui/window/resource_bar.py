"""The bar at the foot: model and device, what is and will be in the device's memory, and how many jobs there are.

Knows the desk's figures; measures nothing.
"""

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QBrush, QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
    QWidgetAction,
)

from gistdesk.core.errors import UserError
from gistdesk.language.figures import bytes_text
from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.session.runs import Runs
from gistdesk.ui.library.states import WORKING
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label, tip
from gistdesk.ui.widgets.model_title import model_title
from gistdesk.ui.window.jobs import all_jobs

_COUNT_MS = 100
"""Jobs are counted at most this often, since many may change at once."""


class MemoryBar(QWidget):
    """A stacked bar: model, gists, other programs, free; memory about to be needed is hatched over the free part."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.setFixedHeight(2 * theme.GRID)
        self.setMinimumWidth(12 * theme.GRID)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.refresh()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(40 * theme.GRID, 2 * theme.GRID)

    def refresh(self) -> None:
        """Take the current figures."""
        memory, forecast = self._desk.memory, self._desk.forecast_bytes
        rows = [
            (tr("Model"), memory.model),
            (tr("Gists and conversation"), memory.gist),
            (tr("Other programs"), memory.other),
            (tr("Free"), memory.free),
            (tr("Kept in reserve"), memory.reserve),
        ]
        if forecast:
            rows.append((tr("About to be needed"), forecast))
        lines = [f"{name}: {bytes_text(n_bytes)}" for name, n_bytes in rows]
        if forecast > max(0, memory.free - memory.reserve):
            lines.append(tr("This is more than is free."))
        self.setToolTip(tip("\n".join([tr("Memory ({source})", source=memory.source), *lines])))
        self.setAccessibleName(tr("Memory ({source})", source=memory.source))
        self.setAccessibleDescription(", ".join(lines))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        c, memory = theme.colours(), self._desk.memory
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.memory_free))
        painter.drawRoundedRect(frame, 4, 4)
        if memory.total <= 0:
            return
        scale, left = frame.width() / memory.total, frame.left()
        painter.save()
        for n_bytes, colour in (
            (memory.other, c.memory_other),
            (memory.model, c.memory_model),
            (memory.gist, c.memory_gist),
        ):
            part = QRectF(left, frame.top(), n_bytes * scale, frame.height())
            painter.fillRect(part, QColor(colour))
            left = part.right()
        painter.restore()
        self._paint_forecast(painter, frame, left, scale)
        painter.setPen(QColor(c.border))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(frame, 4, 4)

    def _paint_forecast(self, painter: QPainter, frame: QRectF, left: float, scale: float) -> None:
        forecast, memory, c = self._desk.forecast_bytes, self._desk.memory, theme.colours()
        if forecast <= 0:
            return
        too_much = forecast > max(0, memory.free - memory.reserve)
        width = min(max(3.0, forecast * scale), frame.right() - left)
        colour = QColor(c.bad if too_much else c.text)
        painter.fillRect(QRectF(left, frame.top(), width, frame.height()), QBrush(colour, Qt.BrushStyle.BDiagPattern))
        painter.setPen(colour)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(left, frame.top(), width, frame.height()))


class ResourceBar(QFrame):
    """Signals: jobs_toggled (whether the drawer should be open), models_pressed."""

    jobs_toggled = Signal(bool)
    models_pressed = Signal()

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "bar")
        self._desk, self._runs = desk, runs
        self.chip = QToolButton(self)
        self.chip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.chip.clicked.connect(self.show_device)
        self._figure = Label(self)
        theme.set_role(self._figure, "muted")
        self._bar = MemoryBar(desk, self)
        self.jobs = QToolButton(self)
        self.jobs.setIcon(theme.icon("jobs"))
        self.jobs.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.jobs.setCheckable(True)
        self.jobs.clicked.connect(self.jobs_toggled)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GRID, theme.SMALL, theme.GRID, theme.SMALL)
        row.setSpacing(2 * theme.GRID)
        row.addWidget(self.chip)
        row.addWidget(self._figure)
        row.addWidget(self._bar, 1)
        row.addWidget(self.jobs)
        desk.engine_changed.connect(self._show_engine)
        desk.settings_changed.connect(self._show_engine)
        desk.memory_changed.connect(self._show_memory)
        self._working: set[int] = set()
        self._count_timer = QTimer(self, singleShot=True, interval=_COUNT_MS)
        self._count_timer.timeout.connect(self.count_jobs)
        desk.documents.changed.connect(self._on_jobs_changed)
        desk.models_changed.connect(self._on_jobs_changed)
        desk.models_changed.connect(self._show_engine)
        desk.file_jobs.changed.connect(self._on_jobs_changed)
        desk.recall_checks.changed.connect(self._on_others_changed)
        runs.listed.connect(self._on_jobs_changed)
        runs.changed.connect(self._on_others_changed)
        desk.documents.one_changed.connect(self._on_entry_changed)
        self._retranslate()

    def _show_engine(self) -> None:
        engine = self._desk.engine_state
        words, icon, colour = self._engine_words()
        model = model_title(engine.model or self._desk.settings.model)
        parts = [model, device_name(engine.device), words] if engine.device else [model, words]
        self.chip.setText("  ·  ".join(parts))
        self.chip.setIcon(theme.icon(icon, colour))
        self.chip.setAccessibleName(tr("Model and device: {text}", text=", ".join(parts)))
        reason = (engine.reason and tr(engine.reason)) or tr("Click to see why this device")
        self.chip.setToolTip(tip("\n".join(part for part in (self._ability_words(), reason) if part)))
        self.chip.setAccessibleDescription(self._ability_words())

    def _ability_words(self) -> str:
        of = self._desk.ability
        return f"{tr(of.can)} {tr(of.cannot)}" if of is not None else ""

    def _engine_words(self) -> tuple[str, str, str]:
        engine = self._desk.engine_state
        if self._desk.device_holder and not self._desk.works_beside and engine.state in ("off", "starting", "ready"):
            return tr("In use by “{title}”", title=self._desk.device_holder), "lab", "accent"
        if engine.state == "loading" and engine.fraction is not None:
            return tr("Loading {percent}%", percent=round(100 * engine.fraction)), "working", "accent"
        return {
            "off": (tr("Not loaded"), "chip", "muted"),
            "starting": (tr("Starting"), "working", "accent"),
            "loading": (tr("Loading"), "working", "accent"),
            "ready": (tr("Loaded") if engine.model else tr("Not loaded"), "chip", "good" if engine.model else "muted"),
            "busy": (tr("Working"), "working", "accent"),
            "stopping": (tr("Stopping"), "working", "muted"),
            "failed": (tr("Stopped after errors"), "error", "bad"),
        }.get(engine.state, (engine.state, "chip", "muted"))

    def _show_memory(self) -> None:
        memory = self._desk.memory
        if memory.total > 0:
            used = bytes_text(memory.total - memory.free)
            text = tr("{source} {used} of {total}", source=memory.source, used=used, total=bytes_text(memory.total))
        else:
            text = tr("{source}: the system gives no figures", source=memory.source)
        if text != self._figure.text():
            self._figure.setText(text)
        self._bar.refresh()

    def _on_jobs_changed(self) -> None:
        if not self._count_timer.isActive():
            self._count_timer.start()

    def _on_others_changed(self, _: object) -> None:
        self._on_jobs_changed()

    def _on_entry_changed(self, entry_id: int) -> None:
        """Progress does not matter here; a job that starts or ends does."""
        try:
            working = self._desk.library.entries.get(entry_id).state in WORKING
        except UserError:  # deleted in another window
            working = False
        if working != (entry_id in self._working):
            self._on_jobs_changed()

    def count_jobs(self) -> None:
        """Show how many jobs there are."""
        self._working = {entry.id for entry in self._desk.library.entries.all(states=WORKING)}
        n = len(all_jobs(self._desk, self._runs))
        self.jobs.setText(tr("Jobs {n}", n=n) if n else tr("Jobs"))
        self.jobs.setAccessibleName(tr("Jobs: {n}", n=n))

    def show_device(self) -> None:
        """Show the chip's card: why this device is used, and a way to free its memory."""
        engine = self._desk.engine_state
        menu = QMenu(self)
        card = QWidget(menu)
        column = QVBoxLayout(card)
        column.setContentsMargins(*(2 * theme.GRID,) * 4)
        column.setSpacing(theme.GRID)
        words, _, _ = self._engine_words()
        heading = Label(f"{model_title(engine.model or self._desk.settings.model)}  ·  {words}", card)
        theme.set_role(heading, "heading")
        why = Label(
            tr(engine.reason) if engine.reason else tr("The device is chosen when the model is first needed."), card
        )
        why.setWordWrap(True)
        why.setFixedWidth(40 * theme.GRID)
        if engine.device:
            why.setText(f"{device_name(engine.device)}. {why.text()}")
        unload, models = QPushButton(tr("Unload"), card), QPushButton(tr("Models…"), card)
        unload.setEnabled(engine.state not in ("off", "stopping"))
        unload.setToolTip(tr("Stops the engine and frees its memory"))
        unload.clicked.connect(self._desk.unload)
        models.clicked.connect(self.models_pressed)
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        for button in (unload, models):
            button.clicked.connect(menu.close)
            row.addWidget(button)
        row.addStretch()
        able = Label(self._ability_words(), card)
        able.setWordWrap(True)
        able.setFixedWidth(40 * theme.GRID)
        able.setVisible(bool(able.text()))
        for widget in (heading, able, why):
            column.addWidget(widget)
        column.addLayout(row)
        action = QWidgetAction(menu)
        action.setDefaultWidget(card)
        menu.addAction(action)
        menu.aboutToHide.connect(menu.deleteLater)
        top = self.chip.mapToGlobal(self.chip.rect().topLeft())
        menu.popup(QPoint(top.x(), top.y() - menu.sizeHint().height()))
        (unload if unload.isEnabled() else models).setFocus(Qt.FocusReason.PopupFocusReason)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.jobs.setToolTip(tr("Show or hide the jobs (Ctrl+J)"))
        self._show_engine()
        self._show_memory()
        self.count_jobs()


def device_name(device: str) -> str:
    """ "cpu" and "cuda" as people call them."""
    return {"cpu": tr("Processor"), "cuda": tr("Graphics card")}.get(device.partition(":")[0], device)
