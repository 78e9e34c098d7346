"""An answer that is a sentence of the text: one of those that were found, whole, or that none tells."""

from itertools import product

import pytest

from gistdesk.core import quoting
from gistdesk.core.answer import Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from gistdesk.core.quoting import Quotes, Told
from gistdesk.core.unmatched import NOT_FOUND
from trainer.benchmark.metrics import declines

TOLD = [
    Told("The mill stands by the river.", 1.0),
    Told("The auditor is Rhys Pemberton of Marnwick.", 0.9),
    Told("Visitors come on Sundays.", 0.2),
]
TEXTS = {told.text for told in TOLD}


GREEDY = Sampling()


def answer(model: GistModel, question: str, sampling: Sampling = GREEDY, told: list[Told] = TOLD) -> str:
    return "".join(Quotes(model, told).answer([Turn(question)], sampling))


@pytest.fixture(autouse=True)
def answers_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """The starter is no judge of whether a text answers; see tests/test_smollm2.py for one that is."""
    monkeypatch.setattr(quoting, "_LEAST_GAIN", -100.0)


def test_it_is_a_whole_sentence_and_the_same_again(starter: GistModel) -> None:
    context = Quotes(starter, TOLD)
    turns = [Turn("Who is the auditor?")]
    first = list(context.answer(turns))
    assert len(first) == 1 and first[0] in TEXTS
    assert list(context.answer(turns)) == first == list(Quotes(starter, TOLD).answer(turns))
    figures = context.figures
    assert figures is not None and figures.stopped == "end"
    assert figures.n_tokens == len(starter.token_ids(first[0])) and figures.ttft_s > 0


def test_words_likelihood_and_what_it_tells_of_the_question_are_added(starter: GistModel) -> None:
    question = "Who is the auditor?"
    alone = [Quotes(starter, [told]).question_loss(question) for told in TOLD]
    losses = [Quotes(starter, TOLD).answer_loss(question, told.text) for told in TOLD]
    chosen = set()
    for suits in product((0.0, 0.7, 1.4, 2.8), repeat=3):
        if min(suits) > 0:
            continue  # the same differences as one with a 0 in it
        told = [Told(each.text, share) for each, share in zip(TOLD, suits, strict=True)]
        best = max(range(3), key=lambda i: suits[i] - alone[i] - losses[i])
        assert answer(starter, question, told=told) == TOLD[best].text
        chosen.add(best)
    assert chosen == {0, 1, 2}


def test_where_an_amount_is_asked_for_a_sentence_with_one_is_chosen(starter: GistModel) -> None:
    question, plain = "How much was the grant?", Told("The grant had been paid in full.", 1.0)
    losses = {}
    for each in (plain, amount := Told("It came to 8,150.", 1.0)):
        alone = Quotes(starter, [each]).question_loss(question)
        losses[each] = alone + Quotes(starter, [plain, amount]).answer_loss(question, each.text)
    behind = losses[amount] - losses[plain]
    told = [plain, Told(amount.text, 1.0 + behind - 0.5)]  # by everything else the one without is half a point better
    assert answer(starter, question, told=told) == amount.text
    told = [plain, Told(amount.text, 1.0 + behind - 1.5)]
    assert answer(starter, question, told=told) == NOT_FOUND, "the better one holds no amount"
    assert answer(starter, "Who gave the grant?", told=[plain]) == plain.text


def test_what_stands_in_another_sentence_is_read_once(starter: GistModel) -> None:
    told = [Told("The mill stands. It grinds rye.", 1.0), Told("The mill stands.", 0.5), Told("It grinds rye.", 0.4)]
    assert Quotes(starter, told).kv_bytes == Quotes(starter, told[:1]).kv_bytes
    again = [told[1], Told(told[1].text, 0.3)]  # a sentence that the document holds twice
    assert Quotes(starter, again).kv_bytes == Quotes(starter, again[:1]).kv_bytes


def test_a_question_that_no_sentence_makes_likelier_is_declined(
    starter: GistModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoting, "_LEAST_GAIN", 100.0)
    assert answer(starter, "Who is the auditor?") == NOT_FOUND


def test_nothing_found_is_said_and_counts_as_declined(starter: GistModel) -> None:
    assert answer(starter, "Who is the auditor?", told=[]) == NOT_FOUND
    assert declines(NOT_FOUND), "in the benchmark, too"


def test_above_temperature_zero_it_is_drawn_by_the_seed(starter: GistModel) -> None:
    drawn = [answer(starter, "Who?", Sampling(temperature=5.0, top_p=1.0, seed=seed)) for seed in range(12)]
    assert set(drawn) == TEXTS
    assert drawn[3] == answer(starter, "Who?", Sampling(temperature=5.0, top_p=1.0, seed=3))


def test_a_sentence_too_long_is_cut_and_told_so(starter: GistModel) -> None:
    context = Quotes(starter, TOLD[1:2])
    said = "".join(context.answer([Turn("Who?")], Sampling(max_tokens=3)))
    assert TOLD[1].text.startswith(said) and len(said) < len(TOLD[1].text)
    assert context.figures is not None and (context.figures.stopped, context.figures.n_tokens) == ("length", 3)


def test_a_stop_is_heard_between_sentences(starter: GistModel) -> None:
    context = Quotes(starter, TOLD)
    asked: list[None] = []
    assert list(context.answer([Turn("Who?")], stop=lambda: asked.append(None) or len(asked) > 1)) == []
    assert len(asked) == 2
    assert context.figures is not None and (context.figures.stopped, context.figures.n_tokens) == ("closed", 0)
    assert list(context.answer([Turn("Who?")])), "it can be asked again"


def test_a_question_too_long_is_a_sentence(starter: GistModel) -> None:
    with pytest.raises(UserError, match="window"):
        answer(starter, "Who? " * starter.max_positions)


def test_a_question_with_a_word_that_the_text_does_not_have_asks_more_of_a_sentence(
    starter: GistModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*unmatched: str) -> str:
        return "".join(Quotes(starter, TOLD, unmatched=unmatched).answer([Turn("Who is the auditor?")]))

    assert told() in TEXTS and told("windmill") in TEXTS
    monkeypatch.setattr(quoting, "_UNMATCHED", 200.0)
    assert told() in TEXTS and told("windmill") == NOT_FOUND
    assert told("windmill", "E7") == told("2031") == NOT_FOUND  # whatever it gains
