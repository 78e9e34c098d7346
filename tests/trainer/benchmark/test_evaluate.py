"""The benchmark: intervals, documents, samples that depend on nothing but their own seed, refusals before any work.

Plumbing: any starter will do. What the shipped one answers right is in tests/end2end/test_accuracy.py.
"""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.interval import wilson
from gistdesk.core.methods import Method
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.benchmark import readings
from trainer.benchmark.config import DRAWN as KINDS
from trainer.benchmark.config import METHODS as ALL_METHODS
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Benchmark, Trial
from trainer.benchmark.needle_tasks import Haystack, without_needle
from trainer.benchmark.needles import Needle, own_needle
from trainer.benchmark.readings import gist_of
from trainer.benchmark.samples import Source
from trainer.data.haystack import haystack_names, haystack_text

METHODS = tuple(method for method in ALL_METHODS if method not in ("section", "refined"))
"""The right section is known of whole texts alone; refining takes minutes, and has a test of its own."""
SMALL = BenchConfig(lengths=(192,), depths=(50,), samples=2, languages=("en",), methods=("none",), ratio=16)
OWN_TEXT = "The harbour was quiet. A grey cat slept on the wall. Had the boat come back? It had not, they said. " * 20
OWN = replace(SMALL, haystack=OWN_TEXT, needle="The gate opens with {value}.", question="What opens the gate?")


