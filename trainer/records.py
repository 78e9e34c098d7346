"""Questions from files: LongBench's JSONL, multiple choice, instructions in the Alpaca+ form.

**LongBench** (a folder of `hotpotqa.jsonl` and so on, as published): `context`, `input`, `answers`, `all_classes`,
`language`, `dataset`. Questions are worded as published, as far as they stand after the text. Of its Chinese sets none
is read. A set of the user's own in the same form may say "language": "ko": it is scored by character.

**Multiple choice**, one object per line:
`{"context": "...", "question": "...", "choices": ["서울", "부산", "대전"], "answer": 2, "language": "ko"}`;
`answer` counts from 1; `language` may be left out ("ko").

**Alpaca+**, one object per line or one list: `{"instruction": "...", "input": "...", "output": "..."}`. The instruction
is what is compressed (Mu et al., 2023), the input is what is asked; ROUGE-L against the output.

Knows files and scores; knows nothing of models.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gistdesk.core.errors import UserError
from trainer import metrics

Points = Callable[[str], float]


@dataclass(frozen=True)
class Record:
    """One question with its text.

    Attributes:
        text: what a method compresses, reads or searches.
        expected: the right answer, or the first of several.
        max_tokens: of an answer.
        points: an answer to a number from 0 to 1.
        is_graded: whether there is anything between 0 and 1.
    """

    text: str
    question: str
    expected: str
    language: str
    max_tokens: int
    points: Points
    is_graded: bool


@dataclass(frozen=True)
class _Set:
    """A LongBench set: how it asks, with {input}; how long an answer may be; how it is scored; what is cut off it."""

    question: str
    max_tokens: int
    score: metrics.Score | None  # None: classes
    korean: metrics.Score | None = None
    first_line: bool = False


_PASSAGES = (
    "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\n"
    "Question: {input}\nAnswer:"
)
_F1 = (metrics.word_f1, metrics.character_f1)
_ROUGE = (metrics.longbench_rouge_l, metrics.longbench_rouge_l_by_character)

LONGBENCH = {
    "narrativeqa": _Set(
        "Now, answer the question based on the story as concisely as you can, using a single phrase if possible. Do "
        "not provide any explanation.\n\nQuestion: {input}\n\nAnswer:",
        128,
        *_F1,
    ),
    "qasper": _Set(
        "Answer the question based on the above article as concisely as you can, using a single phrase or sentence if "
        'possible. If the question cannot be answered based on the information in the article, write "unanswerable". '
        'If the question is a yes/no question, answer "yes", "no", or "unanswerable". Do not provide any explanation.'
        "\n\nQuestion: {input}\n\nAnswer:",
        128,
        *_F1,
    ),
    "multifieldqa_en": _Set(
        "Now, answer the following question based on the above text, only give me the answer and do not output any "
        "other words.\n\nQuestion: {input}\nAnswer:",
        64,
        *_F1,
    ),
    "hotpotqa": _Set(_PASSAGES, 32, *_F1),
    "2wikimqa": _Set(_PASSAGES, 32, *_F1),
    "musique": _Set(_PASSAGES, 32, *_F1),
    "gov_report": _Set("Now, write a one-page summary of the report.\n\nSummary:", 512, *_ROUGE),
    "qmsum": _Set(
        "Now, answer the query based on the above meeting transcript in one or more sentences.\n\nQuery: {input}\n"
        "Answer:",
        512,
        *_ROUGE,
    ),
    "multi_news": _Set("Now, write a one-page summary of all the news.\n\nSummary:", 512, *_ROUGE),
    "trec": _Set("{input}", 64, None, first_line=True),
    "triviaqa": _Set("{input}", 32, *_F1, first_line=True),
    "samsum": _Set("{input}", 128, *_ROUGE, first_line=True),
    "passage_count": _Set(
        "Please enter the final count of unique paragraphs after removing duplicates. The output format should only "
        "contain the number, such as 1, 2, 3, and so on.\n\nThe final answer is: ",
        32,
        metrics.number_score,
    ),
    "passage_retrieval_en": _Set(
        "The following is an abstract.\n\n{input}\n\nPlease enter the number of the paragraph that the abstract is "
        'from. The answer format must be like "Paragraph 1", "Paragraph 2", etc.\n\nThe answer is: ',
        32,
        metrics.paragraph_score,
    ),
    "lcc": _Set("Next line of code:\n", 64, metrics.code_score),
    "repobench-p": _Set("{input}Next line of code:\n", 64, metrics.code_score),
}
"""Sets whose questions and answers are English or code, and how they are published to be asked and scored."""


def longbench_records(folder: Path, *, limit: int = 0) -> dict[str, list[Record]]:
    """All sets of a folder that are known, by name.

    Args:
        limit: most records of each; 0 takes all.

    Raises:
        UserError: the folder is not there, holds none of them, or a line is not of the form.
    """
    if not folder.is_dir():
        raise UserError(f"The folder {folder} is not there.", "Give the folder with LongBench's JSONL files.")
    found = {}
    for name, kind in LONGBENCH.items():
        path = folder / f"{name}.jsonl"
        if path.is_file():
            found[name] = [_longbench(kind, Line(path, n, value)) for n, value in _lines(path, limit)]
    if not found:
        raise UserError(
            f"There is no LongBench file in {folder}.", f"Put hotpotqa.jsonl or others of {', '.join(LONGBENCH)} there."
        )
    return found


def _longbench(kind: _Set, line: "Line") -> Record:
    answers = line.texts("answers")
    classes = line.texts("all_classes") if kind.score is None else []
    language = "ko" if line.optional("language", "en") == "ko" else "en"
    score = (kind.korean if language == "ko" else None) or kind.score

    def points(given: str) -> float:
        if kind.first_line:
            given = given.lstrip("\n").split("\n")[0]
        if score is None:
            return max(metrics.class_score(given, answer, classes) for answer in answers)
        return max(score(given, answer) for answer in answers)

    question = kind.question.replace("{input}", line.text("input", may_be_empty=True))
    return Record(line.text("context"), question, answers[0], language, kind.max_tokens, points, True)


_CHOOSE = {
    "en": "{question}\n\n{choices}\n\nAnswer with the number of the right choice only.",
    "ko": "{question}\n\n{choices}\n\n맞는 보기의 번호만 답하세요.",
}


def choice_records(path: Path, *, limit: int = 0) -> list[Record]:
    """Multiple-choice questions, see above.

    Raises:
        UserError: the file cannot be read, or a line is not of the form.
    """
    return [_choice(Line(path, number, value)) for number, value in _lines(path, limit)]


def _choice(line: "Line") -> Record:
    choices = line.texts("choices")
    right = line.value.get("answer")
    if isinstance(right, bool) or not isinstance(right, int) or not 1 <= right <= len(choices):
        raise line.error(f'"answer" must be a number from 1 to {len(choices)}')
    language = "en" if line.optional("language", "ko") == "en" else "ko"
    listed = "\n".join(f"{number}. {choice}" for number, choice in enumerate(choices, 1))
    question = _CHOOSE[language].format(question=line.text("question"), choices=listed)

    def points(given: str) -> float:
        return float(metrics.choice_of(given, choices) == right)

    return Record(line.text("context"), question, f"{right}. {choices[right - 1]}", language, 16, points, False)


_FOLLOW = {"en": "Follow the instruction above.", "ko": "위의 지시를 따르세요."}
_INSTRUCTION_TOKENS = 256


def instruction_records(path: Path, *, limit: int = 0) -> list[Record]:
    """Instructions with what they should give, see above.

    Raises:
        UserError: the file cannot be read, or a line is not of the form.
    """
    return [_instruction(Line(path, number, value)) for number, value in _lines(path, limit)]


def _instruction(line: "Line") -> Record:
    right = line.text("output")
    language = "ko" if any("가" <= character <= "힣" for character in right) else "en"
    score = metrics.character_rouge_l if language == "ko" else metrics.word_rouge_l
    question = line.optional("input", "").strip() or _FOLLOW[language]
    return Record(
        line.text("instruction"),
        question,
        right,
        language,
        _INSTRUCTION_TOKENS,
        lambda given: score(given, right),
        True,
    )


@dataclass(frozen=True)
class Line:
    """One object of a file, whose fields are checked as they are asked for."""

    path: Path
    number: int
    value: dict[str, Any]

    def error(self, what: str) -> UserError:
        return UserError(f"Line {self.number} of {self.path.name} cannot be used: {what}.", "Correct or remove it.")

    def text(self, name: str, *, may_be_empty: bool = False) -> str:
        found = self.value.get(name)
        if not isinstance(found, str) or not (found.strip() or may_be_empty):
            raise self.error(f'"{name}" must be a text')
        return found.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no text for a tokenizer

    def texts(self, name: str) -> list[str]:
        found = self.value.get(name)
        if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
            raise self.error(f'"{name}" must be a list of texts')
        return found

    def optional(self, name: str, otherwise: str) -> str:
        found = self.value.get(name) or otherwise
        if not isinstance(found, str):
            raise self.error(f'"{name}" must be a text')
        return found


def _lines(path: Path, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """Objects with the numbers of their lines; a file that is one JSON list counts its entries."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UserError(f"{path} cannot be read: {reason}.", "Give a JSONL file.") from error
    found: list[tuple[int, dict[str, Any]]] = []
    for number, value in _values(path, text):
        if limit and len(found) == limit:
            break
        if not isinstance(value, dict):
            raise Line(path, number, {}).error("it is no JSON object")
        found.append((number, value))
    if not found:
        raise UserError(f"{path.name} holds no questions.", "Give a JSONL file with one object per line.")
    return found


def _values(path: Path, text: str) -> list[tuple[int, Any]]:
    if text.lstrip().startswith("["):
        try:
            return list(enumerate(json.loads(text), 1))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path.name} begins as a JSON list and is none ({error}).", "Correct it.") from error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append((number, json.loads(line)))
        except (ValueError, RecursionError):
            found.append((number, None))
    return found
