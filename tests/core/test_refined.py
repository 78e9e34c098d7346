"""A refined gist comes nearer to the full text than what it started from, and is never further; stopped and resumed, it
comes out the same."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch

from gistdesk.core import refined
from gistdesk.core.answer import Sampling
from gistdesk.core.compress import compress, compress_document
from gistdesk.core.documents import Document
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.gist_file import read_gist
from gistdesk.core.layout import Segment
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan, plan_tokens
from gistdesk.core.prompt import Turn
from gistdesk.core.recitation import recited
from gistdesk.core.refined import (
    _Lesson,
    _n_telling,
    _order,
    _pieces,
    _Score,
    _Teller,
    n_rounds_left,
    n_rounds_of,
    refine,
)
from gistdesk.core.self_study import said
from tests.benchmarks.passages import documents
from tests.core.tiny_models import PLAIN, TEXT, Kind, tiny_model
from trainer.benchmark.metrics import is_contained

WINDOW = 220


def bare(kind: Kind = PLAIN, window: int = 600) -> GistModel:
    return replace(tiny_model(kind, max_position_embeddings=window), adapter=None, encoder=None)


@pytest.fixture(autouse=True)
def few_rounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.node.get_closest_marker("slow"):  # which needs them all
        set_few_rounds(monkeypatch.setattr)


def set_few_rounds(set_value: Callable[[object, str, float], None]) -> None:
    """Two passes, with a round for each pass over `TEXT`, and one that settles."""
    set_value(refined, "_PASSES", 2)
    set_value(refined, "_SETTLING", 0.5)
    set_value(refined, "_MORE", 0)
    set_value(refined, "_SHORT", 1)
    set_value(refined, "_ROUND_TOKENS", 216)


def text_ids(model: GistModel, n_times: int = 1) -> torch.Tensor:
    return torch.tensor(model.token_ids(TEXT * n_times))


def matched(model: GistModel, ids: torch.Tensor, ratio: float = 8.0) -> GistKV:
    *_, gist = compress(model, plan_tokens(model, ids, ratio=ratio, method="matched"))
    return gist


def loss_of(model: GistModel, gist: GistKV, ids: torch.Tensor) -> float:
    """Of telling the text."""
    return _Teller(model).measured(gist, list(_pieces(model, [ids.long()]))).loss


def said_to(model: GistModel, ids: torch.Tensor) -> list[_Lesson]:
    """What a reader says that no round has heard."""
    return [_Lesson(heard, len(hidden), hidden) for heard, hidden in said(model, ids, 1000)]


def test_training_brings_it_nearer_to_telling_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refined, "_PASSES", 20)
    monkeypatch.setattr(refined, "_ROUND_TOKENS", 2160)
    model = bare()
    ids = text_ids(model)
    start = matched(model, ids)
    *_, gist = refine(model, ids, start)
    assert gist.refined is not None
    assert gist.refined.n_rounds == n_rounds_of(gist.segments) == 3
    assert gist.refined.after >= gist.refined.before
    assert loss_of(model, gist, ids) < 0.85 * loss_of(model, start, ids)


@pytest.mark.parametrize(("n_tokens", "n_pieces"), [(20, 1), (150, 3), (1000, 20), (2000, 41)])
def test_the_rounds_go_through_all_pieces_equally_often(
    monkeypatch: pytest.MonkeyPatch, n_tokens: int, n_pieces: int
) -> None:
    """Short texts more often than long ones."""
    monkeypatch.setattr(refined, "_SHORT", 300)
    segments = (Segment(0, n_tokens // 2, 1), Segment(n_tokens // 2, n_tokens - n_tokens // 2, 1))
    rounds = [_order(n_pieces, segments, number) for number in range(_n_telling(segments))]
    taught = Counter(chain(*rounds))
    assert sorted(taught) == list(range(n_pieces))
    assert max(taught.values()) - min(taught.values()) <= 1
    assert max(taught.values()) == max(2, 600 // n_tokens)
    assert max(map(len, rounds)) - min(map(len, rounds)) <= 1
    assert rounds == [_order(n_pieces, segments, number) for number in range(len(rounds))]
    assert n_pieces < 3 or rounds[0] != rounds[1]


def test_what_is_not_told_is_taught_in_further_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the last rate, and the rounds before are as without them."""
    model = bare()
    ids = text_ids(model)
    start = matched(model, ids)
    *_, usual = refine(model, ids, start)
    monkeypatch.setattr(refined, "_MORE", 0.75)
    *_, gist = refine(model, ids, start)
    assert usual.refined is not None and gist.refined is not None
    assert (usual.refined.n_rounds, gist.refined.n_rounds) == (3, 5)
    assert gist.refined.after < 1
    assert loss_of(model, gist, ids) < loss_of(model, usual, ids)
    at_three = next(step for step in refine(model, ids, start) if step.refined and step.refined.n_rounds == 3)
    assert torch.equal(at_three.kv, usual.kv)


