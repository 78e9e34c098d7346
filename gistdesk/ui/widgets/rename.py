"""Renaming in a list's own row. Knows no lists."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex
from PySide6.QtWidgets import QStyledItemDelegate, QWidget


class RenameDelegate(QStyledItemDelegate):
    """Fills its editor once: Qt does so again whenever anything of the row changes, over what is being typed."""

    def setEditorData(self, editor: QWidget, index: QModelIndex | QPersistentModelIndex) -> None:  # noqa: N802
        if not editor.property("filled"):
            super().setEditorData(editor, index)
            editor.setProperty("filled", True)
