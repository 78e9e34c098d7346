"""What engine, library, trainer and desk tell people in finished sentences: errors, notices, reasons.

Reads the sources; runs none of them. A value that is only known at run time becomes a hole. A conditional, a name that
is assigned several texts, a parameter and its arguments give one sentence for each.
"""

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOLE = "\0"
TEXTS = {
    "UserError": (0, 1),
    "PasswordError": (0, 1),
    "DamagedLibraryError": (0, 1),
    "Notice": (0, 1),
    "Problem": (1, 2),
    "Error": (2, 3),
}
"""Calls that make something a person reads, and which of their arguments that are: message and hint."""

REASONED = (
    "gistdesk/settings.py",
    "gistdesk/core/adapter.py",
    "gistdesk/core/gguf_header.py",
    "gistdesk/core/gguf_model.py",
    "gistdesk/core/json_file.py",
    "gistdesk/core/model_config.py",
    "gistdesk/core/model_weights.py",
)
"""Modules whose own ValueErrors become the reason in a UserError."""

TERMINAL_ONLY = (
    "gistdesk/cli/cuda.py",
    "gistdesk/ui/app/self_test.py",
    "trainer/__main__.py",
    "trainer/starter/card.py",
    "trainer/report/main_table.py",
    "trainer/starter/train.py",
)
"""The packages' self test, the starter model with its card and table, commands that no window starts."""

EVENTS = ("warning", "failure")
"""Events of a training run that say something in sentences."""

_MAX_DEPTH = 4


@dataclass(frozen=True)
class Said:
    """A sentence, or a phrase inside of one, with a HOLE for each value."""

    text: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.text.replace(HOLE, '{}')}"

    def with_values(self) -> tuple[str, list[str]]:
        """The text with a value in each hole, and the values."""
        parts = self.text.split(HOLE)
        values = [f"«{n}»" for n in range(len(parts) - 1)]
        return "".join(itertools.chain(*itertools.zip_longest(parts, values, fillvalue=""))), values


@cache
def sentences() -> list[Said]:
    """Every message and hint, and the device's reasons."""
    found = [said for module in _modules() for said in module.said()]
    return [said for said in dict.fromkeys(found) if said.text.strip(HOLE + " ")]


@cache
def reasons() -> list[Said]:
    """What is said inside of a message because another exception said it."""
    return [said for module in _modules() if module.name in REASONED for said in module.reasons()]


