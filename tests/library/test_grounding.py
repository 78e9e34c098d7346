"""An answer's content is found in the text that has it, in its sentence; what the text does not have is told."""

import time

import pytest

from gistdesk.core.lexical import sentences
from gistdesk.library.grounding import ground
from trainer.data.haystack import haystack_text

REPORT = (
    "Annual report\n\nThe year was a good one for the company, and the weather was kind to it. The board met eleven "
    "times.\nThe accounts were audited by Harlow & Pike LLP, whose report follows. Revenue rose to £48.2 million, "
    "12,500 of which\nwas given to schools in Leeds. Mr. T. Ashby left on 12 May 2023. A payment is due within thirty "
    "days.\n\n- Headquarters: Tromsø\n- Staff: 125\n"
)
MINUTES = (
    "제3차 이사회 회의록\n\n회의는 2024년 3월 12일 오후 두 시에 열렸다. 의장은 박지훈 대표가 맡았다. "
    "새 창고는 대전에 짓기로 하였고, 예산은 4억 5천만 원으로 정하였다. 다음 회의는 6월에 연다."
)


@pytest.mark.parametrize(
    ("answer", "text", "sentence"),
    [
        ("Harlow & Pike LLP", REPORT, "The accounts were audited"),
        ("The external auditor is Harlow & Pike LLP.", REPORT, "The accounts were audited"),
        ("According to the text, revenue was 48.2 million.", REPORT, "Revenue rose"),
        ("It gave 12500 to schools in Leeds", REPORT, "Revenue rose"),
        ("12 May 2023", REPORT, "Mr. T. Ashby left"),
        ("30 days", REPORT, "A payment is due"),
        ("The board met 11 times", REPORT, "The board met"),
        ("Tromsø", REPORT, "- Headquarters"),
        ("the weather", REPORT, "The year was"),
        ("박지훈", MINUTES, "의장은 박지훈"),
        ("의장은 박지훈 대표입니다.", MINUTES, "의장은 박지훈"),
        ("창고는 대전에 짓습니다.", MINUTES, "새 창고는"),
        ("2024년 3월 12일", MINUTES, "회의는 2024년"),
    ],
)
def test_what_the_text_says_is_found_in_its_sentence(answer: str, text: str, sentence: str):
    found = ground(answer, text)
    assert found.found and found.missing == ()
    assert text[found.start : found.end].startswith(sentence)


@pytest.mark.parametrize(
    ("answer", "text", "missing"),
    [
        ("Deloitte", REPORT, ("Deloitte",)),
        ("The auditor was Grant Thornton.", REPORT, ("Grant", "Thornton")),
        ("Revenue was 71 million.", REPORT, ("71",)),
        ("Staff: 12", REPORT, ()),  # of the date, not of 125; but not in that sentence
        ("Staff: 48", REPORT, ("48",)),  # 48.2 is another number
        ("Mr. Ashby left on 13 June 2023.", REPORT, ("13", "June")),
        ("김철수", MINUTES, ("김철수",)),
        ("예산은 7억 원입니다.", MINUTES, ("7",)),
        ("의장은 최영희 대표입니다.", MINUTES, ("최영희",)),
    ],
)
def test_what_it_does_not_say_is_missing(answer: str, text: str, missing: tuple[str, ...]):
    found = ground(answer, text)
    assert found.missing == missing
    if missing:
        assert not found.found


def test_a_wrong_figure_still_shows_the_sentence_it_is_about():
    found = ground("Revenue rose to 71 million for schools in Leeds.", REPORT)
    assert not found.found and REPORT[found.start : found.end].startswith("Revenue rose")


def test_words_that_stand_far_apart_are_no_answer():
    assert not ground("The weather audited schools within headquarters.", REPORT).found


@pytest.mark.parametrize("answer", ["", "Yes.", "It is not.", "...", "입니다"])
def test_an_answer_without_content_is_nowhere(answer: str):
    found = ground(answer, REPORT)
    assert not found.found and (found.start, found.end, found.missing) == (-1, -1, ())


def test_a_text_without_anything_has_nothing():
    assert ground("Harlow", "").missing == ("Harlow",)


def test_every_part_of_a_longer_answer_has_to_be_there():
    assert ground("The accounts were audited by Harlow & Pike. A payment is due within 30 days.", REPORT).found
    assert not ground("The accounts were audited by Harlow & Pike. A unicorn ate purple biscuits.", REPORT).found


def test_a_letter_that_changes_its_length_moves_nothing():
    text = "İİİİ is written here. The auditor is Harlow."
    found = ground("Harlow", text)
    assert text[found.start : found.end] == "The auditor is Harlow."


def test_sentences_of_wrapped_prose_headings_and_lists():
    text = "The first line of prose is so long that it had to be wrapped at some\npoint by Mr. J. Holt. Next one! Yes."
    assert [text[a:b] for a, b in sentences(text)] == [text[: text.index(" Next")], "Next one!", "Yes."]
    found = [REPORT[a:b] for a, b in sentences(REPORT)]
    assert "Annual report" in found and "- Staff: 125" in found
    assert sum(map(len, found)) > 0.95 * len(REPORT.replace("\n", ""))
    assert sentences(" \n ") == []


def test_a_novel_takes_a_moment():
    text = haystack_text("en-middlemarch")[:1_500_000]
    begun = time.perf_counter()
    ground("Miss Brooke had that kind of beauty which seems to be thrown into relief by poor dress.", text)
    assert time.perf_counter() - begun < 3  # 0.3 s on a quiet core
