"""What is quickly put into a library: entries in any state, with texts and gists."""

import hashlib

from gistdesk.library import Entry, GistFigures, Library, TextFigures


def add(library: Library, title: str = "Lease", *, ratio: float = 100.0) -> Entry:
    return library.entries.add(source_path=library.store.folder.parent / f"{title}.txt", model="starter", ratio=ratio)


def extract(library: Library, entry_id: int, pages: list[str], title: str = "") -> str:
    """Keep a text as the engine does; its sha256."""
    data = "\f".join(pages).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    (library.store.texts_folder / f"{sha256}.txt").write_bytes(data)
    text = TextFigures(
        title=title or library.entries.get(entry_id).title,
        text_sha256=sha256,
        source_sha256=hashlib.sha256(b"source" + data).hexdigest(),
        source_bytes=len(data),
        n_chars=sum(map(len, pages)),
        n_pages=len(pages),
        page_label="page",
        n_tokens=400,
    )
    library.entries.set_extracted(entry_id, text)
    return sha256


def figures(adapter: str = "a1", model_id: str = "starter") -> GistFigures:
    return GistFigures(model_id, "m1", "t1", adapter, 400, 4, 4096, 5000, 1.5, 266.0, "cpu")


def ready(library: Library, title: str = "Lease", pages: list[str] | None = None, **kwargs: float) -> Entry:
    """An entry whose gist, some bytes, was adopted."""
    entry = add(library, title, **kwargs)
    extract(library, entry.id, pages or [f"The text of {title}."])
    return adopt(library, entry.id)


def adopt(library: Library, entry_id: int, *, adapter: str = "a1", data: bytes = b"gist") -> Entry:
    path = library.gists.incoming_path(entry_id)
    path.write_bytes(data)
    return library.gists.adopt(entry_id, path, figures(adapter))