@cache
def literals() -> set[str]:
    """Every text in the sources, whatever it is for."""
    nodes = (node for module in _modules() for node in ast.walk(module.tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@cache
def _modules() -> list["_Module"]:
    folders = ("core", "cuda", "library", "worker", "session", "language", "ui")
    own = ("adapters", "settings", "cli/choosing", "cli/jobs", "server/run", "smollm2", "terminal", "wheels")
    paths = [ROOT / "gistdesk" / f"{name}.py" for name in own]
    paths += [path for folder in folders for path in sorted((ROOT / "gistdesk" / folder).rglob("*.py"))]
    paths += sorted((ROOT / "trainer").rglob("*.py"))
    modules = [_Module(path) for path in paths]
    return [module for module in modules if module.name not in TERMINAL_ONLY]


class _Module:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.relative_to(ROOT).as_posix()
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def said(self) -> Iterator[Said]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and name_of(node) in TEXTS:
                for argument in self._shown(node, TEXTS[name_of(node)]):
                    for text in self._texts(argument):
                        yield Said(text, self.path, argument.lineno)
            for message in _event_messages(node):
                for text in self._texts(message):
                    yield Said(text, self.path, message.lineno)
            if isinstance(node, ast.FunctionDef) and node.name in _warning_makers():
                for value in _listed(node):
                    for text in self._texts(value):
                        yield Said(text, self.path, value.lineno)
            if isinstance(node, ast.FunctionDef) and node.name == "choose_device":
                for returned in ast.walk(node):
                    if isinstance(returned, ast.Return) and isinstance(returned.value, ast.Tuple):
                        for text in self._texts(returned.value.elts[1]):
                            yield Said(text, self.path, returned.lineno)

    def reasons(self) -> Iterator[Said]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and name_of(node) == "ValueError":
                for text in self._texts(node.args[0]):
                    yield Said(text, self.path, node.lineno)

    @cached_property
    def calls(self) -> dict[tuple[str, bool], list[ast.Call]]:
        """By the name of what is called, and whether it is called on an object."""
        found: dict[tuple[str, bool], list[ast.Call]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                found.setdefault((name_of(node), isinstance(node.func, ast.Attribute)), []).append(node)
        return found

    @staticmethod
    def _shown(call: ast.Call, places: tuple[int, ...]) -> Iterator[ast.expr]:
        yield from (call.args[place] for place in places if place < len(call.args))
        yield from (keyword.value for keyword in call.keywords if keyword.arg in ("message", "hint"))

    def _texts(self, node: ast.expr, depth: int = 0) -> list[str]:
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=values):
                parts = [self._texts(part, depth) for part in values]
                return ["".join(chosen) for chosen in itertools.product(*parts)]
            case ast.FormattedValue(value=value):
                return self._texts(value, depth)
            case ast.IfExp(body=body, orelse=orelse):
                return [*self._texts(body, depth), *self._texts(orelse, depth)]
            case ast.BoolOp(values=values):
                return [text for value in values for text in self._texts(value, depth)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [a + b for a in self._texts(left, depth) for b in self._texts(right, depth)]
            case ast.Subscript(value=ast.Dict(values=values)):
                return [text for value in values for text in self._texts(value, depth)]
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=" or "), attr="join")):
                return [HOLE, f"{HOLE} or {HOLE}"]
            case ast.Name() if depth < _MAX_DEPTH:
                values = self._values(node)
                found = [text for module, value in values for text in module._texts(value, depth + 1)]
                return list(dict.fromkeys(found)) or [HOLE]
        return [HOLE]

    def _values(self, name: ast.Name) -> list[tuple["_Module", ast.expr]]:
        """What may be assigned to a name, as far as the source says it."""
        scope: ast.AST = name
        while (scope := self._parents.get(scope, self.tree)) is not self.tree:
            if isinstance(scope, ast.FunctionDef):
                found = [value for node in ast.walk(scope) for value in _assigned(node, name.id)]
                if found:
                    return [(self, value) for value in found]
                names = [argument.arg for argument in scope.args.args]
                if name.id in names:
                    return self._arguments(scope, names.index(name.id))
        return [(self, value) for node in self.tree.body for value in _assigned(node, name.id)]

    def _arguments(self, function: ast.FunctionDef, place: int) -> list[tuple["_Module", ast.expr]]:
        names = [argument.arg for argument in function.args.args]
        is_method = isinstance(self._parents[function], ast.ClassDef)
        defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
        found = [(self, defaults[names[place]])] if names[place] in defaults else []
        for module in [self] if is_method else _modules():
            for call in module.calls.get((function.name, is_method), []):
                given = call.args[place - is_method : place - is_method + 1]
                given += [keyword.value for keyword in call.keywords if keyword.arg == names[place]]
                found += [(module, value) for value in given]
        return found


@cache
def _warning_makers() -> set[str]:
    """Functions that give sentences for a list of warnings: `warnings += function(...)`."""
    nodes = (node for module in _modules() for node in ast.walk(module.tree))
    return {
        name_of(node.value)
        for node in nodes
        if isinstance(node, ast.AugAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "warnings"
        and isinstance(node.value, ast.Call)
    }


def _listed(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """What a function puts into the list that it gives: appended, or written there."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and name_of(node) == "append":
            yield node.args[0]
        elif isinstance(node, ast.List):
            yield from node.elts


def _event_messages(node: ast.AST) -> Iterator[ast.expr]:
    """Message and hint of a dictionary that is an event with a sentence in it."""
    if isinstance(node, ast.Dict):
        own = {
            key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
        }
        kind = own.get("event")
        if isinstance(kind, ast.Constant) and kind.value in EVENTS:
            yield from (own[name] for name in ("message", "hint") if name in own)


def _assigned(node: ast.AST, name: str) -> Iterator[ast.expr]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _unpacked(target, value, name)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield from _unpacked(target, value, name)
        case ast.For(target=target, iter=ast.Tuple(elts=items) | ast.List(elts=items)):
            for item in items:
                yield from _unpacked(target, item, name)


def _unpacked(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for part, part_value in zip(target.elts, value.elts, strict=False):
            yield from _unpacked(part, part_value, name)


def name_of(call: ast.Call) -> str:
    """The name of what is called, without the object it is called on."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
