"""What is looked up: passages for a fact, a document's title and chosen sentences for a summary."""

import pytest

from gistdesk.core.model import GistModel
from gistdesk.core.passages import Passage, PassageIndex, context_with_passages, cut_passages
from gistdesk.core.prompt import Turn, prompt_of
from gistdesk.core.quoting import Excerpt
from gistdesk.core.summary import looked_up
from gistdesk.core.unmatched import NOT_FOUND

REPORT = """# Tarn Ferries: annual report

Tarn Ferries carried more passengers across the lake this year than in any year before it. The new ferry was delivered
in April and carried passengers between both shores of the lake from May. It is painted white.

## Money

Revenue from fares came to six million crowns, of which passengers paid five and freight one. The price of diesel rose,
and the company bought two thirds of its diesel in advance.

## Staff

Ninety people work for the company on board and on both shores of the lake. Nine apprentices joined the company in
September and are learning to steer a ferry. Nobody left.
"""
MINUTES = """Minutes of the garden club

The club will plant forty apple trees along the southern wall of the old garden in November. Members agreed to share
the apples of the garden among the families of the village every autumn. The next meeting is in May.
"""


def index_of(model: GistModel, *texts: str) -> PassageIndex:
    passages = [each for n, text in enumerate(texts) for each in cut_passages(model, [text], document=n)]
    return PassageIndex(passages, "words")


def said(model: GistModel, index: PassageIndex, question: str) -> str:
    context = context_with_passages(model, [], looked_up(model, index, question), question=question)
    assert isinstance(context, Excerpt)
    return "".join(context.answer([Turn(question)]))


def test_a_fact_is_looked_up_in_passages(starter: GistModel) -> None:
    index = index_of(starter, REPORT)
    question = "How many apprentices joined the company?"
    assert looked_up(starter, index, question, 2) == index.best(question, 2)


def test_a_summary_is_a_title_and_sentences_of_the_text_in_its_order(starter: GistModel) -> None:
    index = index_of(starter, REPORT)
    found = looked_up(starter, index, "Summarise this document.")
    assert all(REPORT[each.start : each.end] == each.text for each in found)
    assert [each.start for each in found] == sorted({each.start for each in found})
    assert [each.n_tokens for each in found] == [len(starter.token_ids(each.text)) for each in found]
    title, blank, *lines = said(starter, index, "Summarise this document.").split("\n")
    assert (title, blank) == ("**Tarn Ferries: annual report**", "") and len(lines) == 6
    assert all(line.startswith("- ") and line[2:] in " ".join(REPORT.split()) for line in lines)
    assert any("diesel" in line or "crowns" in line for line in lines) and "painted white" not in " ".join(lines)


@pytest.mark.parametrize(
    ("question", "n"),
    [
        ("Summarise this document in three sentences.", 3),
        ("Give me the two main points.", 2),
        ("What are the 4 most important key points?", 6),
        ("Summarise it in 2 short sentences", 2),
        ("이 문서를 2문장으로 요약해 줘", 2),
    ],
)
def test_it_is_as_long_as_it_is_asked_to_be(starter: GistModel, question: str, n: int) -> None:
    assert len(looked_up(starter, index_of(starter, REPORT), question)) == 1 + n  # and the title


def test_there_is_an_end_to_it(starter: GistModel) -> None:
    text = " ".join(
        f"On day {n} of the long voyage to the north the crew of the old ship counted {n + 7} gulls." for n in range(40)
    )
    question = "Summarise it in 90 lines."
    assert len(looked_up(starter, index_of(starter, text), question, most_tokens=9_999)) == 20
    assert 1 < len(looked_up(starter, index_of(starter, text), question)) < 20  # an answer is cut at 512 tokens
    assert len(looked_up(starter, index_of(starter, text), question, most_tokens=1)) == 1
    many = index_of(starter, *(f"Report {n}\n\n{text}" for n in range(40)))
    found = looked_up(starter, many, "Summarise these reports.")
    assert sum(each.n_tokens for each in found) <= 480 and len({each.document for each in found}) > 5


