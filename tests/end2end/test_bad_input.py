"""Whatever is wrong in the user's world: one line on stderr with a hint, exit 2, and nothing lost that was there.

Plumbing: any starter will do.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from gistdesk.core import documents
from gistdesk.core.document_archive import MAX_TEXT_BYTES
from gistdesk.core.document_parse import parse
from gistdesk.core.documents import MAX_FILE_BYTES
from gistdesk.core.gist_file import read_gist, write_gist
from tests.core.test_documents import as_nobody, docx_bytes, pdf_bytes, word_with, zip_bytes
from tests.core.tiny_models import write_model
from tests.end2end.conftest import Ended, Run

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="limits and users of Linux")


def assert_refused(ended: Ended, *parts: str, out: str = "") -> None:
    """One line that names what is wrong and what to do: two sentences at least."""
    assert ended.code == 2, ended
    assert ended.out == out
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("gistdesk: ")
    assert ended.err.rstrip().endswith((".", '."')), ended.err
    assert ended.err.count(". ") >= 1, ended.err
    for part in parts:
        assert part in ended.err


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Nothing in a folder changes, comes or goes."""

    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}

    before = state()
    yield
    after = state()
    assert sorted(after) == sorted(before)
    assert after == before


# --- Documents

BAD_DOCUMENTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.txt": (lambda: b"", "empty"),
    "blank.txt": (lambda: b" \r\n\t \n", "no text"),
    "binary.txt": (lambda: random.Random(1).randbytes(20_000), "not text"),
    "picture.txt": (lambda: b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(5000), "not text"),
    "no.pdf": (lambda: b"Dear all, this is a letter and no PDF.", "not in PDF format"),
    "cut.pdf": (lambda: pdf_bytes(["a", "b"])[:300], "damaged"),
    "scan.pdf": (lambda: pdf_bytes(["", ""]), "OCR"),
    "locked.pdf": (lambda: pdf_bytes(["secret"], user_password="abc"), "--password"),
    "cut.docx": (lambda: docx_bytes("text")[:500], "damaged"),
    "no.docx": (lambda: b"Dear all", "not in DOCX format"),
    "zip.docx": (lambda: zip_bytes({"a.txt": "text"}), "neither a Word document"),
    "empty.docx": (lambda: docx_bytes(), "no text"),
    "bomb.docx": (lambda: zip_bytes(word_with(b" " * (MAX_TEXT_BYTES + 1))), "too much"),
    "sheet.xlsx": (lambda: zip_bytes({"xl/workbook.xml": "<a/>"}), "neither a Word document"),
    "old.doc": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "older Office"),
    "code.xyz": (lambda: b"some bytes", "not supported"),
}


@pytest.mark.parametrize("name", BAD_DOCUMENTS)
def test_bad_documents(here: Run, tmp_path: Path, made_once: Path, name: str) -> None:
    make, said = BAD_DOCUMENTS[name]
    path = tmp_path / name
    path.write_bytes(make())
    path.with_suffix(".gistkv").write_bytes(made_once.read_bytes())  # what an earlier, good document left
    with untouched(tmp_path):
        assert_refused(here("compress", path), name, said)


def test_a_missing_document(here: Run, tmp_path: Path) -> None:
    assert_refused(here("compress", tmp_path / "missing.txt"), "missing.txt cannot be found")


def test_a_huge_document(here: Run, tmp_path: Path) -> None:
    with (tmp_path / "huge.txt").open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)  # takes no room on the disk
    assert_refused(here("compress", tmp_path / "huge.txt"), "huge.txt is 512 MB")


