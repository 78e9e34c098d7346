"""What is asked about a text is answered by one of its sentences."""

import pytest
import torch

from gistdesk.core import fact_questions
from gistdesk.core.fact_questions import FactQuestion, _Examples, _worth_asking, ask_for_facts
from gistdesk.core.model import GistModel
from tests.core.tiny_models import tiny_model

TEXT = (
    "The ferry left at 7.40 with Captain Aldous Finch. Nobody saw it go!\n\n# Notes\nA grey cat slept on the warm wall."
)


def asked(model: GistModel, text: str) -> list[FactQuestion]:
    asking = ask_for_facts(model, text)
    while True:
        try:
            next(asking)
        except StopIteration as finished:
            found: list[FactQuestion] = finished.value
            return found


def alone(model: GistModel, start: str, n_tokens: int) -> str:
    """The rest of one line, token by token, without a cache."""
    ids = [*model.bos_ids, *model.token_ids(f"Sentence:{start}")]
    said: list[int] = []
    with torch.no_grad():
        while len(said) < n_tokens:
            token = int(model.causal_lm(input_ids=torch.tensor([ids + said])).logits[0, -1].argmax())
            if token in model.tokenizer.all_special_ids:
                break
            said.append(token)
            if "\n" in model.tokenizer.decode([token]):
                break
    return str(model.tokenizer.decode(said).partition("\n")[0])


def test_lines_go_on_together_as_each_would_alone() -> None:
    model = tiny_model(max_position_embeddings=600)
    starts = [
        " The cat.\nQuestion:",
        " A ferry left with a captain.\nQuestion: Who",
        " It.\nAnswer: a\nQuestion:",
    ]
    [batch] = _Examples(model, "Sentence:").continued(starts, 12)
    assert batch == [alone(model, start, 12) for start in starts]


def test_a_window_that_is_too_small_asks_nothing() -> None:
    assert asked(tiny_model(max_position_embeddings=200), TEXT) == []


@pytest.mark.parametrize("text", ["", "\n\n", "a", "one two three", "word " * 400, "그는 7월 3일에 서울로 떠났다."])
def test_a_text_of_any_shape_can_be_asked_about(text: str) -> None:
    assert asked(tiny_model(max_position_embeddings=600), text) == []


def test_every_sentence_and_every_exact_thing_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[str] = []

    def noted(self: _Examples, rows: list[str], most_tokens: int) -> list[list[str]]:
        starts.extend(rows)
        return [["" for _ in rows]]

    monkeypatch.setattr(fact_questions._Examples, "continued", noted)
    asked(tiny_model(max_position_embeddings=600), TEXT)
    assert sum(start.startswith(" The ferry left") for start in starts) == 8 + 2 + 2
    assert " The ferry left at 7.40 with Captain Aldous Finch.\nAnswer: Captain Aldous Finch\nQuestion: Who" in starts
    assert sum(start.startswith(" A grey cat") for start in starts) == 8
    assert not any("Notes" in start for start in starts)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who commands the ferry?", "Captain Ahab"),  # not in the sentence
        ("Who is Captain Aldous Finch?", "Aldous Finch"),  # in the question
        ("When did it leave?", "7.4"),  # the beginning of a number
        ("What is it?", "it"),  # no word that tells anything
        ("What happened?", ""),
    ],
)
def test_a_question_without_a_telling_answer_is_dropped(question: str, answer: str) -> None:
    line = "The ferry left at 7.40 with Captain Aldous Finch, and nobody saw it."
    asked = [(line, question), (line, "Who goes with the ferry?")]
    kept = list(_worth_asking(asked, [answer, " captain Aldous Finch."]))
    assert kept == [FactQuestion("Who goes with the ferry?", line)]


def test_of_a_sentence_that_answers_none_what_names_something_of_it_is_kept() -> None:
    line, other = "The ferry left with nobody.", "A cat slept."
    asked = [(line, "Who steers the ferry?"), (line, "What is it?"), (line, "Where?"), (other, "Who slept?")]
    kept = list(_worth_asking(asked, ["Captain Ahab", "a ship", "", "A cat"]))
    assert kept == [FactQuestion("Who slept?", other), FactQuestion("Who steers the ferry?", line)]


@pytest.mark.parametrize(
    ("line", "answer", "is_told"),
    [
        ("Of the forty-three lamps, Twenty-six have been converted.", "26", True),
        ("Of the forty-three lamps, twenty-six have been converted.", "20", False),
        ("The hall seats seventeen.", "17", True),
        ("The precept is £61,240.", "61240", True),
        ("The precept is £61240.", "61,240", True),
        ("Somebody took the tenth.", "10", False),
    ],
)
def test_a_number_is_told_in_words_or_in_digits(line: str, answer: str, is_told: bool) -> None:
    assert bool(list(_worth_asking([(line, "How many?")], [answer]))) is is_told  # the question names nothing


def test_what_two_sentences_answer_is_not_asked() -> None:
    lines = [("Mr Stott is the porter.", "Who is the porter?"), ("Ms Lee is the porter.", "Who is the porter?")]
    assert list(_worth_asking(lines, ["Mr Stott", "Ms Lee"])) == []
    assert list(_worth_asking(lines, ["Mr Stott", "nobody"])) == [FactQuestion("Who is the porter?", lines[0][0])]
