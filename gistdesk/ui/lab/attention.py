"""The Attention tab: what a document's gist tokens attended to, layer by layer and head by head, as a picture.

Drawn by `trainer attention --follow` in its own process: it reads the document once, while the engine lends it the
device, and then draws what is chosen. Knows documents and models by name; computes nothing.
"""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTemporaryDir, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPixmap, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gistdesk.folders import resource
from gistdesk.language.i18n import language, later, tr
from gistdesk.session.child import Child, End
from gistdesk.session.desk import Desk
from gistdesk.session.documents import SAMPLES
from gistdesk.session.notices import Notice
from gistdesk.session.run import Row
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.form import CommandLine, Form
from gistdesk.ui.lab.models import ModelBox
from gistdesk.ui.lab.split import RESULTS, LabSplit
from gistdesk.ui.lab.words import bug_text
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import EmptyState, Label
from gistdesk.ui.widgets.speech import announce

_WAIT_MS = 1000
_REDRAW_MS = 250
_MOST_SEGMENTS = 1_000_000


class AttentionForm(Form):
    """What to look at. Attributes: start (the button)."""

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.document = QComboBox(self)
        self.document.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.document.setMinimumContentsLength(12)
        self.model = ModelBox(desk, runs)
        self.ratio, self.segment = QSpinBox(self), QSpinBox(self)
        self.ratio.setRange(1, 10_000)
        self.ratio.setValue(round(desk.settings.ratio))
        self.segment.setRange(0, _MOST_SEGMENTS)
        for box in (self.ratio, self.segment):
            theme.inset(box)
            box.valueChanged.connect(self.refresh)
        self.command = CommandLine(self)
        self.start = QPushButton(self)
        theme.set_kind(self.start, "primary")
        self.start.setIcon(theme.icon("play", "on_accent"))
        self.add(later("Document"), self.document)
        self.add(later("Model"), self.model)
        self.add(later("Ratio"), self.ratio, later("Document tokens for one gist token."))
        self.add(later("Segment"), self.segment, later("Which part of the document, from 0."))
        for widget in (self.command, self.start):
            self.foot.addWidget(widget)
        self.document.currentIndexChanged.connect(self._on_document)
        self.model.currentIndexChanged.connect(self.refresh)
        self.retranslate()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self.list_documents()

    def list_documents(self) -> None:
        """List the sample and every document whose text is kept; the choice stays."""
        chosen = self.document.currentData()
        sample, texts = (
            resource("samples") / SAMPLES.get(language(), SAMPLES["en"]),
            self._desk.library.store.texts_folder,
        )
        entries = [entry for entry in self._desk.library.entries.all() if entry.text_sha256 is not None]
        rows = [(str(sample), tr("The sample document"))]
        rows += [(str(texts / f"{entry.text_sha256}.txt"), entry.title) for entry in entries]
        if [(self.document.itemData(n), self.document.itemText(n)) for n in range(self.document.count())] == rows:
            return
        self.document.blockSignals(True)
        self.document.clear()
        for path, title in rows:
            self.document.addItem(title, path)
        self.document.setCurrentIndex(max(0, self.document.findData(chosen)))
        self.document.blockSignals(False)
        self.refresh()

    def _on_document(self) -> None:
        self.segment.setMaximum(_MOST_SEGMENTS)  # until the number in this document is known
        self.refresh()

    def words(self) -> list[str]:
        """Arguments for `python -m trainer`."""
        words = ["attention", str(self.document.currentData()), "--title", self.document.currentText()]
        words += ["--model", self.model.model, "--device", self._desk.settings.device]
        return [*words, "--ratio", str(self.ratio.value()), "--segment", str(self.segment.value())]

    def refresh(self) -> None:
        self.command.show_words(["python", "-m", "trainer", *self.words(), "--layer", "0", "--head", "0"])

    def retranslate(self) -> None:
        super().retranslate()
        self.start.setText(tr("Show the attention"))
        self.list_documents()
        self.refresh()