@pytest.mark.parametrize("folder", [".", "/", "sub"])
def test_a_folder(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    assert_refused(here("compress", folder), "is a folder")


@linux_only
def test_a_document_that_may_not_be_read(here: Run, common: Path) -> None:
    (common / "closed.txt").write_text("Text.")
    (common / "closed.txt").chmod(0)
    with as_nobody():
        ended = here("compress", common / "closed.txt", "--model", common / "starter")
    assert_refused(ended, "closed.txt cannot be read: you do not")


@linux_only
def test_a_document_on_a_broken_disk(here: Run, tmp_path: Path) -> None:
    """/proc/self/mem is an ordinary file to look at and cannot be read."""
    (tmp_path / "broken.txt").symlink_to("/proc/self/mem")
    assert_refused(here("compress", tmp_path / "broken.txt"), "broken.txt cannot be read")


def test_a_gist_is_no_document(here: Run, gist: Path, tmp_path: Path) -> None:
    with untouched(tmp_path):
        assert_refused(here("compress", gist), "not supported")


def test_a_wrong_password(here: Run, tmp_path: Path) -> None:
    (tmp_path / "locked.pdf").write_bytes(pdf_bytes(["the secret text"], user_password="abc"))
    ended = here("compress", tmp_path / "locked.pdf", "--password", "abd")
    assert_refused(ended, "does not open with this password. Check it and enter it again.")
    assert here("compress", tmp_path / "locked.pdf", "--password", "abc").code == 0


def test_the_text_of_an_encrypted_document(here: Run, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pdf"
    locked.write_bytes(pdf_bytes(["The passkey is 40312. Remember it."], user_password="abc"))
    assert here("compress", locked, "--password", "abc").code == 0
    looked_up = ("ask", tmp_path / "locked.gistkv", "-q", "What is the passkey?", "--text", locked)
    assert_refused(here(*looked_up), "--password")
    assert "40312" in here(*looked_up, "--password", "abc").out
    assert_refused(here("serve", tmp_path / "locked.gistkv", "--text", locked, "--port", "0"), "--password")
    assert_refused(here("recall", tmp_path / "locked.gistkv", locked), "--password")
    assert here("recall", tmp_path / "locked.gistkv", locked, "--password", "abc").lines[0].endswith("document: 0")
    niah = ("niah", "--haystack", locked, "--methods", "none", "-o", tmp_path / "run")
    assert_refused(here(*niah), "--password")
    assert_refused(here(*niah, "--password", "abc"), "The haystack has")  # it was opened; it is too short
    # nobody is asked for the password of a document whose gist is not there
    assert_refused(here("ask", tmp_path / "missing.gistkv", "-q", "Who?", "--text", locked), "missing.gistkv")
    assert_refused(here("recall", tmp_path / "missing.gistkv", locked), "missing.gistkv")


@linux_only
def test_a_person_is_asked_for_the_password_until_it_opens(tmp_path: Path) -> None:
    import pty

    (tmp_path / "locked.pdf").write_bytes(pdf_bytes(["The gate is green."], user_password="abc"))
    terminal, theirs = pty.openpty()
    code = "import sys; from pathlib import Path; from gistdesk.cli.opening import open_document; "
    code += "print(open_document(Path(sys.argv[1])).text)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "locked.pdf")], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        for after, typed in (
            (rb"with a password.*Password: ", b"abd\n"),
            (rb"with this password.*Password: ", b"abc\n"),
        ):
            shown = b""
            while not re.search(after, shown, re.DOTALL):
                shown += os.read(terminal, 65536)
            os.write(terminal, typed)
        shown = b""
        while b"The gate is green." not in shown:
            shown += os.read(terminal, 65536)
        assert process.wait(60) == 0
    os.close(terminal)


def test_a_name_with_a_line_end_still_makes_one_line(here: Run, tmp_path: Path) -> None:
    assert_refused(here("compress", tmp_path / "two\nlines.txt"), "two lines.txt")


def test_one_bad_document_does_not_stop_the_others(here: Run, book: Path, tmp_path: Path, korean: str) -> None:
    (tmp_path / "ko.txt").write_text(korean, "utf-8")
    (tmp_path / "empty.txt").write_bytes(b"")
    files = [tmp_path / name for name in ("missing.txt", "book.txt", "empty.txt", "ko.txt")]
    ended = here("compress", *files, "-o", tmp_path / "gists", "--json")
    assert ended.code == 2
    assert [json.loads(line)["document"] for line in ended.lines] == [str(book), str(tmp_path / "ko.txt")]
    first, second = ended.err.splitlines()
    assert first.startswith("gistdesk: missing.txt cannot be found. ")
    assert second.startswith("gistdesk: empty.txt is empty. ")
    assert sorted(path.name for path in (tmp_path / "gists").iterdir()) == ["book.gistkv", "ko.gistkv"]


# --- Arguments of compress


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ratio", "0"), "ratio of 0"),
        (("--ratio", "-8"), "ratio of -8"),
        (("--ratio", "0.99"), "ratio of 0.99"),
        (("--ratio", "nan"), "ratio of nan"),
        (("--ratio", "inf"), "ratio of inf"),
        (("--ratio", "513"), "1 to 512 tokens into one"),
        (("--ratio", "many"), "--ratio"),
        (("--slots", "0"), "0 slots"),
        (("--slots", "-1"), "-1 slots"),
        (("--slots", "1"), "1 slots for"),
        (("--slots", "999999"), "999999 slots for"),
        (("--slots", "2.5"), "--slots"),
        (("--ratio", "8", "--slots", "8"), "Give one of them"),
        (("--model", "nosuch"), 'no model "nosuch"'),
        (("--device", "tpu"), 'no device "tpu"'),
        (("--fast",), "No such option: --fast"),
    ],
)
def test_bad_arguments_of_compress(here: Run, gist: Path, book: Path, words: tuple[str, ...], said: str) -> None:
    with untouched(gist.parent):
        # two documents, and still one line: the argument is to blame, not they
        files = [book, book.with_name("b.txt")] if words[0] != "--slots" else [book]
        assert_refused(here("compress", *files, *words), said)


