"""Every command from its words to its files and lines. Plumbing: any starter will do.

What the starter answers right is in test_accuracy.py, what is refused in test_bad_input.py.
"""

import csv
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib import image
from safetensors import safe_open

from gistdesk import __version__
from gistdesk.cli.conversation import conversation
from gistdesk.cli.jobs import compress_file
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_file import read_gist, write_gist
from gistdesk.core.model import GistModel
from gistdesk.core.partial import read_partial
from gistdesk.core.prompt import Turn
from tests.core.test_documents import chapter, docx_bytes, epub_members, pdf_bytes, zip_bytes
from tests.core.tiny_models import write_model
from tests.end2end.conftest import Run
from tests.starter import loaded_starter
from trainer.benchmark.config import BenchConfig
from trainer.data.haystack import haystack_text

COMPRESSED = [
    "document",
    "gist",
    "n_tokens",
    "n_slots",
    "ratio",
    "method",
    "n_unfitted",
    "kv_bits",
    "kv_bytes",
    "file_bytes",
    "seconds",
    "tokens_per_second",
    "device",
    "peak_memory_bytes",
]

FROM_THE_GIST_ALONE = (
    "gistdesk: From the gist alone, which may leave things out and invent others; --text DOCUMENT looks answers up.\n"
)

ANSWERED = ["question", "answer", "ttft_s", "tokens_per_second", "n_slots", "n_text_tokens", "n_prompt_tokens"]
CELL = [
    "method",
    "language",
    "needle_kind",
    "context_tokens",
    "depth_percent",
    "n",
    "correct",
    "accuracy",
    "wilson_low",
    "wilson_high",
    "ratio",
    "kv_bytes",
    "peak_memory_bytes",
    "ttft_s",
    "ratio_asked",
    "ratio_bytes",
    "kept_bytes",
    "document_bytes",
    "prepare_s",
    "tokens_per_second",
    "exact",
    "contained",
    "f1",
    "rouge_l",
    "answer_loss",
    "break_even_questions",
]
SAMPLE = [
    "method",
    "language",
    "needle_kind",
    "context_tokens",
    "depth_percent",
    "prompt_tail",
    "expected",
    "answer",
    "correct",
    "ratio_asked",
    "score",
]
RUN_FILES = [
    "curves.png",
    "curves.svg",
    "heatmap.png",
    "heatmap.svg",
    "report.html",
    "results.csv",
    "results.json",
    "run.json",
    "samples.jsonl",
]
RESULTS = {
    "config",
    "model",
    "device",
    "dtype",
    "version",
    "versions",
    "hardware",
    "id",
    "methods",
    "recovered",
    "by_length",
}
COMMANDS = ("compress", "ask", "info", "doctor", "demo", "niah", "recall")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX")


def partial_gist(path: Path) -> GistKV:
    """What an interrupted run left."""
    found = read_partial(path)
    assert found is not None
    return found.gist


def content_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """A gist file but for the moment it was made."""
    with safe_open(path, "pt") as opened:
        header = json.loads(opened.metadata()["gistkv"])
        kv = opened.get_tensor("kv")
    del header["created"], header["sha256"]
    return header, kv.contiguous().view(dtype=kv.dtype).float().numpy().tobytes()


# --- As a process


@pytest.mark.release
def test_a_document_becomes_a_file_and_the_file_answers(program: Run, book: Path, tmp_path: Path) -> None:
    """Through real processes, without a network, and with no word on stderr but what the answer rests on."""
    made = program("compress", "book.txt", "--json")
    assert (made.code, made.err) == (0, "")
    assert made.json["gist"] == "book.gistkv"
    book.unlink()  # the document is not needed any more
    asked = program("ask", "book.gistkv", "-q", "What is the passkey?")
    assert (asked.code, asked.err) == (0, FROM_THE_GIST_ALONE)
    assert len(asked.lines) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["book.gistkv"]


def test_the_network_would_be_noticed(program: Run) -> None:
    """The guard that every process here runs under does bite."""
    ended = program("import socket; socket.create_connection(('127.0.0.1', 9))", start=("-c",))
    assert ended.code != 0
    assert "NETWORK USED" in ended.err


def test_help_of_everything_is_there_at_once(program: Run) -> None:
    """One process asks for all of it; the slow libraries must not even be imported."""
    script = f"""
import sys
from gistdesk.__main__ import main
for words in [["--help"], ["-h"], ["--version"], *[[c, "--help"] for c in {COMMANDS!r}]]:
    sys.argv = ["gistdesk", *words]
    try:
        main()
    except SystemExit as ended:
        print("CODE", ended.code)
print("SLOW", sorted(set(sys.modules) & {{"torch", "transformers", "matplotlib", "numpy", "pypdfium2", "psutil"}}))
"""
    begun = os.times()
    ended = program(script, start=("-c",), COLUMNS="100")
    took = os.times()
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines.count("CODE 0") == 3 + len(COMMANDS)
    assert ended.lines[-1] == "SLOW []"
    for words in (*COMMANDS, "--ratio", "--slots", "--json", "--haystack", "--needle", __version__):
        assert words in ended.out
    assert took.children_user + took.children_system - begun.children_user - begun.children_system < 2


def test_a_bug_is_exit_code_1_with_its_traceback(program: Run) -> None:
    script = """
import sys
import gistdesk.cli.doctor
from gistdesk.__main__ import main
gistdesk.cli.doctor.examine = None
sys.argv = ["gistdesk", "doctor"]
main()
"""
    ended = program(script, start=("-c",))
    assert ended.code == 1
    assert "Traceback" in ended.err
    assert "is not callable" in ended.err


