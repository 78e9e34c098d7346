"""The sheet after a drop: which documents, how much to compress them, what that will take; nothing starts without it.

Knows the desk's measurements of documents; reads no file itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from gistdesk.language.figures import count_text
from gistdesk.language.i18n import tr
from gistdesk.library import Entry, Problem
from gistdesk.session.desk import Desk
from gistdesk.session.dropped import Measured
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label, tip
from gistdesk.ui.widgets.model_title import model_title
from gistdesk.ui.widgets.overlay import Overlay
from gistdesk.ui.widgets.ratio_chooser import RatioChooser

_FILE, _WHAT = range(2)
_ROW = 5 * theme.GRID
_MOST_ROWS = 6


@dataclass
class _Row:
    item: QTreeWidgetItem
    found: Measured | Problem | None = None
    password: QLineEdit | None = None


class DropSheet(Overlay):
    """Signals: documents_added (list of entry ids)."""

    documents_added = Signal(list)

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        super().__init__(parent, width=80 * theme.GRID)
        self._desk = desk
        self._rows: dict[Path, _Row] = {}
        self._passwords: dict[Path, str] = {}
        self._title = Label(self.card)
        theme.set_role(self._title, "title")
        self._list = QTreeWidget(self.card)
        self._list.setRootIsDecorated(False)
        self._list.setUniformRowHeights(False)
        self._list.setColumnCount(2)
        self._list.header().setSectionResizeMode(_FILE, QHeaderView.ResizeMode.Stretch)
        self._list.header().setSectionResizeMode(_WHAT, QHeaderView.ResizeMode.Interactive)
        self._list.header().setStretchLastSection(False)
        self._list.setColumnWidth(_WHAT, 40 * theme.GRID)
        self._list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._list.setSelectionMode(QTreeWidget.SelectionMode.SingleSelection)
        self._model_name, self.models = Label(self.card), QComboBox(self.card)
        theme.set_role(self._model_name, "muted")
        self.chooser = RatioChooser(desk, self.card)
        self._left_out = Label(self.card)
        theme.set_role(self._left_out, "warning")
        self.cancel, self.accept = QPushButton(self.card), QPushButton(self.card)
        theme.set_kind(self.accept, "primary")
        self.accept.setDefault(True)
        self.foot.addWidget(self._left_out, 1)
        self.foot.addWidget(self.cancel)
        self.foot.addWidget(self.accept)
        model_row = QHBoxLayout()
        model_row.setSpacing(2 * theme.GRID)
        model_row.addWidget(self._model_name)
        model_row.addWidget(self.models, 1)
        self.body.addWidget(self._title)
        self.body.addWidget(self._list, 1)
        self.body.addLayout(model_row)
        self.body.addWidget(self.chooser)
        self.cancel.clicked.connect(self.dismiss)
        self.accept.clicked.connect(self._on_accepted)
        self.closed.connect(self._on_closed)
        desk.documents.measured.connect(self._on_measured)
        self.models.currentIndexChanged.connect(self._refresh)
        self._retranslate()

    def show_paths(self, paths: Sequence[Path]) -> None:
        """Ask about these documents, in addition to those already on the sheet; they are measured meanwhile."""
        if self.isHidden():
            self._rows, self._passwords = {}, {}
            self._list.clear()
            self._show_models()
            self.chooser.start_over()
        added = [path for path in dict.fromkeys(paths) if path not in self._rows]
        for path in added:
            item = QTreeWidgetItem([path.name, ""])
            item.setToolTip(_FILE, tip(str(path)))
            item.setIcon(_FILE, theme.icon("file", "muted"))
            item.setSizeHint(_FILE, QSize(0, _ROW))
            self._list.addTopLevelItem(item)
            self._rows[path] = _Row(item)
        self._list.setFixedHeight(self._list_height(min(_MOST_ROWS, len(self._rows))))
        self._refresh()
        self.open()
        self.accept.setFocus(Qt.FocusReason.OtherFocusReason)
        self._desk.documents.measure(added)

    def arrange_card(self) -> None:
        """In a low window, shrink the list of documents first, so that the cost of compressing stays visible."""
        n = len(self._rows)
        spare = self.room_for_body() - (self.body.totalHeightForWidth(self.card.width()) - self._list.height())
        fit = (spare - self._list_height(0)) // _ROW
        self._list.setFixedHeight(self._list_height(max(min(2, n), min(_MOST_ROWS, n, fit))))
        super().arrange_card()

    def _list_height(self, n_rows: int) -> int:
        return n_rows * _ROW + self._list.header().sizeHint().height() + theme.GRID

    # --- measurements

    def _on_measured(self, path: str, found: object) -> None:
        row = self._rows.get(Path(path))
        if row is None or not isinstance(found, Measured | Problem):
            return
        row.found = found
        if isinstance(found, Problem) and found.kind == "password":
            self._ask_password(Path(path), row)
        elif row.password is not None:
            self._list.removeItemWidget(row.item, _WHAT)
            row.password = None
        self._refresh()

    def _ask_password(self, path: Path, row: _Row) -> None:
        again = row.password is not None
        field, button = QLineEdit(), QPushButton(tr("Open"))
        field.setEchoMode(QLineEdit.EchoMode.Password)
        field.setPlaceholderText(tr("Wrong password; try again") if again else tr("Password"))
        field.setAccessibleName(tr("Password of {name}", name=path.name))
        field.returnPressed.connect(lambda: self._on_password(path))
        button.clicked.connect(lambda: self._on_password(path))
        both = QWidget()
        line = QHBoxLayout(both)
        line.setContentsMargins(0, theme.SMALL, theme.GRID, theme.SMALL)
        line.setSpacing(theme.GRID)
        line.addWidget(field, 1)
        line.addWidget(button)
        row.password = field
        row.item.setSizeHint(_WHAT, both.sizeHint())
        self._list.setItemWidget(row.item, _WHAT, both)
        field.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_password(self, path: Path) -> None:
        row = self._rows.get(path)
        if row is None or row.password is None or not row.password.text():
            return
        self._passwords[path] = row.password.text()
        row.found = None
        row.password.setEnabled(False)
        self._refresh()
        self._desk.documents.measure([path], {path: self._passwords[path]})

    # --- showing

    def _refresh(self) -> None:
        c = theme.colours()
        for path, row in self._rows.items():
            problem = isinstance(row.found, Problem) and row.password is None
            words = "" if row.password is not None else _words(row.found, path.name)
            if isinstance(row.found, Measured) and self._model_of(path) != self._desk.settings.model:
                words += f" · {model_title(self._model_of(path))}"
            row.item.setText(_WHAT, words)
            row.item.setToolTip(_WHAT, tip(_tip(row.found)))
            row.item.setForeground(_WHAT, QColor(c.bad if problem else c.muted))
            row.item.setIcon(_WHAT, theme.icon("error", "bad") if problem else QIcon())
        ready, left_out = self._usable(), self._left_out_count()
        measured = [row.found for path, row in self._rows.items() if path in ready and isinstance(row.found, Measured)]
        models = {self._model_of(path) for path in ready}
        same = models.pop() if len(models) == 1 else self._desk.settings.model
        self.chooser.show_tokens([each.n_tokens for each in measured], same)
        self._left_out.setText(tr("Left out: {n}", n=left_out) if left_out else "")
        self.accept.setEnabled(bool(ready))
        self.accept.setText(tr("Compress") if len(self._rows) == 1 else tr("Compress ({n})", n=len(ready)))

    def _show_models(self) -> None:
        """First the choice by each document's language, then every usable model."""
        self.models.clear()
        self.models.addItem(tr("{model}, or the one for the text's language", model=self._own_title()), "")
        for row in self._desk.models():
            if not row.problem and row.download is None:
                self.models.addItem(model_title(row.name), row.name)

    def _own_title(self) -> str:
        return model_title(self._desk.settings.model)

    def _model_of(self, path: Path) -> str:
        """The model that was chosen, else the one for the document's language, else the settings'."""
        found = self._rows[path].found
        suited = found.model if isinstance(found, Measured) else ""
        return str(self.models.currentData() or suited or self._desk.settings.model)

    def _is_model_known(self, path: Path) -> bool:
        """Whether one was chosen, or the text was read and its language decides."""
        return bool(self.models.currentData()) or isinstance(self._rows[path].found, Measured)

    def _usable(self) -> list[Path]:
        return [path for path, row in self._rows.items() if not isinstance(row.found, Problem)]

    def _left_out_count(self) -> int:
        return len(self._rows) - len(self._usable())

    def _on_accepted(self) -> None:
        paths = self._usable()
        passwords = {path: text for path, text in self._passwords.items() if path in paths}
        self.chooser.keep()
        models = {path: self._model_of(path) for path in paths if self._is_model_known(path)}
        added = self._desk.documents.add(paths, self.chooser.ratio, passwords, self.chooser.method, models)
        self.dismiss()
        self.documents_added.emit(list(added))

    def _on_closed(self) -> None:
        self._rows, self._passwords = {}, {}
        self._list.clear()
        self._desk.documents.forget_measured()
        self._desk.forecast(0)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._title.setText(tr("Compress documents"))
        self.card.setAccessibleName(tr("Compress documents"))
        self._list.setAccessibleName(tr("Documents"))
        self._list.setHeaderLabels([tr("Document"), tr("Contents")])
        self._model_name.setText(tr("Model"))
        self.models.setAccessibleName(tr("Model"))
        self.models.setItemText(0, tr("{model}, or the one for the text's language", model=self._own_title()))
        self.cancel.setText(tr("Cancel"))
        self._refresh()


