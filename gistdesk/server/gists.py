"""Which gists the server offers, each under a name. Knows files and the library; opens no gist."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gistdesk.core.errors import UserError

Catalog = Callable[[], Sequence["NamedGist"]]


@dataclass(frozen=True)
class NamedGist:
    """`name` is what requests call it; `model` is what made it; `created` is in seconds since 1970."""

    name: str
    path: Path
    model: str
    created: int


def of_files(paths: Sequence[Path], model: str) -> Catalog:
    """These gist files, by their names without the ending; read anew for every request."""

    def look() -> Sequence[NamedGist]:
        there = [path for path in paths if path.is_file()]
        return _named((path.stem, path, model, int(path.stat().st_mtime)) for path in there)

    return look


def of_library(folder: Path) -> Catalog:
    """Every document of a library that is ready, by its title; wherever the library then is."""
    from gistdesk.library import Library

    def look() -> Sequence[NamedGist]:
        library = Library(folder)
        try:
            entries = library.entries.all(states=("ready",))
            rows = [(entry.title, entry.gist.path, entry.model) for entry in entries if entry.gist is not None]
        finally:
            library.close()
        return _named((*row, int(row[1].stat().st_mtime)) for row in rows if row[1].is_file())

    return look


def _named(rows: Iterable[tuple[str, Path, str, int]]) -> list[NamedGist]:
    """Duplicate names are numbered: "letter", "letter 2"."""
    taken: set[str] = set()
    found = []
    for title, path, model, created in rows:
        name, number = title, 1
        while name in taken:
            number += 1
            name = f"{title} {number}"
        taken.add(name)
        found.append(NamedGist(name, path, model, created))
    return found


def find(gists: Sequence[NamedGist], name: str) -> NamedGist:
    """Raises UserError: there is none of that name."""
    for gist in gists:
        if gist.name == name:
            return gist
    names = ", ".join(gist.name for gist in gists[:20])
    raise UserError(
        "There is no gist {name}.",
        "There are: {names}." if names else "No document is ready yet.",
        name=name,
        names=names,
    )
