"""A form in the Lab: labels over controls in one narrow column; the equivalent command, to copy.

Texts are given in English, marked by `later`, and follow the language. Knows nothing of what is chosen.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetricsF, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.i18n import tr
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.combo import fit_list
from gistdesk.ui.widgets.labels import Label


class Form(QFrame):
    """Rows that scroll above a fixed foot: the command, and what starts it.

    Attributes: foot (a column below the rows).
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "page")
        self._texts: list[tuple[QWidget, str]] = []
        self._names: list[tuple[QWidget, str]] = []
        self._notes: list[tuple[QWidget, str]] = []
        self._choices: list[tuple[QComboBox, Sequence[str]]] = []
        inner = QWidget(self)
        self._rows = QVBoxLayout(inner)
        self._rows.setContentsMargins(2 * theme.GRID, 2 * theme.GRID, 2 * theme.GRID, theme.GRID)
        self._rows.setSpacing(theme.SMALL)
        self._rows.addStretch()
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        self.foot = QVBoxLayout()
        self.foot.setContentsMargins(2 * theme.GRID, theme.GRID, 2 * theme.GRID, 2 * theme.GRID)
        self.foot.setSpacing(theme.GRID)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(area, 1)
        column.addLayout(self.foot)
        self.setMinimumWidth(36 * theme.GRID)

    def add(self, label: str, control: QWidget, note: str = "") -> QWidget:
        """Add a control under its label; returns the row, so that it can be shown or hidden."""
        row = QWidget(self)
        column = QVBoxLayout(row)
        column.setContentsMargins(0, 0, 0, theme.GRID)
        column.setSpacing(theme.SMALL)
        if label:
            name = Label(row)
            name.setBuddy(control)
            theme.set_role(name, "muted")
            column.addWidget(name)
            self._texts.append((name, label))
            self._names.append((control, label))
        column.addWidget(control)
        if note:
            self._notes.append((control, note))
        self._rows.insertWidget(self._rows.count() - 1, row)
        return row

    def add_choices(self, box: QComboBox, texts: Sequence[str]) -> QComboBox:
        """Fill a box with texts that follow the language."""
        for text in texts:
            box.addItem(tr(text))
        self._choices.append((box, texts))
        return box

    def follow(self, widget: QWidget, text: str) -> None:
        """Give a widget a text that is set again when the language changes."""
        self._texts.append((widget, text))

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        for widget, text in self._texts:
            widget.setText(tr(text))  # type: ignore[attr-defined]
        for control, text in self._names:
            control.setAccessibleName(tr(text))
        for control, text in self._notes:
            control.setToolTip(tr(text))
            control.setAccessibleDescription(tr(text))
        for box, texts in self._choices:
            for number, text in enumerate(texts):
                box.setItemText(number, tr(text))
            fit_list(box)


class _Words(QPlainTextEdit):
    """A text as high as its contents if there is room, and at least a few lines."""

    _LEAST, _MOST = 3, 9

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.textChanged.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:  # noqa: N802
        n_lines = round(self.document().size().height())  # plain text is measured in lines
        return QSize(super().sizeHint().width(), self._height(max(self._LEAST, min(self._MOST, n_lines))))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().minimumSizeHint().width(), self._height(self._LEAST))

    def _height(self, n_lines: int) -> int:
        return round(n_lines * QFontMetricsF(self.font()).lineSpacing()) + 3 * theme.GRID

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.updateGeometry()