@pytest.mark.release
@posix_only
def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(
    environment: dict[str, str], tmp_path: Path, here: Run
) -> None:
    import pty

    text = haystack_text("en-the-adventures-of-sherlock-holmes")[:60_000]
    for name in ("whole.txt", "book.txt"):
        (tmp_path / name).write_text(text, "utf-8")
    screen, stderr = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gistdesk", "compress", "book.txt", "--device", "cpu"],
        cwd=tmp_path,
        env=environment | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=stderr,
    )
    os.close(stderr)
    assert process.stdout is not None
    shown = b""
    try:
        while not re.search(rb"[1-9]\d*/\d+", shown):  # the bar, once some segments are done
            shown += os.read(screen, 4096)
        process.send_signal(signal.SIGINT)
        out = process.stdout.read()
        shown += drained(screen)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(screen)
    assert b"book.txt" in shown
    assert b"gistdesk: interrupted." in shown
    assert b"Traceback" not in shown
    assert out == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.gistkv.part", "book.txt", "whole.txt"]

    part = partial_gist(tmp_path / "book.gistkv.part")
    first = next(compress_file(loaded_starter(), tmp_path / "book.txt", tmp_path / "book.gistkv"))
    assert first["done"] == len(part.segments) > 0
    assert first["total"] > first["done"]
    assert here("compress", tmp_path / "book.txt").code == 0
    assert here("compress", tmp_path / "whole.txt").code == 0
    assert not (tmp_path / "book.gistkv.part").exists()
    header, kv = content_of(tmp_path / "book.gistkv")
    whole_header, whole_kv = content_of(tmp_path / "whole.gistkv")
    assert header | {"title": ""} == whole_header | {"title": ""}
    assert kv == whole_kv


def drained(screen: int) -> bytes:
    found = b""
    try:
        while block := os.read(screen, 4096):
            found += block
    except OSError:  # how Linux tells that the other side of a terminal has gone
        pass
    return found


@pytest.fixture
def long_book(tmp_path: Path, alice: str) -> Path:
    """Several batches of segments."""
    path = tmp_path / "long.txt"
    path.write_text(alice * 3, "utf-8")
    return path


@pytest.mark.release
def test_a_compression_that_is_left_goes_on_where_it_stopped(long_book: Path, tmp_path: Path) -> None:
    """The same between any two batches, by closing the generator."""
    model = loaded_starter()
    target, plain = tmp_path / "book.gistkv", tmp_path / "plain.gistkv"
    *_, _ = compress_file(model, long_book, plain)
    n_tokens = [0]
    while not target.exists():
        steps = compress_file(model, long_book, target)
        start = next(steps)
        assert next(steps).get("done", start["total"]) > start["done"]
        steps.close()  # type: ignore[attr-defined]
        if not target.exists():
            n_tokens.append(partial_gist(tmp_path / "book.gistkv.part").n_tokens)
            assert n_tokens[-1] > n_tokens[-2]
    assert len(n_tokens) >= 3
    assert content_of(target) == content_of(plain)
    assert not (tmp_path / "book.gistkv.part").exists()


def test_the_speed_of_a_run_that_goes_on_is_that_of_what_it_did(long_book: Path, tmp_path: Path) -> None:
    model = loaded_starter()
    target = tmp_path / "book.gistkv"
    steps = compress_file(model, long_book, target)
    while (step := next(steps))["done"] < step["total"] - 2:
        pass
    steps.close()  # type: ignore[attr-defined]
    n_done = partial_gist(tmp_path / "book.gistkv.part").n_tokens
    *_, result = compress_file(model, long_book, target)
    n_new = result["n_tokens"] - n_done
    assert 0 < n_new < result["n_tokens"] / 2
    assert result["tokens_per_second"] == pytest.approx(n_new / result["seconds"], rel=0.02)


def test_a_part_of_another_text_or_ratio_is_not_gone_on_with(long_book: Path, tmp_path: Path, alice: str) -> None:
    model = loaded_starter()
    target = tmp_path / "book.gistkv"
    steps = compress_file(model, long_book, target)
    for _ in range(2):
        next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert next(compress_file(model, long_book, target))["done"] > 0
    assert next(compress_file(model, long_book, target, ratio=4))["done"] == 0
    long_book.write_text(alice.replace("58203", "58204") * 3, "utf-8")  # cut at the same places
    assert next(compress_file(model, long_book, target))["done"] == 0


