"""What the window says: every text that is marked for translation, and every one that ought to be.

Reads the sources; starts no Qt.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from gistdesk.core.resources import resource

_PACKAGE = Path(__file__).parents[2] / "gistdesk"
SOURCES = sorted(path for room in ("ui", "session", "language") for path in (_PACKAGE / room).rglob("*.py"))
SHOWING = {
    *(
        "setText setToolTip setWindowTitle setTitle setPlaceholderText setAccessibleName setAccessibleDescription "
        "setStatusTip setWhatsThis setInformativeText setDetailedText setTabText setItemText setHeaderLabels addTab "
        "addMenu addButton setLabelText setSpecialValueText setToolTipText announce"
    ).split(),
    *"QLabel QPushButton QToolButton QAction QCheckBox QRadioButton QGroupBox QMessageBox Label ElidedLabel".split(),
}
"""Calls whose texts people read."""

MARKS = ("tr", "later")
SAME_IN_BOTH = re.compile(r"[^A-Za-z]*|gistdesk|English|한국어|MB| ?x| \(Ctrl\+.?\)?")
"""Texts without words, names, units, keys."""


def marked() -> Iterator[tuple[Path, int, str]]:
    """(file, line, text) of every literal that is given to `tr` or `later`."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node) in MARKS and node.args:
                text = _literal(node.args[0])
                if text is not None:
                    yield path, node.lineno, text


def unmarked() -> Iterator[tuple[Path, int, str]]:
    """(file, line, text) of literals that are shown without having been translated."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node) in SHOWING:
                for argument in node.args:
                    for text in _literals(argument):
                        if not SAME_IN_BOTH.fullmatch(text):
                            yield path, node.lineno, text


def by_file() -> dict[str, dict[str, str]]:
    """English to Korean, by the file's name."""
    return {
        path.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(resource("translations/ko").glob("*.json"))
    }


def korean() -> dict[str, str]:
    """Every Korean text, by its English one. Two files with the same text must agree."""
    texts: dict[str, str] = {}
    for name, own in by_file().items():
        for english, translated in own.items():
            assert texts.get(english, translated) == translated, f"{name}: {english!r} is translated twice"
            texts[english] = translated
    return texts


def places(text: str) -> list[str]:
    """The {places} of a text, in order of their names."""
    return sorted(re.findall(r"\{(\w*)\}", text))


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


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