class _Picture(QWidget):
    """A picture that is redrawn for the room it has. Signals: resized."""

    resized = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.pixmap = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(30 * theme.GRID, 30 * theme.GRID)

    def show_pixmap(self, pixmap: QPixmap) -> None:
        self.pixmap = pixmap
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self.resized.emit()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        if not self.pixmap.isNull():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            size = self.pixmap.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
            painter.drawPixmap(left, top, size.width(), size.height(), self.pixmap)


class AttentionTab(QWidget):
    """Attributes: form, layer, head, save (controls), picture.

    Signals: told (a Notice).
    """

    told = Signal(object)

    def __init__(self, desk: Desk, runs: Runs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._folder = QTemporaryDir()
        self._process: Child | None = None
        self._words: list[str] = []
        self._is_ready = self._is_drawing = self._is_stale = False
        self._to_save: Path | None = None
        self._saving: Path | None = None
        self._problem: Callable[[], str] | None = None
        self.form = AttentionForm(desk, runs, self)
        self.layer, self.head = QSpinBox(self), QSpinBox(self)
        self._names = Label(self), Label(self)
        self.save = QPushButton(self)
        self.save.setIcon(theme.icon("export"))
        self._state, self._bar, self.cancel = Label(self), QProgressBar(self), QPushButton(self)
        self._state.setWordWrap(True)
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self.picture = _Picture(self)
        self._empty = EmptyState(
            "search",
            later("What does a gist look at?"),
            later("A picture of one segment: which tokens its gist tokens looked at, in every layer and head."),
            ((later("Show the attention"), self.begin),),
            self,
        )
        self._soon, self._later = QTimer(self), QTimer(self)
        self._soon.setInterval(_WAIT_MS)
        self._soon.timeout.connect(self._start)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._next)
        self._arrange()
        self.form.start.clicked.connect(self.begin)
        self.save.clicked.connect(self._on_save)
        self.cancel.clicked.connect(self.close_process)
        self.picture.resized.connect(self._redraw)
        for box in (self.layer, self.head):
            box.valueChanged.connect(self._redraw)
        self._retranslate()

    def _arrange(self) -> None:
        controls = QHBoxLayout()
        controls.setSpacing(theme.GRID)
        for name, box in zip(self._names, (self.layer, self.head), strict=True):
            theme.inset(box)
            box.setMinimumWidth(10 * theme.GRID)
            name.setBuddy(box)
            theme.set_role(name, "muted")
            controls.addWidget(name)
            controls.addWidget(box)
            controls.addSpacing(theme.GRID)
        controls.addStretch()
        controls.addWidget(self.cancel)
        controls.addWidget(self.save)
        results = QFrame(self)
        results.setProperty("surface", "page")
        column = QVBoxLayout(results)
        column.setContentsMargins(*(2 * theme.GRID,) * 4)
        column.setSpacing(theme.GRID)
        column.addLayout(controls)
        column.addWidget(self._state)
        column.addWidget(self._bar)
        column.addWidget(self.picture, 1)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(results)
        self._split = LabSplit((self.form, self._pages), self)
        controls.insertWidget(0, self._split.to_form)
        self.form.foot.addWidget(self._split.to_results)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._split)

    # --- the process

    def begin(self) -> None:
        """Look at what the form asks for, as soon as the engine lends the device."""
        self.close_process()
        self._words, self._problem = self.form.words(), None
        self.picture.show_pixmap(QPixmap())
        self._pages.setCurrentIndex(1)
        self._split.show_front(RESULTS)
        self._soon.start()
        self._start()
        self.cancel.setFocus()

    def _start(self) -> None:
        if not self._desk.lend_device(tr("Attention")):
            self._show()
            return
        self._soon.stop()
        self._process = Child(self, "trainer", *self._words, "--follow", threads=self._desk.settings.threads)
        self._process.said.connect(self._on_event)
        self._process.ended.connect(self._on_ended)
        self._process.start()
        self._show()

    def close_process(self) -> None:
        """Give up the current document, and give the device back."""
        self._soon.stop()
        if self._process is not None:
            process, self._process = self._process, None
            process.stop()
            if not self._is_ready:
                self._desk.lend_device("")
        self._is_ready = self._is_drawing = self._is_stale = False
        self._to_save = self._saving = None
        self._show()

    def _on_event(self, row: Row) -> None:
        if row["event"] == "ready":
            self._is_ready = True
            self._desk.lend_device("")  # the model is gone; its attention weights are here
            for box, n in ((self.layer, row["n_layers"]), (self.head, row["n_heads"])):
                box.setRange(0, n - 1)
            self.form.segment.setMaximum(row["n_segments"] - 1)
            self._show()
            self._is_stale = True
            self._later.start(0)  # once the picture has the room that the progress leaves
            return
        self._is_drawing = False
        saved, self._saving = self._saving, None
        if saved is not None:
            failed = row["event"] == "failure"
            self.told.emit(
                Notice(row["message"], row["hint"]) if failed else Notice(tr("Exported to {path}.", path=saved))
            )
        elif row["event"] == "drawn":
            self.picture.show_pixmap(QPixmap(row["path"]))
            words = tr("Attention of layer {layer}, head {head}", layer=row["layer"], head=row["head"])
            self.picture.setAccessibleName(words)
            announce(self, words)
        self._next()
        self._show()

    def _on_ended(self, end: End) -> None:
        said = end.said or later("The check gave no result.")
        self._problem = lambda: bug_text(said) if end.is_bug else tr(said)
        self.close_process()
        announce(self, self._state.text(), urgent=True)

    # --- pictures

    def _redraw(self) -> None:
        self._is_stale = True
        self._later.start(_REDRAW_MS)

    def _next(self) -> None:
        """Draw one picture at a time: a requested file first, then the current choice, for the current room."""
        if not self._is_ready or self._is_drawing or self._process is None:
            return
        if self._to_save is not None:
            self._saving, self._to_save = self._to_save, None
            self._wish(self._saving, {})
        elif self._is_stale:
            self._is_stale = False
            look = {"width": self.picture.width(), "height": self.picture.height()}
            look |= {"scale": self.devicePixelRatioF(), "dark": theme.is_dark()}
            self._wish(Path(self._folder.path()) / "attention.png", look)

    def _wish(self, path: Path, look: Row) -> None:
        assert self._process is not None
        wish = {"path": str(path), "layer": self.layer.value(), "head": self.head.value(), "language": language()}
        self._process.tell({**wish, **look})
        self._is_drawing = True
        self._show()

    def _on_save(self) -> None:
        name = f"attention-layer-{self.layer.value()}-head-{self.head.value()}.png"
        dialog = QFileDialog(self.window(), tr("Save the picture"), name)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("png")
        dialog.setNameFilter("PNG (*.png)")
        dialog.fileSelected.connect(lambda path: self.save_to(Path(path)))
        dialog.open()

    def save_to(self, path: Path) -> None:
        """Draw the same picture as a file for print: light, with a size of its own."""
        self._to_save = path
        self._next()

    # --- texts

    def _show(self) -> None:
        waits = self._soon.isActive()
        loads = self._process is not None and not self._is_ready
        words = self._problem() if self._problem else ""
        if waits:
            words = tr("Waiting for the device")
        elif loads:
            words = tr("Loading the model, and reading the document")
        theme.set_role(self._state, "bad" if self._problem and not (waits or loads) else "muted")
        self._state.setText(words)
        self._state.setVisible(bool(words))
        self._bar.setVisible(loads)
        self._bar.setAccessibleName(words)
        for widget in (self.layer, self.head, *self._names):
            widget.setEnabled(self._is_ready)
        if self.cancel.hasFocus() and not (waits or loads):
            (self.layer if self._is_ready else self.form.start).setFocus()
        self.cancel.setVisible(waits or loads)
        self.save.setEnabled(self._is_ready and not self.picture.pixmap.isNull())
        self.save.setVisible(not (waits or loads))
        self._split.to_results.setEnabled(self._pages.currentIndex() == 1)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()
            self._redraw()
        elif event.type() == QEvent.Type.PaletteChange and hasattr(self, "_later"):
            self._redraw()

    def _retranslate(self) -> None:
        for name, box, text in zip(self._names, (self.layer, self.head), (tr("Layer"), tr("Head")), strict=True):
            name.setText(text)
            box.setAccessibleName(text)
        self.save.setText(tr("Save as PNG…"))
        self.cancel.setText(tr("Cancel"))
        self._split.retranslate()
        self._show()