def test_the_rate_falls_while_it_learns_to_tell_and_again_while_it_settles() -> None:
    segments = (Segment(0, 2 * 216, 1),)  # four rounds of telling, two that settle
    telling, settling = (
        [rate for number in rounds for rate in refined._rates(segments, number, 5)] for rounds in (range(4), (4, 5))
    )
    for rates in (telling, settling):
        assert rates[0] == refined._RATE
        assert rates == sorted(rates, reverse=True)
        assert len(set(rates)) == len(rates)
        assert rates[-1] > refined._LAST_RATE
    assert refined._rates(segments, 6, 5) == refined._rates(segments, 7, 5) == [refined._LAST_RATE] * 5


@pytest.mark.parametrize(
    ("n_rounds", "share", "n_left"),
    [(0, 0.5, 9), (4, 0.9, 5), (2, 1.0, 2), (4, 1.0, 2), (5, 1.0, 1), (6, 1.0, 0), (7, 0.9, 2), (9, 0.9, 0)],
)
def test_once_all_is_told_only_settling_takes_time(
    monkeypatch: pytest.MonkeyPatch, n_rounds: int, share: float, n_left: int
) -> None:
    monkeypatch.setattr(refined, "_MORE", 0.75)
    segments = (Segment(0, 2 * 216, 1),)  # four rounds of telling, two that settle, three for what is left
    assert n_rounds_left(segments, Refinement(n_rounds, 0.0, share, 5)) == n_left


