"""What the program says to people: every text that is marked for translation, and every one that ought to be.

Reads the sources; starts no Qt and runs nothing of them.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polib

from gistdesk.folders import resource

ROOT = Path(__file__).parents[2]
MARKS = {"tr": (0,), "later": (0,), "Sentence": (0,), "Notice": (0, 1), "Problem": (1, 2), "Error": (2, 3)}
MARKS |= dict.fromkeys(("UserError", "PasswordError", "DamagedLibraryError"), (0, 1))
"""Calls whose texts are looked up when they are told, and which of their arguments those are."""

TERMINAL_ONLY = (
    "gistdesk/cli/arguments.py",
    "gistdesk/cli/ask.py",
    "gistdesk/cli/commands.py",
    "gistdesk/cli/cuda.py",
    "gistdesk/cli/models.py",
    "gistdesk/cli/opening.py",
    "gistdesk/cli/serve.py",
    "gistdesk/server/app.py",
    "gistdesk/server/completions.py",
    "gistdesk/server/engine.py",
    "gistdesk/server/gists.py",
    "gistdesk/ui/app/self_test.py",
    "trainer/__main__.py",
    "trainer/starter/card.py",
    "trainer/report/main_table.py",
    "trainer/starter/train.py",
)
"""Commands that no window starts, what the server tells other programs, the packages' self test, the starter's card."""


@dataclass(frozen=True)
class Text:
    """A text and where it stands."""

    text: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.text}"


@cache
def trees() -> dict[Path, ast.Module]:
    """Every module of the application and the trainer."""
    paths = sorted(path for package in ("gistdesk", "trainer") for path in (ROOT / package).rglob("*.py"))
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def marked() -> list[Text]:
    """Every literal that a mark is given, also as one of two or in brackets."""
    found = []
    for path, call in _calls():
        if path.relative_to(ROOT).as_posix() not in TERMINAL_ONLY:
            for argument in _arguments(call):
                given = [argument, *_values(path, argument.id)] if isinstance(argument, ast.Name) else [argument]
                found += [Text(text, path, call.lineno) for value in given for text in _literals(value)]
    return [text for text in dict.fromkeys(found) if re.sub(r"\{[^}]*\}|\W", "", text.text)]


def finished() -> list[Text]:
    """Texts with values in them before a mark could see their template."""
    return [
        Text(ast.unparse(argument), path, call.lineno)
        for path, call in _calls()
        for argument in _arguments(call)
        if any(isinstance(node, ast.JoinedStr) for node in ast.walk(argument) if not isinstance(node, ast.Call))
        and not isinstance(argument, ast.Call)
    ]


@cache
def literals() -> set[str]:
    """Every text in the sources, whatever it is for."""
    nodes = (node for tree in trees().values() for node in ast.walk(tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@cache
def catalog(language: str) -> dict[str, dict[str, str]]:
    """English to another language, by the file's name."""
    return {
        path.name: {entry.msgid: entry.msgstr for entry in polib.pofile(str(path), check_for_duplicates=True)}
        for path in sorted(resource(f"translations/{language}").glob("*.po"))
    }


def texts_in(language: str) -> dict[str, str]:
    """Every text of a language, by its English one. Two files with the same text must agree."""
    texts: dict[str, str] = {}
    for name, own in catalog(language).items():
        for english, translated in own.items():
            assert texts.get(english, translated) == translated, f"{name}: {english!r} is translated twice"
            texts[english] = translated
    return texts


def name_of(call: ast.Call) -> str:
    """The name of what is called, without the object it is called on."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node) in MARKS:
                yield path, node


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    yield from (call.args[place] for place in MARKS[name_of(call)] if place < len(call.args))
    yield from (keyword.value for keyword in call.keywords if keyword.arg in ("message", "hint"))


def _values(path: Path, name: str) -> list[ast.expr]:
    """What is assigned to a name in its module, or, if it is a constant, in any."""
    found = trees().values() if name.isupper() else [trees()[path]]
    return [
        node.value
        for tree in found
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    ]


def _literals(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_literals(body), *_literals(orelse)]
        case ast.BoolOp(values=values) | ast.Dict(values=values) | ast.Tuple(elts=values):
            return [text for value in values for text in _literals(value)]
        case ast.Subscript(value=ast.Dict() | ast.Tuple() as choices):
            return _literals(choices)
    return []
