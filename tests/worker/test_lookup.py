"""Looking passages up: the gist in front, the best places of the kept text behind it, and where they stand."""

from dataclasses import replace
from pathlib import Path

import pytest

from gistdesk.core.gist import Refinement
from gistdesk.core.gist_file import read_gist, write_gist
from gistdesk.folders import resource
from gistdesk.protocol import (
    Answer,
    AnswerDelta,
    AnswerDone,
    Cancelled,
    CompressDone,
    ContextPassages,
    ContextProgress,
    Error,
    Event,
)
from tests.core.test_documents import pdf_bytes
from tests.worker.conftest import Kept, keep
from tests.worker.process import ONE_THREAD, EngineProcess

QUESTION = "What is the pass key?"


def lookup(*kept: Kept, question: str = QUESTION, **more: object) -> Answer:
    gists, texts = (tuple(map(str, paths)) for paths in ([k.gist for k in kept], [k.text.text_path for k in kept]))
    return Answer(((question, None),), gists=gists, lookup_paths=texts, choice=ONE_THREAD, **more)  # type: ignore[arg-type]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerDelta))


def found_in(events: list[Event]) -> ContextPassages:
    (found,) = (event for event in events if isinstance(event, ContextPassages))
    return found


@pytest.fixture(scope="module")
def report(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A PDF of three pages, the passkey on the second; compressed so much that the gist alone has lost it."""
    folder = tmp_path_factory.mktemp("report")
    text = (resource("samples") / "alice-with-a-note.txt").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if "58203" not in line]
    pages = ["\n".join(lines[start : start + 18]) for start in (0, 18, 36)]
    pages[1] += "\nThe pass key is 71432. Remember it. 71432 is the pass key."
    source = folder / "report.pdf"
    source.write_bytes(pdf_bytes(pages))
    kept = keep(engine, source, folder)
    engine.do(kept.request(ratio=400.0), CompressDone)
    return kept


def pages_of(kept: Kept) -> list[str]:
    return Path(kept.text.text_path).read_bytes().decode().split("\f")


def test_the_passage_that_holds_the_answer_is_read_and_told(engine: EngineProcess, report: Kept) -> None:
    events = engine.ask(lookup(report))
    assert "71432" in text_of(events)
    alone = engine.ask(Answer(((QUESTION, None),), gists=(str(report.gist),), choice=ONE_THREAD))
    assert "71432" not in text_of(alone)
    best = found_in(events).passages[0]
    assert (best.document, best.page) == (0, 2) and "71432" in best.text
    for passage in found_in(events).passages:
        assert pages_of(report)[passage.page - 1][passage.start : passage.end] == passage.text
    kinds = [type(event) for event in events]
    assert kinds.index(ContextProgress) < kinds.index(ContextPassages) < kinds.index(AnswerDelta)
    done = events[-1]
    assert isinstance(done, AnswerDone)
    assert done.n_slots > 0 and 0 < done.n_passage_tokens <= 3 * 128 + 8 and done.n_document_tokens > done.n_slots
    assert done.prefill_s > 0


def test_another_question_looks_up_again_and_the_same_one_reads_nothing(engine: EngineProcess, report: Kept) -> None:
    first = engine.ask(lookup(report, system="Look."))
    again = engine.ask(lookup(report, system="Look.", temperature=0.7, seed=3))
    assert found_in(again).passages == found_in(first).passages
    assert isinstance(again[-1], AnswerDone) and again[-1].prefill_s == 0 < again[-1].n_passage_tokens
    turns = ((QUESTION, "71432"), ("Where did the Rabbit go?", None))
    other = engine.ask(
        Answer(
            turns,
            (str(report.gist),),
            lookup_paths=(report.text.text_path,),
            system="Look.",
            choice=ONE_THREAD,
        )
    )
    assert found_in(other).passages != found_in(first).passages
    plain = engine.do(Answer(((QUESTION, None),), (str(report.gist),), system="Look.", choice=ONE_THREAD), AnswerDone)
    assert plain.n_passage_tokens == 0 < plain.prefill_s


def test_several_documents_are_looked_up_together(engine: EngineProcess, report: Kept, alice: Kept) -> None:
    events = engine.ask(lookup(report, alice, question="What did the White Rabbit take out of its waistcoat-pocket?"))
    assert found_in(events).passages[0].document == 1
    both = lookup(report, alice, question="What is said of 71432, and what of 58203?", max_tokens=4)
    assert {p.document for p in found_in(engine.ask(both)).passages} == {0, 1}


def test_where_nothing_is_found_the_gist_answers_alone(engine: EngineProcess, report: Kept) -> None:
    events = engine.ask(lookup(report, question="누구세요?"))
    assert found_in(events).passages == ()
    done = events[-1]
    assert isinstance(done, AnswerDone) and done.n_passage_tokens == 0 < done.n_slots


def test_a_long_text_is_cut_with_progress_and_stops_at_once(engine: EngineProcess, alice: Kept, novel: Kept) -> None:
    asked = Answer(((QUESTION, None),), (str(alice.gist),), lookup_paths=(novel.text.text_path,), choice=ONE_THREAD)
    request = engine.send(asked)
    events = []
    for event in engine.events_of(request):
        events.append(event)
        if isinstance(event, ContextProgress) and event.phase == "passages" and event.fraction > 0.02:
            engine.cancel(request)
    assert isinstance(events[-1], Cancelled)
    shares = [event.fraction for event in events if isinstance(event, ContextProgress)]
    assert shares == sorted(shares) and shares[-1] < 0.9


def test_a_text_that_is_gone_is_a_sentence(engine: EngineProcess, alice: Kept, tmp_path: Path) -> None:
    gone = Answer(((QUESTION, None),), (str(alice.gist),), lookup_paths=(str(tmp_path / "x.txt"),), choice=ONE_THREAD)
    error = engine.do(gone, Error)
    assert error.kind == "user" and "x.txt" in error.message


def test_full_texts_and_passages_at_once_are_refused(engine: EngineProcess, alice: Kept) -> None:
    text = alice.text.text_path
    error = engine.do(Answer(((QUESTION, None),), text_paths=(text,), lookup_paths=(text,), choice=ONE_THREAD), Error)
    assert error.kind == "protocol"


@pytest.fixture(scope="module")
def trained(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gist of a short text, which says of itself that it recites all of it."""
    folder = tmp_path_factory.mktemp("trained")
    source = folder / "note.txt"
    source.write_text("The pass key is 71432. Remember it. 71432 is the pass key. The gate was open.", encoding="utf-8")
    kept = keep(engine, source, folder)
    engine.do(kept.request(ratio=8.0), CompressDone)
    record = read_gist(kept.gist)
    write_gist(kept.gist, replace(record, gist=replace(record.gist, refined=Refinement(1, 0.0, 1.0, 4))))
    return kept.gist


def recited_in(events: list[Event]) -> list[float]:
    return [event.fraction for event in events if isinstance(event, ContextProgress) and event.phase == "recited"]


def test_a_trained_gist_recites_its_text_once_for_all_questions_about_facts(
    engine: EngineProcess, trained: Path
) -> None:
    first = engine.ask(Answer(((QUESTION, None),), (str(trained),), choice=ONE_THREAD))
    shares = recited_in(first)
    assert shares and shares == sorted(shares) and shares[-1] <= 1
    assert isinstance(first[-1], AnswerDone) and first[-1].n_slots > 0
    assert first[-1].is_recited == (first[-1].n_passage_tokens > 0)
    other = engine.ask(Answer((("Was the gate open?", None),), (str(trained),), choice=ONE_THREAD))
    assert recited_in(other) == [] and isinstance(other[-1], AnswerDone)


def test_an_explanation_is_written_from_all_that_a_trained_gist_recites(
    engine: EngineProcess, trained: Path, alice: Kept
) -> None:
    engine.ask(Answer(((QUESTION, None),), (str(alice.gist),), choice=ONE_THREAD))  # another gist is asked before
    asked = Answer((("Explain the document.", None),), (str(trained),), choice=ONE_THREAD, max_tokens=4)
    events = engine.ask(asked)
    done = events[-1]
    assert recited_in(events) and isinstance(done, AnswerDone)
    assert done.is_recited == (done.n_passage_tokens > 0)
    again = engine.do(replace(asked, turns=(("Discuss the document.", None),)), AnswerDone)
    assert again.n_passage_tokens == done.n_passage_tokens and again.prefill_s == 0  # it is read once


def test_a_summary_is_not_answered_from_what_a_question_before_did_not_find(
    engine: EngineProcess, trained: Path
) -> None:
    unsuited = Answer((("누구세요?", None),), (str(trained),), choice=ONE_THREAD, max_tokens=4)
    assert engine.do(unsuited, AnswerDone).n_passage_tokens == 0
    summary = replace(unsuited, turns=(("Summarise the document.", None),))
    assert engine.do(summary, AnswerDone).n_passage_tokens > 0


def test_reciting_stops_at_once(engine: EngineProcess, trained: Path, alice: Kept) -> None:
    engine.ask(Answer(((QUESTION, None),), (str(alice.gist),), choice=ONE_THREAD))
    request = engine.send(Answer(((QUESTION, None),), (str(trained), str(trained)), choice=ONE_THREAD))
    events = []
    for event in engine.events_of(request):
        events.append(event)
        if recited_in([event]):
            engine.cancel(request)
    assert isinstance(events[-1], Cancelled) and recited_in(events)[-1] < 1
