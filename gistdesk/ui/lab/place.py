"""The Lab place: training, benchmark, all runs with their comparison, attention. Puts its tabs together.

Passes on what they ask for: using an adapter, exporting a run, freeing the device for a waiting chat.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QTabWidget, QWidget

from gistdesk.language.i18n import later, tr
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.session.run import Run
from gistdesk.session.runs import Runs
from gistdesk.ui.lab.adapters import AdaptersTab
from gistdesk.ui.lab.attention import AttentionTab
from gistdesk.ui.lab.benchmark import BenchmarkTab
from gistdesk.ui.lab.export import FORMS, export_run
from gistdesk.ui.lab.table import RunsTab
from gistdesk.ui.lab.train import TrainTab
from gistdesk.ui.widgets import theme

TABS: tuple[tuple[str, str, Callable[[Desk, Runs], QWidget]], ...] = (
    (later("Train"), "train", TrainTab),
    (later("Benchmark"), "grid", BenchmarkTab),
    (later("Runs"), "lab", RunsTab),
    (later("Attention"), "search", AttentionTab),
    (later("Adapters"), "compress", AdaptersTab),
)
"""Title, icon and widget of each, in order. If a tab has the signal `told`, with a Notice, it is passed on."""
TRAIN, BENCHMARK, RUNS, ATTENTION, ADAPTERS = range(5)


class LabPlace(QObject):
    """Attributes: list_widget and inspector_widget (None: the Lab has neither), main_widget (the tabs); runs; train,
    benchmark, table, attention, adapters (what is on the tabs).

    Signals: told (a Notice); use_asked (the folder of an adapter to use, its run's title)."""

    told = Signal(object)
    use_asked = Signal(str, str)

    def __init__(self, desk: Desk, runs: Runs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self.runs = desk, runs
        self.list_widget: QWidget | None = None
        self.inspector_widget: QWidget | None = None
        tabs = [make(desk, self.runs) for _, _, make in TABS]
        self.train, self.benchmark, self.table, self.attention, self.adapters, *_ = tabs
        self.main_widget = _Tabs(tabs)
        for tab in tabs:
            if hasattr(tab, "told"):
                tab.told.connect(self.told)
        self.adapters.use_asked.connect(self.use_asked)
        self.main_widget.currentChanged.connect(self._on_tab)
        self.table.check_asked.connect(self.run_check)
        for tab in (self.train, self.benchmark, self.table):
            tab.export_asked.connect(self.ask_where_to_export)
        for part in (self.train, self.table):
            part.use_asked.connect(self.use_adapter)
        self.table.open_asked.connect(self.open)
        self.table.delete_asked.connect(self._on_delete)
        self.table.reveal_asked.connect(self._on_reveal)

    def focus_find(self) -> None:
        """Ctrl+F: focus the runs' search field; on other tabs, the tab bar."""
        if self.main_widget.currentIndex() == RUNS:
            self.table.search.setFocus()
        else:
            self.main_widget.tabBar().setFocus()

    def run_check(self) -> None:
        """Run the two-minute check: the smallest benchmark, with the starter."""
        self.main_widget.setCurrentIndex(BENCHMARK)
        self.benchmark.run_check()

    def open(self, run: Run) -> None:
        """Show a run on the tab for its kind."""
        self.main_widget.setCurrentIndex(TRAIN if run.is_training else BENCHMARK)
        (self.train if run.is_training else self.benchmark).show_run(run.name)

    def use_adapter(self, run: Run) -> None:
        """Keep a run's adapter, and ask to compress and answer with it from now on."""
        folder = self.runs.keep_adapter(run)
        if folder is None:
            return
        name = str(folder)
        if name not in self._desk.settings.models:
            self._desk.change_settings(models=(*self._desk.settings.models, name))
        self.use_asked.emit(name, run.start.title)

    def ask_where_to_export(self, run: Run) -> None:
        filters = ";;".join(f"{form.upper()} (*.{form})" for form in FORMS)
        start = str(Path.home() / f"{run.name}.csv")
        path, chosen = QFileDialog.getSaveFileName(self.main_widget, tr("Export the run"), start, filters)
        if path:
            target = Path(path)
            if target.suffix.lower().removeprefix(".") not in FORMS:
                target = target.with_name(f"{target.name}.{chosen.split(' ')[0].lower() or FORMS[0]}")
            self.export(run, target)

    def export(self, run: Run, path: Path) -> None:
        """Write a run to a file, and report the outcome."""
        if export_run(run, path):
            self.told.emit(Notice(tr("Exported to {path}.", path=path)))
        else:
            self.told.emit(Notice(tr("{path} cannot be written.", path=path), tr("Choose another folder.")))

    def close(self) -> None:
        """The window is closing; runs go on."""
        self.train.form.preflight.stop()
        self.attention.close_process()

    def _on_tab(self) -> None:
        self.runs.find()

    def _on_delete(self, run: Run) -> None:
        self.told.emit(
            Notice(
                tr("Delete “{title}” permanently?", title=run.start.title),
                tr("Its figures, samples and checkpoints cannot be brought back."),
                actions=((later("Delete"), partial(self.runs.delete, run)),),
            )
        )

    def _on_reveal(self, run: Run) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.folder)))


class _Tabs(QTabWidget):
    def __init__(self, pages: Sequence[QWidget]) -> None:
        super().__init__()
        self.setDocumentMode(True)
        for page, (text, icon, _) in zip(pages, TABS, strict=True):
            self.addTab(page, theme.icon(icon), text)
        self._retranslate()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.tabBar().setAccessibleName(tr("Lab"))
        for number, (text, _, _) in enumerate(TABS):
            self.setTabText(number, tr(text))