def test_it_settles_to_a_reading_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telling alone makes it none: what a reader says surprises it more than before."""
    model = bare()
    ids = text_ids(model)
    start = matched(model, ids)
    heard = said_to(model, ids)
    monkeypatch.setattr(refined, "_PASSES", 8)
    monkeypatch.setattr(refined, "_SETTLING", 0)
    *_, telling = refine(model, ids, start)
    monkeypatch.setattr(refined, "_SETTLING", 0.5)
    *_, settled = refine(model, ids, start)
    of_start, of_telling, of_settled = (_Teller(model).measured(gist, heard).loss for gist in (start, telling, settled))
    assert of_telling > of_start
    assert of_settled < min(of_start, 0.8 * of_telling)
    assert loss_of(model, settled, ids) < 1.1 * loss_of(model, telling, ids)


def test_what_is_told_already_is_not_trained_but_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = _Teller.measured

    def all_told(teller: _Teller, gist: GistKV, lessons: Sequence[_Lesson]) -> _Score:
        return replace(measured(teller, gist, lessons), told={each for each in lessons if each.wanted is None})

    monkeypatch.setattr(_Teller, "measured", all_told)
    monkeypatch.setattr(refined, "_MORE", 0.75)
    model = bare()
    ids = text_ids(model)
    start = matched(model, ids)
    found = {step.refined.n_rounds: step for step in refine(model, ids, start) if step.refined}
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert all(step.refined is not None and step.refined.after == 1.0 for step in found.values())
    assert torch.equal(found[2].kv, start.kv.half().float())
    assert not torch.equal(found[3].kv, found[2].kv)
    assert torch.equal(found[5].kv, found[3].kv)


def test_the_first_slot_and_slots_that_are_not_used_stay() -> None:
    model = bare()
    ids = text_ids(model)
    start = matched(model, ids)
    *_, gist = refine(model, ids, start)
    assert start.bias is not None
    assert gist.bias is not None
    assert torch.equal(gist.bias.isfinite(), start.bias.isfinite())
    assert torch.allclose(gist.kv[:, :, :, 0], start.kv[:, :, :, 0], rtol=1e-3)
    assert torch.equal(gist.bias[:, :, 0], start.bias[:, :, 0])
    assert not torch.allclose(gist.kv[:, 0, :, 1], start.kv[:, 0, :, 1], rtol=1e-2)
    assert not torch.allclose(gist.kv[:, 1, :, 1], start.kv[:, 1, :, 1], rtol=1e-2)
    used = start.bias.isfinite()
    assert not torch.equal(gist.bias[used], start.bias[used])
    assert not gist.kv[:, 0][~used].any()


def test_a_round_that_makes_it_worse_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that are none are worse, too."""
    monkeypatch.setattr(refined, "_rates", lambda *_: [float("inf")] * 1000)
    model = bare()
    ids = text_ids(model)
    start = matched(model, ids)
    *_, gist = refine(model, ids, start)
    assert gist.refined is not None
    assert gist.refined.n_rounds == 3
    assert gist.refined.after == gist.refined.before
    assert torch.equal(gist.kv, start.kv.half().float())


@pytest.mark.release
def test_an_adapters_gist_is_refined_and_belongs_to_the_adapter(tmp_path: Path) -> None:
    model = tiny_model(max_position_embeddings=WINDOW)
    assert model.adapter is not None
    cut = plan(model, book(1), ratio=6.0, method="refined")
    *_, last = compress_document(model, book(1), cut, tmp_path / "a.gistkv")
    assert last.record is not None
    found = read_gist(tmp_path / "a.gistkv")
    assert found.identity == model.identity
    assert found.method == "refined"
    assert found.gist.refined == last.record.gist.refined
    assert found.gist.n_positions == found.gist.n_slots
    assert found.gist.bias is not None


def book(n_times: int) -> Document:
    return Document("A tale", (TEXT * n_times,), None, Path("tale.txt"), "ab" * 32)


def test_stopped_anywhere_it_goes_on_to_the_same_file(tmp_path: Path) -> None:
    """Between segments, in the middle of a round and between two."""
    model = bare(window=WINDOW)
    cut = plan(model, book(1), ratio=6.0, method="refined")
    assert len(cut.segments) > 1
    steps = list(compress_document(model, book(1), cut, tmp_path / "whole.gistkv"))
    rounds = [step.n_rounds_done for step in steps]
    assert rounds[-1] == steps[-1].n_rounds == n_rounds_of(cut.segments) == 3
    assert rounds == sorted(rounds)
    assert (steps[0].n_rounds_left, steps[-1].n_rounds_left) == (3, 0)
    assert steps[-1].agreement is not None
    whole = read_gist(tmp_path / "whole.gistkv")
    for n_steps in (1, rounds.index(1) + 5, rounds.index(2), rounds.index(2) + 8):
        path = tmp_path / f"{n_steps}.gistkv"
        stopped = compress_document(model, book(1), cut, path)
        for _ in range(n_steps):
            last = next(stopped)
        stopped.close()
        resumed = compress_document(model, book(1), cut, path)
        assert next(resumed).n_rounds_done == last.n_rounds_done
        *_, _ = resumed
        found = read_gist(path)
        assert torch.equal(found.gist.kv, whole.gist.kv)
        assert found.gist.bias is not None
        assert whole.gist.bias is not None
        assert torch.equal(found.gist.bias, whole.gist.bias)
        assert found.gist.refined == whole.gist.refined


