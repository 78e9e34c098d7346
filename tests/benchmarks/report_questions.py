"""Reports and what is asked of them: those under `reports/`, and drawn ones. Knows no models, so that another
environment can read it."""

import re
from pathlib import Path
from random import Random

from trainer.data.reports import draw_report

Question = tuple[str, list[str]]
"""What is asked, and the spellings of which one must be in the answer."""
_REPORTS = Path(__file__).parent / "reports"
_CHARACTERS, _FACTS = 3000, 8


def reports() -> list[tuple[str, list[Question]]]:
    """Text, and its questions."""
    found = []
    for path in sorted(_REPORTS.glob("*.txt")):
        text, _, questions = path.read_text(encoding="utf-8").partition("\nQ: ")
        pairs = re.findall(r"^Q: (.*)\nA: (.*)$", "Q: " + questions, re.MULTILINE)
        found.append((text.strip(), [(question, answers.lower().split("|")) for question, answers in pairs]))
    return found


def drawn_reports(n: int) -> list[tuple[str, list[Question]]]:
    """Text, and its questions: of the kinds, names and wordings that no training sees and nothing was chosen by."""
    found = []
    for number in range(1, n + 1):
        random = Random(f"drawn report {number}")
        report = draw_report(random, n_characters=_CHARACTERS, n_facts=_FACTS, held_out=True)
        found.append((report.text, [(question, [answer.lower()]) for question, answer in report.asked]))
    return found


def item_of(number: int, question: Question) -> str:
    """The name of a question about the report of that number, from 1."""
    return f"{number}: {question[0]}"


def is_named(said: str, answers: list[str]) -> bool:
    """Whether an answer holds one of these, as whole words and numbers, with or without a comma between thousands."""
    whole = r"(?<!\w)(?<!\d[.,]){}(?!\w|[.,]\d)"
    return any(re.search(whole.format(re.escape(_plain(answer))), _plain(said)) for answer in answers)


def is_surely_named(so_far: str, answers: list[str]) -> bool:
    """The same of the beginning of an answer, whatever follows: 22 may become 2214."""
    return is_named(so_far + "0", answers)


def _plain(text: str) -> str:
    """In lower case, and 1240 for 1,240."""
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.lower())
