"""Which gists the server offers, each under a name. Knows files and the library; opens no gist."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gistdesk.core.errors import UserError

Catalog = Callable[[], Sequence["NamedGist"]]


@dataclass(frozen=True)
class NamedGist:
    """A gist that can be asked.

    Attributes:
        name: what requests call it.
        model: what made it.
        created: in seconds since 1970.
        text: the kept text of its document, in which answers are looked up; None if there is none.
    """

    name: str
    path: Path
    model: str
    created: int
    text: Path | None = None


def of_files(gists: Sequence[NamedGist]) -> Catalog:
    """Those of these whose files are there; looked at anew for every request."""

    def look() -> Sequence[NamedGist]:
        return _named(replace(gist, created=_created(gist.path)) for gist in gists if gist.path.is_file())

    return look


def of_library(folder: Path) -> Catalog:
    """Every document of a library that is ready, by its title; wherever the library then is."""
    from gistdesk.library import Library

    def look() -> Sequence[NamedGist]:
        library = Library(folder)
        try:
            entries = library.entries.all(states=("ready",))
            return _named(
                NamedGist(entry.title, gist.path, entry.model, _created(gist.path), library.texts.path(entry.id))
                for entry in entries
                if (gist := entry.gist) is not None and gist.path.is_file()
            )
        finally:
            library.close()

    return look


def _created(path: Path) -> int:
    return int(path.stat().st_mtime)


def _named(gists: Iterable[NamedGist]) -> list[NamedGist]:
    """Duplicate names are numbered: "letter", "letter 2"."""
    taken: set[str] = set()
    found = []
    for gist in gists:
        name, number = gist.name, 1
        while name in taken:
            number += 1
            name = f"{gist.name} {number}"
        taken.add(name)
        found.append(replace(gist, name=name))
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
