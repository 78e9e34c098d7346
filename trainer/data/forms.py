"""Questions about texts from files, in three published forms, for both training and benchmark.

One JSON object per line, or one JSON list of them:

- questions: `{"context": str, "question": str, "answers": [str, ...]}`; `"answers"` may be one string.
- alpaca (Alpaca+ of the gist-token paper): `{"instruction": str, "input": str, "output": str}`; the instruction is what
  gets compressed, the input is what is asked. If it is missing or empty, the instruction is to be followed.
- longbench: `{"context": str, "input": str, "answers": [str, ...]}`, as LongBench publishes it; the input may be empty.

Anything not in the expected form is refused, naming its line. Knows nothing of what is done with a record.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence
from trainer.data.source import is_korean


@dataclass(frozen=True)
class Line:
    """One object of a file, whose fields are checked as they are asked for.

    Attributes:
        number: of its line, or its place in a list; from 1.
    """

    path: Path
    number: int
    value: dict[str, Any]

    def error(self, what: Sentence) -> UserError:
        return UserError(
            "Line {n} of {name} cannot be used: {what}.",
            "Correct or remove it.",
            n=self.number,
            name=self.path,
            what=what,
        )

    def text(self, name: str, *, may_be_empty: bool = False) -> str:
        found = self._given(name)
        if not isinstance(found, str) or not (found.strip() or may_be_empty):
            raise self.error(Sentence('"{field}" must be text', field=name))
        return _whole(found)

    def texts(self, name: str) -> list[str]:
        found = self._given(name)
        if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
            raise self.error(Sentence('"{field}" must be a list of texts', field=name))
        return [_whole(item) for item in found]

    def optional(self, name: str, otherwise: str) -> str:
        return self.text(name, may_be_empty=True) if self.value.get(name) else otherwise

    def answers(self, name: str) -> tuple[str, ...]:
        """One text or several; empty ones do not count."""
        given = [self.text(name)] if isinstance(self.value.get(name), str) else self.texts(name)
        found = tuple(answer for answer in given if answer.strip())
        if not found:
            raise self.error(Sentence('"{field}" must be a list of texts', field=name))
        return found

    def count(self, name: str, most: int) -> int:
        """A whole number from 1 to `most`."""
        found = self._given(name)
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= most:
            raise self.error(Sentence('"{field}" must be a number from 1 to {most}', field=name, most=most))
        return found

    def _given(self, name: str) -> Any:
        if name not in self.value:
            raise self.error(Sentence('it has no "{field}"', field=name))
        return self.value[name]


def _whole(text: str) -> str:
    """Replace half a surrogate pair, which no tokenizer takes as text."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True)
class Record:
    """A text to compress, what is asked about it, and the answers that count as right.

    Attributes:
        line: the line it comes from, with its other fields.
    """

    context: str
    question: str
    answers: tuple[str, ...]
    line: Line


def _of_questions(line: Line) -> Record:
    return Record(line.text("context"), line.text("question"), line.answers("answers"), line)


_FOLLOW = ("Follow the instruction above.", "위의 지시를 따르세요.")


def _of_alpaca(line: Line) -> Record:
    output = line.text("output")
    question = line.optional("input", "").strip() or _FOLLOW[is_korean(output)]
    return Record(line.text("instruction"), question, (output,), line)


def _of_longbench(line: Line) -> Record:
    return Record(line.text("context"), line.text("input", may_be_empty=True), line.answers("answers"), line)


FORMS: dict[str, Callable[[Line], Record]] = {
    "questions": _of_questions,
    "alpaca": _of_alpaca,
    "longbench": _of_longbench,
}


def read_records(path: Path, form: str, *, limit: int = 0) -> list[Record]:
    """The records of a file.

    Args:
        limit: most records; 0 takes all.

    Raises:
        UserError: the file cannot be read or holds none, or a line is no record of this form.
    """
    return [FORMS[form](line) for line in read_lines(path, limit=limit)]


def read_lines(path: Path, *, limit: int = 0) -> list[Line]:
    """The objects in a file, of whatever form; empty lines are skipped.

    Raises:
        UserError: the file cannot be read or holds none, or a line is no JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else Sentence("it is not UTF-8")
        raise UserError(
            "{path} cannot be read ({reason}).", "Give a file of JSON lines in UTF-8.", path=path, reason=reason
        ) from error
    found = []
    for number, value in islice(_values(path, text), limit or None):
        line = Line(path, number, value)
        if not isinstance(value, dict):
            raise line.error(Sentence("it is not a JSON object"))
        found.append(line)
    if not found:
        raise UserError("{path} holds no records.", "Give a file with one JSON object per line.", path=path)
    return found


def _values(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    if text.lstrip().startswith("["):
        yield from enumerate(_list(path, text), 1)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, None


def _list(path: Path, text: str) -> list[Any]:
    try:
        found: list[Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(
            "{name} begins like a JSON list but is not one ({reason}).", "Correct it.", name=path, reason=error
        ) from error
    return found


def line_of(context: str, question: str, answers: Sequence[str]) -> str:
    """A record as a line of the form "questions"."""
    return json.dumps({"context": context, "question": question, "answers": list(answers)}, ensure_ascii=False)


def check_file(path: Path, form: str) -> Iterator[str]:
    """Describes a file of records, in sentences."""
    records = read_records(path, form)
    texts = {record.context for record in records}
    yield f"{path}: {len(records)} records about {len(texts)} texts."
    yield f"The longest text has {max(map(len, texts)):,} characters."
