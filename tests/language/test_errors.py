"""Errors and notices, which are made in English with their values in them, reach a Korean window in Korean."""

import errno
import io
import json
import os
import re
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from json import decoder
from pathlib import Path
from tomllib import _parser  # type: ignore[attr-defined]
from typing import Any

import docx
import pytest
import safetensors
from PySide6.QtWidgets import QApplication
from safetensors import SafetensorError

from gistdesk.core.adapter import read_adapter
from gistdesk.core.compress import check_ratio
from gistdesk.core.documents import read_document
from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import read_gist
from gistdesk.core.load import choose_device, find_model
from gistdesk.core.model_config import check_config
from gistdesk.core.precision import PRECISIONS, check_precision
from gistdesk.language import i18n
from gistdesk.language.sentences import PHRASES, Sentences, filled
from gistdesk.library import Library
from gistdesk.protocol import Describe, Download, ProtocolError
from gistdesk.settings import read_settings, write_settings
from gistdesk.worker.downloading import download
from gistdesk.worker.failures import error_of
from gistdesk.worker.gists import describe
from tests.language.said import Said, literals, reasons, sentences
from tests.language.texts import by_file, places
from tests.starter import loaded_starter
from trainer.benchmark.config import BenchConfig
from trainer.data.forms import read_records
from trainer.training.config import PRESETS, TrainConfig, changed, parse_settings, preset, read_config

ERRORS, REASONS = by_file()["errors.json"], by_file()["reasons.json"]
KEYS = list(ERRORS)
SQLITE = {
    "file is not a database",
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
}
SQLITE |= {"unable to open database file", "database is locked", "database disk image is malformed"}
NETWORK = {"timed out", "The read operation timed out", "Server disconnected without sending a response."}
NETWORK |= {"Server error '{status}' for url '{url}'", "Client error '{status}' for url '{url}'"}
NETWORK |= {"Name or service not known", "Temporary failure in name resolution"}
Cause = Callable[[Path], object]


@pytest.fixture
def korean(qapp: QApplication) -> Iterator[None]:
    i18n.set_language("ko")
    yield
    i18n.set_language("en")


# what there is in the sources


def test_every_error_is_translated() -> None:
    assert [str(said) for said in sentences() if TRACED.translated(said.with_values()[0]) is None] == []


def test_every_reason_inside_of_an_error_is_translated() -> None:
    assert [str(said) for said in reasons() if KNOWN.phrases(said.with_values()[0]) == said.with_values()[0]] == []


def test_errors_are_recognised_by_their_own_template() -> None:
    """Not by a looser one, which would take English words for a value."""
    assert [str(said) for said in sentences() if not _is_clean(TRACED.translated(said.with_values()[0]) or "")] == []


def test_every_value_is_said() -> None:
    assert [str(said) for said in sentences() if not _says_its_values(said)] == []


def test_translations_of_errors_fill_in_the_same_values() -> None:
    texts = {**ERRORS, **REASONS}
    silent = ("n", "k")  # the number of a system's error, and a place that is given as line and column, too
    wrong = [text for text, korean in texts.items() if set(places(korean)) - set(places(text))]
    wrong += [text for text, korean in texts.items() if set(places(text)) - set(places(korean)) - {*silent}]
    wrong += [text for text in ERRORS if places(text) != places(ERRORS[text])]
    assert wrong == []


def test_no_translation_of_an_error_is_left_over() -> None:
    traces = [TRACED.translated(said.with_values()[0]) or "" for said in sentences()]
    traces += [TRACED.phrases(said.with_values()[0]) for said in reasons()]
    used = {KEYS[int(number)] for trace in traces for number in re.findall(r"#(\d+)", trace)}
    phrases = {text for text in KEYS if not text.endswith(".") and text.replace(" ", "_") in _names_in_sources()}
    assert [text for text in KEYS if text not in used | phrases] == []


def test_reasons_are_those_of_the_system_and_the_libraries() -> None:
    """What comes from a library that has its messages in Python is looked up there; some is made to happen."""
    sources = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (decoder, _parser))
    known = {os.strerror(number) for number in errno.errorcode} | SQLITE | NETWORK
    traced = Sentences({text: _traced(number, text) for number, text in enumerate(REASONS)})
    happened = [number for said in _library_errors() for number in re.findall(r"#(\d+)", traced.phrases(said))]
    known |= {list(REASONS)[int(number)] for number in happened}
    assert [text for text in REASONS if text not in known and not _is_in(text, sources)] == []


def test_errors_of_libraries(korean: None) -> None:
    said = [i18n.tr("The settings were damaged ({reason}) and begin anew.", reason=text) for text in _library_errors()]
    assert [text for text in said if _english_in(text, "utf", "xff", "xe2", "x.json")] == []


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
        _check(check_config, tmp_path, "gemma")
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
    entry = library.add_entry(source_path=tmp_path / "책.txt", model="starter", ratio=100.0)
    _check(lambda _: library.entry(77), tmp_path)
    _check(lambda _: library.chat(77), tmp_path)
    _check(lambda _: library.message(77), tmp_path)
    _check(lambda folder: list(library.export_gist(entry.id, folder / "책.gistkv")), tmp_path)
    _check(lambda _: list(library.move_to(library.folder / "안")), tmp_path)
    _check(lambda folder: list(library.move_to(folder)), tmp_path)
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
    for error in (MemoryError("ried to allocate 9 GiB"), KeyError("x"), UserError("1.txt is empty.", "Try again.")):
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


