"""What a gist recites is asked for in the words it was taught in, and never more than its text may have."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
import torch

from gistdesk.core import recitation as recitation_module
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress
from gistdesk.core.gist import GistKV, Refinement
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Turn
from gistdesk.core.quoting import Excerpt
from gistdesk.core.recitation import (
    MOST_TOKENS,
    Recited,
    answers_by_reciting,
    pieces_of,
    recitation,
    recites,
    reciting,
)
from gistdesk.core.refined import _pieces
from tests.core.tiny_models import PLAIN, TEXT, tiny_model

WHOLE = "Explain this text."


def bare(window: int = 600) -> GistModel:
    return replace(tiny_model(PLAIN, max_position_embeddings=window), adapter=None, encoder=None)


def gist_of(model: GistModel, text: str, told: float | None = 1.0) -> GistKV:
    ids = torch.tensor(model.token_ids(text))
    *_, gist = compress(model, plan_tokens(model, ids, ratio=8.0, method="matched"))
    return replace(gist, refined=None if told is None else Refinement(1, 0.0, told, 4))


@pytest.mark.parametrize("text", [TEXT, "one two three four " * 200, "# Heading\n\nA line.\n\n| a | b |\n"])
def test_pieces_are_the_text_in_order_and_short_enough_to_be_said(text: str) -> None:
    model = bare()
    pieces = pieces_of(model, text)
    assert " ".join(pieces).split() == text.split()
    assert all(len(model.token_ids(piece)) < MOST_TOKENS for piece in pieces)


def test_every_piece_is_asked_for_in_other_words() -> None:
    told = list(recitation(["The same.", "The same.", "The end."]))
    assert len({request for request, _ in told}) == len(told) == 3
    assert [answer for _, answer in told] == ["The same.", "The same.", "The end."]
    assert "The same." in told[1][0]


def test_only_gists_that_tell_most_of_their_texts_recite() -> None:
    model = bare()
    told, half, untold, untrained = (gist_of(model, TEXT, share) for share in (0.9, 0.5, 0.0, None))
    assert recites([told]) and recites([told, told])
    for other in (half, untold, untrained):
        assert not recites([other]) and not recites([told, other])
    assert not recites([])


def test_a_fact_is_looked_up_and_an_explanation_is_of_the_whole_text() -> None:
    model = bare()
    gists = [gist_of(model, TEXT)]
    told = Recited(model, gists, [TEXT, "The end."], by="words")
    assert told.context("Where did the cat sleep?") is not None
    whole = told.context(WHOLE)
    assert whole is not None and whole.n_text == len(model.token_ids(f"{TEXT}\n\nThe end."))
    assert "".join(whole.answer([Turn(WHOLE)])) == "".join(
        Context(model, text_ids=torch.tensor(model.token_ids(f"{TEXT}\n\nThe end."))).answer([Turn(WHOLE)])
    )
    unsuited = told.context("Who is Zarquon?")
    assert unsuited is not None and unsuited.n_text == 0
    for question in ("Where did the cat sleep?", WHOLE):
        assert Recited(model, gists, [""]).context(question) is None


def test_a_text_that_takes_most_of_the_window_is_left_to_the_gist() -> None:
    """With what stands before it; such a gist need not recite for an explanation."""
    n_tokens = len(bare().token_ids(TEXT))
    for window, fits in ((2 * n_tokens + 8, True), (2 * n_tokens - 8, False)):
        model = bare(window)
        gists = [gist_of(model, TEXT)]
        told = Recited(model, gists, [TEXT], by="words")
        assert (told.context(WHOLE) is not None) is answers_by_reciting(model, gists, WHOLE) is fits
        assert told.context(WHOLE, system="Answer like a pirate. " * 20) is None
        assert told.context("Where did the cat sleep?") is not None
        assert answers_by_reciting(model, gists, "Where did the cat sleep?")
    assert not answers_by_reciting(model, [gist_of(model, TEXT, None)], WHOLE)


def test_a_whole_text_is_read_once_until_it_is_forgotten() -> None:
    model = bare()
    told = Recited(model, [gist_of(model, TEXT)], [TEXT], by="words")
    whole = told.context(WHOLE)
    assert told.context("Discuss this text.") is whole
    assert told.context(WHOLE, system="Look.") is not whole
    whole = told.context(WHOLE)
    told.forget_whole()
    assert told.context(WHOLE) is not whole


def test_a_small_model_quotes_a_summary_from_texts_of_any_length_and_a_larger_one_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    question = "Summarise this text."
    for window, fits in ((2 * len(bare().token_ids(TEXT)) + 8, True), (256, False)):
        model = bare(window)
        text = TEXT if fits else TEXT * 4
        gists = [gist_of(model, text)]
        told = Recited(model, gists, [text], by="words")
        assert answers_by_reciting(model, gists, question)
        quoted = told.context(question)
        assert isinstance(quoted, Excerpt)
        for line in "".join(quoted.answer([Turn(question)])).split("\n"):
            assert line.removeprefix("- ") in text
        with monkeypatch.context() as larger:
            larger.setattr("gistdesk.core.passages._SMALL_READER", range(1, 2))
            assert not isinstance(told.context(question), Excerpt)
            assert (told.context(question) is not None) is answers_by_reciting(model, gists, question) is fits


def test_each_passage_is_of_its_own_document() -> None:
    """Two that begin alike, as minutes do."""
    model = bare()
    texts = ["The cat slept on the wall. It rained.", "The cat slept on the roof. The end."]
    told = Recited(model, [gist_of(model, text) for text in texts], texts, by="words")
    assert told._index is not None
    assert [(each.document, each.text) for each in told._index.passages] == list(enumerate(texts))


def test_nonsense_ends_and_each_documents_text_is_its_own() -> None:
    """A model that knows nothing is never done."""
    model = bare()
    gists = [gist_of(model, TEXT), gist_of(model, TEXT[: len(TEXT) // 2])]
    shares: list[float] = []
    steps = reciting(model, gists)
    with pytest.raises(StopIteration) as end:
        while True:
            shares.append(next(steps))
    texts = end.value.value
    assert shares == sorted(shares) and shares[-1] <= 1
    assert len(texts) == 2 and all(texts)
    n_said = sum(len(model.token_ids(text)) for text in texts)
    assert n_said <= sum(gist.refined.n_pieces for gist in gists if gist.refined) * 2 * MOST_TOKENS


def test_requests_are_those_that_were_taught() -> None:
    model = bare()
    ids = torch.tensor(model.token_ids(TEXT))
    told = list(recitation(pieces_of(model, model.tokenizer.decode(ids.tolist()))))
    lessons = list(_pieces(model, [ids]))
    assert len(told) > 1
    for lesson, (request, piece) in zip(lessons, told, strict=True):
        assert model.tokenizer.decode(lesson.ids.tolist()) == f"\n\n{request}<|assistant|>{piece}<|end|>"
        assert model.tokenizer.decode(lesson.ids[-lesson.n_answer :].tolist()) == f"{piece}<|end|>"


class Saying:
    """Gives the taught answers, as a gist that knows its text by heart; but for some."""

    def __init__(self, pieces: Sequence[str], instead: Mapping[str, str]) -> None:
        self._answers = dict(recitation(pieces))
        self._instead = instead

    def forget(self) -> None:
        pass

    def answer(self, turns: Sequence[Turn], sampling: Sampling) -> Iterator[str]:
        assert sampling.may_loop  # a text may
        number = turns[-1].question.split()[0]
        said = next(answer for request, answer in self._answers.items() if request.split()[0] == number)
        yield self._instead.get(said, said)


def told_by(monkeypatch: pytest.MonkeyPatch, pieces: Sequence[str], instead: Mapping[str, str]) -> str:
    model = bare()
    monkeypatch.setattr(recitation_module, "Context", lambda *_: Saying(pieces, instead))
    gist = replace(gist_of(model, TEXT), refined=Refinement(1, 0.0, 1.0, len(pieces)))
    steps = reciting(model, [gist])
    shares: list[float] = []
    with pytest.raises(StopIteration) as end:
        while True:
            shares.append(next(steps))
    assert shares == sorted(shares) and shares[-1] == 1
    (text,) = end.value.value
    return str(text)


def test_a_text_known_by_heart_is_told_to_its_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pieces it has, and however short the last one is; a sentence that was cut is whole again."""
    pieces = [f"This is sentence {i} of the text." for i in range(30)] + ["A long one that", "goes on. The end."]
    told = told_by(monkeypatch, pieces, {})
    assert all(piece in told for piece in pieces)
    assert "A long one that\ngoes on." in told


def test_what_is_said_again_or_not_at_all_does_not_end_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [f"This is sentence {i} of the text." for i in range(8)]
    told = told_by(monkeypatch, pieces, {pieces[2]: pieces[0], pieces[4]: ""})
    assert told.count("sentence 0") == 1
    assert told.endswith("sentence 7 of the text.")
