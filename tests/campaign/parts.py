"""What is tried: every kind of file that the program reads, spoilt, and given to what reads it.

The parts are tried in forked processes, see `forked`. Knows nothing of counting.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import torch

from gistdesk.cli.jobs import describe_adapter
from gistdesk.core.document_parse import parse
from gistdesk.core.documents import read_document
from gistdesk.core.errors import UserError
from gistdesk.core.gguf_model import convert
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_description import describe_gist
from gistdesk.core.gist_file import GistRecord, read_gist, write_gist
from gistdesk.core.layout import Segment
from gistdesk.core.load import load_model
from gistdesk.core.model import ModelIdentity
from gistdesk.library import Library
from gistdesk.library.backup import back_up_daily, newest_backup, restore
from gistdesk.library.damage import DamagedLibraryError
from gistdesk.library.store import DATABASE
from gistdesk.protocol import ProtocolError, decode_event, decode_request
from gistdesk.session.run import BENCHMARK, TRAIN, Run, read_start
from gistdesk.settings import Settings, read_settings, write_settings
from gistdesk.ui.chat.pieces import split_markdown
from tests.campaign.disks import DISKS, REFUSED, TEXT, nothing
from tests.campaign.forked import Part
from tests.campaign.mutation import VALUES, Mutation, bytes_of, dumped, json_of, lines_of, value_of, zip_of
from tests.core.gguf_made import Quantization, write_gguf
from tests.core.hostile_documents import HOSTILE
from tests.core.test_documents import chapter, docx_bytes, epub_members, pdf_bytes, zip_bytes
from tests.core.test_gist_file import fitted
from tests.core.tiny_models import Kind, write_model
from tests.library.made import add, ready
from trainer.data.forms import FORMS, read_records
from trainer.training.config import preset, read_config, to_yaml

KOREAN = "대한민국은 민주공화국이다.\n모든 권력은 국민으로부터 나온다."


def _kept(data: dict[str, bytes], folder: Path) -> dict[str, bytes]:
    return data


def _any(mutations: dict[str, Mutation], files: object, folder: Path, random: Random) -> Path:
    """One of the files, spoilt as its kind is."""
    assert isinstance(files, dict)
    name = random.choice(sorted(files))
    path = folder / name
    path.write_bytes(mutations.get(path.suffix, bytes_of)(files[name], random))
    return path


def _read_all(path: Path) -> None:
    for _ in parse(path, "tiger" if "locked" in path.name else None):
        pass


def _documents(ending: str, files: dict[str, bytes]) -> Part:
    mutation = zip_of if ending in ("docx", "epub") else bytes_of
    large = {name: make for name, make in HOSTILE.items() if name.endswith(ending)}

    def spoil(files: object, folder: Path, random: Random) -> Path:
        if large and random.random() < 0.0003:  # seconds each
            name = random.choice(sorted(large))
            (folder / name).write_bytes(bytes_of(large[name](), random))
            return folder / name
        return _any({f".{ending}": mutation}, files, folder, random)

    return Part(f"document .{ending}", partial(_kept, files), spoil, _read_all, again=lambda path: read_document(path))


DOCUMENTS = (
    _documents(
        "pdf",
        {
            "a.pdf": pdf_bytes([TEXT[:400], "", KOREAN]),
            "b.pdf": pdf_bytes(["one"] * 20),
            "locked.pdf": pdf_bytes(["secret"], user_password="tiger"),
        },
    ),
    _documents("docx", {"a.docx": docx_bytes("One paragraph.", KOREAN, TEXT)}),
    _documents("epub", {"a.epub": zip_bytes(epub_members([chapter("<p>One</p>"), chapter(f"<pre>{KOREAN}</pre>")]))}),
    _documents(
        "html",
        {
            "a.html": f"<!doctype html><title>T</title><table><tr><td>a<td>b</table><div><p>{KOREAN}</div>".encode(),
            "b.html": b"<html><head><meta charset=cp949></head><body>" + KOREAN.encode("cp949") + b"</body></html>",
        },
    ),
    _documents(
        "txt",
        {
            "a.txt": TEXT.encode(),
            "b.txt": KOREAN.encode("cp949") * 20,
            "c.txt": KOREAN.encode("utf-16"),
            "d.txt": "é Ünïcödé".encode("cp1252") * 50,
        },
    ),
)


# gists


def _gists(folder: Path) -> dict[str, bytes]:
    """Of every kind: with slots for every head alike, with a bias, and in 8 bits."""
    files = {}
    identity = ModelIdentity("m", "1" * 64, "2" * 64, "3" * 64)
    for number, kind in enumerate((torch.float32, torch.bfloat16)):
        gist = GistKV(torch.randn(2, 2, 1, 6, 4).to(kind), (Segment(0, 400, 4), Segment(400, 500, 2)))
        record = GistRecord(gist, identity, "A title", "4" * 64, (0, 100), 80.0, 512, "2026-01-01T00:00:00+00:00")
        for name, each in (("plain", record), ("bias", fitted()), ("8-bit", replace(record, kv_bits=8))):
            path = folder / f"{name}-{number}.gistkv"
            write_gist(path, replace(each, kv_bits=8) if (name, number) == ("bias", 1) else each)
            files[path.name] = path.read_bytes()
    return files


def _spoilt_gist(files: object, folder: Path, random: Random) -> Path:
    """Half of them sealed again, so that the checksum says nothing."""
    assert isinstance(files, dict)
    data = files[random.choice(sorted(files))]
    if random.random() < 0.5:
        data = bytes_of(data, random)
    else:
        n = int.from_bytes(data[:8], "little")
        opening, numbers = json.loads(data[8 : 8 + n]), data[8 + n :]
        header = json.loads(opening["__metadata__"]["gistkv"])
        header.pop("sha256")
        what = random.randrange(4)
        if what == 0:
            opening = value_of(opening, random)
        elif what == 1:
            numbers = bytes_of(numbers, random)
        else:
            header = value_of(header, random)
        if isinstance(header, dict):
            with suppress(ValueError, RecursionError):
                header["sha256"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + numbers).hexdigest()
        with suppress(ValueError, RecursionError, TypeError):
            opening["__metadata__"] = {"gistkv": json.dumps(header)}
        text = dumped(opening)
        data = len(text).to_bytes(8, "little") + text + numbers
    path = folder / "a.gistkv"
    path.write_bytes(data)
    return path


def _use_gist(path: Path) -> None:
    read_gist(path)
    facts = describe_gist(path)
    json.dumps(facts)
    with closing(Library(path.parent / "library")) as library:
        steps = library.gists.import_file(path, facts)
        with suppress(StopIteration):
            while True:
                next(steps)
        assert [entry.problem for entry in library.entries.all()] == [None]
        json.dumps([entry.title for entry in library.entries.all()]).encode()


# folders of models and adapters


def _model(folder: Path) -> Path:
    return write_model(folder / "model")


def _spoilt_folder(inside: str, source: object, folder: Path, random: Random) -> Path:
    """A copy in which one file is spoilt, gone, a pipe or a folder."""
    assert isinstance(source, Path)
    target = folder / "model"
    shutil.copytree(source, target)
    files = sorted(path for path in (target / inside).iterdir() if path.is_file())
    path = random.choice(files)
    data = path.read_bytes()
    match random.randrange(20):
        case 0:
            path.unlink()
        case 1:
            path.unlink()
            os.mkfifo(path)
        case 2:
            path.unlink()
            path.mkdir()
        case 3:
            path.unlink()
            path.symlink_to(random.choice(("/dev/zero", "nowhere", path.name)))
        case _:
            path.write_bytes((json_of if path.suffix == ".json" else bytes_of)(data, random))
    return target / inside


def _use_adapter(path: Path) -> None:
    json.dumps(describe_adapter(path))
    from gistdesk.core.adapter import parse_adapter

    parse_adapter(path)


def _use_model(path: Path) -> None:
    load_model(str(path), device="cpu")


# GGUF files

_NUMBERS = (0, 1, 255, 2**31, 2**32 - 1, 2**53, 2**63, 2**64 - 1)
_HEAD_BYTES = 9000
"""What stands before the weights of those made here."""


def _gguf_files(folder: Path) -> dict[str, bytes]:
    kinds = (Kind("llama"), Kind("qwen2", "yarn", tied=False, bos=False), Kind("qwen3", bos=False))
    quantizations = (Quantization.F32, Quantization.Q8_0, Quantization.Q4_0)
    files = {}
    for kind, quantization in zip(kinds, quantizations, strict=True):
        path = folder / f"{quantization.name}.gguf"
        write_gguf(path, kind, quantization=quantization)
        files[path.name] = path.read_bytes()
    return files


def _spoilt_gguf(files: object, folder: Path, random: Random) -> Path:
    """Bytes anywhere or in the header, or a few of its numbers: lengths, counts, kinds, sizes, offsets."""
    assert isinstance(files, dict)
    data = files[random.choice(sorted(files))]
    what = random.random()
    if what < 0.3:
        data = bytes_of(data, random)
    elif what < 0.5:
        data = bytes_of(data[:_HEAD_BYTES], random) + data[_HEAD_BYTES:]
    else:
        changed = bytearray(data)
        for _ in range(random.choice((1, 1, 2, 5))):
            at = random.randrange(_HEAD_BYTES) if random.random() < 0.8 else random.randrange(len(data) - 8)
            n_bytes = random.choice((1, 4, 8))
            number = random.choice((*_NUMBERS, random.randrange(2**16), changed[at] + 1))
            changed[at : at + n_bytes] = (number % 2 ** (8 * n_bytes)).to_bytes(n_bytes, "little")
        data = bytes(changed)
    path = folder / "model.gguf"
    path.write_bytes(data)
    return path


def _use_gguf(path: Path) -> None:
    """Make it a model, and look what is left where that was refused."""
    target = path.parent / "models" / "made"
    try:
        for _ in convert(path, target):
            pass
    except UserError:
        assert not target.parent.exists() or not list(target.parent.iterdir()), list(target.parent.iterdir())
        raise
    load_model(str(target), device="cpu")


# settings


def _settings(folder: Path) -> dict[str, bytes]:
    path = folder / "settings.toml"
    write_settings(path, Settings(models=("/a", "b/c"), theme="dark", first_run=False))
    return {"settings.toml": path.read_bytes()}


def _spoilt_settings(files: object, folder: Path, random: Random) -> Path:
    assert isinstance(files, dict)
    data = files["settings.toml"]
    if random.random() < 0.6:
        lines = data.decode().splitlines()
        number = random.randrange(len(lines))
        name = lines[number].partition("=")[0]
        lines[number] = name + "= " + dumped(random.choice(VALUES)).decode("utf-8", errors="surrogatepass")
        data = "\n".join(lines).encode("utf-8", errors="surrogatepass")
    else:
        data = bytes_of(data, random)
    path = folder / "settings.toml"
    path.write_bytes(data)
    return path


def _use_settings(path: Path) -> None:
    found = read_settings(path)
    write_settings(path, found)
    assert read_settings(path) == found


# libraries


def _library(folder: Path) -> Path:
    home = folder / "library"
    with closing(Library(home)) as library:
        entries = [ready(library, f"document {number}", [TEXT[:500]]) for number in range(3)]
        add(library, "waiting")
        chat = library.chats.add([entry.id for entry in entries], title="about them")
        parent = None
        for number in range(6):
            role = "user" if number % 2 == 0 else "assistant"
            parent = library.chats.add_message(chat.id, parent_id=parent, role=role, text=f"text {number}").id  # type: ignore[arg-type]
        library.texts.find_passages("grey cat", [entries[0].id])
        library.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return home


def _spoilt_library(source: object, folder: Path, random: Random) -> Path:
    """Its database or its index, as bytes (mostly in place, as disks do), or a value of a row; or a kept file."""
    assert isinstance(source, Path)
    home = folder / "library"
    shutil.copytree(source, home)
    databases = sorted(path for path in home.iterdir() if path.suffix == ".sqlite3")
    what = random.random()
    if what < 0.45:
        path = random.choice(databases)
        data = bytearray(path.read_bytes())
        for _ in range(random.choice((1, 1, 3, 50))):
            at, span = random.randrange(len(data)), random.choice((1, 1, 4, 100))
            data[at : at + span] = random.randbytes(min(span, len(data) - at))
        path.write_bytes(data)
    elif what < 0.55:
        path = random.choice(databases)
        path.write_bytes(bytes_of(path.read_bytes(), random))
    elif what < 0.9:
        _spoil_row(home / DATABASE, random)
    else:
        files = sorted(path for name in ("texts", "gists") for path in (home / name).iterdir())
        path = random.choice(files)
        path.write_bytes(bytes_of(path.read_bytes(), random))
    return home


def _spoil_row(database: Path, random: Random) -> None:
    import sqlite3

    value = random.choice(
        (
            "x'ff00'",
            "'x'",
            "-1e999",
            "9e999",
            "x''",
            "9223372036854775807",
            "'../../x'",
            "NULL",
            "CAST(x'ff41' AS TEXT)",
        )
    )
    with closing(sqlite3.connect(database)) as db, suppress(sqlite3.Error):
        table = random.choice(("entries", "gists", "chats", "messages", "chat_entries"))
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        where = random.choice(("1", "rowid = 1", "rowid = 2")) if table != "chat_entries" else "1"
        db.execute(f"UPDATE OR IGNORE {table} SET {random.choice(columns)} = {value} WHERE {where}")
        db.commit()


def _use_library(path: Path) -> None:
    """Everything that a window asks of it; damage that SQLite tells is a sentence, and the copy opens."""
    try:
        with closing(Library(path)) as library:
            library.queue.recover()
            for entry in library.entries.all():
                json.dumps([entry.title, str(entry.source_path), entry.ratio, entry.state]).encode()
                with suppress(*REFUSED):
                    library.texts.pages(entry.id)
                with suppress(*REFUSED):
                    library.texts.find_passages("grey cat", [entry.id])
            with suppress(*REFUSED):
                library.entries.all(search="cat")
            for chat in library.chats.all():
                for message in library.chats.path(chat.id):
                    message.text.encode()
                with suppress(*REFUSED):
                    library.chats.export(chat.id, "json")
                with suppress(*REFUSED):
                    library.chats.add_message(chat.id, parent_id=None, role="user", text="one more")
            with suppress(*REFUSED):
                library.chats.all(search="text")
            library.queue.claim_next("w")
            library.disk.storage()
            library.disk.clean_up()
            library.disk.empty_trash()
    except DamagedLibraryError as error:
        backup = newest_backup(error.database)
        if backup is not None:
            restore(error.database, backup)
            Library(path).close()
        raise


def _spoilt_with_copy(source: object, folder: Path, random: Random) -> Path:
    """A library that was backed up, and then lost bytes: what it is given back is whole."""
    assert isinstance(source, Path)
    back_up_daily(source / DATABASE)
    return _spoilt_library(source, folder, random)


# lines


def _lines(name: str, lines: list[object], mutation: Mutation = lines_of) -> tuple[Callable[..., object], ...]:
    data = b"\n".join(line if isinstance(line, bytes) else dumped(line) for line in lines) + b"\n"
    return partial(_kept, {name: data}), partial(_any, {Path(name).suffix: mutation})


_PROTOCOL = [
    {"do": "extract", "id": 1, "path": "/a", "texts_folder": "/t", "password": None, "model": "starter"},
    {"do": "load", "id": 2, "choice": {"model": "starter", "device": "cpu", "precision": "auto", "threads": 1}},
    {"do": "cancel", "id": 3},
    {"event": "error", "id": 1, "kind": "user", "stage": "load", "message": "m", "hint": "h"},
    {"event": "extract.progress", "id": 1, "page": 1, "pages": 2},
    {"event": "answer.delta", "id": 4, "text": "x"},
]


def _use_protocol(path: Path) -> None:
    for line in path.read_bytes().splitlines():
        for decode in (decode_request, decode_event):
            with suppress(ProtocolError):
                decode(line)


_RECORDS = [
    {"context": TEXT[:300], "question": "Which code?", "answers": ["7315"]},
    {"instruction": "Say it.", "input": TEXT[:200], "output": "7315"},
    {"context": TEXT[:300], "input": "Which?", "answers": ["7315", "code"], "length": 10, "all_classes": None},
]


def _use_records(path: Path) -> None:
    for form in FORMS:
        with suppress(*REFUSED):
            read_records(path, form)


def _use_config(path: Path) -> None:
    read_config(path)


_EVENTS = [
    {"event": "start", "step": 0, "time": 1.0, "steps": 600},
    {"event": "step", "step": 1, "loss": 2.5, "tokens_per_second": 100.0, "lr": 1e-3, "seconds": 1.0},
    {"event": "evaluation", "step": 1, "accuracy": 0.5, "n": 10, "rows": [{"name": "x", "right": 1, "n": 2}]},
    {"event": "end", "step": 2},
]
_START = {"kind": "train", "title": "A run", "words": ["train", "--work", "x"], "created": "2026-01-01T00:00:00"}


def _spoilt_run(files: object, folder: Path, random: Random) -> Path:
    run = folder / "run"
    run.mkdir()
    kind = random.choice((TRAIN, BENCHMARK))
    whole = {
        "lab.json": dumped({**_START, "kind": kind}),
        "run.jsonl": b"\n".join(map(dumped, _EVENTS)) + b"\n",
        "samples.jsonl": b"\n".join(map(dumped, _EVENTS)) + b"\n",
        "run.json": dumped({"model": "starter", "lengths": [512], "seed": 1}),
        "config.yaml": to_yaml(preset("check")).encode(),
        "stdout.log": dumped({"done": 1, "total": 2}) + b"\n",
        "stderr.log": b"gistdesk: interrupted.\n",
    }
    spoilt = random.choice(sorted(whole))
    mutation = {".json": json_of, ".jsonl": lines_of}.get(Path(spoilt).suffix, bytes_of)
    for name, data in whole.items():
        (run / name).write_bytes(mutation(data, random) if name == spoilt else data)
    return run


def _use_run(path: Path) -> None:
    start = read_start(path)
    if start is not None:
        run = Run(path, start)
        run.refresh()
        run.refresh()


_ANSWER = 3 * (
    "# A\n\nSee [this](https://a.b) ![x](/dev/zero)\n\n```py\ncode\n```\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n> - 1. x\n"
)


def _use_answer(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", errors="replace")
    for piece in split_markdown(text):
        assert text[piece.start :]


_protocol, _records, _config = (
    _lines("lines.jsonl", list(_PROTOCOL)),
    _lines("records.jsonl", list(_RECORDS)),
    _lines("config.yaml", [to_yaml(preset("check")).encode()], bytes_of),
)
PARTS: tuple[Part, ...] = (
    *DOCUMENTS,
    Part("gist", _gists, _spoilt_gist, _use_gist),
    Part("adapter folder", _model, partial(_spoilt_folder, "adapter"), _use_adapter),
    Part("model folder", _model, partial(_spoilt_folder, "."), _use_model),
    Part("GGUF file", _gguf_files, _spoilt_gguf, _use_gguf),
    Part("settings", _settings, _spoilt_settings, _use_settings),
    Part("library", _library, _spoilt_library, _use_library),
    Part("library with a copy", _library, _spoilt_with_copy, _use_library),
    Part("protocol", _protocol[0], _protocol[1], _use_protocol),
    Part("training records", _records[0], _records[1], _use_records),
    Part("training configuration", _config[0], _config[1], _use_config),
    Part("run folder", nothing, _spoilt_run, _use_run),
    Part("answer", partial(_kept, {"a.md": _ANSWER.encode()}), partial(_any, {}), _use_answer),
    *DISKS,
)
