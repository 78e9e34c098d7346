"""Questions from files: as published, scored as published, and a bad line is told by its number."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn, prompt_of
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Benchmark
from trainer.benchmark.records import LONGBENCH, choice_records, instruction_records, longbench_records
from trainer.benchmark.tasks import RecordTask

TEXT = "The harbour was quiet. Clara Holt kept the lighthouse. A grey cat slept on the wall. "
ONE = {"context": TEXT, "input": "Who kept the lighthouse?", "answers": ["Clara Holt", "Holt"], "all_classes": None}
CHOICE = {
    "context": "수도는 서울이다.",
    "question": "수도는 어디입니까?",
    "choices": ["부산", "서울", "대구"],
    "answer": 2,
}
TASK = {"instruction": "Translate to French.", "input": "Good day.", "output": "Bonjour."}


def put(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return path


# --- LongBench


def test_every_set_is_asked_as_published(tmp_path: Path) -> None:
    for name in LONGBENCH:
        put(tmp_path / f"{name}.jsonl", {**ONE, "all_classes": ["Clara Holt", "Number"]})
    found = longbench_records(tmp_path)
    assert list(found) == list(LONGBENCH)
    lengths = {"gov_report": 512, "narrativeqa": 128, "hotpotqa": 32, "trec": 64, "samsum": 128, "lcc": 64}
    for name, [record] in found.items():
        assert record.text == TEXT
        assert record.expected == "Clara Holt"
        asks = name not in ("gov_report", "multi_news", "passage_count", "lcc")
        assert (ONE["input"] in record.question) is asks
        assert "{" not in record.question
        assert record.max_tokens == lengths.get(name, record.max_tokens)
    assert found["hotpotqa"][0].question == (
        "Answer the question based on the given passages. Only give me the answer and do not output any other words."
        "\n\nQuestion: Who kept the lighthouse?\nAnswer:"
    )


@pytest.mark.parametrize(
    ("name", "answer", "points"),
    [
        ("hotpotqa", "Holt", 1.0),  # the best of several right answers counts
        ("hotpotqa", "It was Clara Holt", 2 * 2 / (4 + 2)),
        ("triviaqa", "\nHolt\nPassage: and so on", 1.0),  # only the first line, as published
        ("hotpotqa", "Holt\nand so on", 2 / 5),
        ("samsum", "Clara Holt.\nmore", 1.0),
        ("trec", "Clara Holt\nNumber", 1.0),
        ("trec", "Clara Holt or Number", 0.5),
    ],
)
def test_they_are_scored_as_published(tmp_path: Path, name: str, answer: str, points: float) -> None:
    put(tmp_path / f"{name}.jsonl", {**ONE, "all_classes": ["Clara Holt", "Number"]})
    [record] = longbench_records(tmp_path)[name]
    assert record.points(answer) == pytest.approx(points, abs=1e-6)


def test_korean_is_scored_by_character(tmp_path: Path) -> None:
    korean = {"context": "등대는 홍길동이 지켰다.", "input": "누가?", "answers": ["홍길동"], "language": "ko"}
    put(tmp_path / "hotpotqa.jsonl", korean)
    put(tmp_path / "gov_report.jsonl", korean)
    found = longbench_records(tmp_path)
    for records in found.values():
        [record] = records
        assert record.language == "ko"
        assert 0.6 < record.points("홍길동이다") < 1
        assert record.points("홍길동") == pytest.approx(1, abs=1e-6)
        assert record.points("나") == 0


def test_no_more_records_than_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "hotpotqa.jsonl", *[{**ONE, "input": f"{i}?"} for i in range(5)])
    found = [longbench_records(tmp_path, limit=n) for n in (0, 3, 9)]
    assert [{name: len(records) for name, records in one.items()} for one in found] == [
        {"hotpotqa": 5},
        {"hotpotqa-first-3": 3},
        {"hotpotqa": 5},
    ]


# --- Choices and instructions


def test_choices_are_numbered_and_scored_by_number(tmp_path: Path) -> None:
    [record] = choice_records(put(tmp_path / "c.jsonl", CHOICE))
    assert record.question == "수도는 어디입니까?\n\n1. 부산\n2. 서울\n3. 대구\n\n맞는 보기의 번호만 답하세요."
    assert (record.expected, record.language, record.is_graded) == ("2. 서울", "ko", False)
    assert [record.points(answer) for answer in ("2", "2번", "서울", "1", "모름", "")] == [1, 1, 1, 0, 0, 0]
    [english] = choice_records(put(tmp_path / "e.jsonl", {**CHOICE, "language": "en"}))
    assert english.question.endswith("Answer with the number of the right choice only.")


def test_instructions_are_compressed_and_their_input_is_asked(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", TASK, {**TASK, "input": ""}, {**TASK, "input": "", "output": "안녕하세요."})
    first, second, korean = instruction_records(path)
    assert (first.text, first.question, first.expected) == ("Translate to French.", "Good day.", "Bonjour.")
    assert second.question == "Follow the instruction above."
    assert (korean.language, korean.question) == ("ko", "위의 지시를 따르세요.")
    assert first.points("Bonjour!") == 1
    assert first.points("Bonjour monsieur") == pytest.approx(2 / 3)
    assert korean.points("안녕") == pytest.approx(2 * 2 / (2 + 5))
    (tmp_path / "list.json").write_text(json.dumps([TASK, TASK], indent=1), "utf-8")
    assert len(instruction_records(tmp_path / "list.json")) == 2


# --- Measured


def test_records_are_measured_like_needles(starter: GistModel, tmp_path: Path) -> None:
    put(tmp_path / "hotpotqa.jsonl", ONE, {**ONE, "context": TEXT * 3}, {**ONE, "context": TEXT * 5})
    config = BenchConfig(
        kinds=(), longbench=str(tmp_path), methods=("gist", "wrong-gist", "full", "rag"), ratio=16, rank_by="bm25"
    )
    trials = list(Benchmark(starter, config).run())
    assert [(t.sample, t.method) for t in trials] == [
        (f"hotpotqa:{i}", method) for i in range(3) for method in config.methods
    ]
    assert all(t.depth_percent is None and t.score is not None for t in trials)
    answers = {(t.sample, t.method): t.answer for t in trials}
    # the wrong gist of a record is that of the next one's text, and the first one's is the last one's
    assert len({t.context_tokens for t in trials}) == 3
    alone = [t.answer for t in Benchmark(starter, replace(config, methods=("wrong-gist",))).run()]
    assert alone == [answers[f"hotpotqa:{i}", "wrong-gist"] for i in range(3)]


def test_a_text_too_long_for_the_window_loses_its_middle(starter: GistModel, tmp_path: Path) -> None:
    long = "First of all. " + TEXT * 2000 + "Last of all."
    put(tmp_path / "hotpotqa.jsonl", {**ONE, "context": long})
    small = replace(starter, causal_lm=starter.causal_lm)
    config = BenchConfig(kinds=(), longbench=str(tmp_path), methods=("truncate-both", "none"), ratio=100)
    both, _ = Benchmark(small, config).run()
    assert both.context_tokens > 32768
    assert both.prompt.startswith("First of all.")
    assert both.prompt.endswith("Last of all.")
    assert both.ratio == pytest.approx(100, abs=1)


# --- Refusals


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({**ONE, "answers": []}, '"answers" must be a list of texts'),
        ({**ONE, "input": None}, '"input" must be text'),
        ({**ONE, "language": 5}, '"language" must be text'),
    ],
)
def test_a_bad_line_is_told_by_its_number(tmp_path: Path, line: Any, message: str) -> None:
    path = put(tmp_path / "hotpotqa.jsonl", ONE, line)
    with pytest.raises(UserError) as caught:
        longbench_records(tmp_path)
    assert caught.value.message == f"Line 2 of {path} cannot be used: {message}."


@pytest.mark.parametrize("answer", [0, 4, "2", None, True, 1.0])
def test_an_answer_that_is_no_choice(tmp_path: Path, answer: Any) -> None:
    path = put(tmp_path / "c.jsonl", {**CHOICE, "answer": answer})
    with pytest.raises(UserError, match='"answer" must be a number from 1 to 3'):
        choice_records(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        longbench_records(tmp_path / "missing")
    with pytest.raises(UserError, match="no LongBench file"):
        longbench_records(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        choice_records(tmp_path / "missing.jsonl")


def test_no_record_in_the_languages_asked_for(starter: GistModel, tmp_path: Path) -> None:
    path = put(tmp_path / "c.jsonl", CHOICE)
    config = BenchConfig(kinds=(), choices=str(path), languages=("en",), methods=("none",))
    with pytest.raises(UserError, match="choices has no records in en"):
        next(Benchmark(starter, config).run())


# --- As published


PUBLISHED = {
    "trec": "Please determine the type of the question below. Here are some examples of questions.\n\n{text}\n{input}",
    "samsum": "Summarize the dialogue into a few short sentences. The following are some examples."
    "\n\n{text}\n\n{input}",
    "hotpotqa": "Answer the question based on the given passages. Only give me the answer and do not output any other "
    "words.\n\nThe following are given passages.\n{text}\n\nAnswer the question based on the given passages. Only give "
    "me the answer and do not output any other words.\n\nQuestion: {input}\nAnswer:",
    "lcc": "Please complete the code given below. \n{text}Next line of code:\n",
    "qmsum": "You are given a meeting transcript and a query containing a question or instruction. Answer the query in "
    "one or more sentences.\n\nTranscript:\n{text}\n\nNow, answer the query based on the above meeting transcript in "
    "one or more sentences.\n\nQuery: {input}\nAnswer:",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_longbench_is_asked_as_published(starter: GistModel, tmp_path: Path, name: str) -> None:
    """Instructions before the text, and no chat template around the few-shot and code sets."""
    put(tmp_path / f"{name}.jsonl", {**ONE, "all_classes": ["a", "b"], "answers": ["a"]})
    [record] = longbench_records(tmp_path)[name]
    whole = record.before + record.text + record.joint + record.question
    assert whole == PUBLISHED[name].replace("{text}", record.text).replace("{input}", str(ONE["input"]))
    prompt = RecordTask(starter, name, [record]).sample(0).prompt
    assert prompt is not None
    read = prompt.prefix + record.text + "".join(text for text, _ in prompt.pieces([Turn(record.question)]))
    own = prompt_of(starter.tokenizer)
    if name in ("trec", "samsum", "lcc"):
        assert read == str(starter.tokenizer.bos_token or "") + whole
    else:
        assert read == own.prefix + whole + own.before_answer
        assert own.prefix or own.before_answer


def test_instructions_are_read_by_every_method(starter: GistModel, tmp_path: Path) -> None:
    put(tmp_path / "trec.jsonl", {**ONE, "all_classes": ["a", "b"], "answers": ["a"]})
    for method in ("gist", "full", "none", "rag", "hybrid"):
        asked = BenchConfig(kinds=(), longbench=str(tmp_path), methods=(method,), ratio=16, rank_by="words")
        [trial] = Benchmark(starter, asked).run()
        longer = replace(asked, instructions=str(put(tmp_path / "i.json", TASK)), longbench="")
        [plain] = Benchmark(starter, longer).run()
        if method == "none":
            assert trial.kv_bytes > plain.kv_bytes  # the instructions


def test_names_say_what_cannot_be_compared(tmp_path: Path) -> None:
    put(tmp_path / "hotpotqa.jsonl", ONE, {**ONE, "language": "ko"}, ONE)
    assert {name: len(found) for name, found in longbench_records(tmp_path).items()} == {
        "hotpotqa": 2,
        "hotpotqa-ko": 1,
    }
    assert set(longbench_records(tmp_path, limit=2)) == {"hotpotqa-first-2", "hotpotqa-first-2-ko"}
