"""Gist files: none twice, none lost, none left behind."""

import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Entry, Library, Problem
from tests.library.made import add, adopt, extract, figures, ready

DESCRIPTION = {
    "title": "From a friend",
    "n_tokens": 1000,
    "n_slots": 10,
    "ratio": 100.0,
    "n_segments": 2,
    "segment_tokens": 512,
    "n_pages": 3,
    "kv_bytes": 4096,
    "file_bytes": 5000,
    "dtype": "float16",
    "model_id": "starter",
    "model_fingerprint": "m1",
    "tokenizer_fingerprint": "t1",
    "adapter_fingerprint": "a1",
    "method": "adapter",
    "source_sha256": "f" * 64,
    "created": "2026-01-01T00:00:00+00:00",
    "problem": None,
}


def test_adopting_moves_the_file_in(library: Library):
    entry = ready(library)
    assert entry.state == "ready" and entry.gist is not None
    assert entry.gist.path.parent == library.store.gists_folder and entry.gist.path.read_bytes() == b"gist"
    assert (entry.gist.ratio, entry.gist.n_slots, entry.gist.device) == (100.0, 4, "cpu")
    assert not library.gists.incoming_path(entry.id).exists()


def test_the_same_text_model_and_ratio_are_one_gist(library: Library):
    first, second = ready(library, pages=["same"]), add(library, "copy")
    sha256 = extract(library, second.id, ["same"])
    found = library.gists.find(sha256, "m1", "t1", "a1", 100.0)
    assert found == first.gist
    assert found is not None
    used = library.gists.use(second.id, found.id)
    assert (used.state, used.gist, used.n_tokens) == ("ready", first.gist, 400)
    adopted = adopt(library, used.id, data=b"made once more")
    assert adopted.gist == first.gist and found.path.read_bytes() == b"gist"
    assert len(list(library.store.gists_folder.iterdir())) == 1
    assert not library.gists.incoming_path(second.id).exists()


def test_a_gist_of_a_job_that_was_changed_meanwhile_is_not_taken(library: Library):
    entry = ready(library)
    library.entries.set_job(entry.id, model="starter", ratio=20.0)
    path = library.gists.incoming_path(entry.id)
    path.write_bytes(b"compressed to 100")
    left = library.gists.adopt(entry.id, path, figures(), ratio=100.0)
    assert (left.state, left.gist, left.ratio) == ("queued", entry.gist, 20.0)
    assert not path.exists()
    path.write_bytes(b"compressed to 20")
    taken = library.gists.adopt(entry.id, path, figures(), ratio=20.0)
    assert taken.state == "ready" and taken.gist is not None and taken.gist.ratio == 20.0


@pytest.mark.parametrize(
    "other", [("m2", "t1", "a1", 100.0), ("m1", "t2", "a1", 100.0), ("m1", "t1", "a2", 100.0), ("m1", "t1", "a1", 50.0)]
)
def test_another_model_or_ratio_is_another_gist(library: Library, other: tuple[str, str, str, float]):
    entry = ready(library)
    assert entry.text_sha256 is not None
    assert library.gists.find(entry.text_sha256, *other) is None


@pytest.mark.parametrize("made", [{"method": "refined"}, {"kv_bits": 8}])
def test_another_way_or_storage_is_another_gist(library: Library, made: dict[str, Any]):
    """Before: training a document at the ratio of its gist, or 8 bits for it, silently gave the old file."""
    entry = ready(library)
    assert entry.text_sha256 is not None and entry.gist is not None
    assert library.gists.find(entry.text_sha256, "m1", "t1", "a1", 100.0, **made) is None
    path = library.gists.incoming_path(entry.id)
    path.write_bytes(b"made otherwise")
    again = library.gists.adopt(entry.id, path, replace(figures(), **made))
    assert again.gist is not None and again.gist.path.read_bytes() == b"made otherwise"
    assert library.gists.find(entry.text_sha256, "m1", "t1", "a1", 100.0, **made) == again.gist


def test_what_training_came_to_is_kept_with_the_gist(library: Library):
    entry = ready(library)
    path = library.gists.incoming_path(entry.id)
    path.write_bytes(b"trained")
    trained = replace(figures(), method="refined", agreement=0.92, agreement_before=0.71)
    gist = library.gists.adopt(entry.id, path, trained).gist
    assert gist is not None and (gist.agreement, gist.agreement_before) == (0.92, 0.71)
    assert entry.gist is not None and entry.gist.agreement is None


