"""Report-like documents: every answer stands in its text; evaluation shares no wording, name or kind with training."""

from collections import Counter
from random import Random

import pytest

from gistdesk.core.model import GistModel
from tests.trainer.data.test_sources import check_unit
from trainer.data.report_facts import FACTS
from trainer.data.report_units import Reports
from trainer.data.report_values import DRAWS
from trainer.data.reports import draw_report
from trainer.data.source import Stage

ONLY_EVALUATION = "TN"


def test_the_table_is_whole() -> None:
    assert sum(len(f.statements) + len(f.questions) for f in FACTS) > 800
    for fact in FACTS:
        assert fact.value in DRAWS
        trained = set(fact.kinds) - set(ONLY_EVALUATION)
        assert min(len(fact.statements), len(fact.questions)) >= (3 if trained else 2), fact
        assert all(statement.count("{v}") == 1 for statement in fact.statements), fact
        assert not any("{v}" in question for question in fact.questions), fact
        about = any("{t}" in text for text in (*fact.statements, *fact.questions))
        assert all(("{t}" in text) == about for text in (*fact.statements, *fact.questions)), fact


@pytest.mark.parametrize("kind", "ACMULEPTN")
def test_no_question_fits_two_facts_of_one_kind_of_document(kind: str) -> None:
    asked = Counter(q for fact in FACTS if kind in fact.kinds for q in fact.questions)
    assert len(asked) >= 8
    assert max(asked.values()) == 1, asked.most_common(3)


@pytest.mark.parametrize("held_out", [False, True])
def test_every_answer_stands_in_its_text(held_out: bool) -> None:
    answers = set()
    for seed in range(300):
        report = draw_report(Random(seed), n_characters=900, n_facts=5, held_out=held_out)
        assert 2 <= len(report.asked) <= 5
        assert 850 < len(report.text) < 2200
        for question, answer in report.asked:
            assert answer in report.text or answer[0].upper() + answer[1:] in report.text
            assert answer not in question
            assert not {"{", "}"} & set(question + report.text)
            answers.add(answer)
    assert len(answers) > 900  # skill is to be learned and not a list


def test_a_report_is_a_function_of_its_random_generator() -> None:
    assert draw_report(Random(3), n_characters=500, n_facts=3) == draw_report(Random(3), n_characters=500, n_facts=3)
    assert draw_report(Random(3), n_characters=500, n_facts=3) != draw_report(Random(4), n_characters=500, n_facts=3)


def test_training_and_evaluation_share_no_wording_no_name_and_evaluation_has_kinds_of_its_own() -> None:
    def drawn(held_out: bool) -> tuple[set[str], set[str]]:
        questions, people = set(), set()
        for seed in range(1500):
            report = draw_report(Random(f"{held_out}{seed}"), n_characters=100, n_facts=4, held_out=held_out)
            questions |= {question for question, _ in report.asked}
            people.add(DRAWS["person"](Random(seed), held_out))
        return questions, people

    (trained, people), (asked, others) = drawn(False), drawn(True)
    assert not trained & asked
    assert not {question.lower() for question in asked} & {question.split(": ")[-1].lower() for question in trained}
    first, last = ({word for name in people for word in (name.split()[0],)}, {name.split()[-1] for name in people})
    assert not first & {name.split()[0] for name in others}
    assert not last & {name.split()[-1] for name in others}
    only = [f for f in FACTS if not set(f.kinds) - set(ONLY_EVALUATION)]
    assert len(only) >= 8
    unseen = {question for fact in only for question in fact.questions}
    assert unseen & asked
    assert not unseen & trained


def test_a_fact_often_has_another_value_of_its_kind_beside_it() -> None:
    with_two = 0
    for seed in range(300):
        report = draw_report(Random(seed), n_characters=10, n_facts=1)
        with_two += any(mark in report.text for mark in ("Until last year", "earlier draft", "Elsewhere", "It was not"))
    assert 15 < with_two < 90  # half of the ways to say so, in three of ten documents


def test_reports_become_units_of_the_ratio_that_is_asked_for(starter: GistModel) -> None:
    source = Reports(starter, document_tokens=1500, questions=6)
    n_segments = set()
    for seed in range(60):
        ratio = 32.0 if seed % 2 else 128.0
        unit = source.unit(Random(seed), Stage(512, 8, 4, ratio))
        check_unit(starter, unit)
        n_segments.add(len(unit.texts))
        assert 1 <= len(unit.turns[0]) <= 6
        if unit.n_tokens > 4 * ratio:
            assert 0.7 < unit.n_tokens / sum(unit.n_slots) / ratio < 1.4
    assert min(n_segments) == 1
    assert max(n_segments) > 2
    held = source.held_out()
    assert [u.text(0).tolist() for u in held] == [u.text(0).tolist() for u in source.held_out()]
    trained = {
        turn.question for seed in range(200) for turn in source.unit(Random(seed), Stage(512, 8, 4, 64)).turns[0]
    }
    assert not trained & {turn.question for unit in held for turn in unit.turns[0]}
