"""What the engine process can be asked for, end to end, with the real starter model: the answers are the right ones."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gistdesk.core.load import _HUB_FILES
from gistdesk.folders import resource
from gistdesk.protocol import (
    Answer,
    AnswerDelta,
    AnswerDone,
    AnswerFirstToken,
    Compress,
    CompressDone,
    CompressProgress,
    ContextProgress,
    Describe,
    DescribeDone,
    DescribeModel,
    Error,
    Extract,
    ExtractDone,
    ExtractProgress,
    Load,
    ModelChoice,
    ModelInfoDone,
    ModelLoadDone,
    ModelLoadProgress,
)
from gistdesk.worker.downloading import FILES
from tests.core.test_documents import pdf_bytes
from tests.core.tiny_models import write_model
from tests.worker.conftest import Kept, keep
from tests.worker.process import ONE_THREAD, EngineProcess, engine_process


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of another model."""
    return str(write_model(tmp_path_factory.mktemp("model")))


def question(text: str, kept: Kept, choice: ModelChoice = ONE_THREAD, **more: object) -> Answer:
    return Answer(((text, None),), gists=(str(kept.gist),), choice=choice, **more)  # type: ignore[arg-type]


def text_of(events: list[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerDelta))


def test_a_document_is_compressed_and_asked(engine: EngineProcess, alice: Kept) -> None:
    events = engine.ask(question("What is the passkey?", alice))
    assert "58203" in text_of(events)
    assert [type(event) for event in events if not isinstance(event, AnswerDelta)] == [
        ContextProgress,
        AnswerFirstToken,
        AnswerDone,
    ]
    done = events[-1]
    assert isinstance(done, AnswerDone)
    assert done.stopped == "end" and done.n_tokens > 5 and done.tokens_per_second > 0
    assert done.n_document_tokens == alice.text.n_tokens and done.prefill_s > 0


def test_the_same_in_korean(engine: EngineProcess, tmp_path: Path) -> None:
    kept = keep(engine, resource("samples") / "korean-with-a-note.txt", tmp_path)
    engine.do(kept.request(), CompressDone)
    assert "40917" in text_of(engine.ask(question("패스키는 무엇입니까?", kept)))


def test_a_second_question_reads_nothing_again(engine: EngineProcess, alice: Kept) -> None:
    first = engine.do(question("What is the passkey?", alice, system="Be short."), AnswerDone)
    turns = (("What is the passkey?", "58203"), ("Say it again.", None))
    second = engine.do(Answer(turns, gists=(str(alice.gist),), system="Be short.", choice=ONE_THREAD), AnswerDone)
    assert second.prefill_s == 0 < first.prefill_s
    assert second.n_prompt_tokens < first.n_prompt_tokens + 20
    other = engine.do(question("What is the passkey?", alice), AnswerDone)
    assert other.prefill_s > 0


def test_what_stood_in_front_is_read_again_when_its_file_is_another(engine: EngineProcess, alice: Kept) -> None:
    asked = question("What is the passkey?", alice, system="Again.")
    engine.do(asked, AnswerDone)
    alice.gist.write_bytes(alice.gist.read_bytes())
    assert engine.do(asked, AnswerDone).prefill_s > 0


def test_full_text_in_place_of_gists(engine: EngineProcess, tmp_path: Path) -> None:
    source = tmp_path / "note.txt"
    source.write_text("It rained.\nThe pass key is 71432. Remember it. 71432 is the pass key.\nIt went on raining.\n")
    text = engine.do(Extract(str(source), str(tmp_path)), ExtractDone)
    request = Answer((("What is the passkey?", None),), text_paths=(text.text_path,), choice=ONE_THREAD)
    events = engine.ask(request)
    assert "71432" in text_of(events)
    assert isinstance(events[0], ContextProgress) and events[0].phase == "text"
    done = events[-1]
    assert isinstance(done, AnswerDone)
    assert (done.n_slots, done.n_document_tokens) == (0, text.n_tokens)


