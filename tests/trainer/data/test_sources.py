"""Each kind of data gives units, names file and line of what it cannot use, and never draws what is held out."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from tests.core.tiny_models import TEXT, tiny_model
from trainer.data.folder import Folder, folder_records, read_blocks
from trainer.data.forms import FORMS, read_records
from trainer.data.needles import Needles, needle_records
from trainer.data.records import Records
from trainer.data.samples import Samples
from trainer.data.source import Stage, is_held_out
from trainer.data.units import Unit

STAGE = Stage(512, 8, 4)
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


def records(model: GistModel, path: Path, form: str = "questions", **changes: Any) -> Records:
    return Records(model, form, path, **{"held_out_share": 0.0, "questions": 4, "n_slots": 4, **changes})


@pytest.mark.parametrize("form", FORMS)
def test_a_record_becomes_a_unit(tmp_path: Path, form: str) -> None:
    model = tiny_model()
    unit = records(model, write(tmp_path / "x.jsonl", GOOD[form]), form).unit(Random(1), STAGE)
    check_unit(model, unit)
    [[turn]] = unit.turns
    assert model.tokenizer.decode(unit.text(0)) == read_records(tmp_path / "x.jsonl", form)[0].context
    assert turn.answer in read_records(tmp_path / "x.jsonl", form)[0].answers


def check_unit(model: GistModel, unit: Unit) -> None:
    assert model.adapter is not None
    assert len(unit.documents) == len(unit.turns) > 0
    assert len(unit.texts) == len(unit.n_slots)
    assert all(1 <= n <= model.adapter.max_slots for n in unit.n_slots)
    assert all(0 < len(text) <= model.adapter.segment_tokens for text in unit.texts)
    assert all(turn.answer for turns in unit.turns for turn in turns)


def test_questions_about_one_text_are_asked_one_after_another(tmp_path: Path) -> None:
    lines = [{"context": "One text.", "question": f"{i}?", "answers": [str(i)]} for i in range(6)]
    unit = records(tiny_model(), write(tmp_path / "x.jsonl", *lines)).unit(Random(1), STAGE)
    assert len(unit.turns[0]) == 4
    assert len({turn.question for turn in unit.turns[0]}) == 4


def test_a_text_that_does_not_fit_the_window_is_named(tmp_path: Path) -> None:
    model = tiny_model(max_position_embeddings=300)
    path = write(tmp_path / "x.jsonl", {**GOOD["questions"], "context": TEXT * 20})
    with pytest.raises(UserError, match=r"line 1: .* do not fit into the model's window of 300"):
        records(model, path).unit(Random(1), STAGE)


def test_held_out_records_are_never_drawn(tmp_path: Path) -> None:
    lines = [{"context": f"Text number {i}.", "question": "Which?", "answers": [str(i)]} for i in range(60)]
    source = records(tiny_model(), write(tmp_path / "x.jsonl", *lines), held_out_share=0.3)
    reserved = {group[0].context for group in source.reserved}
    assert 5 < len(reserved) < 35
    decode = tiny_model().tokenizer.decode
    drawn = {decode(source.unit(Random(i), STAGE).text(0)) for i in range(300)}
    assert not drawn & reserved
    assert {decode(unit.text(0)) for unit in source.held_out()} <= reserved
    assert is_held_out("a  b", 0.3) == is_held_out("a b", 0.3)
    with pytest.raises(UserError, match="held out"):
        records(tiny_model(), tmp_path / "x.jsonl", held_out_share=1.0)


# --- Folders of documents


def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "inner").mkdir(parents=True)
    (tmp_path / "docs" / "a.txt").write_text(TEXT * 3, encoding="utf-8")
    (tmp_path / "docs" / "inner" / "b.md").write_text("나는 집에 간다. " * 50, encoding="utf-8")
    (tmp_path / "docs" / "c.png").write_bytes(b"no text")
    return tmp_path / "docs"


@pytest.mark.parametrize("part", ["reconstruction", "continuation"])
def test_a_folder_becomes_units(tmp_path: Path, part: str) -> None:
    model = tiny_model()
    blocks = read_blocks(folder(tmp_path))
    assert len(blocks) == 2
    source = Folder(model, part, blocks, target_tokens=32, document_tokens=60, held_out_share=0.0)
    asked = set()
    for i in range(20):
        unit = source.unit(Random(i), STAGE)
        check_unit(model, unit)
        [[turn]] = unit.turns
        text = model.tokenizer.decode(unit.text(0))
        asked.add(turn.question)
        whole = "".join(blocks)
        assert str(turn.answer) in whole
        if part == "reconstruction":
            assert str(turn.answer) in text
            assert unit.n_tokens <= 32
        else:
            assert text.strip("�") + str(turn.answer) in whole or text.strip("� ") in whole
    assert len(asked) == 2  # asked in the text's language
    lines = list(folder_records(model, tmp_path / "docs", part, n=3, target_tokens=32, seed=1))
    path = write(tmp_path / "made.jsonl", *lines)
    assert len(read_records(path, "questions")) == 3


def test_a_quotation_goes_on_where_its_question_ends(tmp_path: Path) -> None:
    model = tiny_model()
    blocks = read_blocks(folder(tmp_path))[:1]
    source = Folder(model, "quotation", blocks, target_tokens=32, document_tokens=60, held_out_share=0.0)
    n_asked = set()
    for i in range(20):
        unit = source.unit(Random(i), STAGE)
        check_unit(model, unit)
        n_asked.add(len(unit.turns[0]))
        text = model.tokenizer.decode(unit.text(0))
        for turn in unit.turns[0]:
            words = turn.question.split('"', 1)[1].rsplit('"', 1)[0]
            after = text.split(words, 1)[1]
            assert str(turn.answer) in after or str(turn.answer) in blocks[0]
            assert words in blocks[0]
    assert max(n_asked) > 1


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        read_blocks(tmp_path / "missing")
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match="no documents"):
        read_blocks(tmp_path)


def test_needles_can_be_written_out(starter: GistModel, tmp_path: Path) -> None:
    path = write(tmp_path / "n.jsonl", *needle_records(starter, n=2, language="ko", n_tokens=200, seed=1))
    found = read_records(path, "questions")
    assert len(found) == 8
    assert all(record.answers[0] in record.context for record in found)


def test_needles_are_hidden_among_more_segments_than_are_encoded() -> None:
    """An adapter whose documents had at most as many segments as a unit has texts lost the needle in longer ones."""
    model = tiny_model()
    samples = Samples(model)
    source = Needles(
        *(model, "passkeys", samples, samples),
        document_tokens=512,
        korean_share=0.0,
        questions=4,
        target=STAGE,
    )
    unit = source.unit(Random(3), Stage(64, 40, 2))
    assert len(unit.texts) < 20 < max(len(document) for document in unit.documents) <= 40
    for own, document in enumerate(unit.documents):
        assert document.count(own) == 1 and all(place == own or place >= len(unit.documents) for place in document)