def test_one_sentence_alone_is_no_list(starter: GistModel) -> None:
    text = MINUTES.split("\n", 2)[2]
    told = said(starter, index_of(starter, text), "Summarise this text in one sentence.")
    assert "\n" not in told and told in " ".join(text.split())


def test_it_may_be_about_one_matter(starter: GistModel) -> None:
    index = index_of(starter, REPORT, MINUTES)
    for question in ("Summarise what it says about money.", "Give me the two main points on diesel."):
        told = said(starter, index, question)
        assert "diesel" in told and "garden" not in told
    for question in ("Tell me about this report.", "Give me an overview about the document."):
        assert said(starter, index, question) == said(starter, index, "Summarise it.")


def test_every_document_has_its_own_list(starter: GistModel) -> None:
    told = said(starter, index_of(starter, REPORT, MINUTES), "Summarise these documents.")
    first, second = told.split("\n\n**")
    assert first.count("\n- ") == 3 and second.count("\n- ") == 2  # its third sentence is too short to tell much
    assert second.startswith("Minutes of the garden club**")


def test_a_sentence_that_two_passages_share_is_said_once_and_whole(starter: GistModel) -> None:
    """A passage may begin in the middle of a line, and its first sentence then with a name."""
    text = (
        "The club thanks its neighbours. It was agreed that the chair and Ms Brook shall write to the county archive "
        "about the letters of the founder. Members share the apples of the garden among the families of the village."
    )
    ends = (len(text), text.index("Members"), len(text))
    passages = [
        Passage(1, at, end, text[at:end], 50) for at, end in zip((0, 0, text.index("Brook")), ends, strict=True)
    ]
    for order in (passages, passages[::-1]):
        assert said(starter, PassageIndex(order, "words"), "Summarise this.").count("the letters") == 1
        assert said(starter, PassageIndex(order, "words"), "Summarise this.").count("apples") == 1


def test_nothing_kept_is_nothing_to_quote(starter: GistModel) -> None:
    blank = Passage(1, 0, 3, "\n \n", 1)
    for passages in ([], [blank]):
        index = PassageIndex(passages, "words")
        assert looked_up(starter, index, "Summarise this.") == []
        assert said(starter, index, "Summarise this.") == NOT_FOUND


def test_a_matter_that_is_nowhere_in_the_text_is_not_found(starter: GistModel) -> None:
    assert said(starter, index_of(starter, REPORT), "Summarise what it says about xylophones.") == NOT_FOUND


@pytest.mark.parametrize(
    "begin",
    ["---", "| Name | Price |", "Dear Mr Smith,", "Contents:", "Page 1 of 9", "- milk", "https://a.example", "#"],
)
def test_what_is_no_title(starter: GistModel, begin: str) -> None:
    found = looked_up(starter, index_of(starter, f"{begin}\n\n{REPORT.split(chr(10), 2)[2]}"), "Summarise this.")
    assert not any(each.is_title for each in found)


def test_what_marks_a_line_is_left_out_and_nothing_else(starter: GistModel) -> None:
    lines = ["## Notes", "- -5 degrees was measured.", "#1 was the ferry.", "**Rent** is due.", "> Quoted."]
    context = Excerpt(starter, [(line, number == 0) for number, line in enumerate(lines)])
    assert "".join(context.answer([Turn("Summarise this.")])).split("\n") == [
        "**Notes**", "", "- -5 degrees was measured.", "- #1 was the ferry.", "- **Rent** is due.", "- Quoted."
    ]  # fmt: skip


def test_a_larger_model_or_another_wording_keeps_to_passages(
    starter: GistModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index_of(starter, REPORT)
    question = "Summarise what it says about diesel."
    other = prompt_of(starter.tokenizer)
    assert looked_up(starter, index, question, 2, prompt=other) == index.best(question, 2)
    monkeypatch.setattr("gistdesk.core.passages._SMALL_READER", range(1, 2))
    assert looked_up(starter, index, question, 2) == index.best(question, 2)
    assert not isinstance(context_with_passages(starter, [], index.best(question, 2), question=question), Excerpt)