def test_the_model_alone(engine: EngineProcess) -> None:
    done = engine.do(Answer((("What is the passkey?", None),), max_tokens=4, choice=ONE_THREAD), AnswerDone)
    assert (done.n_slots, done.n_document_tokens) == (0, 0) and done.n_tokens <= 4


def test_a_kept_text_is_what_was_read(engine: EngineProcess, tmp_path: Path) -> None:
    source = tmp_path / "three.pdf"
    source.write_bytes(pdf_bytes(["one", "two", "three"]))
    events = engine.ask(Extract(str(source), str(tmp_path / "texts")))
    assert isinstance(events[0], ExtractProgress) and events[0].n_pages == 3
    done = events[-1]
    assert isinstance(done, ExtractDone)
    data = Path(done.text_path).read_bytes()
    assert data == b"one\ftwo\fthree"
    assert done.text_sha256 == Path(done.text_path).stem == hashlib.sha256(data).hexdigest()
    assert (done.title, done.n_pages, done.page_label, done.n_chars) == ("three", 3, "page", 11)
    assert done.source_bytes == source.stat().st_size and done.n_tokens
    before = Path(done.text_path).stat().st_mtime_ns
    assert engine.do(Extract(str(source), str(tmp_path / "texts")), ExtractDone).text_path == done.text_path
    assert Path(done.text_path).stat().st_mtime_ns == before
    assert sorted(path.name for path in (tmp_path / "texts").iterdir()) == [f"{done.text_sha256}.txt"]


def test_an_encrypted_document_asks_for_its_password(engine: EngineProcess, tmp_path: Path) -> None:
    source = tmp_path / "secret.pdf"
    source.write_bytes(pdf_bytes(["hidden"], user_password="open"))
    for password in (None, "wrong"):
        error = engine.do(Extract(str(source), str(tmp_path), password=password), Error)
        assert (error.kind, error.stage) == ("password", "extract")
    assert engine.do(Extract(str(source), str(tmp_path), password="open"), ExtractDone).n_chars == 6
    assert "open" not in repr(Extract("a", "b", password="open"))


def test_progress_and_figures_of_compressing(engine: EngineProcess, alice: Kept, tmp_path: Path) -> None:
    events = engine.ask(alice.request(tmp_path / "alice.gistkv"))
    progress = [event for event in events if isinstance(event, CompressProgress)]
    assert progress[0].done == 0 and progress[0].eta_s is None
    assert all(0 < event.done < event.total and (event.eta_s or 0) > 0 for event in progress[1:])
    done = events[-1]
    assert isinstance(done, CompressDone)
    assert done.n_tokens == alice.text.n_tokens and done.ratio == pytest.approx(100, rel=0.05)
    assert done.file_bytes == (tmp_path / "alice.gistkv").stat().st_size > done.kv_bytes
    assert done.tokens_per_second == pytest.approx(done.n_tokens / done.seconds)
    described = engine.do(Describe(done.target), DescribeDone).description
    assert described is not None
    assert (described.title, described.n_slots) == ("alice-with-a-note", done.n_slots)
    assert described.adapter_fingerprint == done.adapter_fingerprint
    assert not (tmp_path / "alice.gistkv.part").exists()


def test_eight_bits_are_about_half_the_file_and_can_be_asked(
    engine: EngineProcess, alice: Kept, tmp_path: Path
) -> None:
    done = engine.do(alice.request(tmp_path / "small.gistkv", kv_bits=8), CompressDone)
    assert done.file_bytes < 0.65 * alice.gist.stat().st_size
    answer = engine.ask(question("What is the passkey?", replace(alice, gist=tmp_path / "small.gistkv")))
    assert isinstance(answer[-1], AnswerDone), answer[-1]
    assert "16 or 8" in engine.do(alice.request(tmp_path / "no.gistkv", kv_bits=4), Error).hint


def test_a_smaller_batch_makes_the_same_gist(engine: EngineProcess, alice: Kept, tmp_path: Path) -> None:
    done = engine.do(alice.request(tmp_path / "half.gistkv", batch_share=0.5), CompressDone)
    described = engine.do(Describe(str(alice.gist)), DescribeDone).description
    assert described is not None and described.n_slots == done.n_slots


