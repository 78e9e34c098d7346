"""Which gists the server offers, each under a name. Knows files and the library; opens no gist."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from gistdesk.core.errors import UserError

if TYPE_CHECKING:
    from gistdesk.library import Library

Catalog = Callable[[], Sequence["NamedGist"]]


@dataclass(frozen=True)
class NamedGist:
    """A gist that can be asked.

    Attributes:
        name: what requests call it.
        model: answers from it; as a rule what made it.
        created: in seconds since 1970.
        precision: of the model's weights, as the gist was made.
        text: the kept text of its document, in which answers are looked up; None if there is none.
    """

    name: str
    path: Path
    model: str
    created: int
    text: Path | None = None
    precision: str = "auto"


def of_files(gists: Sequence[NamedGist]) -> Catalog:
    """Those of these whose files are there; looked at anew for every request. Each keeps its name."""
    named = _named(gists)

    def look() -> Sequence[NamedGist]:
        return [replace(gist, created=created) for gist in named if (created := _created(gist.path))]

    return look


def of_library(folder: Path) -> Catalog:
    """Every document of a library that can answer, by its title; wherever the library then is."""
    from gistdesk.library import Library

    one_at_a_time = Lock()

    def look() -> Sequence[NamedGist]:
        with one_at_a_time:  # to open a library may replace its oldest backup
            return of_files(_ready(Library(folder)))()

    return look


def _ready(library: "Library") -> list[NamedGist]:
    """Closes the library."""
    try:
        return [
            NamedGist(entry.title, entry.gist.path, entry.gist_model, 0, library.texts.path(entry.id))
            for entry in library.entries.all()
            if entry.gist is not None and entry.can_answer
        ]
    finally:
        library.close()


def _created(path: Path) -> int:
    """0 if it is not there."""
    try:
        return int(path.stat().st_mtime)
    except OSError:
        return 0


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
