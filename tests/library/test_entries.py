"""Entries: what is kept of a document on its way from a dropped file to a gist."""

import os
import sys
import unicodedata
from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Library, Problem
from tests.library.made import add, adopt, extract, ready


def test_a_document_goes_from_queued_to_compressing(library: Library, tmp_path: Path):
    source = tmp_path / "계약.txt"
    source.write_text("text")
    entry = library.entries.add(source_path=source, model="starter", ratio=50.0)
    assert (entry.state, entry.title, entry.source_bytes, entry.ratio) == ("queued", "계약", 4, 50.0)
    assert entry.source_mtime_ns == source.stat().st_mtime_ns
    claimed = library.queue.claim_next("window")
    assert claimed is not None and claimed.id == entry.id and claimed.state == "extracting"
    sha256 = extract(library, entry.id, ["one", "two"])
    library.entries.set_state(entry.id, "compressing")
    library.entries.set_progress(entry.id, 3, 8)
    now = library.entries.get(entry.id)
    assert (now.state, now.done, now.total, now.n_pages, now.text_sha256) == ("compressing", 3, 8, 2, sha256)
    assert (now.n_tokens, now.page_label, now.gist) == (400, "page", None)
    assert library.texts.pages(entry.id) == ["one", "two"]


def test_entries_in_some_states_only(library: Library):
    first, second, third = (add(library, name) for name in ("one", "two", "three"))
    library.entries.set_state(second.id, "failed", problem=Problem("user", "no", ""))
    library.entries.trash([third.id])
    assert [entry.id for entry in library.entries.all(states=("queued", "extracting"))] == [first.id]
    assert [entry.id for entry in library.entries.all(states=("failed",))] == [second.id]
    assert [entry.id for entry in library.entries.all(states=("queued",), trashed=True)] == [third.id]


def test_a_problem_is_kept_until_the_next_try(library: Library):
    entry = add(library)
    problem = Problem("user", "It holds no text.", "Choose another.")
    library.entries.set_state(entry.id, "failed", problem=problem)
    assert library.entries.get(entry.id).problem == problem
    library.entries.set_state(entry.id, "queued")
    assert library.entries.get(entry.id).problem is None
    library.entries.set_state(entry.id, "failed", problem=problem)
    library.entries.set_job(entry.id, model="starter", ratio=10.0)
    assert library.entries.get(entry.id).problem is None


def test_another_gist_is_asked_for_and_given_up(library: Library):
    """Until it is adopted the old one answers, by the model that made it; what is given up leaves nothing behind."""
    entry = ready(library)
    assert (entry.gist_model, entry.can_answer) == ("starter", True)
    library.entries.set_job(entry.id, model="/models/llama", ratio=8.0, method="refined")
    waiting = library.entries.get(entry.id)
    assert (waiting.model, waiting.gist_model, waiting.can_answer) == ("/models/llama", "starter", True)
    library.entries.set_state(entry.id, "failed", problem=Problem("user", "no", ""))
    assert library.entries.get(entry.id).can_answer
    library.entries.put_back(entry.id)
    assert library.entries.get(entry.id) == entry
    library.entries.set_job(entry.id, model="/models/llama", ratio=8.0)
    assert adopt(library, entry.id).gist_model == "/models/llama"
    library.entries.move_model("/models/llama", "/models/better")
    moved = library.entries.get(entry.id)
    assert (moved.model, moved.gist_model) == ("/models/better", "/models/better")


def test_nothing_is_put_back_where_there_is_no_gist(library: Library):
    entry = add(library)
    library.entries.put_back(entry.id)
    assert library.entries.get(entry.id) == entry and not entry.can_answer and entry.gist_model == entry.model


def test_the_library_is_the_same_when_it_is_opened_again(library: Library):
    entry = ready(library)
    other = Library(library.store.folder)
    assert other.entries.all() == [entry]
    other.close()