def test_a_gist_whose_file_is_gone_is_not_found_and_can_be_made_again(library: Library):
    entry = ready(library)
    assert entry.gist is not None and entry.text_sha256 is not None
    entry.gist.path.unlink()
    assert library.gists.find(entry.text_sha256, "m1", "t1", "a1", 100.0) is None
    again = adopt(library, entry.id, data=b"again")
    assert again.gist == entry.gist and entry.gist.path.read_bytes() == b"again"


def test_a_replaced_gist_goes_when_nothing_refers_to_it(library: Library):
    entry, sharing = ready(library, pages=["same"]), ready(library, "sharing", pages=["same"])
    old = entry.gist
    assert old is not None and sharing.gist == old
    adopt(library, entry.id, adapter="a2")
    assert old.path.is_file()
    library.entries.trash([sharing.id])
    adopt(library, sharing.id, adapter="a2", data=b"new")
    assert not old.path.exists()
    assert library.disk.storage().unused == 0


def test_what_is_in_the_trash_keeps_its_gist(library: Library):
    entry, sharing = ready(library, pages=["same"]), ready(library, "sharing", pages=["same"])
    assert entry.gist is not None
    library.entries.trash([entry.id])
    assert library.disk.empty_trash() == 0
    assert entry.gist.path.is_file() and library.texts.pages(sharing.id) == ["same"]
    library.entries.trash([sharing.id])
    assert library.disk.empty_trash() == len(b"gist") + len("same")
    assert list(library.store.gists_folder.iterdir()) == list(library.store.texts_folder.iterdir()) == []