@posix_only
@pytest.mark.parametrize("end", ["pipe", "disk"])
def test_output_that_finds_no_taker(environment: dict[str, str], end: str) -> None:
    """`gistdesk ... | head -0` ends quietly; a full disk is the user's to know."""
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        reader, writer = os.pipe()
        os.close(reader)
        ended = subprocess.run(
            [sys.executable, "-m", "gistdesk", "compress", "--help"],
            env=environment,
            stdout=full if end == "disk" else writer,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(writer)
    expected = (0, b"") if end == "pipe" else (2, b"gistdesk: The output cannot be written (No space left on device).")
    assert (ended.returncode, ended.stderr[: len(expected[1])]) == expected
    assert ended.stderr.count(b"\n") == (end == "disk")


# --- compress


def test_compress_tells_programs_what_it_did(here: Run, book: Path) -> None:
    ended = here("compress", book, "--json")
    assert (ended.code, ended.err) == (0, "")
    result = ended.json
    assert list(result) == COMPRESSED
    path = Path(result["gist"])
    record = read_gist(path)
    assert result["document"] == str(book)
    assert path == book.with_suffix(".gistkv")
    assert result["n_tokens"] == record.gist.n_tokens > 3000
    assert result["n_slots"] == record.gist.n_slots
    assert result["ratio"] == round(result["n_tokens"] / result["n_slots"], 2) >= 100
    assert result["kv_bytes"] == record.gist.kv.numel() * 2
    assert result["file_bytes"] == path.stat().st_size > result["kv_bytes"]
    assert result["seconds"] > 0
    assert result["tokens_per_second"] == pytest.approx(result["n_tokens"] / result["seconds"], rel=0.01)
    assert result["device"] in ("cpu", "cuda:0")
    assert result["peak_memory_bytes"] > 2**20
    assert record.source_sha256 == hashlib.sha256(book.read_bytes()).hexdigest()


def test_bytes_are_those_of_the_file_on_every_processor(book: Path) -> None:
    """A float32 model, as on most laptops, has keys and values of twice the size that is stored."""
    *_, result = compress_file(loaded_starter(precision="fp32"), book, book.with_suffix(".gistkv"))
    record = read_gist(book.with_suffix(".gistkv"))
    assert record.gist.kv.dtype == torch.float16
    assert result["kv_bytes"] == record.gist.kv_bytes < result["file_bytes"]


def test_compress_tells_people_in_a_line(here: Run, book: Path) -> None:
    ended = here("compress", book)
    assert (ended.code, ended.err) == (0, "")
    line = r"\S+book\.gistkv: 3,\d\d\d tokens -> 33 gist slots \(10\dx\), \d+\.\d KiB, \d+\.\d s"
    assert len(ended.lines) == 1
    assert re.fullmatch(line, ended.lines[0])


FILES = {
    "a.txt": lambda en, ko: en.encode(),
    "a.md": lambda en, ko: en.encode(),
    "utf16.txt": lambda en, ko: en.encode("utf-16"),
    "a.pdf": lambda en, ko: pdf_bytes([en[:800], "", en[800:1600]]),
    "a.docx": lambda en, ko: docx_bytes(*en[:3000].split("\n")),
    "a.html": lambda en, ko: f"<html><title>T</title><body><p>{en[:3000]}</p></body></html>".encode(),
    "a.epub": lambda en, ko: zip_bytes(epub_members([chapter(en[:1000]), chapter(en[1000:2000])], title="T")),
    "한글.txt": lambda en, ko: ko.encode(),
    "cp949.txt": lambda en, ko: ko[:3000].encode("cp949", "ignore"),
    "한글.pdf": lambda en, ko: pdf_bytes([ko[:500], ko[500:1000]]),
}
N_PAGES = {"a.pdf": 3, "한글.pdf": 2, "a.epub": 2}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_document_is_compressed_and_asked(
    here: Run, tmp_path: Path, alice: str, korean: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name](alice, korean))
    made = here("compress", path, "--ratio", 50, "--json")
    assert (made.code, made.err) == (0, "")
    assert made.json["n_tokens"] > 200
    info = here("info", made.json["gist"], "--json").json
    assert info["n_pages"] == N_PAGES.get(name, 1)
    assert info["title"] == ("T" if name in ("a.html", "a.epub") else path.stem)
    asked = here("ask", made.json["gist"], "-q", "패스키는 무엇입니까?", "--json")
    assert (asked.code, asked.err) == (0, "")