def test_models_change_when_a_request_names_another(engine: EngineProcess, alice: Kept, tiny: str) -> None:
    events = engine.ask(Answer((("Hm?", None),), max_tokens=2, choice=ModelChoice(tiny, threads=1)))
    loaded = next(event for event in events if isinstance(event, ModelLoadDone))
    assert loaded.info.model == tiny and isinstance(events[-1], AnswerDone)
    error = engine.do(question("What?", alice, ModelChoice(tiny)), Error)
    assert error.kind == "user" and "a different model" in error.message
    events = engine.ask(question("What is the passkey?", alice))
    assert any(isinstance(event, ModelLoadDone) for event in events) and "58203" in text_of(events)
    events = engine.ask(Load(ONE_THREAD))
    assert [type(event) for event in events] == [ModelLoadDone]


def test_a_model_that_changed_on_disk_is_loaded_again(engine: EngineProcess, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    first = engine.do(Load(ModelChoice(str(folder), threads=1)), ModelLoadDone).info
    write_model(folder, seed=5)
    second = engine.do(Load(ModelChoice(str(folder), threads=1)), ModelLoadDone).info
    assert first.model_fingerprint != second.model_fingerprint


def test_a_model_without_an_adapter_answers_and_compresses_by_the_texts_own_keys(
    engine: EngineProcess, alice: Kept, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "bare")
    (folder / "adapter").rename(tmp_path / "adapter")
    choice = ModelChoice(str(folder), threads=1)
    info = engine.do(Load(choice), ModelLoadDone).info
    assert not info.has_adapter and (info.max_slots, info.segment_tokens) == (0, 0)
    error = engine.do(alice.request(tmp_path / "x.gistkv", choice=choice, method="adapter"), Error)
    assert error.kind == "user" and "no gist adapter" in error.message
    done = engine.do(alice.request(tmp_path / "x.gistkv", 8.0, choice), CompressDone)
    assert (done.method, done.adapter_fingerprint) == ("matched", "")
    answer = Answer((("Hm?", None),), gists=(str(tmp_path / "x.gistkv"),), max_tokens=2, choice=choice)
    engine.do(answer, AnswerDone)
    engine.do(Answer((("Hm?", None),), max_tokens=2, choice=choice), AnswerDone)


def test_a_file_that_is_no_gist_says_so(engine: EngineProcess, tmp_path: Path) -> None:
    (tmp_path / "no.gistkv").write_bytes(b"no gist")
    described = engine.do(Describe(str(tmp_path / "no.gistkv")), DescribeDone)
    assert described.description is None and described.problem


def test_figures_of_a_model_without_loading_it(engine: EngineProcess) -> None:
    info = engine.do(DescribeModel(ModelChoice()), ModelInfoDone).info
    assert info == engine.do(Load(ONE_THREAD), ModelLoadDone).info
    assert (info.family, info.max_slots, info.segment_tokens, info.has_adapter) == ("llama", 64, 512, True)
    assert info.n_parameters == 7_212_288 and info.device == "cpu" and info.device_reason
    slot_values = 2 * 6 * 4 * 64
    assert info.kv_bytes_per_slot == slot_values * info.weight_bytes // info.n_parameters


def test_a_model_is_held_in_the_precision_that_was_asked_for(engine: EngineProcess, alice: Kept, tiny: str) -> None:
    """Another precision is another model: loaded anew, with gists of its own."""
    plain = engine.do(DescribeModel(ModelChoice(tiny)), ModelInfoDone).info
    loaded = engine.do(Load(ModelChoice(tiny, threads=1, precision="nf4")), ModelLoadDone).info
    assert loaded == engine.do(DescribeModel(ModelChoice(tiny, precision="nf4")), ModelInfoDone).info
    assert (loaded.precision, loaded.dtype, loaded.has_adapter) == ("nf4", "bfloat16", True)
    assert loaded.weight_bytes < plain.weight_bytes and loaded.file_bytes == plain.file_bytes
    assert loaded.model_fingerprint == f"{plain.model_fingerprint}-nf4"
    gist = Path(alice.gist).with_name("nf4.gistkv")
    made = engine.do(alice.request(gist, ratio=6.0, choice=ModelChoice(tiny, precision="nf4")), CompressDone)
    assert made.model_fingerprint == loaded.model_fingerprint
    asked = Answer((("Who?", None),), gists=(str(gist),), max_tokens=2, choice=ModelChoice(tiny, threads=1))
    assert isinstance(engine.ask(replace(asked, choice=ModelChoice(tiny, precision="nf4")))[-1], AnswerDone)
    error = engine.do(asked, Error)
    assert error.kind == "user" and "in nf4; it is loaded in bf16" in error.message
    assert "--precision nf4" in error.hint


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        (Load(ModelChoice("no/such/model")), "user", "There is no model"),
        (Load(ModelChoice(device="tpu")), "user", "no device"),
        (Load(ModelChoice(precision="nf3")), "user", "no precision"),
        (DescribeModel(ModelChoice(precision="nf3")), "user", "no precision"),
        (Load(ModelChoice("nobody/nothing")), "user", "not on this computer"),
        (Extract("/no/such/file.txt", "/tmp"), "user", "cannot be found"),
        (Extract(str(resource("samples") / "harbour-day.md"), "/proc/none"), "user", "cannot be kept"),
        (Compress("/no/such/text.txt", "T", "", "/tmp/t.gistkv", 100.0), "user", "cannot be read"),
        (Compress("/no/such/text.txt", "T", "", "/tmp/t.gistkv", 1e6), "user", "ratio"),
        (Compress("/no/such/text.txt", "T", "", "/tmp/t.gistkv", 9.0, batch_share=0.0), "protocol", "batch"),
        (Answer((("Q", None),), gists=("/no/such.gistkv",)), "user", "cannot be found"),
        (Answer((("Q", None),), temperature=-1.0), "user", "temperature"),
        (Answer(()), "protocol", "question"),
        (Answer((("Q", "A"),)), "protocol", "question"),
        (Answer((("word " * 40_000, None),)), "user", "window"),
    ],
    ids=lambda value: re.sub(r"\W+", " ", str(value))[:40],
)
def test_what_cannot_be_done_is_said(engine: EngineProcess, request_: Load, kind: str, words: str) -> None:
    error = engine.do(request_, Error)
    assert error.kind == kind and words in error.message, error