def test_a_gist_from_another_disk_is_copied(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    entry = add(library)
    far = tmp_path / "far.gistkv"
    far.write_bytes(b"gist")
    replace = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self == far:
            raise OSError(18, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    adopted = library.gists.adopt(entry.id, far, figures())
    assert adopted.gist is not None and adopted.gist.path.read_bytes() == b"gist"
    assert not far.exists()


def test_a_gist_that_is_gone_is_a_sentence(library: Library):
    entry = add(library)
    extract(library, entry.id, ["text"])
    with pytest.raises(UserError, match="cannot be moved"):
        library.gists.adopt(entry.id, library.gists.incoming_path(entry.id), figures())
    assert library.entries.get(entry.id).state == "queued"


def test_gists_of_a_model_that_changed_are_outdated_and_back(library: Library):
    entry, waiting = ready(library), add(library, "waiting")
    assert library.gists.mark_outdated(("starter", "m1", "t1", "a1")) == 0
    assert library.gists.mark_outdated(("another", "m2", "t1", "a1")) == 0
    assert library.gists.mark_outdated(("starter", "m1", "t1", "a2")) == 1
    assert [e.state for e in library.entries.all()] == ["outdated", "queued"]
    assert library.gists.mark_outdated(("starter", "m1", "t1", "a2")) == 0
    assert library.gists.mark_outdated(("starter", "m1", "t1", "a1")) == 1
    assert library.entries.get(entry.id).state == "ready" and library.entries.get(waiting.id).state == "queued"


def test_another_adapter_of_the_same_base_makes_nothing_outdated(library: Library):
    """Its gists bear the base's name, too; each is asked with the adapter that made it."""
    entry = ready(library)
    assert entry.model == "starter"
    other = ("starter", "m1", "t1", "a2")
    assert library.gists.mark_outdated(other, "/data/adapters/other", is_base=False) == 0
    assert library.gists.mark_outdated(other, "/data/adapters/other") == 0
    library.entries.move_model("starter", "/data/adapters/mine")
    assert library.gists.mark_outdated(other, "/data/adapters/other") == 0
    assert library.gists.mark_outdated(other, "/data/adapters/mine") == 1
    assert library.gists.mark_outdated(("starter", "m1", "t1", "a1"), "/data/adapters/mine") == 1


def test_what_is_outdated_stays_so_whatever_is_done_with_it(library: Library):
    """Queued, failed, given up; until another gist is made, or the model is again what it was."""
    entry, mine, other = ready(library), ("starter", "m1", "t1", "a1"), ("starter", "m1", "t1", "a2")
    library.entries.set_job(entry.id, model="starter", ratio=8.0)
    assert library.gists.mark_outdated(other) == 1 and library.gists.mark_outdated(other) == 0
    assert library.entries.get(entry.id).state == "queued" and not library.entries.get(entry.id).can_answer
    library.entries.put_back(entry.id)
    assert (library.entries.get(entry.id).state, library.entries.get(entry.id).ratio) == ("outdated", 100.0)
    library.entries.set_state(entry.id, "failed", problem=Problem("user", "no", ""))
    assert library.gists.mark_outdated(mine) == 1 and library.entries.get(entry.id).can_answer
    library.gists.mark_outdated(other)
    assert adopt(library, entry.id, adapter="a2").can_answer


def test_import_copies_and_export_gives_it_out(library: Library, tmp_path: Path):
    source = tmp_path / "from a friend.gistkv"
    source.write_bytes(b"the gist of a friend")
    entry = finished(library.gists.import_file(source, DESCRIPTION))
    assert source.read_bytes() == b"the gist of a friend"
    assert (entry.state, entry.title, entry.n_tokens, entry.n_pages) == ("ready", "From a friend", 1000, 3)
    assert entry.text_sha256 is None and library.texts.pages(entry.id) == []
    assert entry.gist is not None and entry.gist.identity == ("starter", "m1", "t1", "a1")
    assert list(library.gists.export(entry.id, tmp_path / "out.gistkv"))[-1] == 1.0
    assert (tmp_path / "out.gistkv").read_bytes() == b"the gist of a friend"
    other = ("starter", "m1", "t1", "a2")
    assert library.gists.mark_outdated(other, "/data/adapters/other", is_base=False) == 0
    assert library.gists.mark_outdated(("starter", "m2", "t1", "a1"), "/models/base") == 1
    assert sorted(path.name for path in library.store.incoming_folder.iterdir()) == []


def test_the_same_file_is_imported_once(library: Library, tmp_path: Path):
    source, other = tmp_path / "a.gistkv", tmp_path / "b.gistkv"
    source.write_bytes(b"one")
    other.write_bytes(b"two")
    entry = finished(library.gists.import_file(source, DESCRIPTION))
    assert finished(library.gists.import_file(source, DESCRIPTION)) == entry
    library.entries.trash([entry.id])
    assert finished(library.gists.import_file(source, DESCRIPTION)) == entry
    assert finished(library.gists.import_file(other, DESCRIPTION)).id != entry.id


def finished(importing: Generator[float, None, Entry]) -> Entry:
    """What an import returns at its end."""
    while True:
        try:
            next(importing)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def test_a_copy_that_is_stopped_leaves_nothing(library: Library, tmp_path: Path):
    source, target = tmp_path / "large.gistkv", tmp_path / "out.gistkv"
    source.write_bytes(b"x" * 9 * 2**20)
    target.write_bytes(b"what was here before")
    importing = library.gists.import_file(source, DESCRIPTION)
    assert 0 < next(importing) < next(importing) < 1
    importing.close()
    assert list(library.store.incoming_folder.iterdir()) == [] and library.entries.all() == []
    entry = finished(library.gists.import_file(source, DESCRIPTION))
    exporting = library.gists.export(entry.id, target)
    assert next(exporting) < 1
    exporting.close()
    assert target.read_bytes() == b"what was here before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.gistkv", "library", "out.gistkv"]


def test_import_and_export_that_cannot_be(library: Library, tmp_path: Path):
    with pytest.raises(UserError, match="cannot be copied into the library"):
        finished(library.gists.import_file(tmp_path / "missing.gistkv", DESCRIPTION))
    with pytest.raises(UserError, match="no gist yet"):
        list(library.gists.export(add(library).id, tmp_path / "out.gistkv"))
    with pytest.raises(UserError, match="cannot be exported"):
        list(library.gists.export(ready(library, "ready").id, tmp_path / "nowhere" / "out.gistkv"))
    assert list(library.store.incoming_folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_full_disk_leaves_what_was_there(library: Library, tmp_path: Path):
    import resource as limits

    source, target = tmp_path / "large.gistkv", tmp_path / "out.gistkv"
    source.write_bytes(b"x" * 6 * 2**20)
    target.write_bytes(b"before")
    entry = finished(library.gists.import_file(source, DESCRIPTION))
    before = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (5 * 2**20, before[1]))  # to a program, the same as a full disk
    try:
        with pytest.raises(UserError, match="cannot be exported"):
            list(library.gists.export(entry.id, target))
        with pytest.raises(UserError, match="cannot be copied into the library"):
            list(library.gists.import_file(source, DESCRIPTION))
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, before)
    assert target.read_bytes() == b"before" and list(library.store.incoming_folder.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.gistkv", "library", "out.gistkv"]
