"""What questions ask for, as people word them: facts, summaries, and more than either."""

import time

import pytest

from gistdesk.core.asked import asks_for_a_fact, asks_for_a_summary, length_of, topic_of

FACTS = [
    "Who is the auditor?", "What does the contract cost?", "What does the contract say about noise?",
    "What is the dispute about?", "What is this ship called?", "What is this fee?", "What is the policy?",
    "Wer erklärte den Krieg?", "Was kostet der Vertrag?", "감사인은 누구입니까?",
    "Who wrote the summary?", "How many key points are there?", "When is the overview meeting?",
    "What is the outline of the coast?", "What is the main point of contention?", "Which highlights does it name?",
    "Wer hat die Zusammenfassung geschrieben?", "누가 요약을 썼나요?", "정리해고는 언제 시작되나요?",
    "주요약관은 무엇입니까?", "회의에서 어떤 내용을 결정했나요?", "What is based on the reserve?",
    "What sum did she pay up front?", "What does section 4.1 on delivery say?", "What is the key?",
    "How long is the outline?",
]  # fmt: skip
SUMMARIES = [
    "Summarise this document.", " what is it about", "What is this notice about?", "What are these minutes about?",
    "What does the letter say?", "What's this about?", "What happens in the story?", "Tell me about this text.",
    "TL;DR", "What is this document?", "Worum geht es in diesem Text?", "Fasse den Text bitte zusammen.",
    "이 문서를 요약해 줘", "What's this document about?", "What is the document about in short?", "Sum it up",
    "Recap, please", "Give me the gist", "What's in this document?", "What are the main takeaways?",
    "What are the most important points?", "Give me an overview.", "Write a short summary.", "Write me a summary",
    "Summarise the discussion.", "Summarise the translation agreement", "What are the main points of the contract?",
    "Gib mir einen Überblick", "Was steht in diesem Dokument?", "Wovon handelt der Text?", "요약해서 써 주세요",
    "Was sind die wichtigsten Punkte?", "핵심이 뭐야?", "주요 내용 알려줘", "무슨 내용인가요?", "tl;dr in one line",
    "What is this document about?", "What does this report cover?", "Give me the key points for tenants",
]  # fmt: skip
MORE = [
    "Translate the summary.", "Explain the main points.", "Write a poem.", "요약을 번역해 줘", "Compare the contracts",
    "Write an email that outlines the terms", "Write a poem as a summary", "Erkläre mir den Text.",
    "Discuss the key points", "What does this clause mean?", "번역해 줘", "Rewrite it as a summary",
]  # fmt: skip


@pytest.mark.parametrize("question", FACTS)
def test_a_fact_may_be_quoted(question: str) -> None:
    assert asks_for_a_fact(question) and not asks_for_a_summary(question)


@pytest.mark.parametrize("question", SUMMARIES)
def test_a_summary_is_known_as_one(question: str) -> None:
    assert asks_for_a_summary(question) and not asks_for_a_fact(question)


@pytest.mark.parametrize("question", MORE)
def test_what_takes_thought_is_neither(question: str) -> None:
    assert not asks_for_a_fact(question) and not asks_for_a_summary(question)


def test_a_pasted_page_takes_no_time() -> None:
    for page in (" in a" * 4_000, "about in a b " * 2_000, "what does the text say " * 2_000, "fass es " * 3_000):
        begun = time.process_time()
        question = f"Summarise what is said {page}!x"
        asks_for_a_fact(question), asks_for_a_summary(question), topic_of(question), length_of(question)
        assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("Summarise what it says about insurance.", "insurance"),
        ("Give me the main points on the new ferry, please.", "the new ferry"),
        ("Summarise in two sentences what is said about money", "money"),
        ("Summarise what it says about money in two sentences.", "money"),
        ("벌금에 대해 요약해 줘", "벌금"),
        ("Summarise this document.", ""),
        ("What is this document about?", ""),
        ("What is the document about in short?", ""),
        ("Tell me about this report, please.", ""),
        ("Give me an overview about the document in 3 sentences.", ""),
        ("Tell me about it in 4 lines", ""),
        ("Give me a summary on one page", ""),
        ("Summarise the rules on pages 2 to 4", ""),
        ("Summarise it based on facts", ""),
    ],
)
def test_the_matter_that_a_summary_is_about(question: str, topic: str) -> None:
    assert topic_of(question) == topic


@pytest.mark.parametrize(
    ("question", "n"),
    [
        ("Summarise it in three sentences.", 3),
        ("Summarise it in 3 short sentences", 3),
        ("the two most important points", 2),
        ("in a single sentence", 1),
        ("TL;DR in one line", 1),
        ("Fasse es in 3 Sätzen zusammen", 3),
        ("Fasse es in einem Satz zusammen", 1),
        ("3문장으로 요약해 줘", 3),
        ("세 문장으로 요약해 줘", 3),
        ("Fasse dieses Dokument in fünf Sätzen zusammen.", 5),
        ("Summarise this document in five sentences.", 5),
        ("이 문서를 다섯 문장으로 요약해 주세요.", 5),
        ("한 줄 요약", 1),
        ("Summarise it.", None),
        ("Summarise the 2023 points of view", None),
        ("in twenty-five bullet points", None),
        ("What are the 4 lessons?", None),
        ("Summarise it in 0 lines", None),
        ("Summarise it in zero lines", None),
    ],
)
def test_how_long_a_summary_is_to_be(question: str, n: int | None) -> None:
    assert length_of(question) == n