def test_values_are_kept_as_they_are(korean: None) -> None:
    english = "책 {1}.pdf is 600 MB, more than the 512 MB that can be read."
    assert i18n.tr(english) == "책 {1}.pdf: 600MB로, 읽을 수 있는 512MB보다 큽니다."


def test_several_sentences(korean: None) -> None:
    assert i18n.tr("a. b.txt is empty. Add a file that has text in it.") == (
        "a. b.txt: 빈 파일입니다. 본문이 있는 파일을 추가하세요."
    )


def test_what_is_not_ours_stays(korean: None) -> None:
    for text in ("", "It rained. Nobody came.", "no such thing; nowhere", "x" * 5000, ". " * 900):
        assert i18n.tr(text) == text


def test_a_phrase_is_known_only_inside_of_a_sentence() -> None:
    known = Sentences({"No {what} here.": "{what} 없음.", "cat": "고양이", "{n} dogs": "개 {n}마리"})
    assert known.translated("No cat here.") == "고양이 없음."
    assert known.translated("No 7 dogs; cat here.") == "개 7마리; 고양이 없음."
    assert known.translated("7 dogs") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("책", "책은 책이 책을 책과 책으로"),
        ("문서", "문서는 문서가 문서를 문서와 문서로"),
        ("파일", "파일은 파일이 파일을 파일과 파일로"),
        ("3", "3은 3이 3을 3과 3으로"),
        ("2", "2는 2가 2를 2와 2로"),
        ("100", "100은 100이 100을 100과 100으로"),
        ("a.pdf", "a.pdf는 a.pdf가 a.pdf를 a.pdf와 a.pdf로"),
        ("model", "model은 model이 model을 model과 model로"),
        ("本", "本은(는) 本이(가) 本을(를) 本과(와) 本(으)로"),
        ("", "은(는) 이(가) 을(를) 과(와) (으)로"),
    ],
)
def test_particles_follow_the_last_sound(value: str, expected: str) -> None:
    assert filled("{x}은(는) {x}이(가) {x}을(를) {x}과(와) {x}(으)로", {"x": value}) == expected


def test_particles_look_behind_quotes() -> None:
    assert filled("“{x}”을(를) 엽니다.", {"x": "문서"}) == "“문서”를 엽니다."


# helpers of this module


def _traced(number: int, text: str) -> str:
    """Instead of a translation: which it is, and its values, phrases bare and all others in brackets."""
    bare = [f"{{{place}}}" if place in PHRASES else f"<{{{place}}}>" for place in places(text)]
    return f"#{number} {' '.join(bare)}"


TRACED = Sentences({text: _traced(number, text) for number, text in enumerate(KEYS)})
KNOWN = Sentences({**ERRORS, **REASONS})


def _is_clean(trace: str) -> bool:
    """No words are left of the English sentence, nor was a run of words taken for a value."""
    values = re.findall(r"<([^>]*)>", trace)
    rest = re.sub(r"<[^>]*>|#\d+|«\d+»", "", trace)
    return not rest.strip() and not any(" " in value for value in values)


def _says_its_values(said: Said) -> bool:
    english, values = said.with_values()
    korean = KNOWN.translated(english) or ""
    return all(value in korean for value in values)


def _library_errors() -> Iterator[str]:
    """What JSON, TOML, UTF-8, safetensors and the system say, as it is put into a message."""
    broken: list[tuple[Callable[[Any], object], Any]] = [
        *((json.loads, text) for text in ("", "{", "{]", '{"a" 1}', "[1 2]", "1 2", '"a', '["\n"]')),
        *(
            (tomllib.loads, text)
            for text in ("a", "a =", "a = 1\na = 2", "[a", "a = [1", "= 1", "a = {b = 1", "a = 1 2")
        ),
        *((tomllib.loads, text) for text in ('a = "', 'a = "\\q"', "a = 2026-99-99")),
        *((bytes.decode, data) for data in (b"\xff", b"\xe2\x28", b"\xe2", b"\xe2\x82")),
        *((_open_weights, data) for data in (b"a", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}x")),
        *((safetensors.deserialize, data) for data in (b"a", b"\xff" * 100)),
        (open, "/없음/x.json"),
    ]
    for cause, given in broken:
        with pytest.raises((ValueError, OSError, SafetensorError)) as raised:
            cause(given)
        yield str(raised.value)
    yield str(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _open_weights(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.safetensors")
        path.write_bytes(data)
        with safetensors.safe_open(path, "np"):
            pass


def _names_in_sources() -> set[str]:
    return {text.replace(" ", "_") for text in literals()}


def _is_in(template: str, sources: str) -> bool:
    """Whether the words of a template are literally in a source."""
    return all(part in sources for part in re.split(r"\{\w+\}", template))


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
    allowed = {word for text in (*ERRORS.values(), *REASONS.values()) for word in _latin(re.sub(r"\{\w+\}", "", text))}
    allowed |= {word for name in names for word in _latin(name)}
    return [word for word in _latin(said) if word not in allowed]


def _latin(text: str) -> list[str]:
    return re.findall("[A-Za-z]{2,}", text)