def test_a_card_that_is_not_there(here: Run, book: Path) -> None:
    if torch.cuda.is_available():
        assert here("compress", book, "--device", "cuda").code == 0
    else:
        assert_refused(here("compress", book, "--device", "cuda"), "--device cpu")


def test_two_documents_that_would_become_one_file(here: Run, gist: Path, book: Path, tmp_path: Path) -> None:
    (tmp_path / "book.md").write_text("Another text.")
    with untouched(tmp_path):
        assert_refused(here("compress", book, tmp_path / "book.md"), "would both become")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "book.txt").write_text("A third text.")
    assert_refused(here("compress", book, tmp_path / "sub" / "book.txt", "-o", tmp_path / "out"), "would both become")


def test_a_document_is_not_overwritten_by_its_gist(here: Run, book: Path, tmp_path: Path) -> None:
    with untouched(tmp_path):
        assert_refused(here("compress", book, "-o", book), "exists and is not a gist file")


def test_a_damaged_gist_may_be_made_again(here: Run, gist: Path, book: Path, tmp_path: Path) -> None:
    gist.write_bytes(gist.read_bytes()[:1000])
    assert here("compress", book, "-o", gist).code == 0
    assert read_gist(gist).gist.n_slots == 33
    other = gist.rename(tmp_path / "named otherwise")
    assert here("compress", book, "-o", other).code == 0


# --- Places that cannot be written to


def test_a_folder_that_is_not_there(here: Run, book: Path, tmp_path: Path) -> None:
    assert_refused(here("compress", book, "-o", tmp_path / "no" / "a.gistkv"), "cannot be written", "folder exists")