_KILLED = """
import os, sys
from pathlib import Path
import torch
from gistdesk.core.compress import compress_document
from gistdesk.core.plan import plan
from tests.core.test_refined import WINDOW, bare, book, set_few_rounds
set_few_rounds(setattr)
model = bare(window=WINDOW)
cut = plan(model, book(1), ratio=6.0, method="refined")
path, wanted = Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3]))
torch.set_num_threads(int(sys.argv[4]))  # other threads round otherwise
n_same = 0
for step in compress_document(model, book(1), cut, path, checkpoint_s=0.0):
    n_same += (step.n_segments_done, step.n_rounds_done) == wanted
    if n_same == 1 + wanted[1]:  # in the middle of the next round, not at its start
        os._exit(9)
"""


@pytest.mark.release
@pytest.mark.parametrize(("share", "n_rounds"), [(0.5, 0), (1.0, 1), (1.0, 2)])
def test_killed_at_any_stage_it_goes_on_to_the_same_file(tmp_path: Path, share: float, n_rounds: int) -> None:
    """Between two segments, and in the middle of a round; an older gist stays until the new one is there."""
    model = bare(window=WINDOW)
    cut = plan(model, book(1), ratio=6.0, method="refined")
    n_segments = round(share * len(cut.segments))
    path = tmp_path / "a.gistkv"
    *_, _ = compress_document(model, book(1), plan(model, book(1), ratio=6.0, method="matched"), path)
    before = path.read_bytes()
    words = (sys.executable, "-c", _KILLED, str(path), str(n_segments), str(n_rounds), str(torch.get_num_threads()))
    assert subprocess.run(words, check=False).returncode == 9
    assert path.read_bytes() == before
    resumed = compress_document(model, book(1), cut, path)
    first = next(resumed)
    assert (first.n_segments_done, first.n_rounds_done) == (n_segments, n_rounds)
    *_, _ = resumed
    *_, _ = compress_document(model, book(1), cut, tmp_path / "whole.gistkv")
    found, whole = read_gist(path), read_gist(tmp_path / "whole.gistkv")
    assert torch.equal(found.gist.kv, whole.gist.kv)
    assert found.gist.refined == whole.gist.refined
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".gistkv"] == []


@pytest.mark.parametrize("kind", [Kind("qwen3", "llama3", bos=False), Kind("llama", attention="eager")], ids=str)
def test_other_families_are_refined(kind: Kind) -> None:
    model = bare(kind)
    ids = text_ids(model)
    *_, gist = refine(model, ids, matched(model, ids))
    assert gist.refined is not None
    assert gist.kv.isfinite().all()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_real_one_recites_its_text_and_answers_from_it(smollm2: Path) -> None:
    model = load_model("smollm2", device="cpu", need_adapter=False)
    text, asked = next(documents())
    ids = torch.tensor(model.token_ids(text))
    by_rounds = {}
    for gist in compress(model, plan_tokens(model, ids, ratio=100.0, method="refined")):
        by_rounds[gist.refined.n_rounds if gist.refined else 0] = gist
    assert gist.refined is not None and gist.refined.after > 0.9
    heard = said_to(model, ids)
    telling = by_rounds[_n_telling(gist.segments)]
    teller = _Teller(model)
    assert teller.measured(gist, heard).loss < 0.7 * teller.measured(telling, heard).loss
    told = recited(model, [gist])
    n_right = 0
    for question, answers in asked:
        context = told.context(question)
        assert context is not None
        said = "".join(context.answer([Turn(question)], Sampling(max_tokens=96)))
        n_right += any(is_contained(said, answer) for answer in answers)
    assert n_right >= 0.8 * len(asked)