# --- Intervals


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # by hand: all right is none wrong, turned round
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_interval(correct: int, n: int, low: float, high: float) -> None:
    assert wilson(correct, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_interval_of_nothing_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


# --- Documents


@pytest.fixture(scope="module")
def sherlock(starter: GistModel) -> Haystack:
    [name] = haystack_names("en", evaluation=True)
    return Haystack(starter, haystack_text(name)[:120_000])


def place_of(starter: GistModel, ids: Tensor, statement: str) -> int:
    needle = torch.tensor(starter.token_ids(" " + statement))
    found = (ids.unfold(0, len(needle), 1) == needle).all(dim=1).nonzero()[:, 0].tolist()
    assert len(found) == 1
    return int(found[0])


@pytest.mark.parametrize("depth", [0, 25, 50, 75, 100])
def test_the_needle_is_walked_back_to_a_sentence_end(starter: GistModel, sherlock: Haystack, depth: int) -> None:
    ends = starter.ends_sentence
    for seed in range(12):
        random = Random(seed)
        needle = KINDS["passkey"](random, "en")
        ids = sherlock.document(starter, random, needle, 600, depth)
        assert len(ids) == 600
        n_needle = len(starter.token_ids(" " + needle.statements[0]))
        place = place_of(starter, ids, needle.statements[0])
        hay = torch.cat([ids[:place], ids[place + n_needle :]])
        target = len(hay) * depth / 100
        if depth == 100:
            assert place == len(hay)
        else:
            assert place <= target
            assert place == 0 or ends[hay[place - 1]]
            # and no sentence end lies between the needle and where it was asked to be
            assert not ends[hay[place : int(target)]].any() or int(target) == place
        if depth == 0:
            assert place == 0


def test_a_document_starts_with_a_sentence_of_the_haystack(starter: GistModel, sherlock: Haystack) -> None:
    starts = set()
    for seed in range(20):
        ids = sherlock.document(starter, Random(seed), Needle(("Yes.",), "?", "Yes", False), 200, 100)
        hay = ids[: 200 - len(starter.token_ids(" Yes."))]
        found = (sherlock.ids.unfold(0, len(hay), 1) == hay).all(dim=1).nonzero()[:, 0].tolist()
        assert len(found) == 1
        assert starter.ends_sentence[sherlock.ids[found[0] - 1]]
        starts.add(found[0])
    assert len(starts) >= 18


def test_distractors_stand_at_sentence_ends_too(starter: GistModel, sherlock: Haystack) -> None:
    ends = starter.ends_sentence
    for seed in range(10):
        random = Random(seed)
        needle = KINDS["facts-8"](random, "en")
        ids = sherlock.document(starter, random, needle, 800, 50)
        assert len(ids) == 800
        for statement in needle.statements:
            place = place_of(starter, ids, statement)
            assert place == 0 or ends[ids[place - 1]], statement


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_fills_a_document_exactly(starter: GistModel, sherlock: Haystack, kind: str) -> None:
    for length in (512, 513, 1000):
        random = Random(length)
        needle = KINDS[kind](random, "en")
        assert len(sherlock.document(starter, random, needle, length, 75)) == length


def test_what_does_not_fit_is_refused(starter: GistModel, sherlock: Haystack) -> None:
    needle = KINDS["facts-8"](Random(1), "en")
    with pytest.raises(UserError, match="does not fit into 64 tokens"):
        sherlock.document(starter, Random(1), needle, 64, 50)
    with pytest.raises(UserError, match=f"haystack has {len(sherlock.ids)} tokens"):
        sherlock.document(starter, Random(1), needle, len(sherlock.ids) + 1, 50)


def test_the_wrong_document_of_a_fixed_needle_does_not_hold_it(starter: GistModel, sherlock: Haystack) -> None:
    needle = KINDS["sandwich"](Random(1), "en")
    document = Source("a", sherlock.document(starter, Random(1), needle, 400, 50))
    wrong = without_needle(starter, document, needle)
    assert needle.expected in starter.tokenizer.decode(document.token_ids)
    assert "Dolores" not in starter.tokenizer.decode(wrong.token_ids)
    assert len(wrong.token_ids) == 400 - len(starter.token_ids(" " + needle.statements[0]))


# --- Trials


def seen(trial: Trial) -> tuple[Any, ...]:
    """What does not depend on the clock."""
    return (
        trial.language,
        trial.needle_kind,
        trial.context_tokens,
        trial.depth_percent,
        trial.expected,
        trial.prompt_tail,
        trial.answer,
        trial.correct,
        trial.ratio,
    )


def by_method(model: GistModel, config: BenchConfig, method: str) -> list[tuple[Any, ...]]:
    return [seen(trial) for trial in Benchmark(model, config).run() if trial.method == method]


@pytest.mark.release
def test_samples_and_answers_do_not_depend_on_which_methods_run(starter: GistModel) -> None:
    everything = list(Benchmark(starter, replace(OWN, methods=METHODS)).run())
    keys = [trial.expected for trial in everything if trial.method == "gist"]
    assert len(set(keys)) == 2
    for method in METHODS:
        alone = by_method(starter, replace(OWN, methods=(method,)), method)
        assert alone == [seen(trial) for trial in everything if trial.method == method]
        assert [row[4] for row in alone] == keys


def test_samples_depend_on_seed_and_cell_alone(starter: GistModel) -> None:
    base = by_method(starter, OWN, "none")
    assert by_method(starter, OWN, "none") == base
    assert by_method(starter, replace(OWN, samples=4), "none")[:2] == base
    beside = by_method(starter, replace(OWN, lengths=(320, 192), depths=(0, 50)), "none")
    assert [row for row in beside if row[2:4] == (192, 50)] == base
    other = by_method(starter, replace(OWN, seed=2), "none")
    assert {row[4] for row in other}.isdisjoint(row[4] for row in base)


def test_every_cell_has_its_trials(starter: GistModel) -> None:
    config = replace(
        SMALL, lengths=(128, 192), depths=(0, 100), languages=("en", "ko"), kinds=("passkey", "landmark"), samples=1
    )
    trials = list(Benchmark(starter, config).run())
    assert len(trials) == config.n_trials == 2 * 2 * 3  # landmark is English only
    assert {(t.needle_kind, t.language) for t in trials} == {("passkey", "en"), ("passkey", "ko"), ("landmark", "en")}
    assert {t.context_tokens for t in trials} == {128, 192}


def test_a_gist_is_asked_as_a_user_asks_it(starter: GistModel) -> None:
    """The trial's answer is that of a Context on the gist of the same document, and scored as the needle says."""
    [trial] = Benchmark(starter, replace(OWN, methods=("gist",), samples=1)).run()
    random = Random("1:own:en:192:50:0")
    needle = own_needle(OWN.needle, OWN.question)(random, "en")
    ids = Haystack(starter, OWN_TEXT).document(starter, random, needle, 192, 50)
    gist = gist_of(starter, ids, 16)
    n_answer = len(starter.token_ids(needle.expected)) + 16
    answer = "".join(Context(starter, [gist]).answer([Turn(needle.question)], Sampling(max_tokens=n_answer)))
    assert trial.answer == answer
    assert trial.expected == needle.expected
    assert trial.correct == needle.is_right(answer)
    assert trial.ratio == pytest.approx(192 / gist.n_slots, abs=0.01)


def test_what_stands_before_the_question_has_the_size_of_its_method(starter: GistModel) -> None:
    trials = {t.method: t for t in Benchmark(starter, replace(OWN, methods=METHODS, samples=1)).run()}
    position = trials["full"].kv_bytes - trials["none"].kv_bytes
    assert position % 192 == 0
    position //= 192
    assert position > 0
    for method in ("gist", "wrong-gist", "truncate", "truncate-last", "truncate-both"):
        assert trials[method].kv_bytes - trials["none"].kv_bytes == 12 * position  # 192 tokens at 16x
        assert trials[method].kept_bytes == 12 * position
    assert abs(trials["rag-budget"].kv_bytes - trials["gist"].kv_bytes) <= 2 * position
    assert trials["hybrid"].kv_bytes > trials["gist"].kv_bytes
    assert trials["full"].kept_bytes == trials["gist"].document_kv_bytes == 192 * position
    assert trials["none"].kept_bytes == 0
    by_size = {m for m, t in trials.items() if t.ratio == 16}
    assert by_size == set(METHODS) - {"full", "none", "rag"}
    assert {m for m, t in trials.items() if t.ratio_asked == 16} == by_size
    prepared = {"gist", "matched", "wrong-gist", "rag", "rag-budget", "hybrid"}
    assert {m for m, t in trials.items() if t.prepare_s > 0} == prepared
    assert {m for m, t in trials.items() if t.places} == {"rag", "rag-budget", "hybrid"}


def test_truncation_keeps_the_end_it_is_named_after(starter: GistModel) -> None:
    methods = ("full", "truncate", "truncate-last", "truncate-both")
    trials = {t.method: t for t in Benchmark(starter, replace(OWN, methods=methods, samples=1, ratio=4)).run()}
    text = trials["full"].prompt
    assert text.startswith(trials["truncate"].prompt)
    assert text.endswith(trials["truncate-last"].prompt)
    both = trials["truncate-both"].prompt
    assert (text[:60], text[-60:]) == (both[:60], both[-60:])


def test_several_ratios_are_measured_in_one_run(starter: GistModel) -> None:
    config = replace(OWN, methods=("gist", "none", "truncate"), ratio=(16.0, 8.0), samples=1)
    trials = list(Benchmark(starter, config).run())
    asked = [(t.method, t.ratio_asked, t.ratio) for t in trials]
    assert asked == [
        ("gist", 16, 16),
        ("gist", 8, 8),
        ("none", None, None),
        ("truncate", 16, 16),
        ("truncate", 8, 8),
    ]
    assert len(trials) == config.n_trials
    [alone] = Benchmark(starter, replace(config, methods=("gist",), ratio=8.0)).run()
    assert alone.answer == trials[1].answer


def test_passages_hold_what_is_asked_for_and_have_places(starter: GistModel) -> None:
    """Among sentences that all say the same, the needle is the only one that says something of a gate."""
    for language in ("en", "ko"):
        config = replace(OWN, methods=("rag", "hybrid"), samples=1, chunk_tokens=32, overlap_tokens=0, top_k=1)
        config = replace(config, languages=(language,), rank_by="bm25")
        rag, hybrid = Benchmark(starter, config).run()
        assert rag.expected in rag.prompt
        assert rag.expected in hybrid.prompt
        assert hybrid.prompt.startswith("[the gist of 192 tokens in 12 slots]")
        [(start, end)] = rag.places
        assert 0 <= start < end
        assert end - start == len(rag.prompt)


def test_a_hybrid_has_both_its_gist_and_its_passages(starter: GistModel) -> None:
    config = replace(OWN, methods=("gist", "none", "rag", "hybrid"), samples=1, rank_by="words", ratio=8.0)
    trials = {t.method: t for t in Benchmark(starter, config).run()}
    of_gist = trials["gist"].kv_bytes - trials["none"].kv_bytes
    assert of_gist > 0
    assert trials["hybrid"].kv_bytes >= trials["rag"].kv_bytes + of_gist
    assert trials["hybrid"].places == trials["rag"].places


@pytest.mark.parametrize("language", ["en", "ko"])
def test_needles_are_hidden_in_texts_that_training_never_reads(starter: GistModel, language: str) -> None:
    config = replace(SMALL, lengths=(256,), samples=3, languages=(language,), methods=("full",))
    for trial in Benchmark(starter, config).run():
        pieces = [piece.strip() for piece in trial.prompt.split(".") if len(piece) > 40 and trial.expected not in piece]
        assert pieces
        for piece in pieces[1:-1]:
            assert any(piece in haystack_text(name) for name in haystack_names(language, evaluation=True))
            assert not any(piece in haystack_text(name) for name in haystack_names(language, evaluation=False))


def test_it_goes_on_from_what_is_done(starter: GistModel) -> None:
    config = replace(OWN, methods=("gist", "wrong-gist", "rag"), samples=2)
    whole = list(Benchmark(starter, config).run())
    for n_done in (1, 3, 4):
        done = {trial.key: trial for trial in whole[:n_done]}
        again = list(Benchmark(starter, config).run(done))
        assert [seen(t) for t in again] == [seen(t) for t in whole]
        assert all(a is b for a, b in zip(again[:n_done], whole[:n_done], strict=True))
    assert Benchmark(starter, config).n_trials == len(whole)


def test_a_wrong_gist_gives_another_answer_than_the_right_one_would(starter: GistModel) -> None:
    """That it comes from a document with another value in it, one that is nobody's own for the last sample."""
    trials = list(Benchmark(starter, replace(OWN, methods=("gist", "wrong-gist"), samples=3, ratio=2)).run())
    assert [t.method for t in trials] == ["gist", "wrong-gist"] * 3
    keys = [t.expected for t in trials[::2]]
    assert len(set(keys)) == 3
    wrong, right = trials[1::2], trials[::2]
    # the wrong gist of a sample is the right one of the next, asked the same question
    assert [t.answer for t in wrong[:2]] == [t.answer for t in right[1:]]


def test_no_document_is_compressed_twice(starter: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample's wrong gist is the next one's right one; the last sample's is nobody's."""
    made: list[bytes] = []

    def counted(model: GistModel, token_ids: Tensor, ratio: float, method: Method | None) -> GistKV:
        made.append(token_ids.numpy().tobytes())
        return gist_of(model, token_ids, ratio, method)

    monkeypatch.setattr(readings, "gist_of", counted)
    config = replace(OWN, methods=("gist", "wrong-gist", "hybrid", "truncate"), samples=4, rank_by="bm25")
    assert sum(1 for _ in Benchmark(starter, config).run()) == 16
    assert len(made) == len(set(made)) == 5


def test_only_the_present_document_is_kept(starter: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gists and indexes of long texts, one after another, would fill the memory."""
    held: list[tuple[set[str], set[str]]] = []
    read = readings.Reader.read

    def watched(reader: readings.Reader, *sample_method_ratio: Any) -> readings.Reading:
        found = read(reader, *sample_method_ratio)
        held.append(({name for name, *_ in reader._indexes}, {name for name, *_ in reader._gists}))
        return found

    monkeypatch.setattr(readings.Reader, "read", watched)
    trials = list(Benchmark(starter, replace(OWN, methods=("hybrid", "rag-budget"), samples=3, rank_by="bm25")).run())
    names = list(dict.fromkeys(trial.sample for trial in trials))
    assert len(names) == 3
    assert len(held) == 6
    assert all(len(indexes) == len(gists) == 1 for indexes, gists in held)
    assert len(set.union(*(indexes for indexes, _ in held))) == 3


def test_reading_is_part_of_the_time_to_the_first_token(starter: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a whole text in front, it is nearly all of it."""
    read = readings.Reader.read
    monkeypatch.setattr(readings.Reader, "read", lambda *given: replace(read(*given), prefill_s=1000.0))
    for trial in Benchmark(starter, replace(OWN, methods=("gist", "full", "none"), samples=1)).run():
        assert trial.ttft_s is not None and trial.ttft_s > 1000


# --- Refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("magic",)}, 'no method "magic"'),
        ({"methods": ()}, "No method"),
        ({"kinds": ("riddle",)}, 'no needle kind "riddle"'),
        ({"kinds": ()}, "No needle kind"),
        ({"languages": ("fr",)}, 'no language "fr"'),
        ({"languages": ()}, "No language"),
        ({"kinds": ("landmark",), "languages": ("ko",)}, "only in English"),
        ({"lengths": ()}, "at least 64"),
        ({"lengths": (512, 63)}, "at least 64"),
        ({"depths": ()}, "percentage"),
        ({"depths": (101,)}, "percentage"),
        ({"depths": (-1,)}, "percentage"),
        ({"samples": 0}, "at least one sample"),
        ({"ratio": 0.0}, "ratio of 0"),
        ({"ratio": -2.0}, "ratio of -2"),
        ({"ratio": float("nan")}, "ratio of nan"),
        ({"ratio": float("inf")}, "ratio of inf"),
        ({"needle": "It is {value}."}, "needs a question"),
        ({"question": "What is it?"}, "needs a question"),
        ({"needle": "It is 5.", "question": "What is it?"}, "no {value}"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        replace(BenchConfig(), **changes)
    assert message in caught.value.message
    assert caught.value.hint.endswith((".", '."'))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(OWN, lengths=(128, 4096)), "haystack has"),
        (replace(SMALL, kinds=("facts-8",), lengths=(512, 64)), "does not fit"),
        (replace(SMALL, methods=("gist",), ratio=100_000), "ratio of 100000"),
        (replace(SMALL, methods=("none", "full"), lengths=(128, 32_760)), "window"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(
    starter: GistModel, config: BenchConfig, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        Benchmark(starter, config)
    assert message in caught.value.message


def test_a_model_without_adapter_measures_only_what_needs_none(starter: GistModel) -> None:
    bare = replace(starter, adapter=None, encoder=None)
    with pytest.raises(UserError, match="no gist adapter"):
        next(Benchmark(bare, replace(OWN, methods=("full", "gist"))).run())
    with pytest.raises(UserError, match="no gist adapter"):
        next(Benchmark(bare, replace(OWN, methods=("matched", "hybrid"), ratio=4.0)).run())
    assert [t.method for t in Benchmark(bare, replace(OWN, methods=("full", "none"), samples=1)).run()] == [
        "full",
        "none",
    ]


@pytest.mark.release
def test_gists_without_an_adapter_are_measured(starter: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gistdesk.core.refined._PASSES", 1)
    monkeypatch.setattr("gistdesk.core.refined._SHORT", 1)
    bare = replace(starter, adapter=None, encoder=None)
    config = replace(OWN, methods=("matched", "refined", "truncate"), samples=1, ratio=(4.0, 8.0))
    trials = list(Benchmark(bare, config).run())
    found = [(trial.method, trial.ratio_asked) for trial in trials]
    assert found == [(method, ratio) for method in config.methods for ratio in (4.0, 8.0)]
    for trial in trials:
        assert trial.ratio is not None and trial.ratio_asked is not None
        assert 0.9 * trial.ratio_asked < trial.ratio < 1.2 * trial.ratio_asked
    matched, refined = (next(trial for trial in trials if trial.method == name) for name in ("matched", "refined"))
    assert 0 < matched.kept_bytes == refined.kept_bytes < matched.document_kv_bytes / 3.5
    assert refined.prepare_s > 0
    with pytest.raises(UserError, match="is not possible"):
        next(Benchmark(bare, replace(config, ratio=5000.0)).run())


def test_it_can_be_left_after_any_trial(starter: GistModel) -> None:
    trials = Benchmark(starter, replace(OWN, samples=1000)).run()
    next(trials)
    trials.close()  # type: ignore[attr-defined]
    assert next(trials, None) is None
