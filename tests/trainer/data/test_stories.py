"""Stories with questions: asked is what the sections at hand answer, held-out stories stay out, bad files are named."""

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from tests.trainer.data.test_sources import check_unit
from trainer.data.source import Stage
from trainer.data.stories import Stories, read_stories

STAGE = Stage(512, 8, 4, 16.0)


def story(number: int, n_sections: int = 6) -> dict[str, Any]:
    """Every section has its own words and a question about them; the last one is about two sections."""
    sections = [
        f"In part {i} of tale {number} a fox met bird {number}-{i}. It went on its way and sang. " * 3
        for i in range(n_sections)
    ]
    questions = [
        {"question": f"Whom did the fox meet in part {i}?", "answers": [f"bird {number}-{i}"], "sections": [i]}
        for i in range(n_sections)
    ]
    questions.append({"question": "What of both?", "answers": ["both"], "sections": [0, n_sections - 1]})
    return {"story": f"tale {number}", "sections": sections, "questions": questions}


def write(path: Path, *stories: Any) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.writelines((s if isinstance(s, str) else json.dumps(s)) + "\n" for s in stories)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "train.jsonl.gz", *(story(i) for i in range(40)))


def source(starter: GistModel, file: Path, **changes: Any) -> Stories:
    return Stories(starter, file, **{"document_tokens": 400, "questions": 4, "held_out_share": 0.0, **changes})


def test_a_story_becomes_units_with_questions_on_its_sections_alone(starter: GistModel, file: Path) -> None:
    stories = source(starter, file)
    lengths, both = set(), 0
    for seed in range(80):
        unit = stories.unit(Random(seed), STAGE)
        check_unit(starter, unit)
        text = starter.tokenizer.decode(unit.text(0))
        lengths.add(unit.n_tokens)
        assert 1 <= len(unit.turns[0]) <= 4
        assert len({turn.question for turn in unit.turns[0]}) == len(unit.turns[0])
        for turn in unit.turns[0]:
            both += turn.answer == "both"
            assert turn.answer == "both" or str(turn.answer) in text
            if turn.answer == "both":
                assert "part 0" in text
                assert "part 5" in text
    assert max(lengths) > 3 * min(lengths)
    whole = source(starter, file, document_tokens=4000)
    assert any(turn.answer == "both" for seed in range(80) for turn in whole.unit(Random(seed), STAGE).turns[0])


def test_held_out_stories_are_never_drawn(starter: GistModel, file: Path) -> None:
    stories = source(starter, file, held_out_share=0.3)
    held = {s.name for s in stories.reserved}
    assert 4 < len(held) < 25
    assert len(held) + len(stories.training) == 40
    decode = starter.tokenizer.decode
    drawn = " ".join(decode(stories.unit(Random(seed), STAGE).text(0)) for seed in range(200))
    assert not any(f"{name} a fox" in drawn for name in held)
    for unit in stories.held_out():
        assert any(f"{name} a fox" in decode(unit.text(0)) for name in held)
    with pytest.raises(UserError, match="All stories are held out"):
        source(starter, file, held_out_share=1.0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "holds no stories"),
        (["no json"], "Line 1 of .* is not a story"),
        ([story(1), '{"story": "x"}'], "Line 2 of .* is not a story"),
        ([{"story": "x", "sections": ["a"], "questions": [{"question": "?"}]}], "Line 1 of"),
        ([{"story": "x", "sections": 7, "questions": []}], "Line 1 of"),
        (["[1]"], "Line 1 of"),
    ],
)
def test_a_file_without_stories_is_one_sentence(tmp_path: Path, lines: list[Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read_stories(write(tmp_path / "x.jsonl.gz", *lines))
    assert caught.value.hint


def test_a_damaged_or_missing_file_is_one_sentence(tmp_path: Path, file: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_stories(tmp_path / "missing.gz")
    (tmp_path / "plain.gz").write_text("no gzip", encoding="utf-8")
    (tmp_path / "half.gz").write_bytes(file.read_bytes()[:200])
    for name in ("plain.gz", "half.gz"):
        with pytest.raises(UserError, match="cannot be read"):
            read_stories(tmp_path / name)