def test_a_folder_that_is_a_file(here: Run, book: Path, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Text.")
    with untouched(tmp_path):
        assert_refused(here("compress", book, tmp_path / "b.txt", "-o", book), "The folder", "cannot be created")


@linux_only
def test_a_folder_that_may_not_be_written_to(here: Run, common: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # in this process: nobody may not be allowed to start this Python
    monkeypatch.setattr(documents, "reading", parse)
    folder = common / "closed"
    folder.mkdir()
    (folder / "book.txt").write_text("The harbour was quiet. A grey cat slept on the wall.")
    (folder / "book.gistkv").write_text("what was there before")
    folder.chmod(0o555)
    with untouched(folder):
        with as_nobody():
            ended = here("compress", folder / "book.txt", "--model", common / "starter", "--ratio", 4)
        assert_refused(ended, "book.gistkv cannot be written (Permission denied)", "may be written to")


@contextmanager
def disk_of(n_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond this: to a program, the same as a full disk."""
    import resource as limits

    before = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, before)


@linux_only
def test_a_full_disk(here: Run, gist: Path, book: Path, tmp_path: Path) -> None:
    with untouched(tmp_path):
        with disk_of(50_000):
            ended = here("compress", book)
        assert_refused(ended, "book.gistkv cannot be written (File too large)", "Free some space: 0.2 MiB")
    assert here("compress", book).code == 0


@linux_only
def test_a_disk_that_fills_up_in_the_middle_of_many(here: Run, book: Path, tmp_path: Path) -> None:
    """What fits is still done."""
    (tmp_path / "small.txt").write_text("A short text. It has two sentences.")
    with disk_of(50_000):
        ended = here("compress", book, tmp_path / "small.txt", "--json")
    assert ended.code == 2
    assert "book.gistkv cannot be written" in ended.err
    assert [json.loads(line)["gist"] for line in ended.lines] == [str(tmp_path / "small.gistkv")]


@pytest.mark.release
@linux_only
def test_a_kill_in_the_middle_of_a_write_leaves_the_old_gist(program: Run, here: Run, gist: Path, book: Path) -> None:
    """Python ignores the signal that ends a program at its file size limit; not here."""
    script = """
import resource, signal, sys
from gistdesk.__main__ import main
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.argv = ["gistdesk", "compress", "book.txt", "--slots", "34"]
main()
"""
    before = gist.read_bytes()
    ended = program(script, start=("-c",))
    assert ended.code == -signal.SIGXFSZ
    assert gist.read_bytes() == before
    assert here("ask", gist, "-q", "What is the passkey?", "--json").json["n_slots"] == 33
    assert here("compress", book, "--slots", "34", "--json").json["n_slots"] == 34


@pytest.mark.release
def test_a_part_that_is_damaged_is_begun_anew(here: Run, book: Path) -> None:
    for rubbish in (b"", b"\0" * 100, random.Random(1).randbytes(5000)):
        part = book.with_name("book.gistkv.part")
        part.write_bytes(rubbish)
        assert here("compress", book, "--json").json["n_slots"] == 33
        assert not part.exists()


# --- Gist files


def header_of(path: Path) -> tuple[dict[str, Any], torch.Tensor]:
    with safe_open(path, "pt") as opened:
        return json.loads(opened.metadata()["gistkv"]), opened.get_tensor("kv")


def with_header(path: Path, **changes: Any) -> None:
    header, kv = header_of(path)
    path.write_bytes(save({"kv": kv}, metadata={"gistkv": json.dumps(header | changes)}))


def sealed(path: Path, **changes: Any) -> None:
    """As `with_header`, with the checksum that belongs to it: whoever means harm writes that too."""
    header, kv = header_of(path)
    header = {name: value for name, value in (header | changes).items() if name != "sha256"}
    content = save({"kv": kv}, metadata={"gistkv": json.dumps(header)})
    numbers = content[8 + int.from_bytes(content[:8], "little") :]
    header["sha256"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + numbers).hexdigest()
    path.write_bytes(save({"kv": kv}, metadata={"gistkv": json.dumps(header)}))


def cut(share: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def flipped(share: float) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(share * (len(data) - 1))] ^= 0x10
        path.write_bytes(data)

    return flip


def raw_header(header: bytes, n_bytes: int | None = None) -> Callable[[Path], None]:
    size = len(header) if n_bytes is None else n_bytes
    return lambda path: path.write_bytes(struct.pack("<Q", size) + header + bytes(64))


def lying_shape(path: Path) -> None:
    tensor = {"dtype": "F16", "shape": [1 << 40, 2, 4, 33, 64], "data_offsets": [0, 64]}
    raw_header(json.dumps({"kv": tensor, "__metadata__": {"gistkv": "{}"}}).encode())(path)


BAD_GISTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "not a gist file"),
    "text": (lambda path: path.write_text("Dear all"), "not a gist file"),
    "random": (lambda path: path.write_bytes(random.Random(3).randbytes(9000)), "not a gist file"),
    "other safetensors": (lambda path: path.write_bytes(save({"kv": torch.zeros(3)})), "not a gist file"),
    "cut at 1%": (cut(0.01), "not a gist file"),
    "cut at 50%": (cut(0.5), "not a gist file"),
    "cut at 99.9%": (cut(0.999), "not a gist file"),
    "one bit of the length": (flipped(0.0), "not a gist file"),
    "one bit of the header": (flipped(0.002), ""),
    "one bit of the middle": (flipped(0.5), "damaged"),
    "one bit of the end": (flipped(1.0), "damaged"),
    "a header of exabytes": (raw_header(b"{}", 2**62), "not a gist file"),
    "a header of nested lists": (raw_header(b"[" * 100_000), "not a gist file"),
    "a header of no JSON": (raw_header(b"\xff" * 200), "not a gist file"),
    "a shape of exabytes": (lying_shape, "not a gist file"),
    "another format version": (lambda path: with_header(path, format_version=99), "format version 99"),
    "another layout version": (lambda path: with_header(path, layout_version=0), "layout version 0"),
    "slots that are not there": (lambda path: sealed(path, n_slots=10**9), "not a gist file"),
    "a header of other words": (lambda path: sealed(path, segments="all of them"), "not a gist file"),
    "another title": (lambda path: with_header(path, title="Somebody else's"), "checksum"),
}


def test_a_sealed_gist_is_whole(here: Run, gist: Path) -> None:
    """What the hostile ones above are refused for is not their checksum."""
    sealed(gist, title="Somebody else's")
    assert here("info", gist, "--json").json["title"] == "Somebody else's"


def test_no_title_steers_a_terminal(here: Run, gist: Path) -> None:
    sealed(gist, title="a\x1b[31m\x07 b\u202e\x9b c\nd")
    for words in (("info", gist), ("ask", gist, "-q", "What is the passkey?")):
        ended = here(*words)
        assert ended.code == 0, ended
        assert not [each for each in ended.out + ended.err if each in "\x1b\x07\x9b\u202e"], ended
    assert [line for line in here("info", gist).lines if "c d" in line and line.lstrip().startswith("title")]


@pytest.mark.parametrize("name", BAD_GISTS)
def test_bad_gists(here: Run, gist: Path, name: str) -> None:
    spoil, said = BAD_GISTS[name]
    spoil(gist)
    with untouched(gist.parent):
        for words in (("info", gist), ("info", gist, "--json"), ("ask", gist, "-q", "What is the passkey?", "--json")):
            assert_refused(here(*words), "book.gistkv", said)


@pytest.mark.parametrize("part", ["model", "tokenizer", "adapter"])
def test_a_gist_of_something_else(here: Run, gist: Path, part: str) -> None:
    record = read_gist(gist)
    identity = replace(record.identity, model_id="org/other", **{f"{part}_fingerprint": "0" * 32})
    write_gist(gist, replace(record, identity=identity))
    ended = here("ask", gist, "-q", "What is the passkey?", "--model", "starter")
    assert_refused(ended, f"different {part}", "org/other", "starter is loaded", "--model")
    ended = here("ask", gist, "-q", "What is the passkey?")  # the model that made it is looked for
    if part == "model":
        assert_refused(ended, 'by the model "org/other", which is not on this computer', "--model")
    else:
        assert_refused(ended, f"different {part}", "org/other", "starter is loaded", "--model")
    assert here("info", gist).code == 0  # it can still be looked at


def test_a_gist_of_another_model_truly(here: Run, gist: Path, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "tiny")
    assert_refused(here("ask", gist, "-q", "What?", "--model", folder), "different model", "by starter; tiny is loaded")
    (tmp_path / "a.txt").write_text("The harbour was quiet. A grey cat slept on the wall.")
    assert here("compress", tmp_path / "a.txt", "--ratio", 4, "--model", folder).code == 0
    words = ("ask", tmp_path / "a.gistkv", "-q", "What?")
    assert_refused(here(*words, "--model", "starter"), "different model", "by tiny; starter is loaded")
    assert_refused(here(*words), 'by the model "tiny", which is not on this computer', "--model")
    assert_refused(here("ask", gist, tmp_path / "a.gistkv", "-q", "What?"), 'The gist of "a"')


def test_the_text_is_looked_up_where_it_is_given(here: Run, tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("The harbour was quiet. A grey cat slept. The passkey is 71432. Had the boat come back? " * 3)
    assert here("compress", text).code == 0
    words = ("ask", tmp_path / "a.gistkv", "-q", "What is the passkey?")
    plain = here(*words)
    assert (plain.code, len(plain.lines)) == (0, 1)
    told = here(*words, "--text", text)
    assert (told.code, told.lines[0]) == (0, "[The passkey is 71432.]")
    assert "71432" in told.lines[1]
    found = here(*words, "--text", text, "--json").json
    assert found["sentence"] == "The passkey is 71432." and found["n_text_tokens"] > 0
    assert (found["unmatched"], told.err) == ([], "")
    strange = here("ask", tmp_path / "a.gistkv", "-q", "What is the passkey of the windmill?", "--text", text)
    assert (strange.code, strange.err) == (0, "gistdesk: The text does not mention: windmill\n")
    assert here(*words, "--json").json["n_text_tokens"] == 0
    other = tmp_path / "b.txt"
    other.write_text("The passkey is 99999.")
    assert_refused(here(*words, "--text", other), "not the document that was compressed", "gist was made from")
    assert_refused(here(*words, "--text", tmp_path / "none.txt"), "none.txt")


@pytest.mark.parametrize("name", ["missing.gistkv", "."])
def test_a_gist_that_is_not_there(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(here("info", name), "There is no file")
    assert_refused(here("ask", name, "-q", "What?"), "There is no file")


@linux_only
def test_a_gist_that_may_not_be_read(here: Run, common: Path, made_once: Path) -> None:
    gist = Path(shutil.copy(made_once, common / "closed.gistkv"))
    gist.chmod(0)
    with as_nobody():
        ended = here("info", gist)
    assert_refused(ended, "closed.gistkv cannot be read: you do not")


# --- Questions


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-q", "word " * 40_000), "model's window holds 32768"),
        (("-q", ""), "question is empty"),
        (("-q", " \n"), "question is empty"),
        (("--json",), "--json needs a question"),
        (("-q", "What?", "--temperature", "-1"), "temperature is 0 or more"),
        (("-q", "What?", "--temperature", "nan"), "temperature is 0 or more"),
        (("-q", "What?", "--temperature", "inf"), "temperature is 0 or more"),
        (("-q", "What?", "--max-tokens", "0"), "at least one token"),
        (("-q", "What?", "--seed", "-1"), "--seed"),
        (("-q", "What?", "--seed", str(2**70)), "--seed"),
        (("-q", "What?", "--model", "nosuch"), 'no model "nosuch"'),
        (("-q", "What?", "--device", "tpu"), 'no device "tpu"'),
    ],
)
def test_bad_questions(here: Run, gist: Path, words: tuple[str, ...], said: str) -> None:
    with untouched(gist.parent):
        assert_refused(here("ask", gist, *words), said)


def test_more_gists_than_the_window_holds(here: Run, book: Path) -> None:
    made = here("compress", book, "--ratio", 1, "--json").json
    n_copies = 32768 // made["n_slots"] + 1
    assert_refused(here("ask", *[made["gist"]] * n_copies, "-q", "What?"), "These gists", "32768", "higher ratio")


# --- Models


def test_models_that_cannot_be_used(here: Run, book: Path, tmp_path: Path) -> None:
    def said_of(folder: Path) -> str:
        ended = here("compress", book, "--model", folder, "--method", "adapter")
        assert_refused(ended)
        return ended.err

    folder = write_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())

    (tmp_path / "nothing").mkdir()
    assert "config.json" in said_of(tmp_path / "nothing")
    for change, words in (
        ({"model_type": "mamba"}, 'type "mamba"'),
        ({"model_type": "mistral", "sliding_window": 512}, "512 tokens"),
        ({"layer_types": ["full_attention", "linear_attention"]}, "linear_attention"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change))
        assert words in said_of(folder)
    (folder / "config.json").write_text("{")
    assert "config.json" in said_of(folder)
    (folder / "config.json").write_text(json.dumps(config))
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1000])
    assert "cannot be loaded" in said_of(folder)
    weights.rename(folder / "model.bin")
    assert "safetensors" in said_of(folder)
    weights.write_bytes(whole)
    (folder / "adapter" / "gist.json").write_text("{}")
    assert "adapter" in said_of(folder)
    (folder / "adapter" / "gist.json").unlink()
    assert "no gist adapter" in said_of(folder)


def test_a_model_of_the_hub_that_is_not_to_be_had(here: Run, book: Path) -> None:
    """Tests run with HF_HUB_OFFLINE; a network that is down ends in the same words."""
    ended = here("compress", book, "--model", "nobody-at-all/no-such-model")
    assert_refused(ended, "nobody-at-all/no-such-model", "is not on this computer")


# --- niah


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--methods", "magic"), 'no method "magic"'),
        (("--methods", ""), "No method"),
        (("--languages", "fr"), 'no language "fr"'),
        (("--kinds", "riddle"), 'no needle kind "riddle"'),
        (("--kinds", "landmark", "--languages", "ko"), "only in English"),
        (("--device", "tpu"), 'no device "tpu"'),
        (("--model", "nosuch"), 'no model "nosuch"'),
        (("--lengths", "512,many"), "not a list of whole numbers"),
        (("--lengths", "512;1024"), "not a list of whole numbers"),
        (("--lengths", "12"), "at least 64 tokens"),
        (("--lengths", ""), "at least 64 tokens"),
        (("--depths", "0,x"), "not a list of whole numbers"),
        (("--depths", "101"), "from 0 to 100"),
        (("--samples", "0"), "at least one sample"),
        (("--samples", "few"), "--samples"),
        (("--ratio", "0"), "ratio of 0"),
        (("--ratio", "nan"), "ratio of nan"),
        (("--ratio", "much"), '"much" is not a ratio'),
        (("--ratio", "100,600"), "1 to 512 tokens"),
        (("--top-k", "0"), "At least one passage"),
        (("--chunk-tokens", "4"), "at least 8 tokens"),
        (("--overlap-tokens", "100"), "cannot overlap"),
        (("--rank-by", "magic"), 'no way to rank passages "magic"'),
        (("--records", "-1"), "cannot be negative"),
        (("--longbench", "missing"), "folder missing does not exist"),
        (("--longbench", "."), "no LongBench file"),
        (("--longbench", "bench"), "Line 2 of bench/hotpotqa.jsonl cannot be used: it is not a JSON object"),
        (("--choices", "missing.jsonl"), "missing.jsonl cannot be read"),
        (("--choices", "choices.jsonl"), 'Line 1 of choices.jsonl cannot be used: "answer" must be a number'),
        (("--instructions", "empty.jsonl"), "holds no records"),
        (("--haystack", "bench/none"), "no documents in"),
        (("--ratio", "600"), "1 to 512 tokens"),
        (("--needle", "The code is 5.", "--question", "What is the code?"), "no {value}"),
        (("--needle", "The code is {value}."), "needs a question"),
        (("--question", "What is the code?"), "needs a question"),
        (("--haystack", "missing.txt"), "missing.txt cannot be found"),
        (("--haystack", "binary.txt"), "not text"),
        (("--haystack", "short.txt"), "haystack has"),
        (("--lengths", "128,60000", "--methods", "none,full"), "window of 32768"),
        (("--lengths", "128,9999999"), "haystack has"),
        (("-o", "short.txt"), "folder short.txt"),
    ],
)
def test_bad_arguments_of_niah(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary.txt").write_bytes(random.Random(1).randbytes(20_000))
    (tmp_path / "short.txt").write_text("A short text. It has two sentences.")
    (tmp_path / "bench" / "none").mkdir(parents=True)
    line = json.dumps({"context": "Yes.", "input": "What?", "answers": ["Yes"], "all_classes": None})
    (tmp_path / "bench" / "hotpotqa.jsonl").write_text(f"{line}\n{line[:-5]}\n")
    choice = {"context": "Yes.", "question": "What?", "choices": ["Yes", "No"], "answer": 3}
    (tmp_path / "choices.jsonl").write_text(json.dumps(choice))
    (tmp_path / "empty.jsonl").write_text("\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert_refused(here("niah", "--lengths", "128", "--languages", "en", "-o", "out", *words), said)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "out") == before
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_an_embedding_model_that_is_not_installed(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gistdesk.core.ranking.EMBEDDING_PACKAGE", "no_such_package")
    words = ("niah", "--methods", "rag", "--rank-by", "embeddings", "-o", tmp_path / "out")
    assert_refused(here(*words), "embedding model is not installed", "gistdesk[rag]")
    assert not (tmp_path / "out").exists()


def test_a_model_without_an_adapter(here: Run, tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    shutil.rmtree(base / "adapter")
    ended = here("niah", "--lengths", "128", "--methods", "gist", "--model", base, "-o", tmp_path / "out")
    assert_refused(ended, "has no gist adapter", "Train one")


@linux_only
def test_a_results_folder_that_may_not_be_written_to(here: Run, common: Path) -> None:
    (common / "out").mkdir()
    (common / "out").chmod(0o555)
    with as_nobody():
        ended = here("niah", "--lengths", "128", "--model", common / "starter", "-o", common / "out")
    assert_refused(ended, "cannot be created or written to")  # as it says before anything is measured


# --- recall


def test_a_gist_of_another_document_recalls_nothing(here: Run, gist: Path, book: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("The passkey is 12345. Another text.")
    assert_refused(here("recall", gist, tmp_path / "other.txt"), "was not made from", "other.txt")
    assert_refused(here("recall", gist, tmp_path / "missing.txt"), "missing.txt cannot be found")
    assert_refused(here("recall", tmp_path / "missing.gistkv", book), "missing.gistkv")


def test_a_text_without_facts_recalls_nothing(here: Run, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("nothing is told here. nothing at all, and nobody tells it.")
    assert here("compress", tmp_path / "plain.txt").code == 0
    ended = here("recall", tmp_path / "plain.gistkv", tmp_path / "plain.txt")
    assert_refused(ended, "No numbers, dates, names or codes")


# --- Words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("bogus",), "No such command 'bogus'. See gistdesk --help"),
        (("compress",), "Missing argument"),
        (("ask",), "Missing argument"),
        (("info", "a.gistkv", "b.gistkv"), "unexpected extra argument"),
        (("niah",), "--output"),
        (("--nope",), "No such option: --nope"),
    ],
)
def test_words_that_are_not_understood(here: Run, words: tuple[str, ...], said: str) -> None:
    ended = here(*words)
    assert_refused(ended, said, "--help")


def test_nothing_is_left_in_the_users_folders(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After failures of several kinds, in the folder that the user stands in."""
    monkeypatch.chdir(tmp_path)
    for words in (("compress", "missing.txt"), ("info", "missing.gistkv"), ("ask", "missing.gistkv", "-q", "What?")):
        assert here(*words).code == 2
    assert os.listdir(tmp_path) == []  # noqa: PTH208