def test_half_a_surrogate_pair_is_no_reason_to_fail(engine: EngineProcess) -> None:
    request = Answer((("\ud83d or \udcff or 😀?", None),), system="\udcff", max_tokens=2, choice=ONE_THREAD)
    assert isinstance(engine.ask(request)[-1], AnswerDone)


@pytest.mark.release
def test_a_text_is_extracted_without_torch_and_then_counted(tmp_path: Path) -> None:
    sample = str(resource("samples") / "harbour-day.md")
    with engine_process() as process:
        assert process.do(Extract(sample, str(tmp_path)), ExtractDone).n_tokens is None
        assert process.rss_bytes() < 150 * 2**20
        events = process.ask(Load(ONE_THREAD))
        progress = [event for event in events if isinstance(event, ModelLoadProgress)]
        assert progress[0].phase == "program" and progress[-1].phase == "weights"
        assert (process.do(Extract(sample, str(tmp_path)), ExtractDone).n_tokens or 0) > 100


@pytest.mark.release
def test_a_named_model_counts_without_being_loaded(tmp_path: Path) -> None:
    sample = resource("samples") / "korean-with-a-note.txt"
    with engine_process() as process:
        counted = process.do(Extract(str(sample), str(tmp_path), model="starter"), ExtractDone)
        process.do(Load(ONE_THREAD), ModelLoadDone)
        assert counted.n_tokens == process.do(Extract(str(sample), str(tmp_path)), ExtractDone).n_tokens
        unknown = process.do(Extract(str(sample), str(tmp_path), model="/no/such/model"), ExtractDone)
        assert unknown.n_tokens is None


def test_the_files_that_are_fetched_are_those_that_are_looked_for() -> None:
    assert list(FILES) == _HUB_FILES
