"""Errors and notices, wherever they are made, reach a Korean window in Korean."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import docx
import pytest
from PySide6.QtWidgets import QApplication

from gistdesk.core.adapter import read_adapter
from gistdesk.core.documents import read_document
from gistdesk.core.errors import UserError
from gistdesk.core.families import titles
from gistdesk.core.gist_file import read_gist
from gistdesk.core.load import choose_device, find_model
from gistdesk.core.model_config import check_config
from gistdesk.core.plan import check_ratio
from gistdesk.core.precision import PRECISIONS, check_precision
from gistdesk.core.sentences import reason_of
from gistdesk.language import i18n
from gistdesk.library import Library
from gistdesk.library.moving import move_to
from gistdesk.protocol import Describe, Download, Error, ProtocolError, decode_event, encode
from gistdesk.settings import read_settings, write_settings
from gistdesk.worker.downloading import download
from gistdesk.worker.failures import error_of
from gistdesk.worker.gists import describe
from tests.language.texts import texts_in
from tests.starter import loaded_starter
from trainer.benchmark.config import BenchConfig
from trainer.data.forms import read_records
from trainer.training.config import PRESETS, TrainConfig, changed, parse_settings, preset, read_config

Cause = Callable[[Path], object]


@pytest.fixture
def korean(qapp: QApplication) -> Iterator[None]:
    i18n.set_language("ko")
    yield
    i18n.set_language("en")


# errors as they happen


def test_documents(tmp_path: Path, korean: None) -> None:
    packed = io.BytesIO()
    docx.Document().save(packed)
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.txt", "a")
    files = {
        "깨짐.pdf": b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>",
        "빈 파일.txt": b"",
        "그림.md": b"\x89PNG\r\n\x1a\n\0\0\0\0\xff\xfe\x00\x81\x82" * 50,
        "옛날.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "모름.xyz": b"\0\1\2",
        "가짜.docx": zipped.getvalue(),
        "잘림.docx": packed.getvalue()[:2000],
        "빈 문서.docx": packed.getvalue(),
        "가짜.pdf": b"plain words only",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        _check(lambda folder, name=name: read_document(folder / name), tmp_path, name)
    (tmp_path / "폴더.pdf").mkdir()
    _check(lambda folder: read_document(folder / "폴더.pdf"), tmp_path, "pdf")
    _check(lambda folder: read_document(folder / "없는 책.pdf"), tmp_path, "pdf")


def test_gists(tmp_path: Path, korean: None) -> None:
    (tmp_path / "책.gistkv").write_bytes(b"\x10\0\0\0\0\0\0\0" + b"{" * 100)
    _check(lambda folder: read_gist(folder / "책.gistkv"), tmp_path)
    _check(lambda folder: read_gist(folder / "없음.gistkv"), tmp_path)
    problem = describe(Describe(path=str(tmp_path / "책.gistkv"))).problem
    assert problem is not None
    assert _english_in(i18n.tr(problem)) == []


def test_models(tmp_path: Path, korean: None) -> None:
    _check(lambda _: find_model("없는 모델"), tmp_path)
    _check(lambda _: choose_device("tpu"), tmp_path, "tpu")
    _check(lambda _: check_precision("fp3"), tmp_path, *PRECISIONS, "fp")
    for config in ({"model_type": "gemma"}, {"model_type": "qwen2", "quantization_config": {"bits": 4}}, []):
        (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
        _check(check_config, tmp_path, "gemma", titles())
    for config in (
        {"sliding_window": 512, "use_sliding_window": True},
        {"layer_types": ["full_attention", "sliding_attention"]},
        {"rope_scaling": {"rope_type": "dynamic"}},
        {"rope_parameters": {"full_attention": {}}},
        {},
    ):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2", **config}), encoding="utf-8")
        _check(check_config, tmp_path, "sliding_attention", "dynamic", "default", "linear", "llama", "yarn")
    assert _english_in(i18n.tr(choose_device("cpu")[1])) == []


def test_adapters_and_ratios(tmp_path: Path, korean: None) -> None:
    loaded = loaded_starter(device="cpu")
    assert loaded.adapter is not None
    _check(lambda _: check_ratio(loaded, 0.5), tmp_path)
    stack = loaded.causal_lm.model
    _check(lambda folder: read_adapter(folder, stack, ""), tmp_path, "gist.json")
    (tmp_path / "gist.json").write_text("{", encoding="utf-8")
    _check(lambda folder: read_adapter(folder, stack, ""), tmp_path)


def test_library(tmp_path: Path, korean: None) -> None:
    library = Library(tmp_path / "라이브러리")
    entry = library.entries.add(source_path=tmp_path / "책.txt", model="starter", ratio=100.0)
    _check(lambda _: library.entries.get(77), tmp_path)
    _check(lambda _: library.chats.get(77), tmp_path)
    _check(lambda _: library.chats.message(77), tmp_path)
    _check(lambda folder: list(library.gists.export(entry.id, folder / "책.gistkv")), tmp_path)
    _check(lambda _: list(move_to(library, library.store.folder / "안")), tmp_path)
    _check(lambda folder: list(move_to(library, folder)), tmp_path)
    library.close()
    (tmp_path / "라이브러리" / "library.sqlite3").write_bytes(b"no database" * 1000)
    _check(lambda folder: Library(folder / "라이브러리"), tmp_path, "library", "sqlite")
    (tmp_path / "파일").write_text("", encoding="utf-8")
    _check(lambda folder: Library(folder / "파일"), tmp_path)


def test_settings(tmp_path: Path, korean: None) -> None:
    path = tmp_path / "settings.toml"
    for text in ("theme = ", 'theme = "x"\nratio = 0\nthreads = -1\nlanguage = 5', "theme", "a = 1\na = 2"):
        path.write_text(text, encoding="utf-8")
        notice = read_settings(path).notice
        assert notice is not None
        said = f"{i18n.tr(notice.message)} {i18n.tr(notice.hint)}"
        names = (
            "theme",
            "system",
            "light",
            "dark",
            "ratio",
            "threads",
            "language",
            "str",
            "settings",
            "damaged",
            "toml",
        )
        assert _english_in(said.replace(str(tmp_path), ""), *names) == []
    (tmp_path / "파일").write_text("", encoding="utf-8")
    _check(lambda folder: write_settings(folder / "파일" / "x.toml", read_settings(path)), tmp_path, "toml")


def test_engine(tmp_path: Path, korean: None) -> None:
    empty = UserError("{name} is empty.", "Try again.", name="1.txt")
    for error in (
        MemoryError("ried to allocate 9 GiB"),
        KeyError("x"),
        empty,
    ):
        told = error_of(error, "extract", "cpu")
        assert _english_in(f"{i18n.tr(told.message)} {i18n.tr(told.hint)}", "KeyError", "txt") == []
    told = error_of(ProtocolError("line 7"), "extract", "cpu")
    assert i18n.tr(told.message) != told.message
    _check(lambda _: download(Download(hub_id="없는/모델"), lambda _: None), tmp_path)  # type: ignore[arg-type]


def test_training_and_benchmark(tmp_path: Path, korean: None) -> None:
    config = TrainConfig()
    _check(lambda _: replace(config, ratio=0), tmp_path, "ratio")
    _check(lambda _: replace(config, precision="x"), tmp_path, "precision", *PRECISIONS)
    _check(lambda _: changed(config, {"steps": "viele"}), tmp_path, "steps", "viele")
    _check(lambda _: changed(config, {"nichts": 1}), tmp_path, "nichts", *(f.name for f in fields(config)))
    _check(lambda _: parse_settings(["abc"]), tmp_path, "abc")
    _check(lambda _: preset("riesig"), tmp_path, "riesig", *PRESETS)
    _check(lambda folder: read_config(folder / "없음.yaml"), tmp_path, "yaml")
    _check(lambda _: BenchConfig(depths=(200,)), tmp_path)
    _check(lambda _: BenchConfig(languages=("fr",)), tmp_path, "fr", "en", "ko")
    (tmp_path / "자료.jsonl").write_text("{\n", encoding="utf-8")
    _check(lambda folder: read_records(folder / "자료.jsonl", "alpaca"), tmp_path, "jsonl")


# how


def test_libraries_and_the_system(korean: None) -> None:
    for cause, expected in (
        (lambda: json.loads('{"a" 1}'), "1행 6열: ':' 없음"),
        (lambda: b"\xff".decode(), "0번 바이트가 utf-8이 아님: 잘못된 첫 바이트"),
        (lambda: Path("/없음/x.json").read_bytes(), "파일이나 폴더 없음: /없음/x.json"),
    ):
        with pytest.raises((ValueError, OSError)) as raised:
            cause()
        assert i18n.tr("{path} cannot be read ({reason}).", path="a", reason=reason_of(raised.value)) == (
            f"a를 읽을 수 없습니다({expected})."
        )


def test_values_are_kept_as_they_are(korean: None) -> None:
    error = UserError(
        "{name} is {size:,} MB, more than the {limit} MB that can be read.", "", name="책 {1}.pdf", size=6000, limit=512
    )
    assert str(error).strip() == "책 {1}.pdf is 6,000 MB, more than the 512 MB that can be read."
    assert i18n.tr(error.message) == "책 {1}.pdf: 6,000MB로, 읽을 수 있는 512MB보다 큽니다."


def test_message_and_hint_as_one(korean: None) -> None:
    error = UserError("{name} is empty.", "Add a file that has text in it.", name="a. b.txt")
    assert i18n.tr(error.both) == "a. b.txt: 빈 파일입니다. 본문이 있는 파일을 추가하세요."


def test_what_is_not_ours_stays(korean: None) -> None:
    for text in ("", "It rained. Nobody came.", "no such {thing}; nowhere", "x" * 5000):
        assert i18n.tr(text) == text


def test_errors_are_told_in_another_process_than_they_were_made_in(korean: None) -> None:
    error = UserError(
        "{path} cannot be read ({reason}).",
        "Give the folder of a run.",
        path="a",
        reason=OSError(28, "No space left on device"),
    )
    event = decode_event(encode(Error("user", "load", error.message, error.hint, id=3)))
    assert isinstance(event, Error)
    assert event.message == error.message
    assert i18n.tr(event.message) == "a를 읽을 수 없습니다(디스크 공간 부족)."


def _check(cause: Cause, folder: Path, *names: str) -> None:
    """The error that `cause` makes is said in Korean, but for names and what is in the folder's name."""
    with pytest.raises(UserError) as raised:
        cause(folder)
    error = raised.value
    said = f"{i18n.tr(error.message)} {i18n.tr(error.hint)}"
    assert re.search("[가-힣]", said)
    assert _english_in(said.replace(str(folder), "").replace(folder.name, ""), *names) == [], error


def _english_in(said: str, *names: str) -> list[str]:
    """English words that are not in any Korean text either, nor among the names."""
    allowed = {word for text in texts_in("ko").values() for word in _latin(re.sub(r"\{[^}]*\}", "", text))}
    allowed |= {word for name in names for word in _latin(name)}
    return [word for word in _latin(said) if word not in allowed]


def _latin(text: str) -> list[str]:
    return re.findall("[A-Za-z]{2,}", text)
