"""Files that change after they were read: noticed, read again when compressed again, and never on suspicion alone."""

import hashlib
import os
from pathlib import Path
from typing import cast

import pytest

from gistdesk.library import Entry, Library, TextFigures
from gistdesk.library.sources import Suspect, suspects
from tests.library.made import adopt, figures


def read(library: Library, entry_id: int, path: Path) -> None:
    """Keep a file's text, as the engine does."""
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    (library.store.texts_folder / f"{sha256}.txt").write_bytes(data)
    library.entries.set_extracted(
        entry_id, TextFigures("", sha256, sha256, len(data), len(data.decode()), 1, None, None)
    )


def looked(library: Library) -> int:
    return sum(
        library.sources.note(suspect, differs)
        for suspect in suspects(library.entries.all(states=("ready", "source changed")))
        if (differs := compared(suspect)) is not None
    )


def compared(suspect: Suspect) -> bool | None:
    steps = suspect.differs()
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            return cast("bool | None", ended.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lease.txt"
    path.write_text("The rent is 900 euros.", "utf-8")
    return path


@pytest.fixture
def entry(library: Library, file: Path) -> Entry:
    """Read from `file`, and compressed."""
    added = library.entries.add(source_path=file, model="starter", ratio=100.0)
    read(library, added.id, file)
    return adopt(library, added.id)


def state(library: Library, entry: Entry) -> str:
    return library.entries.get(entry.id).state


def test_an_unchanged_file_changes_nothing(library: Library, entry: Entry) -> None:
    assert looked(library) == 0
    library.sources.read_again_if_changed(entry.id)
    assert library.entries.get(entry.id) == entry and not entry.read_again


@pytest.mark.parametrize("words", ["The rent is 950 euros.", "The rent is 900 euros, and the deposit 1,800."])
def test_another_text_is_noticed_and_taken_back(library: Library, entry: Entry, file: Path, words: str) -> None:
    """Of the same length or not; a file that is again what it was is no longer said to have changed."""
    before = file.read_bytes()
    file.write_text(words, "utf-8")
    assert (looked(library), state(library, entry)) == (1, "source changed")
    assert library.entries.get(entry.id).can_answer
    assert looked(library) == 0
    file.write_bytes(before)
    assert (looked(library), state(library, entry)) == (1, "ready")


def test_a_file_that_was_only_touched_is_the_same(library: Library, entry: Entry, file: Path) -> None:
    os.utime(file, ns=(1, entry.source_mtime_ns + 10**9))
    assert (looked(library), state(library, entry)) == (0, "ready")
    assert library.entries.get(entry.id).source_mtime_ns == entry.source_mtime_ns + 10**9


@pytest.mark.parametrize("instead", ["nothing", "a folder"])
def test_a_file_that_is_gone_changes_nothing(library: Library, entry: Entry, file: Path, instead: str) -> None:
    file.unlink()
    if instead == "a folder":
        file.mkdir()
    assert (looked(library), state(library, entry)) == (0, "ready")
    library.sources.read_again_if_changed(entry.id)
    assert not library.entries.get(entry.id).read_again


def test_only_what_is_ready_is_looked_at(library: Library, entry: Entry, file: Path) -> None:
    """An entry being worked on, an imported gist, one in the trash."""
    library.entries.set_job(entry.id, model="starter", ratio=8.0)
    file.write_text("Another text altogether.", "utf-8")
    assert (looked(library), state(library, entry)) == (0, "queued")
    library.entries.put_back(entry.id)
    library.entries.trash([entry.id])
    assert looked(library) == 0


def test_it_is_read_again_before_it_is_compressed_again(library: Library, entry: Entry, file: Path) -> None:
    file.write_text("The rent is 950 euros, and the deposit is 1,900.", "utf-8")
    library.sources.read_again_if_changed(entry.id)
    library.entries.set_job(entry.id, model="starter", ratio=100.0)
    assert library.entries.get(entry.id).read_again
    read(library, entry.id, file)
    assert not library.entries.get(entry.id).read_again


def test_reading_again_is_not_asked_for_once_the_file_is_gone(library: Library, entry: Entry, file: Path) -> None:
    """The text that was kept is all there is then."""
    file.write_text("", "utf-8")
    library.sources.read_again_if_changed(entry.id)
    assert library.entries.get(entry.id).read_again
    file.unlink()
    library.sources.read_again_if_changed(entry.id)
    assert not library.entries.get(entry.id).read_again


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_kept_text_that_is_gone_or_damaged_is_known(library: Library, entry: Entry, harm: str) -> None:
    kept = library.texts.path(entry.id)
    assert kept is not None and library.texts.is_kept(kept.stem)
    kept.unlink() if harm == "gone" else kept.write_bytes(b"The rent is 100 euros.")
    assert not library.texts.is_kept(kept.stem)


def test_a_gist_keeps_its_text_until_the_next_one_is_there(library: Library, entry: Entry, file: Path) -> None:
    """Answers from it are looked up in what it was made of; the next text is not thrown away meanwhile."""
    file.write_text("The rent is 950 euros.", "utf-8")
    library.sources.read_again_if_changed(entry.id)
    library.entries.set_job(entry.id, model="starter", ratio=100.0)
    read(library, entry.id, file)
    waiting = library.entries.get(entry.id)
    assert library.texts.pages(entry.id) == ["The rent is 900 euros."]
    assert waiting.next_text is not None and waiting.text_sha256 == entry.text_sha256 and not waiting.read_again
    library.disk.clean_up()
    assert library.texts.is_kept(waiting.next_text.text_sha256)
    assert adopt(library, entry.id, data=b"the gist of the new text").next_text is None
    assert library.texts.pages(entry.id) == ["The rent is 950 euros."]
    assert (looked(library), state(library, entry)) == (0, "ready")
    gist = library.entries.get(entry.id).gist
    assert gist is not None and entry.gist is not None and gist.id != entry.gist.id


def test_given_up_after_reading_again_all_is_as_it_was(library: Library, entry: Entry, file: Path) -> None:
    file.write_text("The rent is 950 euros.", "utf-8")
    library.sources.read_again_if_changed(entry.id)
    library.entries.set_job(entry.id, model="starter", ratio=100.0)
    read(library, entry.id, file)
    library.entries.put_back(entry.id)
    assert library.entries.get(entry.id) == entry
    assert (looked(library), state(library, entry)) == (1, "source changed")


def test_a_text_that_is_the_same_after_all_needs_no_other_gist(library: Library, entry: Entry, file: Path) -> None:
    os.utime(file, ns=(1, entry.source_mtime_ns + 10**9))
    read(library, entry.id, file)
    again = library.entries.get(entry.id)
    assert again.next_text is None and again.source_mtime_ns == entry.source_mtime_ns + 10**9


def test_what_was_seen_before_it_was_read_anew_counts_no_more(library: Library, entry: Entry, file: Path) -> None:
    file.write_text("The rent is 950 euros.", "utf-8")
    (before,) = suspects(library.entries.all(states=("ready", "source changed")))
    read(library, entry.id, file)
    adopt(library, entry.id, data=b"the gist of the new text")
    assert (library.sources.note(before, True), state(library, entry)) == (0, "ready")


def test_a_text_to_come_that_is_damaged_is_told_by_its_entry_alone(library: Library, entry: Entry) -> None:
    for damaged in ("{", "[]", '{"text_sha256": 1}'):
        with library.store.write() as db:
            db.execute("UPDATE entries SET next_text = ?", (damaged,))
        assert library.entries.get(entry.id).state == "failed"
        library.disk.storage()
        library.sources.read_again_if_changed(entry.id)


def test_given_up_before_reading_again_the_next_look_tells(library: Library, entry: Entry, file: Path) -> None:
    file.write_text("The rent is 950 euros.", "utf-8")
    library.sources.read_again_if_changed(entry.id)
    library.entries.set_job(entry.id, model="starter", ratio=100.0)
    library.entries.put_back(entry.id)
    assert state(library, entry) == "ready" and not library.entries.get(entry.id).read_again
    assert (looked(library), state(library, entry)) == (1, "source changed")


def test_a_text_that_waits_is_read_again_only_where_the_file_has_changed_since(
    library: Library, entry: Entry, file: Path
) -> None:
    """A password is asked for once, and a file that is what it was before makes the text that waits needless."""
    before = file.stat()
    file.write_text("The rent is 950 euros.", "utf-8")
    read(library, entry.id, file)
    library.sources.read_again_if_changed(entry.id)
    waiting = library.entries.get(entry.id)
    assert waiting.next_text is not None and not waiting.read_again
    file.write_text("The rent is 900 euros.", "utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    library.sources.read_again_if_changed(entry.id)
    assert library.entries.get(entry.id).next_text is None and not library.entries.get(entry.id).read_again


def test_a_title_that_is_given_while_a_new_text_waits_stays(library: Library, entry: Entry, file: Path) -> None:
    file.write_text("The rent is 950 euros.", "utf-8")
    read(library, entry.id, file)
    library.entries.rename(entry.id, "My lease")
    assert adopt(library, entry.id, data=b"the gist of the new text").title == "My lease"


def test_a_gist_of_another_text_than_the_one_that_waits_is_not_taken(
    library: Library, entry: Entry, file: Path
) -> None:
    """Another window had the file read again meanwhile."""
    old = entry.text_sha256
    file.write_text("The rent is 950 euros.", "utf-8")
    read(library, entry.id, file)
    path = library.gists.incoming_path(entry.id)
    path.write_bytes(b"the gist of the old text, once more")
    after = library.gists.adopt(entry.id, path, figures(), text=old)
    assert after.gist == entry.gist and after.next_text is not None and not path.exists()