class CommandLine(QWidget):
    """The equivalent command, always visible, with a button that copies it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label, self.field, self._copy = Label(self), _Words(self), QToolButton(self)
        theme.set_role(self._label, "muted")
        self.field.setReadOnly(True)
        self.field.setTabChangesFocus(True)
        self.field.setFont(theme.mono_font(self.field))
        self.field.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self._copy.setIcon(theme.icon("copy"))
        self._copy.clicked.connect(self._on_copy)
        self._said = QTimer(self)
        self._said.setSingleShot(True)
        self._said.timeout.connect(self.retranslate)
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        head.addWidget(self._label, 1)
        head.addWidget(self._copy)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.field)
        self.retranslate()

    def show_words(self, words: Sequence[str]) -> None:
        text = shlex.join(words)
        if text != self.field.toPlainText():
            self.field.setPlainText(text)

    def _on_copy(self) -> None:
        QApplication.clipboard().setText(self.field.toPlainText())
        self._label.setText(tr("Copied"))
        self._said.start(1500)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self._label.setText(tr("Command line"))
        self.field.setAccessibleName(tr("Command line"))
        self._copy.setAccessibleName(tr("Copy the command line"))
        self._copy.setToolTip(tr("Copy the command line"))


class PathField(QWidget):
    """A file or a folder, typed or chosen. Signals: changed."""

    changed = Signal()

    def __init__(self, *, folder: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.is_folder = folder
        self.field, self._browse = QLineEdit(self), QPushButton(self)
        self._browse.setIcon(theme.icon("folder"))
        self._browse.clicked.connect(self._on_browse)
        self.field.textChanged.connect(self.changed)
        self.setFocusProxy(self.field)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SMALL)
        row.addWidget(self.field, 1)
        row.addWidget(self._browse)
        self.retranslate()

    @property
    def path(self) -> str:
        return self.field.text().strip()

    def setAccessibleName(self, name: str) -> None:  # noqa: N802
        super().setAccessibleName(name)
        self.field.setAccessibleName(name)

    def _on_browse(self) -> None:
        start = self.path or str(Path.home())
        if self.is_folder:
            found = QFileDialog.getExistingDirectory(self, tr("Choose a folder"), start)
        else:
            found, _ = QFileDialog.getOpenFileName(self, tr("Choose a file"), start)
        if found:
            self.field.setText(found)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self._browse.setAccessibleName(tr("Choose…"))
        self._browse.setToolTip(tr("Choose…"))
        self.field.setPlaceholderText(tr("Folder") if self.is_folder else tr("File"))


class CheckList(QListWidget):
    """Names to tick, by mouse or space bar; shows a few of them, or all if there is room.

    Signals: changed.
    """

    changed = Signal()

    def __init__(
        self, names: Mapping[str, str], ticked: Sequence[str], *, n_visible: int, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._texts = dict(names)
        for key in names:
            item = QListWidgetItem(self)
            item.setData(Qt.ItemDataRole.UserRole, key)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setSizeHint(QSize(0, max(3 * theme.GRID, self.fontMetrics().height() + theme.GRID)))
            item.setCheckState(Qt.CheckState.Checked if key in ticked else Qt.CheckState.Unchecked)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.retranslate()
        self.setCurrentRow(0)
        self._n_visible = n_visible
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMaximumHeight(self._height(self.count()))
        self.itemChanged.connect(self.changed)

    def _height(self, n_rows: int) -> int:
        return n_rows * self.item(0).sizeHint().height() + 6

    def sizeHint(self) -> QSize:  # noqa: N802
        """The height of all items, if there is room."""
        return QSize(super().sizeHint().width(), self._height(self.count()))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(super().minimumSizeHint().width(), self._height(self._n_visible))

    @property
    def ticked(self) -> list[str]:
        """The keys of the ticked items, in order."""
        items = (self.item(row) for row in range(self.count()))
        return [item.data(Qt.ItemDataRole.UserRole) for item in items if item.checkState() == Qt.CheckState.Checked]

    def tick(self, keys: Sequence[str]) -> None:
        for row in range(self.count()):
            item = self.item(row)
            on = item.data(Qt.ItemDataRole.UserRole) in keys
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)

    def set_notes(self, notes: Mapping[str, str]) -> None:
        """Set tooltips, by key."""
        self._notes = dict(notes)
        self.retranslate()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.retranslate()

    def retranslate(self) -> None:
        self.blockSignals(True)
        notes = getattr(self, "_notes", {})
        for row in range(self.count()):
            item = self.item(row)
            key = item.data(Qt.ItemDataRole.UserRole)
            item.setText(tr(self._texts[key]))
            if key in notes:
                item.setToolTip(tr(notes[key]))
        self.blockSignals(False)
