"""Records from files as questions with their scores: LongBench, multiple choice, instructions in the Alpaca+ form.

**LongBench** (a folder of `hotpotqa.jsonl` and so on, as published): the fields in `data.forms`, plus
`all_classes` and `language`. Instructions and questions are worded as published, before and after the text, in the
model's chat template except for the few-shot and code sets, which are published to be asked without one. Its Chinese
sets are not read. A user's own set in the same form may say "language": "ko": it is then scored by character.
A set has LongBench's name if all of it is measured and its score can be compared; names such as "hotpotqa-first-20"
and "hotpotqa-ko" mark scores that cannot.

**Multiple choice**, one object per line:
`{"context": "...", "question": "...", "choices": ["서울", "부산", "대전"], "answer": 2, "language": "ko"}`;
`answer` counts from 1; `language` may be left out ("ko").

**Alpaca+** (Mu et al., 2023): ROUGE-L against the output.

Knows wordings and scores; knows nothing of models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gistdesk.core.errors import UserError
from trainer.benchmark import metrics
from trainer.data.forms import Line, Record, read_lines, read_records
from trainer.data.source import is_korean

Points = Callable[[str], float]


@dataclass(frozen=True)
class ScoredRecord:
    """One question with its text, and how to score an answer.

    Attributes:
        text: what a method compresses, reads or searches.
        expected: the right answer, or the first of several.
        max_tokens: longest answer.
        points: maps an answer to a number from 0 to 1.
        is_graded: whether there is anything between 0 and 1.
        accepted: answers any of which is right.
        before: instructions before the text.
        joint: what is between text and question.
        is_plain: asked without the model's chat template.
    """

    text: str
    question: str
    expected: str
    language: str
    max_tokens: int
    points: Points
    is_graded: bool
    accepted: tuple[str, ...] = ()
    before: str = ""
    joint: str = "\n\n"
    is_plain: bool = False


@dataclass(frozen=True)
class _Set:
    """A LongBench set: what is before the text; the question, with {input}; the longest answer; how it is scored;
    what is cut off it; what is between text and question; whether it goes without a chat template."""

    before: str
    question: str
    max_tokens: int
    score: metrics.Score | None  # None: classes
    korean: metrics.Score | None = None
    first_line: bool = False
    joint: str = "\n\n"
    is_plain: bool = False


_PASSAGES_BEFORE = (
    "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\n"
    "The following are given passages.\n"
)
_PASSAGES = (
    "Answer the question based on the given passages. Only give me the answer and do not output any other words.\n\n"
    "Question: {input}\nAnswer:"
)
_CODE_BEFORE = "Please complete the code given below. \n"
_F1 = (metrics.word_f1, metrics.character_f1)
_ROUGE = (metrics.longbench_rouge_l, metrics.longbench_rouge_l_by_character)

LONGBENCH = {
    "narrativeqa": _Set(
        "You are given a story, which can be either a novel or a movie script, and a question. Answer the question "
        "asconcisely as you can, using a single phrase if possible. Do not provide any explanation.\n\nStory: ",
        "Now, answer the question based on the story asconcisely as you can, using a single phrase if possible. Do "
        "not provide any explanation.\n\nQuestion: {input}\n\nAnswer:",
        128,
        *_F1,
    ),
    "qasper": _Set(
        "You are given a scientific article and a question. Answer the question as concisely as you can, using a "
        "single phrase or sentence if possible. If the question cannot be answered based on the information in the "
        'article, write "unanswerable". If the question is a yes/no question, answer "yes", "no", or "unanswerable". '
        "Do not provide any explanation.\n\nArticle: ",
        " Answer the question based on the above article as concisely as you can, using a single phrase or sentence if "
        'possible. If the question cannot be answered based on the information in the article, write "unanswerable". '
        'If the question is a yes/no question, answer "yes", "no", or "unanswerable". Do not provide any explanation.'
        "\n\nQuestion: {input}\n\nAnswer:",
        128,
        *_F1,
    ),
    "multifieldqa_en": _Set(
        "Read the following text and answer briefly.\n\n",
        "Now, answer the following question based on the above text, only give me the answer and do not output any "
        "other words.\n\nQuestion: {input}\nAnswer:",
        64,
        *_F1,
    ),
    "hotpotqa": _Set(_PASSAGES_BEFORE, _PASSAGES, 32, *_F1),
    "2wikimqa": _Set(_PASSAGES_BEFORE, _PASSAGES, 32, *_F1),
    "musique": _Set(_PASSAGES_BEFORE, _PASSAGES, 32, *_F1),
    "gov_report": _Set(
        "You are given a report by a government agency. Write a one-page summary of the report.\n\nReport:\n",
        "Now, write a one-page summary of the report.\n\nSummary:",
        512,
        *_ROUGE,
    ),
    "qmsum": _Set(
        "You are given a meeting transcript and a query containing a question or instruction. Answer the query in one "
        "or more sentences.\n\nTranscript:\n",
        "Now, answer the query based on the above meeting transcript in one or more sentences.\n\nQuery: {input}\n"
        "Answer:",
        512,
        *_ROUGE,
    ),
    "multi_news": _Set(
        "You are given several news passages. Write a one-page summary of all news. \n\nNews:\n",
        "Now, write a one-page summary of all the news.\n\nSummary:",
        512,
        *_ROUGE,
    ),
    "trec": _Set(
        "Please determine the type of the question below. Here are some examples of questions.\n\n",
        "{input}",
        64,
        None,
        first_line=True,
        joint="\n",
        is_plain=True,
    ),
    "triviaqa": _Set(
        "Answer the question based on the given passage. Only give me the answer and do not output any other words. "
        "The following are some examples.\n\n",
        "{input}",
        32,
        *_F1,
        first_line=True,
        is_plain=True,
    ),
    "samsum": _Set(
        "Summarize the dialogue into a few short sentences. The following are some examples.\n\n",
        "{input}",
        128,
        *_ROUGE,
        first_line=True,
        is_plain=True,
    ),
    "passage_count": _Set(
        "There are some paragraphs below sourced from Wikipedia. Some of them may be duplicates. Please carefully read "
        "these paragraphs and determine how many unique paragraphs there are after removing duplicates. In other "
        "words, how many non-repeating paragraphs are there in total?\n\n",
        "Please enter the final count of unique paragraphs after removing duplicates. The output format should only "
        "contain the number, such as 1, 2, 3, and so on.\n\nThe final answer is: ",
        32,
        metrics.number_score,
    ),
    "passage_retrieval_en": _Set(
        "Here are 30 paragraphs from Wikipedia, along with an abstract. Please determine which paragraph the abstract "
        "is from.\n\n",
        "The following is an abstract.\n\n{input}\n\nPlease enter the number of the paragraph that the abstract is "
        'from. The answer format must be like "Paragraph 1", "Paragraph 2", etc.\n\nThe answer is: ',
        32,
        metrics.paragraph_score,
    ),
    "lcc": _Set(_CODE_BEFORE, "Next line of code:\n", 64, metrics.code_score, joint="", is_plain=True),
    "repobench-p": _Set(_CODE_BEFORE, "{input}Next line of code:\n", 64, metrics.code_score, joint="", is_plain=True),
}
"""Sets whose questions and answers are English or code, with the published way to ask and score them."""


def longbench_records(folder: Path, *, limit: int = 0) -> dict[str, list[ScoredRecord]]:
    """All known sets in a folder, by name.

    Args:
        limit: most records from each; 0 takes all.

    Raises:
        UserError: the folder does not exist or holds none of them, or a line is not of the form.
    """
    if not folder.is_dir():
        raise UserError(
            "The folder {folder} does not exist.", "Give the folder with LongBench's JSONL files.", folder=folder
        )
    found: dict[str, list[ScoredRecord]] = {}
    for name, kind in LONGBENCH.items():
        path = folder / f"{name}.jsonl"
        if path.is_file():
            whole = read_records(path, "longbench")
            records = [_longbench(kind, record) for record in whole[: limit or None]]
            part = f"-first-{limit}" if len(records) < len(whole) else ""
            for language in ("en", "ko"):
                if own := [record for record in records if record.language == language]:
                    found[name + part + ("-ko" if language == "ko" else "")] = own
    if not found:
        raise UserError(
            "There is no LongBench file in {folder}.",
            "Put hotpotqa.jsonl or others of {names} there.",
            folder=folder,
            names=", ".join(LONGBENCH),
        )
    return found


def _longbench(kind: _Set, record: Record) -> ScoredRecord:
    answers = record.answers
    classes = record.line.texts("all_classes") if kind.score is None else []
    language = "ko" if record.line.optional("language", "en") == "ko" else "en"
    score = (kind.korean if language == "ko" else None) or kind.score

    def points(given: str) -> float:
        if kind.first_line:
            given = given.lstrip("\n").split("\n")[0]
        if score is None:
            return max(metrics.class_score(given, answer, classes) for answer in answers)
        return max(score(given, answer) for answer in answers)

    question = kind.question.replace("{input}", record.question)
    return ScoredRecord(
        record.context,
        question,
        answers[0],
        language,
        kind.max_tokens,
        points,
        True,
        tuple(answers),
        kind.before,
        kind.joint,
        kind.is_plain,
    )


_CHOOSE = {
    "en": "{question}\n\n{choices}\n\nAnswer with the number of the right choice only.",
    "ko": "{question}\n\n{choices}\n\n맞는 보기의 번호만 답하세요.",
}


def choice_records(path: Path, *, limit: int = 0) -> list[ScoredRecord]:
    """Multiple-choice questions, see above.

    Raises:
        UserError: the file cannot be read, or a line is not of the form.
    """
    return [_choice(line) for line in read_lines(path, limit=limit)]


def _choice(line: Line) -> ScoredRecord:
    choices = line.texts("choices")
    right = line.count("answer", len(choices))
    language = "en" if line.optional("language", "ko") == "en" else "ko"
    listed = "\n".join(f"{number}. {choice}" for number, choice in enumerate(choices, 1))
    question = _CHOOSE[language].format(question=line.text("question"), choices=listed)

    def points(given: str) -> float:
        return float(metrics.choice_of(given, choices) == right)

    expected = f"{right}. {choices[right - 1]}"
    return ScoredRecord(line.text("context"), question, expected, language, 16, points, False, (choices[right - 1],))


_INSTRUCTION_TOKENS = 256


def instruction_records(path: Path, *, limit: int = 0) -> list[ScoredRecord]:
    """Instructions with what they should give, see above.

    Raises:
        UserError: the file cannot be read, or a line is not of the form.
    """
    return [_instruction(record) for record in read_records(path, "alpaca", limit=limit)]


def _instruction(record: Record) -> ScoredRecord:
    [right] = record.answers
    language = "ko" if is_korean(right) else "en"
    score = metrics.character_rouge_l if language == "ko" else metrics.word_rouge_l
    return ScoredRecord(
        record.context,
        record.question,
        right,
        language,
        _INSTRUCTION_TOKENS,
        lambda given: score(given, right),
        True,
        (right,),
    )
