"""Texts that a widget is given as they stand, without having been marked for translation. Reads the sources."""

import ast
import re
from collections.abc import Iterator

from tests.language.texts import ROOT, Text, name_of, trees

SHOWING = {
    *(
        "setText setToolTip setWindowTitle setTitle setPlaceholderText setAccessibleName setAccessibleDescription "
        "setStatusTip setWhatsThis setInformativeText setDetailedText setTabText setItemText setHeaderLabels addTab "
        "addMenu addButton setLabelText setSpecialValueText setToolTipText announce"
    ).split(),
    *"QLabel QPushButton QToolButton QAction QCheckBox QRadioButton QGroupBox QMessageBox Label ElidedLabel".split(),
}
"""Calls whose texts people read."""

SAME_IN_ALL = re.compile(r"[^A-Za-z]*|gistdesk|English|한국어|MB| ?x| \(Ctrl\+.?\)?")
"""Texts without words, names, units, keys."""


def unmarked() -> Iterator[Text]:
    """Literals that are shown without having been translated."""
    rooms = [ROOT / "gistdesk" / room for room in ("ui", "session", "language")]
    for path, tree in trees().items():
        if not any(path.is_relative_to(room) for room in rooms):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node) in SHOWING:
                for argument in node.args:
                    yield from (
                        Text(text, path, node.lineno) for text in _literals(argument) if not SAME_IN_ALL.fullmatch(text)
                    )


def _literals(node: ast.expr) -> Iterator[str]:
    """Literals that are shown as they stand; what is inside `tr(...)`, or a dictionary's key, is not."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr | ast.List | ast.Tuple):
        for part in node.values if isinstance(node, ast.JoinedStr) else node.elts:
            yield from _literals(part)
    elif isinstance(node, ast.BinOp):
        yield from _literals(node.left)
        yield from _literals(node.right)
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)
