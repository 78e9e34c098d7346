"""The published forms are read alike for training and benchmark; what is not of its form is named with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from gistdesk.core.errors import UserError
from tests.core.tiny_models import tiny_model
from trainer.benchmark.records import instruction_records, longbench_records
from trainer.data.forms import FORMS, check_file, read_records
from trainer.data.records import Records

GOOD: dict[str, dict[str, Any]] = {
    "questions": {"context": "The key is 7. 열쇠는 7이다.", "question": "Which key?", "answers": ["7", "seven"]},
    "alpaca": {"instruction": "Write a line about cats.", "input": "", "output": "Cats sleep."},
    "longbench": {
        "input": "Who?",
        "context": "Ada was there.",
        "answers": ["Ada"],
        "length": 3,
        "dataset": "x",
        "language": "en",
        "all_classes": None,
        "_id": "1",
    },
}


def write(path: Path, *records: Any) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "x.jsonl", GOOD[form], "", GOOD[form])
    records = read_records(path, form)
    assert [record.line.number for record in records] == [1, 3]
    assert records[0].context
    assert records[0].question
    assert records[0].answers
    assert len(read_records(path, form, limit=1)) == 1
    assert "2 records about 1 texts" in next(check_file(path, form))
    listed = write(tmp_path / "list.json", json.dumps([GOOD[form]] * 2, indent=1))
    assert [record.line.number for record in read_records(listed, form)] == [1, 2]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_training_asks_what_the_benchmark_asks(tmp_path: Path, language: str) -> None:
    output = {"en": "Cats sleep.", "ko": "고양이는 잔다."}[language]
    path = write(tmp_path / "x.jsonl", {**GOOD["alpaca"], "output": output}, {**GOOD["alpaca"], "input": "A dog."})
    trained = Records(tiny_model(), "alpaca", path, held_out_share=0.0, questions=4, n_slots=4).training
    turns = [record.question for group in trained for record in group]
    assert turns == [record.question for record in instruction_records(path)]
    assert turns[0] == {"en": "Follow the instruction above.", "ko": "위의 지시를 따르세요."}[language]
    published = write(tmp_path / "hotpotqa.jsonl", GOOD["longbench"])
    [read], [[scored]] = read_records(published, "longbench"), longbench_records(tmp_path).values()
    assert (read.context, read.answers[0]) == (scored.text, scored.expected)


def test_answers_are_one_text_or_several_that_say_something(tmp_path: Path) -> None:
    answers: list[Any] = ["7", ["7", " ", ""], ["half a pair: \ud800"]]
    path = write(tmp_path / "x.jsonl", *(json.dumps({**GOOD["questions"], "answers": own}) for own in answers))
    assert [record.answers for record in read_records(path, "questions")] == [("7",), ("7",), ("half a pair: ?",)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"context": "a", "answers": ["b"]}', 'it has no "question"'),
        ('{"question": "a", "answers": ["b"]}', 'it has no "context"'),
        ('{"context": "a", "question": "b"}', 'it has no "answers"'),
        ('{"context": "a", "question": "b", "answers": []}', '"answers" must be a list of texts'),
        ('{"context": "a", "question": "b", "answers": [1]}', '"answers" must be a list of texts'),
        ('{"context": "a", "question": "b", "answers": [" "]}', '"answers" must be a list of texts'),
        ('{"context": "a", "question": "b", "answers": ""}', '"answers" must be text'),
        ('{"context": 1, "question": "b", "answers": ["c"]}', '"context" must be text'),
        ('{"context": " ", "question": "b", "answers": ["c"]}', '"context" must be text'),
        ("[1]", "it is not a JSON object"),
        ('{"context"', "it is not a JSON object"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "x.jsonl", GOOD["questions"], line)
    with pytest.raises(UserError) as caught:
        read_records(path, "questions")
    assert caught.value.message == f"Line 2 of {path} cannot be used: {message}."


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_records(tmp_path / "missing.jsonl", "questions")
    with pytest.raises(UserError, match="holds no records"):
        read_records(write(tmp_path / "x.jsonl", ""), "questions")
    (tmp_path / "y.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_records(tmp_path / "y.jsonl", "questions")
    with pytest.raises(UserError, match="begins like a JSON list"):
        read_records(write(tmp_path / "list.json", "[{,]"), "alpaca")
