"""What was measured of a gist is kept with it, shared with it, and goes with it."""

from pathlib import Path

from gistdesk.library import Entry, GistRow, Library
from tests.library.made import add, adopt, extract, ready
from tests.library.test_gists import DESCRIPTION

RESULT = {
    "n": 40,
    "kept": 33,
    "recall": 0.825,
    "by_depth": [{"from": 0, "to": 20, "n": 8, "kept": 8}],
    "facts": ["é가"],
}


def gist_of(entry: Entry) -> GistRow:
    assert entry.gist is not None
    return entry.gist


def measured(library: Library, title: str = "Lease") -> Entry:
    entry = ready(library, title)
    library.recalls.keep(gist_of(entry).id, RESULT)
    return library.entries.get(entry.id)


def test_what_was_measured_is_with_the_gist(library: Library):
    before = ready(library)
    assert library.recalls.of(gist_of(before).id) is None and gist_of(before).recall is None
    library.recalls.keep(gist_of(before).id, RESULT)
    (entry,) = library.entries.all()
    assert (gist_of(entry).recall_n, gist_of(entry).recall_kept, gist_of(entry).recall) == (40, 33, 0.825)
    assert library.recalls.of(gist_of(entry).id) == RESULT
    library.recalls.keep(gist_of(entry).id, RESULT | {"kept": 0})
    assert gist_of(library.entries.get(entry.id)).recall == 0.0
    library.recalls.keep(999, RESULT)  # of a gist that went meanwhile
    assert library.recalls.of(999) is None


def test_what_was_measured_is_summed_by_ratio(library: Library):
    entries = [measured(library, title) for title in ("Lease", "Letter")]
    gist = gist_of(entries[0])
    ((ratio, n, n_kept),) = library.recalls.by_ratio(gist.model_fingerprint, gist.adapter_fingerprint)
    assert (ratio, n, n_kept) == (gist.ratio, 80, 66)
    assert library.recalls.by_ratio(gist.model_fingerprint, "another adapter") == []
    assert library.recalls.by_ratio(gist.model_fingerprint, gist.adapter_fingerprint, "matched") == []


def test_entries_that_share_a_gist_share_it(library: Library):
    first, second = measured(library), add(library, "copy")
    extract(library, second.id, ["The text of Lease."])
    assert gist_of(library.gists.use(second.id, gist_of(first).id)).recall == 0.825


def test_a_gist_made_again_has_none(library: Library):
    entry = measured(library)
    library.entries.set_job(entry.id, model="starter", ratio=20.0)
    assert gist_of(library.entries.get(entry.id)).recall == 0.825  # as long as it is the gist that is used
    again = adopt(library, entry.id, data=b"another")
    assert gist_of(again).recall is None and library.recalls.of(gist_of(again).id) is None
    assert library.recalls.of(gist_of(entry).id) is None

    library.recalls.keep(gist_of(again).id, RESULT)
    gist_of(again).path.unlink()  # the very same job, as its file was lost
    assert gist_of(adopt(library, entry.id)).recall is None


def test_it_is_deleted_with_the_gist(library: Library):
    entry = measured(library)
    library.entries.trash([entry.id])
    library.entries.restore([entry.id])
    assert gist_of(library.entries.get(entry.id)).recall == 0.825
    library.entries.trash([entry.id])
    library.disk.empty_trash()
    assert library.recalls.of(gist_of(entry).id) is None


def test_a_file_that_is_exported_and_imported_claims_nothing(library: Library, tmp_path: Path):
    entry = measured(library)
    for _ in library.gists.export(entry.id, tmp_path / "out.gistkv"):
        pass
    steps = library.gists.import_file(tmp_path / "out.gistkv", DESCRIPTION)
    for _ in steps:
        pass
    imported = library.entries.all()[-1]
    assert imported.id != entry.id and gist_of(imported).recall is None
    assert gist_of(library.entries.get(entry.id)).recall == 0.825
