"""A model in the settings: its title, size and fit, its download's progress, and what can be done with it.

Knows the desk's rows of models.
"""

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QMessageBox, QProgressBar, QPushButton, QVBoxLayout

from gistdesk.language.figures import PRECISIONS, bytes_text, parameters_text
from gistdesk.language.i18n import tr
from gistdesk.models import NAMED
from gistdesk.session.desk import Desk, ModelRow
from gistdesk.session.downloads import DownloadState
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.fit_badge import FitBadge, numbers
from gistdesk.ui.widgets.labels import ElidedLabel, Label
from gistdesk.ui.widgets.model_title import model_title


class ModelCard(QFrame):
    """A model: its title, size and fit, and what can be done with it. Signals: use_asked (its name)."""

    use_asked = Signal(str)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.setProperty("surface", "card")
        self._desk = desk
        self._row: ModelRow | None = None
        self._title, self._facts = ElidedLabel(), Label()
        theme.set_role(self._title, "heading")
        theme.set_role(self._facts, "muted")
        self._facts.setWordWrap(True)
        self._badge: FitBadge | None = None
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self.use, self.remove, self.export, self.pause = (QPushButton() for _ in range(4))
        for button in (self.remove, self.export):
            theme.set_kind(button, "quiet")
        self._top = QHBoxLayout()
        self._top.setSpacing(2 * theme.GRID)
        self._top.addWidget(self._title, 1)
        for button in (self.remove, self.export, self.pause, self.use):
            self._top.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.SMALL)
        column.addLayout(self._top)
        column.addWidget(self._facts)
        column.addWidget(self._bar)
        self.use.clicked.connect(self._on_use)
        self.remove.clicked.connect(self._on_remove)
        self.export.clicked.connect(self._on_export)
        self.pause.clicked.connect(self._on_pause)

    def show_row(self, row: ModelRow) -> None:
        self._row = row
        in_use = self._desk.settings.model == row.name
        title = model_title(row.name) if row.name in NAMED else row.title
        self._title.setText(title)
        self._facts.setText("  ·  ".join(_facts(row)))
        download = row.download
        share = download.share if download is not None else None
        self._bar.setVisible(share is not None)
        self._bar.setValue(round(1000 * (share or 0)))
        self._bar.setAccessibleName(tr("Download of {title}", title=title))
        self.use.setVisible(download is None)
        self.use.setText(tr("In use") if in_use else tr("Use"))
        self.use.setEnabled(not in_use and not row.problem)
        self.pause.setVisible(download is not None and not Path(row.name).is_absolute())
        self.pause.setText(_pause_text(download))
        is_own = row.is_kept or row.name in self._desk.settings.models
        self.remove.setVisible(download is not None or (is_own and not in_use))
        words = tr("Delete…") if row.is_kept else tr("Remove from list")
        self.remove.setText(tr("Cancel") if download is not None else words)
        self.export.setVisible(row.has_adapter and download is None)
        self.export.setText(tr("Export the adapter…"))
        for button in (self.use, self.pause, self.remove, self.export):
            button.setAccessibleName(f"{button.text()}: {title}")
        if self._badge is None:
            self._badge = FitBadge(row)
            self._top.insertWidget(1, self._badge)
        self._badge.setVisible(download is None or bool(download.problem))
        self._badge.show_row(row)

    def _on_use(self) -> None:
        if self._row is not None:
            self.use_asked.emit(self._row.name)

    def _on_pause(self) -> None:
        if self._row is None or self._row.download is None:
            return
        if self._row.download.is_paused:
            self._desk.download(self._row.name)
        else:
            self._desk.pause_download(self._row.name)

    def _on_remove(self) -> None:
        if self._row is None:
            return
        if self._row.download is not None:
            self._desk.give_up_download(self._row.name)
        elif self._row.is_kept:
            self._ask_to_delete()
        else:
            kept = tuple(name for name in self._desk.settings.models if name != self._row.name)
            self._desk.change_settings(models=kept)

    def _ask_to_delete(self) -> None:
        box = QMessageBox(
            QMessageBox.Icon.Warning,
            tr("Delete the adapter"),
            tr(
                "Delete the adapter “{title}” permanently? Documents compressed with it can no longer be asked.",
                title=self._title.text(),
            ),
            QMessageBox.StandardButton.NoButton,
            self.window(),
        )
        box.setTextFormat(Qt.TextFormat.PlainText)
        delete = box.addButton(tr("Delete permanently"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        delete.clicked.connect(self.delete_adapter)
        box.open()

    def delete_adapter(self) -> None:
        """Delete the adapter without asking."""
        if self._row is not None:
            self._desk.remove_adapter(self._row.name)

    def _on_export(self) -> None:
        if self._row is not None:
            start = str(Path.home() / f"{Path(self._row.name).name}-adapter")
            path, _ = QFileDialog.getSaveFileName(self.window(), tr("A new folder for the adapter"), start)
            if path:
                self._desk.export_adapter(self._row.name, Path(path))


def _facts(row: ModelRow) -> list[str]:
    if row.download is not None:
        return [_download_text(row.download, is_file=Path(row.name).is_absolute())]
    facts = []
    if row.n_parameters:
        facts.append(parameters_text(row.n_parameters))
    if row.file_bytes:
        facts.append(tr("{size} on disk", size=bytes_text(row.file_bytes)))
    if row.precision:
        facts.append(tr("loaded as {precision}", precision=tr(PRECISIONS[row.precision])))
    facts.append(numbers(row))
    if row.adapter_base:
        facts.append(tr("adapter for {base}", base=model_title(row.adapter_base)))
    if row.adapter_precision:
        facts.append(tr("trained in {precision}", precision=tr(PRECISIONS[row.adapter_precision])))
    if row.n_parameters and not row.has_adapter:
        facts.append(tr("no adapter: it compresses by the text's own keys"))
    if Path(row.name).is_absolute():
        facts.append(row.name)
    return facts


def _pause_text(download: DownloadState | None) -> str:
    if download is None or not download.is_paused:
        return tr("Pause")
    return tr("Try again") if download.problem else tr("Resume")


def _download_text(download: DownloadState, *, is_file: bool) -> str:
    """How far it has got; if it has stopped by itself, why, and what to do."""
    if download.problem:
        return f"{tr(download.problem)} {tr(download.hint)}".strip()
    if download.share is None:
        return tr("Paused: what was downloaded is kept")
    percent = round(100 * download.share)
    if download.is_paused:
        return tr("Paused at {percent}%: what was downloaded is kept", percent=percent)
    return tr("Preparing {percent}%", percent=percent) if is_file else tr("Downloading {percent}%", percent=percent)