def test_a_file_that_changed_after_it_was_read_shows_it(library: Library, tmp_path: Path):
    source = tmp_path / "notes.txt"
    source.write_text("old")
    os.utime(source, ns=(1, 1))
    entry = library.entries.add(source_path=source, model="starter", ratio=100.0)
    source.write_text("newer and longer")
    extract(library, entry.id, ["old"])  # says it read 3 bytes
    assert library.entries.get(entry.id).source_mtime_ns == 1
    source.write_text("new")
    extract(library, entry.id, ["new"])
    assert library.entries.get(entry.id).source_mtime_ns == source.stat().st_mtime_ns


def test_search_finds_every_word_in_title_or_text(library: Library):
    lease = ready(library, "Lease of Harbour House", ["The tenant is Álvaro. 임대차 계약은 2년이다."])
    other = ready(library, "Harbour map", ["The quay is deep."])
    for entry in (lease, other):
        for _ in library.texts.index(entry.id):
            pass
    found = {text: [e.id for e in library.entries.all(search=text)] for text in SEARCHES}
    assert found == {
        "": [lease.id, other.id],
        "HARBOUR": [lease.id, other.id],
        "harbour tenant": [lease.id],
        "quay": [other.id],
        "계약": [lease.id],
        "대차 계": [lease.id],
        "년": [lease.id],
        "álvaro": [lease.id],
        "is": [lease.id, other.id],
        "%": [],
        '"': [],
        "nowhere": [],
    }


SEARCHES = ["", "HARBOUR", "harbour tenant", "quay", "계약", "대차 계", "년", "álvaro", "is", "%", '"', "nowhere"]


def test_titles_are_composed_hangul(library: Library):
    apart = unicodedata.normalize("NFD", "계약서")
    entry = add(library, apart)
    assert entry.title == "계약서"
    assert library.entries.all(search=apart) == [entry]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are Unicode there")
def test_a_name_that_is_not_unicode(library: Library, tmp_path: Path):
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    source.write_text("text")
    entry = library.entries.add(source_path=source, model="starter", ratio=100.0)
    assert (entry.source_path, entry.source_bytes, entry.title) == (source, 4, "caf?")
    assert library.entries.get(entry.id).source_path.read_text() == "text"


def test_a_title_that_was_given_before_a_document_is_read_stays(library: Library):
    renamed, other = add(library, "scan0041"), add(library, "scan0042")
    library.entries.rename(renamed.id, "Lease of Harbour Street")
    for entry in (renamed, other):
        extract(library, entry.id, ["The text."], title="What the file calls itself")
    titles = [library.entries.get(entry.id).title for entry in (renamed, other)]
    assert titles == ["Lease of Harbour Street", "What the file calls itself"]


def test_the_trash_and_undo(library: Library):
    kept, gone = ready(library, "kept"), ready(library, "gone")
    library.entries.trash([gone.id])
    assert library.entries.all() == [kept]
    (trashed,) = library.entries.all(trashed=True)
    assert trashed.id == gone.id and trashed.trashed is not None
    library.entries.restore([gone.id])
    assert library.entries.all() == [kept, gone]
    assert gone.gist is not None and gone.gist.path.is_file()


def test_an_entry_that_another_window_deleted(library: Library):
    entry = add(library)
    library.entries.trash([entry.id])
    library.disk.empty_trash()
    for call in (library.entries.get, library.texts.pages, lambda i: list(library.texts.index(i))):
        with pytest.raises(UserError, match="no longer in the library"):
            call(entry.id)
    library.entries.set_state(entry.id, "ready")  # what still comes in from the engine is not worth a word
    library.entries.set_progress(entry.id, 1, 2)


def test_a_kept_text_that_is_gone(library: Library):
    entry = ready(library)
    (library.store.texts_folder / f"{entry.text_sha256}.txt").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        library.texts.pages(entry.id)


def test_an_entry_without_text(library: Library):
    entry = add(library)
    assert library.texts.pages(entry.id) == []
    assert list(library.texts.index(entry.id)) == []
    assert library.texts.find_passages("anything", [entry.id]) == []
