"""Facts asked back in the engine process: the figures, the limit of time, and that a cancel ends it at once."""

import time
from pathlib import Path

import pytest

from gistdesk.protocol import Cancelled, CompressDone, Error, Recall, RecallDone, RecallProgress
from tests.worker.conftest import Kept, keep
from tests.worker.process import ONE_THREAD, EngineProcess


@pytest.fixture(scope="module")
def report(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A text full of facts."""
    folder = tmp_path_factory.mktemp("report")
    source = folder / "report.txt"
    lines = [
        f"In the year {1800 + n} the harbour of Riga was visited by {347 + 13 * n} ships of all kinds."
        for n in range(60)
    ]
    source.write_text("\n".join(lines), encoding="utf-8")
    kept = keep(engine, source, folder)
    engine.do(kept.request(), CompressDone)
    return kept


def asked(kept: Kept, **more: object) -> Recall:
    return Recall(str(kept.gist), kept.text.text_path, choice=ONE_THREAD, **more)  # type: ignore[arg-type]


def test_facts_are_asked_back_by_the_model_that_is_loaded(engine: EngineProcess, report: Kept) -> None:
    *before, done = engine.ask(asked(report, n_facts=8))
    assert isinstance(done, RecallDone) and done.n == 8 and 0 <= done.kept <= 8
    assert sum(part.n for part in done.by_depth) == 8 and len(done.by_depth) == 5
    assert {type(event) for event in before} == {RecallProgress}  # nothing was loaded for it


def test_when_time_is_up_a_few_have_been_asked(engine: EngineProcess, report: Kept) -> None:
    done = engine.do(asked(report, n_facts=40, budget_s=0.001), RecallDone)
    assert isinstance(done, RecallDone) and done.n == 5
    assert sum(part.n > 0 for part in done.by_depth) > 1  # from all parts of the text


def test_a_text_without_facts_says_so(engine: EngineProcess, tmp_path: Path) -> None:
    source = tmp_path / "poem.txt"
    source.write_text("the rain it raineth every day " * 30, encoding="utf-8")
    kept = keep(engine, source, tmp_path)
    engine.do(kept.request(), CompressDone)
    problem = engine.do(asked(kept), Error)
    assert isinstance(problem, Error) and problem.kind == "user" and "No numbers" in problem.message


def test_a_cancel_ends_it(engine: EngineProcess, report: Kept) -> None:
    request = engine.send(asked(report))
    events = engine.events_of(request)
    while not isinstance(next(events), RecallProgress):
        pass
    begun = time.perf_counter()
    engine.cancel(request)
    *_, last = events
    assert isinstance(last, Cancelled) and time.perf_counter() - begun < 5