class RecompressSheet(Overlay):
    """Asks for the ratio at which to recompress documents in the library."""

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        super().__init__(parent, width=72 * theme.GRID)
        self._desk = desk
        self._entries: list[Entry] = []
        self._title, self._text = Label(self.card), Label(self.card)
        theme.set_role(self._title, "title")
        theme.set_role(self._text, "muted")
        self._text.setWordWrap(True)
        self.chooser = RatioChooser(desk, self.card)
        self.cancel, self.accept = QPushButton(self.card), QPushButton(self.card)
        theme.set_kind(self.accept, "primary")
        self.foot.addStretch()
        self.foot.addWidget(self.cancel)
        self.foot.addWidget(self.accept)
        for widget in (self._title, self._text, self.chooser):
            self.body.addWidget(widget)
        self.cancel.clicked.connect(self.dismiss)
        self.accept.clicked.connect(self._on_accepted)
        self.closed.connect(self._on_closed)
        self._retranslate()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        self._entries = list(entries)
        self.chooser.start_over()
        self.chooser.show_tokens([entry.n_tokens for entry in entries if entry.n_tokens])
        self._retranslate()
        self.open()
        self.accept.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_accepted(self) -> None:
        self.chooser.keep()
        self._desk.documents.recompress([entry.id for entry in self._entries], self.chooser.ratio, self.chooser.method)
        self.dismiss()

    def _on_closed(self) -> None:
        self._desk.forecast(0)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        if len(self._entries) == 1:
            self._title.setText(tr("Recompress “{title}”", title=self._entries[0].title))
        else:
            self._title.setText(tr("Recompress documents ({n})", n=len(self._entries)))
        self._title.setWordWrap(True)
        self.card.setAccessibleName(self._title.text())
        self._text.setText(tr("The present gist stays in use until the new one is ready."))
        self.cancel.setText(tr("Cancel"))
        self.accept.setText(tr("Recompress"))


def _words(found: Measured | Problem | None, name: str) -> str:
    if found is None:
        return tr("Reading…")
    if isinstance(found, Problem):
        return tr(found.message).removeprefix(name).lstrip(": ")
    tokens = tr("about {n} tokens", n=count_text(found.n_tokens))
    if found.known_as:
        return f"{tr('In the library already: “{title}”', title=found.known_as)} · {tokens}"
    return tokens


def _tip(found: Measured | Problem | None) -> str:
    if isinstance(found, Problem):
        return f"{tr(found.message)} {tr(found.hint)}"
    if isinstance(found, Measured) and found.n_pages > 1:
        return tr("Pages: {pages} · Characters: {n}", pages=count_text(found.n_pages), n=count_text(found.n_chars))
    return ""
