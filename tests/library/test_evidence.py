"""The sentence of several documents' pages that an answer is about, or that there is none."""

from gistdesk.core.unmatched import NOT_FOUND
from gistdesk.library.evidence import evidence, sentence_about

LEASE = ("The lease begins on 1 April 2026.", "The rent is 1,250.\n\nThe door code is 58203.")
REPORT = ("Ada Park is the chief executive officer of the company.",)


def test_a_sentence_is_found_in_its_page_of_its_document() -> None:
    found = evidence("58203", [REPORT, LEASE])
    assert found is not None and found.found and found.sentence is not None
    at = found.sentence
    assert (at.document, at.page, at.text) == (1, 2, "The door code is 58203.")
    assert LEASE[1][at.start : at.end] == at.text
    assert evidence("Ada Park", [REPORT, LEASE]).sentence.document == 0  # type: ignore[union-attr]


def test_what_is_nowhere_is_named() -> None:
    found = evidence("The door code is 70822.", [LEASE])
    assert found is not None and not found.found and found.missing == ("70822",)


def test_nothing_is_looked_for_where_nothing_is_said() -> None:
    assert evidence("Yes.", [LEASE]) is None and evidence("", [LEASE]) is None
    assert evidence("58203", []) is None


def test_words_of_the_question_that_are_nowhere_are_named_whatever_the_answer() -> None:
    question = "What is the code of the garage?"
    texts = [(*LEASE, "The keys of the flat are kept by the porter, and the roof is new.")]
    for answer in ("The door code is 58203.", "Yes.", NOT_FOUND):
        found = evidence(answer, texts, question)
        assert found is not None and found.unmatched == ("garage",)
        assert found.found is (answer == "The door code is 58203.")
    assert evidence("Yes.", texts, "What is the code of the door?") is None


def test_that_none_was_found_is_nowhere_to_be_found() -> None:
    """It was, in every text with the words found or foundation."""
    found = evidence(NOT_FOUND, [("The answer was not found in the text of the foundation.",)])
    assert found is not None and (found.found, found.missing, found.sentence) == (False, (), None)


def test_the_sentence_of_passages_that_fits_a_question() -> None:
    number, start, end = sentence_about("What is the door code?", [LEASE[0], LEASE[1]])
    assert number == 1 and LEASE[1][start:end] == "The door code is 58203."
    assert sentence_about("Anything?", list(LEASE)) == (0, 0, len(LEASE[0]))
