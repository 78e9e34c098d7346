"""Whole texts with questions about them: the bundled report-like documents, and files of stories.

**Documents** (`resources/reading`): texts and `questions.json`, by us. They are only for measuring; no training reads
them. A question without an answer asks for something its document does not say.

**Stories** (the form in which FairytaleQA, Xu et al. 2022, is at hand), one object per line, gzipped or not:
`{"story": "name", "sections": ["...", ...], "questions": [{"question": "...", "answers": ["...", ...],
"sections": [0], "explicit": true, "local": true, "about": "character"}]}`; `sections` of a question are those that
hold its answer, from 0; the last three fields are not used.

Knows texts; knows nothing of tokens or scores.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence
from gistdesk.folders import resource
from trainer.data.forms import Line

_QUESTIONS_A_STORY = 8
"""Questions drawn per story, about: every story has to be read, however few its questions."""
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class TextQuestion:
    """A question about a text.

    Attributes:
        answers: any of them is right; empty: the text does not say.
        sections: indices of the sections that hold the answer, from 0.
    """

    question: str
    answers: tuple[str, ...]
    sections: tuple[int, ...]


@dataclass(frozen=True)
class QuestionedText:
    """A text in sections, with its questions."""

    name: str
    sections: tuple[str, ...]
    questions: tuple[TextQuestion, ...]

    @property
    def text(self) -> str:
        return _BETWEEN.join(self.sections)

    def section_text(self, question: TextQuestion) -> str:
        """The sections that hold a question's answer."""
        return _BETWEEN.join(self.sections[i] for i in question.sections)


def documents() -> list[QuestionedText]:
    """The bundled documents; their sections are paragraphs."""
    folder = resource("reading")
    asked = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    return [_document(name, (folder / f"{name}.md").read_text(encoding="utf-8"), asked[name]) for name in asked]


def _document(name: str, text: str, asked: Sequence[dict[str, list[str] | str]]) -> QuestionedText:
    paragraphs = tuple(part.strip() for part in text.split(_BETWEEN) if part.strip())
    questions = []
    for one in asked:
        evidence = str(one.get("evidence", ""))
        places = tuple(i for i, part in enumerate(paragraphs) if evidence and evidence in part)
        questions.append(TextQuestion(str(one["question"]), tuple(one["answers"]), places))
    return QuestionedText(name, paragraphs, tuple(questions))


def read_stories(path: Path) -> list[QuestionedText]:
    """The stories of a file.

    Raises:
        UserError: it cannot be read, or a line is not of the form.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, gzip.zlib.error) as error:  # type: ignore[attr-defined]
        raise UserError(
            "{path} cannot be read as stories with questions.", "Give FairytaleQA's val.jsonl.gz.", path=path
        ) from error
    stories = [_story(line) for line in _lines(path, text)]
    if not stories:
        raise UserError("{path} holds no stories.", "Give FairytaleQA's val.jsonl.gz.", path=path)
    return stories


def _lines(path: Path, text: str) -> Iterator[Line]:
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            value = json.loads(row)
        except (ValueError, RecursionError):
            value = None
        line = Line(path, number, value)
        if not isinstance(value, dict):
            raise line.error(Sentence("it is not a JSON object"))
        yield line


def _story(line: Line) -> QuestionedText:
    sections = tuple(line.texts("sections"))
    questions = line.value.get("questions")
    if not isinstance(questions, list) or not questions or not all(isinstance(one, dict) for one in questions):
        raise line.error(Sentence('"questions" must be a list of questions'))
    return QuestionedText(
        line.text("story"),
        sections,
        tuple(_question(replace(line, value=one), len(sections)) for one in questions),
    )


def _question(line: Line, n_sections: int) -> TextQuestion:
    places = line.value.get("sections")
    if not isinstance(places, list) or not places or not all(type(i) is int and 0 <= i < n_sections for i in places):
        raise line.error(Sentence('"sections" of a question must be numbers of sections, from 0'))
    return TextQuestion(line.text("question"), line.answers("answers"), tuple(places))


def some_questions(texts: Sequence[QuestionedText], n: int, seed: int) -> list[QuestionedText]:
    """`n` questions on a few texts, drawn at random, as evenly as possible; 0 takes all.

    The same seed draws the same ones, and texts and questions keep their order.
    """
    if not n:
        return list(texts)
    random = Random(f"{seed}:questions")
    order = list(range(len(texts)))
    random.shuffle(order)
    left = order[: max(1, -(-n // _QUESTIONS_A_STORY))]
    pools = {i: random.sample(range(len(texts[i].questions)), len(texts[i].questions)) for i in order}
    spare = order[len(left) :]
    taken: dict[int, list[int]] = {}
    n_left = n
    while n_left and left:
        for i in list(left):
            if not n_left:
                break
            if pools[i]:
                taken.setdefault(i, []).append(pools[i].pop())
                n_left -= 1
            else:  # all its questions are taken: another text takes its place
                left.remove(i)
                left += spare[:1]
                spare = spare[1:]
    return [
        replace(text, questions=tuple(text.questions[q] for q in sorted(taken[i])))
        for i, text in enumerate(texts)
        if i in taken
    ]
