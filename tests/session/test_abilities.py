"""What a model can be asked, by its size, and which requests ask for more."""

import pytest

from gistdesk.session.abilities import ability, asks_too_much

TOO_MUCH = (
    "Summarise this document", "Can you give me a summary?", "summarize it", "What is this document about?",
    "What is it about?", "Translate the first page", "Explain the second clause", "Write a letter to the landlord",
    "이 문서를 요약해 주세요", "무슨 내용인가요?", "번역해 줘", "TL;DR", "Compare the two contracts",
)  # fmt: skip
FINE = (
    "Who is the chief executive officer?", "What is the passkey?", "When does the lease begin?",
    "What is the document number?", "What is the text of the plate?", "패스키는 무엇입니까?", "이사는 누구입니까?",
    "Who wrote the report?", "How much is the rent?",
)  # fmt: skip


@pytest.mark.parametrize("question", TOO_MUCH)
def test_a_finder_is_not_asked_for_more(question: str) -> None:
    assert asks_too_much(question, ability("starter", None))
    assert not asks_too_much(question, ability("other", 135_000_000))


@pytest.mark.parametrize("question", FINE)
def test_facts_are_asked_of_any_model(question: str) -> None:
    assert not asks_too_much(question, ability("starter", 7_000_000))


@pytest.mark.parametrize("question", TOO_MUCH)
def test_a_finder_quotes_a_summary_from_a_text_that_is_kept(question: str) -> None:
    is_thought = any(word in question for word in ("Translate", "Explain", "Write", "번역", "Compare"))
    assert asks_too_much(question, ability("starter", None), looks_up=True) == is_thought


def test_the_sentences_are_those_of_the_size() -> None:
    small, middle, large = (ability("folder", n) for n in (7_000_000, 135_000_000, 8 * 10**9))
    assert small is not None and "only by quoting" in small.cannot and small == ability("starter", 9_300_000)
    assert middle is not None and "quoting the sentence" in middle.can
    assert large is not None and "summarises" in large.can
    assert ability("folder", None) is None
    assert not asks_too_much("Summarise it", None)