@pytest.mark.release
def test_a_gist_is_refined_and_says_how_much_it_recites(here: Run, tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    shutil.rmtree(base / "adapter")
    (tmp_path / "a.txt").write_text("The ferry left at 7.40. A grey cat slept on the wall.\n" * 2, "utf-8")
    ended = here("compress", tmp_path / "a.txt", "--method", "refined", "--model", base, "--json")
    assert (ended.code, ended.err) == (0, "")
    made = ended.json
    assert made["method"] == "refined"
    assert 0 <= made["agreement_before"] <= 1
    assert 0 <= made["agreement"] <= 1
    info = here("info", made["gist"], "--json").json
    assert (info["method"], info["agreement"]) == ("refined", made["agreement"])
    asked = here("ask", made["gist"], "-q", "When?", "--model", base, "--max-tokens", 4, "--json")
    assert (asked.code, asked.err) == (0, "")


def test_a_file_in_8_bits_is_smaller_and_is_asked_like_any_other(here: Run, tmp_path: Path, alice: str) -> None:
    (tmp_path / "a.txt").write_text(alice, "utf-8")
    wide = here("compress", tmp_path / "a.txt", "--ratio", 8, "--json").json
    made = here("compress", tmp_path / "a.txt", "--ratio", 8, "--kv-bits", 8, "--json").json
    assert (wide["kv_bits"], made["kv_bits"]) == (16, 8)
    assert made["file_bytes"] < 0.65 * wide["file_bytes"]
    assert here("info", made["gist"], "--json").json["kv_bits"] == 8
    asked = here("ask", made["gist"], "-q", "What is the passkey?", "--json")
    assert (asked.code, asked.err) == (0, "")
    refused = here("compress", tmp_path / "a.txt", "--kv-bits", 4)
    assert refused.code == 2
    assert "cannot be stored in 4 bits" in refused.err


def test_the_same_text_makes_the_same_gist_whatever_file_it_comes_in(here: Run, tmp_path: Path, korean: str) -> None:
    (tmp_path / "utf8.txt").write_text(korean, "utf-8")
    (tmp_path / "utf16.md").write_text(korean, "utf-16")
    (tmp_path / "other.txt").write_text(korean.replace("40917", "40918"), "utf-8")
    assert here("compress", *sorted(tmp_path.iterdir())).code == 0
    gists = {path.stem: content_of(path)[1] for path in tmp_path.glob("*.gistkv")}
    assert gists["utf8"] == gists["utf16"]
    assert gists["utf8"] != gists["other"]


def test_output_may_be_a_file(here: Run, book: Path, tmp_path: Path) -> None:
    target = tmp_path / "other.gistkv"
    assert here("compress", book, "-o", target, "--json").json["gist"] == str(target)
    assert read_gist(target).title == "book"
    assert not book.with_suffix(".gistkv").exists()


def test_output_may_be_a_folder(here: Run, book: Path, tmp_path: Path) -> None:
    (tmp_path / "gists").mkdir()
    assert here("compress", book, "-o", tmp_path / "gists", "--json").json["gist"] == str(
        tmp_path / "gists/book.gistkv"
    )


def test_several_documents_each_get_a_gist_and_a_line(here: Run, book: Path, tmp_path: Path, korean: str) -> None:
    (tmp_path / "ko.txt").write_text(korean, "utf-8")
    beside = here("compress", book, tmp_path / "ko.txt", "--json")
    assert [json.loads(line)["gist"] for line in beside.lines] == [
        str(tmp_path / "book.gistkv"),
        str(tmp_path / "ko.gistkv"),
    ]
    ended = here("compress", book, tmp_path / "ko.txt", book, "-o", tmp_path / "new" / "folder")
    assert (ended.code, ended.err, len(ended.lines)) == (0, "", 2)  # the one given twice is done once
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["book.gistkv", "ko.gistkv"]


@pytest.mark.parametrize("slots", [49, 333, 1111])
def test_the_number_of_slots_is_the_one_asked_for(here: Run, book: Path, slots: int) -> None:
    result = here("compress", book, "--slots", slots, "--json").json
    assert result["n_slots"] == slots
    assert result["ratio"] == round(result["n_tokens"] / slots, 2)


def test_the_fewest_slots_are_one_for_every_segment(here: Run, book: Path) -> None:
    """Segments end with sentences, so there can be one more of them than the longest ones would need."""
    result = here("compress", book, "--slots", 7, "--json").json
    assert 7 <= result["n_slots"] <= 9
    assert result["n_slots"] == here("info", result["gist"], "--json").json["n_segments"]


@pytest.mark.parametrize("ratio", [1, 8, 512])
def test_the_ratio_is_about_the_one_asked_for(here: Run, book: Path, ratio: float) -> None:
    """A segment has whole slots, at least one, and may end early, at a sentence's end."""
    result = here("compress", book, "--ratio", ratio, "--json").json
    assert result["ratio"] == pytest.approx(ratio, rel=0.25 if ratio > 400 else 0.05)
    assert result["ratio"] >= 1


def test_compressing_again_replaces_the_gist_by_an_equal_one(here: Run, gist: Path, book: Path) -> None:
    before = content_of(gist)
    assert here("compress", book).code == 0
    assert content_of(gist) == before


@posix_only
def test_a_gist_may_be_read_by_whom_other_files_may_be_read(here: Run, book: Path) -> None:
    before = os.umask(0o027)
    try:
        assert here("compress", book).code == 0
    finally:
        os.umask(before)
    assert book.with_suffix(".gistkv").stat().st_mode & 0o777 == 0o640


def test_compress_leaves_nothing_but_the_gist(here: Run, book: Path, tmp_path: Path) -> None:
    assert here("compress", book).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.gistkv", "book.txt"]


# --- ask


def test_ask_tells_programs_the_answer(here: Run, gist: Path) -> None:
    ended = here("ask", gist, "-q", "What is the passkey?", "--json")
    assert (ended.code, ended.err) == (0, "")
    result = ended.json
    assert list(result) == ANSWERED
    assert isinstance(result["answer"], str)
    assert result["ttft_s"] > 0
    assert result["tokens_per_second"] >= 0
    assert result["n_slots"] == 33
    assert 5 <= result["n_prompt_tokens"] < 20  # the question and its frame, not the document
    assert here("ask", gist, "-q", "What is the passkey?").out == result["answer"] + "\n"


def test_several_questions_are_asked_each_by_itself(here: Run, gist: Path) -> None:
    questions = ["What is the passkey?", "Who follows the rabbit?", "What is the passkey?"]
    words = [word for question in questions for word in ("-q", question)]
    alone = [here("ask", gist, "-q", question).out for question in questions]
    ended = here("ask", gist, *words)
    assert (ended.code, ended.err) == (0, FROM_THE_GIST_ALONE)  # said once
    assert ended.out == "".join(f"> {asked}\n{told}" for asked, told in zip(questions, alone, strict=True))
    told = [json.loads(line) for line in here("ask", gist, *words, "--json").lines]
    assert [(each["question"], each["answer"] + "\n") for each in told] == list(zip(questions, alone, strict=True))
    assert here("ask", gist, "-q", "Well?", "-q", " ").err.startswith("gistdesk: The question is empty.")


def test_several_gists_are_one_context(here: Run, gist: Path, tmp_path: Path, korean: str) -> None:
    (tmp_path / "ko.txt").write_text(korean, "utf-8")
    here("compress", tmp_path / "ko.txt", "--slots", 39)
    question = ["-q", "What is the passkey?", "--json"]
    both = here("ask", gist, tmp_path / "ko.gistkv", *question)
    assert (both.code, both.err) == (0, "")
    assert both.json["n_slots"] == 33 + 39


def test_a_conversation_comes_through_stdin(here: Run, gist: Path) -> None:
    questions = ["What is the passkey?", "Who follows the rabbit?", "패스키는 무엇입니까?"]
    talk = conversation([gist], model="starter", device="auto", precision="auto", system=None, sampling=Sampling())
    expected = ["".join(talk.ask(question)) for question in questions]
    ended = here("ask", gist, stdin="\n".join([*questions, "", "Nobody asks this any more."]))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "".join(answer + "\n" for answer in expected)
    again = here("ask", gist, stdin=questions[0])  # no empty line, not even an end of line
    assert again.out == expected[0] + "\n"


def test_adapters_come_and_go(here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    base = write_model(tmp_path / "base")
    (base / "adapter").rename(tmp_path / "contracts")
    config = json.loads((tmp_path / "contracts" / "adapter_config.json").read_text("utf-8"))
    changed = json.dumps({**config, "base_model_name_or_path": "/elsewhere"})
    (tmp_path / "contracts" / "adapter_config.json").write_text(changed, "utf-8")
    assert here("adapters", "list").out.startswith("No adapters are kept here yet.")
    refused = here("adapters", "import", tmp_path / "contracts")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        f"gistdesk: The adapter in {tmp_path / 'contracts'} was trained for /elsewhere, which is not among the "
        "models on this computer. Add or download the base that it was trained for, then import it again.\n"
    )
    ended = here("adapters", "import", tmp_path / "contracts", "--base", base)
    [kept] = ended.lines
    assert here("doctor", "--model", kept, "--json").json["model"]["slots_per_segment"] == 8
    [row] = here("adapters", "list", "--json").json
    assert (row["name"], row["base"], row["slots"], row["problem"]) == ("contracts", "base", 8, "")
    assert here("adapters", "list").out.startswith("contracts: for base, 8 slots for 24 tokens, ")
    assert here("adapters", "export", "contracts", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    assert here("adapters", "export", "contracts", tmp_path / "out").code == 2
    gist = Path(kept) / "gist.json"
    before = gist.read_text("utf-8")
    gist.write_text(json.dumps({**json.loads(before), "precision": []}), "utf-8")
    assert here("adapters", "list").out.startswith("contracts: for base, 8 slots for 24 tokens, ")
    gist.write_text(before, "utf-8")
    shutil.rmtree(base)
    assert "cannot be found" in here("adapters", "list").out
    assert here("adapters", "remove", "contracts").code == 0
    assert not Path(kept).exists()
    assert "is not one of the adapters" in here("adapters", "remove", "contracts").err


@pytest.mark.release
def test_every_command_takes_a_precision(here: Run, tmp_path: Path) -> None:
    """And a gist is read in the one that it was made in, unless another is asked for, which is refused."""
    model, book, gist = str(write_model(tmp_path / "tiny")), tmp_path / "book.txt", tmp_path / "book.gistkv"
    book.write_text("The harbour was quiet. The lamp cost 71432 won. " * 4, encoding="utf-8")
    made = here("compress", book, "--ratio", 6, "--model", model, "--precision", "nf4")
    assert (made.code, made.err) == (0, "")
    assert read_gist(gist).identity.model_fingerprint.endswith("-nf4")
    asked = here("ask", gist, "-q", "What?", "--model", model, "--max-tokens", 3)
    assert (asked.code, asked.err) == (0, FROM_THE_GIST_ALONE)
    assert here("ask", gist, "-q", "What?", "--model", model, "--max-tokens", 3, "--precision", "nf4").out == asked.out
    refused = here("ask", gist, "-q", "What?", "--model", model, "--precision", "int8")
    assert refused.code == 2
    assert "made with tiny in nf4; it is loaded in int8. Load it with --precision nf4" in refused.err
    recalled = here("recall", gist, book, "--model", model, "--facts", 2, "--json")
    assert (recalled.code, recalled.json["n"] > 0) == (0, True)
    measured = ["--lengths", 64, "--depths", 50, "--samples", 1, "--languages", "en", "--ratio", 8, "--methods", "gist"]
    ran = here("niah", "-o", tmp_path / "niah", *measured, "--model", model, "--precision", "int8", "--json")
    assert ran.json["model"]["model_fingerprint"].endswith("-int8")
    assert here("doctor", "--model", model, "--precision", "nf4", "--json").json["model"]["precision"] == "nf4"
    unknown = here("compress", book, "--model", model, "--precision", "nf3")
    assert unknown.code == 2
    assert unknown.err == 'gistdesk: There is no precision "nf3". Choose auto, nf4, int8, bf16 or fp32.\n'


def test_a_conversation_knows_what_was_said(here: Run, gist: Path) -> None:
    """Sampled hot, so that an answer depends on every token before it."""
    sampling = Sampling(temperature=9, seed=1, max_tokens=12)
    ended = here("ask", gist, "--temperature", 9, "--seed", 1, "--max-tokens", 12, stdin="Well?\nAnd then?\n")
    context = Context(loaded_starter(), [read_gist(gist).gist])
    first = "".join(context.answer([Turn("Well?")], sampling))
    second = "".join(context.answer([Turn("Well?", first), Turn("And then?")], sampling))
    alone = "".join(context.answer([Turn("And then?")], sampling))
    assert ended.out == f"{first}\n{second}\n"
    assert second != alone


def test_a_question_that_fails_does_not_end_a_conversation(here: Run, gist: Path) -> None:
    ended = here("ask", gist, stdin="Well?\n" + "word " * 40_000 + "\nWell?\n")
    assert ended.code == 0
    assert len(ended.lines) == 2
    assert ended.err.count("\n") == 1
    assert "window" in ended.err


def test_an_answer_is_the_same_whether_alone_or_first_in_a_conversation(here: Run, gist: Path) -> None:
    alone = here("ask", gist, "-q", "What is the passkey?").out
    assert here("ask", gist, stdin="What is the passkey?\n\n").out == alone


@pytest.mark.release
@posix_only
def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(environment: dict[str, str], gist: Path) -> None:
    import pty

    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gistdesk", "ask", str(gist), "--temperature", "9", "--max-tokens", "20000"],
        env=environment | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""

    def wait_for(pattern: bytes) -> None:
        nonlocal shown
        while not (found := re.search(pattern, shown, re.DOTALL)):
            shown += os.read(terminal, 65536)
        shown = shown[found.end() :]

    try:
        wait_for(rb"Ctrl\+C stops an answer.*> ")
        os.write(terminal, b"Tell me everything.\n")
        wait_for(rb"everything\.\r\n.{200}")  # an answer without end
        process.send_signal(signal.SIGINT)
        wait_for(rb"\r\n> ")
        os.write(terminal, b"And again.\n")
        wait_for(rb"again\.\r\n.{200}")
        process.send_signal(signal.SIGINT)
        wait_for(rb"\r\n> ")
        os.write(terminal, b"\n")
        shown += drained(terminal)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert b"Traceback" not in shown
    assert b"interrupted" not in shown


def test_sampling_depends_on_the_seed(here: Run, gist: Path) -> None:
    def answer(*words: object) -> str:
        return str(here("ask", gist, "-q", "What happens?", "--max-tokens", 12, *words, "--json").json["answer"])

    seeds = [answer("--temperature", 9, "--seed", seed) for seed in range(3)]
    assert len(set(seeds)) == 3
    assert seeds == [answer("--temperature", 9, "--seed", seed) for seed in range(3)]
    assert answer("--seed", 1) == answer("--seed", 2) == answer()


def test_an_answer_ends_where_it_is_told_to(here: Run, gist: Path) -> None:
    long = here("ask", gist, "-q", "Tell me everything.", "--temperature", 9, "--max-tokens", 40, "--json").json
    short = here("ask", gist, "-q", "Tell me everything.", "--temperature", 9, "--max-tokens", 3, "--json").json
    assert long["answer"].startswith(short["answer"].rstrip("\ufffd"))
    assert len(short["answer"]) < len(long["answer"])


def test_what_the_user_types_need_not_be_unicode(here: Run, gist: Path) -> None:
    assert here("ask", gist, "-q", "What is \udcff?").code == 0
    assert here("ask", gist, stdin=b"What is \xff?\n").code == 0


# --- info and doctor


def test_info_says_what_is_in_the_file(here: Run, gist: Path, book: Path) -> None:
    made = here("compress", book, "--json").json
    ended = here("info", gist, "--json")
    assert (ended.code, ended.err) == (0, "")
    info = ended.json
    assert info["title"] == "book"
    for name in ("n_tokens", "n_slots", "ratio", "kv_bytes", "file_bytes"):
        assert info[name] == made[name]
    assert info["n_segments"] >= 7
    assert info["model_id"] == "starter"
    assert all(re.fullmatch("[0-9a-f]{32}", info[f"{part}_fingerprint"]) for part in ("model", "tokenizer", "adapter"))
    assert info["source_sha256"] == hashlib.sha256(book.read_bytes()).hexdigest()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", info["created"])
    text = here("info", gist).out
    for value in ("book", "starter", "33", "KiB", info["source_sha256"], info["created"]):
        assert value in text


def test_doctor_says_what_is_used_and_why(here: Run) -> None:
    ended = here("doctor", "--json")
    assert (ended.code, ended.err) == (0, "")
    found = ended.json
    assert found["program"]["gistdesk"] == __version__
    assert found["program"]["python"] == sys.version.split()[0]
    assert {"torch", "transformers", "safetensors"} <= set(found["packages"])
    assert found["device"]["used"] in ("cpu", "cuda")
    assert found["device"]["reason"].endswith(".")
    assert found["memory"]["total_bytes"] >= found["memory"]["available_bytes"] > 0
    assert found["model"]["name"] == "starter"
    assert found["model"]["segment_tokens"] == 512
    text = here("doctor").out
    assert found["device"]["reason"] in text
    assert "GiB" in text


def test_doctor_says_what_is_wrong_with_a_model(here: Run, tmp_path: Path) -> None:
    ended = here("doctor", "-m", tmp_path, "--json")
    assert ended.code == 0
    assert "config.json" in ended.json["model"]["problem"]


# --- demo


def test_demo_shows_every_sample_in_less_than_a_minute(here: Run) -> None:
    begun = time.monotonic()
    ended = here("demo")
    assert time.monotonic() - begun < 60
    assert (ended.code, ended.err) == (0, "")
    assert len([line for line in ended.lines if "gist slots" in line]) == 3
    answers = [line for line in ended.lines if "from the gist: " in line]
    assert len(answers) == 6
    right = [line for line in answers if line.endswith("[right]")]
    assert f"Right from the gist alone: {len(right)} of 6." in ended.out
    assert "gistdesk models fetch smollm2" in ended.out


# --- niah

NIAH = ("--lengths", "128,192", "--depths", "50", "--samples", "1", "--ratio", "16")
OWN = ("--needle", "The gate opens with {value}.", "--question", "What opens the gate?")


def test_niah_writes_results_in_three_forms(here: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "niah"
    ended = here("niah", *NIAH, "-o", folder, "--seed", "7", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == RUN_FILES
    results = json.loads((folder / "results.json").read_text("utf-8"))
    assert ended.json == results
    assert set(results) == RESULTS | {"by_length", "cells", "samples"}
    assert set(results["config"]) == {field.name for field in fields(BenchConfig)}
    assert results["config"]["seed"] == 7
    assert results["config"]["lengths"] == [128, 192]

    methods = ["gist", "full", "none", "wrong-gist", "truncate"]
    assert len(results["cells"]) == 5 * 2 * 2
    for cell in results["cells"]:
        assert list(cell) == CELL
        assert cell["method"] in methods
        assert cell["n"] == 1
        assert cell["accuracy"] == cell["correct"] / cell["n"]
        assert 0 <= cell["wilson_low"] <= cell["accuracy"] <= cell["wilson_high"] <= 1
        assert (cell["ratio"] is None) == (cell["method"] in ("full", "none"))
        assert cell["kv_bytes"] > 0
        assert cell["peak_memory_bytes"] > 0
        assert cell["ttft_s"] > 0
    assert len(results["samples"]) == 5 * 2 * 2
    for sample in results["samples"]:
        assert list(sample) == SAMPLE
        assert re.fullmatch(r"\d{5}", sample["expected"])
        assert sample["prompt_tail"] in ("What is the passkey?", "패스키는 무엇입니까?")
    assert {(s["language"], s["context_tokens"], s["depth_percent"]) for s in results["samples"]} == {
        (language, length, 50) for language in ("en", "ko") for length in (128, 192)
    }

    rows = list(csv.reader((folder / "results.csv").read_text("utf-8").splitlines()))
    assert rows[0] == CELL
    assert len(rows) == 1 + len(results["cells"])
    assert rows[1] == ["" if value is None else str(value) for value in results["cells"][0].values()]
    data = (folder / "heatmap.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert image.imread(folder / "heatmap.png").shape[:2] == (height, width)
    assert width > 400


def test_niah_prints_a_table(here: Run, tmp_path: Path) -> None:
    ended = here("niah", *NIAH, "-o", tmp_path, "--methods", "gist,none")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines[0] == "| method | language | needle | ratio | 128 tokens | 192 tokens | all (95%) |"
    end = ended.lines.index("")
    assert [line.split(" | ")[:2] for line in ended.lines[2:end]] == [
        ["| gist", "en"],
        ["| none", "en"],
        ["| gist", "ko"],
        ["| none", "ko"],
    ]
    scores = ended.lines[end + 1 :]
    assert scores[0].startswith("| task | language | method | n | right |")
    assert [line.split(" | ")[:4] for line in scores[2:]] == [
        ["| passkey", "en", "gist 16x", "2"],
        ["| passkey", "en", "none", "2"],
        ["| passkey", "ko", "gist 16x", "2"],
        ["| passkey", "ko", "none", "2"],
    ]


def niah_samples(here: Run, folder: Path, *words: object) -> list[dict[str, Any]]:
    ended = here("niah", *NIAH, *OWN, "--languages", "en", "-o", folder / "out", *words, "--json")
    assert (ended.code, ended.err) == (0, "")
    return list(ended.json["samples"])


@pytest.mark.release
def test_niah_repeats_with_its_seed(here: Run, book: Path, tmp_path: Path) -> None:
    words = ("--haystack", book, "--methods", "gist,none")
    first = niah_samples(here, tmp_path, *words)
    assert niah_samples(here, tmp_path, *words) == first
    other = niah_samples(here, tmp_path, *words, "--seed", 2)
    assert [s["expected"] for s in other] != [s["expected"] for s in first]
    alone = niah_samples(here, tmp_path, "--haystack", book, "--methods", "none")
    assert alone == [s for s in first if s["method"] == "none"]


def test_niah_with_a_haystack_a_needle_and_a_question_of_ones_own(here: Run, tmp_path: Path, alice: str) -> None:
    haystack = tmp_path / "hay.docx"
    haystack.write_bytes(docx_bytes(*alice.split("\n")))
    samples = niah_samples(here, tmp_path, "--haystack", haystack, "--methods", "full,gist")
    assert len(samples) == 4
    assert {s["needle_kind"] for s in samples} == {"own"}
    assert {s["prompt_tail"] for s in samples} == {"What opens the gate?"}
    assert len({s["expected"] for s in samples}) == 2
    config = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["config"]
    assert (config["needle"], config["haystack"]) == (OWN[1], "own")


def test_niah_hides_needles_in_a_folder_of_essays(here: Run, tmp_path: Path, alice: str) -> None:
    essays = tmp_path / "essays"
    essays.mkdir()
    (essays / "b.md").write_text(alice[:900], "utf-8")
    (essays / "a.txt").write_text(alice[900:1800], "utf-8")
    samples = niah_samples(here, tmp_path, "--haystack", essays, "--methods", "none")
    assert len(samples) == 2
    assert {s["needle_kind"] for s in samples} == {"own"}


@pytest.mark.release
def test_niah_measures_every_method_at_several_ratios(here: Run, tmp_path: Path) -> None:
    methods = "gist,full,none,wrong-gist,truncate,truncate-last,truncate-both,rag,rag-budget,hybrid"
    ended = here(
        *("niah", "--lengths", "192", "--depths", "50", "--samples", 1, "--languages", "ko", "--methods", methods),
        *("--ratio", "16,8", "--top-k", 1, "--chunk-tokens", 48, "--overlap-tokens", 8, "-o", tmp_path, "--json"),
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.json["config"]["ratio"] == [16, 8]
    assert len(ended.json["cells"]) == 7 * 2 + 3
    reported = here("niah", "--help")
    assert "rag-budget" in reported.out


@pytest.mark.release
def test_niah_asks_the_questions_of_files(here: Run, tmp_path: Path, alice: str, korean: str) -> None:
    """Text, question and answer of one's own, in the three forms that there are."""
    (tmp_path / "bench").mkdir()
    record = {"context": alice[:800], "input": "Who is tired?", "answers": ["Alice"], "all_classes": None}
    (tmp_path / "bench" / "hotpotqa.jsonl").write_text(json.dumps(record) + "\n", "utf-8")
    choice = {"context": korean[:400], "question": "수도는?", "choices": ["서울", "부산"], "answer": 1}
    (tmp_path / "choices.jsonl").write_text(json.dumps(choice, ensure_ascii=False), "utf-8")
    task = {"instruction": "Say hello.", "input": "", "output": "Hello."}
    (tmp_path / "alpaca.json").write_text(json.dumps([task]), "utf-8")
    ended = here(
        *("niah", "--methods", "gist,full,none", "--longbench", tmp_path / "bench", "--choices"),
        *(tmp_path / "choices.jsonl", "--instructions", tmp_path / "alpaca.json", "-o", tmp_path / "out", "--json"),
    )
    assert (ended.code, ended.err) == (0, "")
    assert [(s["needle_kind"], s["language"], s["method"]) for s in ended.json["samples"]] == [
        (kind, language, method)
        for kind, language in (("hotpotqa", "en"), ("choices", "ko"), ("instructions", "en"))
        for method in ("gist", "full", "none")
    ]
    assert {cell["depth_percent"] for cell in ended.json["cells"]} == {None}
    assert not (tmp_path / "out" / "heatmap.png").exists()
    assert (tmp_path / "out" / "curves.png").exists()


def test_niah_takes_what_is_listed_twice_once(here: Run, book: Path, tmp_path: Path) -> None:
    ended = here(
        *("niah", *OWN, "--haystack", book, "--lengths", "128,128", "--depths", "0, 0", "--languages", "en,en"),
        *("--samples", 1, "--methods", "none,none", "--ratio", 16, "-o", tmp_path, "--json"),
    )
    assert [cell["n"] for cell in ended.json["cells"]] == [1]


@pytest.mark.release
@posix_only
def test_niah_loses_nothing_to_ctrl_c(program: Run, environment: dict[str, str], tmp_path: Path) -> None:
    """The same command goes on, and ends with what it would have ended with."""
    words = ("niah", *NIAH, "--depths", "0,50,100", "--methods", "gist,wrong-gist,none", "--samples", 4, "-o")
    with subprocess.Popen(
        [sys.executable, "-m", "gistdesk", *map(str, words), "out"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        samples = tmp_path / "out" / "samples.jsonl"
        until = time.monotonic() + 60
        while time.monotonic() < until and not (samples.exists() and samples.read_bytes().count(b"\n") > 3):
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, b"")
    before = samples.read_bytes()
    n_kept = before.count(b"\n")
    assert f"gistdesk: {n_kept} samples are kept; the same command goes on.".encode() in err
    assert not (tmp_path / "out" / "results.json").exists()
    ended = program(*words, "out", "--json")
    assert ended.code == 0
    assert samples.read_bytes().startswith(before)
    whole = program(*words, "whole", "--json")
    assert whole.json["samples"] == ended.json["samples"]
    assert len(whole.json["samples"]) == 2 * 2 * 3 * 4 * 3 > n_kept


# --- recall


def test_recall_asks_facts_back(here: Run, book: Path, gist: Path) -> None:
    ended = here("recall", gist, book, "--json")
    assert (ended.code, ended.err) == (0, "")
    told = ended.json
    assert told["document"] == str(book)
    assert told["n"] == len(told["facts"]) >= 4
    assert told["kept"] == sum(fact["kept"] for fact in told["facts"])
    assert sum(part["n"] for part in told["by_depth"]) == told["n"]
    assert {fact["expected"] for fact in told["facts"]} >= {"58203"}
    assert told["guessed"] == 0
    assert here("recall", gist, book, "--json").json == told
    assert here("recall", gist, book, "--facts", 2, "--json").json["n"] == 2
    shown = here("recall", gist, book)
    assert shown.lines[0].startswith(f"{told['kept']} of {told['n']} facts kept")


def test_gist_ratio_counts_the_tokens_of_the_document(here: Run, gist: Path) -> None:
    record = read_gist(gist)
    assert sum(segment.n_tokens for segment in record.gist.segments) == record.gist.n_tokens
    assert replace(record.gist).ratio == record.gist.n_tokens / 33


def test_a_gist_that_recites_is_asked_without_its_text(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it recites is looked up for a question about a fact, and read whole for a summary; it is recited once."""
    text = "The pass key is 71432. Remember it. The gate was open."
    n_recited = 0

    def by_heart(model: GistModel, gists: list[GistKV]) -> Generator[float, None, list[str]]:
        nonlocal n_recited
        n_recited += 1
        yield 1.0
        return [text]

    monkeypatch.setattr("gistdesk.cli.conversation.reciting", by_heart)
    (tmp_path / "a.txt").write_text(text, "utf-8")
    made = here("compress", tmp_path / "a.txt", "--ratio", 8, "--json").json
    record = read_gist(Path(made["gist"]))
    write_gist(Path(made["gist"]), replace(record, gist=replace(record.gist, refined=Refinement(1, 0.0, 1.0, 4))))
    questions = ("-q", "What is the pass key?", "-q", "Summarise the document.", "-q", "Was the gate open?")
    asked = here("ask", made["gist"], *questions, "--max-tokens", 4, "--json")
    assert (asked.code, asked.err) == (0, "")
    read = [json.loads(line)["n_text_tokens"] for line in asked.out.splitlines()]
    assert len(read) == 3 and min(read) > 0
    assert n_recited == 1
