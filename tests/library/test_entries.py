"""Entries: what is kept of a document on its way from a dropped file to a gist."""

from pathlib import Path

from gistdesk.library import Library
from tests.library.made import extract


def test_a_document_goes_from_queued_to_ready(library: Library, tmp_path: Path):
    source = tmp_path / "계약.txt"
    source.write_text("text")
    entry = library.add_entry(source_path=source, model="starter", ratio=50.0)
    assert (entry.state, entry.title, entry.source_bytes) == ("queued", "계약", 4)
    claimed = library.claim_next("window")
    assert claimed is not None and claimed.id == entry.id and claimed.state == "extracting"
    sha256 = extract(library, entry.id, ["one", "two"])
    library.set_state(entry.id, "compressing")
    library.set_progress(entry.id, 3, 8)
    now = library.entry(entry.id)
    assert (now.state, now.done, now.total, now.n_pages, now.text_sha256) == ("compressing", 3, 8, 2, sha256)
    assert library.kept_text(entry.id) == ["one", "two"]
