"""Passages are where they say they are, together hold the whole text, and stand behind a gist as plain text does."""

from collections.abc import Generator

import pytest
import torch

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress
from gistdesk.core.gist import GistKV
from gistdesk.core.model import GistModel
from gistdesk.core.passages import (
    Passage,
    PassageIndex,
    context_with_passages,
    cut_passages,
    cutting_passages,
    passages_text,
    telling,
    within,
)
from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Turn
from gistdesk.core.quoting import Quotes
from gistdesk.folders import resource

QUESTION = [Turn("What is the passkey?")]


@pytest.fixture(scope="module")
def pages() -> list[str]:
    """Four pages, English and Korean; the third one is empty."""
    english = (resource("samples") / "alice-with-a-note.txt").read_text("utf-8")[:4000]
    korean = (resource("samples") / "korean-with-a-note.txt").read_text("utf-8")[:1500]
    return [english[:2500], english[2500:], "", korean]


@pytest.mark.parametrize(("chunk", "overlap"), [(128, 16), (64, 0), (24, 12), (8, 1)])
def test_passages_are_where_they_say(starter: GistModel, pages: list[str], chunk: int, overlap: int) -> None:
    passages = cut_passages(starter, pages, chunk_tokens=chunk, overlap_tokens=overlap)
    covered = [set[int]() for _ in pages]
    for passage in passages:
        assert passage.text == pages[passage.page - 1][passage.start : passage.end]
        assert passage.text.strip()
        assert 0 < passage.n_tokens <= chunk
        covered[passage.page - 1].update(range(passage.start, passage.end))
    for page, seen in zip(pages, covered, strict=True):
        assert all(index in seen or character.isspace() for index, character in enumerate(page))
    assert [(p.page, p.start) for p in passages] == sorted((p.page, p.start) for p in passages)


def test_a_passage_ends_with_a_sentence_if_it_can_and_with_a_word_otherwise(
    starter: GistModel, pages: list[str]
) -> None:
    short = "The harbour was quiet. A grey cat slept on the wall. Had the boat come back? It had not, they said. " * 20
    for passage in cut_passages(starter, [short]):
        assert passage.text.rstrip().endswith((".", "?"))
    endless = " ".join(f"and then the {word} went on" for word in "cat dog hen cow fox owl" for _ in range(9))
    for passage in cut_passages(starter, [endless], chunk_tokens=24, overlap_tokens=0):
        assert not endless[passage.end : passage.end + 1].isalpha(), passage.text[-20:]
        assert passage.n_tokens <= 24


def test_a_heading_stands_before_what_follows_it(starter: GistModel) -> None:
    section = "The harbour was quiet. A grey cat slept on the wall. Had the boat come back? It had not, they said.\n\n"
    text = "".join(f"## Part {n}\n\n{section}" for n in range(8))
    passages = cut_passages(starter, [text], chunk_tokens=64, overlap_tokens=0)
    assert len(passages) > 3
    for passage in passages:
        assert "Part" not in passage.text.strip().split("\n")[-1], passage.text


def test_passages_share_whole_sentences_as_far_as_asked(starter: GistModel, pages: list[str]) -> None:
    short = "The harbour was quiet. A grey cat slept on the wall. Had the boat come back? It had not, they said. " * 9
    first, second, *_ = cut_passages(starter, [short], chunk_tokens=64, overlap_tokens=24)
    shared = short[second.start : first.end]
    assert 8 <= len(starter.token_ids(shared)) <= 24
    assert shared.strip()[0].isupper() and shared.rstrip().endswith((".", "?"))
    for text in (short, pages[0]):
        first, second, *_ = cut_passages(starter, [text], chunk_tokens=64, overlap_tokens=0)
        assert second.start >= first.end


def test_an_empty_text_has_no_passages(starter: GistModel) -> None:
    assert cut_passages(starter, ["", "  \n "]) == []
    index = PassageIndex([])
    assert index.best("anything", 3) == []


def test_the_best_passages_come_first_and_what_does_not_match_not_at_all(starter: GistModel, pages: list[str]) -> None:
    passages = cut_passages(starter, pages)
    index = PassageIndex(passages, "words")
    found = index.best("What did the White Rabbit take out of its waistcoat pocket?", 3)
    assert len(found) == 3
    assert "waistcoat-pocket" in found[0].text.lower()
    assert index.best("xylophone", 3) == []
    assert index.n_bytes > sum(len(p.text.encode()) for p in passages)


def test_no_more_tokens_than_allowed(starter: GistModel, pages: list[str]) -> None:
    passages = cut_passages(starter, pages, chunk_tokens=32, overlap_tokens=8)
    for budget in (1, 5, 32, 33, 70, 200):
        kept = within(starter, passages, budget)
        n_read = len(starter.token_ids(passages_text(kept)))
        assert budget - 6 <= n_read <= budget + 1, (budget, n_read)
        for passage in kept:
            assert passage.text == pages[passage.page - 1][passage.start : passage.end]


def test_a_long_page_is_cut_in_steps(starter: GistModel, pages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cut_passages(starter, pages, chunk_tokens=32, overlap_tokens=0)
    monkeypatch.setattr("gistdesk.core.plain_text._CHUNK_CHARACTERS", 400)
    told: list[int] = []
    cut = _run(cutting_passages(starter, pages, chunk_tokens=32, overlap_tokens=0), told)
    assert len(told) > len(pages) and told == sorted(told) and told[-1] == sum(map(len, pages))
    assert all(passage.text == pages[passage.page - 1][passage.start : passage.end] for passage in cut)
    # where a piece ends two line ends are two tokens and not one
    assert abs(sum(p.n_tokens for p in cut) - sum(p.n_tokens for p in whole)) <= len(told)


def test_passages_of_several_documents_are_told_apart(starter: GistModel, pages: list[str]) -> None:
    both = [p for n in (0, 1) for p in _run(cutting_passages(starter, [pages[3 * n]], document=n))]
    found = PassageIndex(both, "bm25").best("패스키는 무엇입니까? waistcoat-pocket", 4)
    assert {passage.document for passage in found} == {0, 1}
    read = passages_text(found)
    assert read.index("waistcoat") < read.index("패스키")


def _run(steps: Generator[int, None, list[Passage]], told: list[int] | None = None) -> list[Passage]:
    told = [] if told is None else told
    try:
        while True:
            told.append(next(steps))
    except StopIteration as end:
        passages: list[Passage] = end.value
        return passages


def test_they_are_read_in_the_documents_order() -> None:
    late, early, other = (Passage(2, 5, 9, "late", 1), Passage(1, 0, 5, "early", 1), Passage(2, 0, 3, "mid", 1))
    assert passages_text([late, early, other]) == "early\n\nmid\n\nlate"


def test_behind_a_gist_they_are_read_as_text(starter: GistModel, pages: list[str]) -> None:
    ids = torch.tensor(starter.token_ids(pages[0]))
    *_, gist = compress(starter, plan_tokens(starter, ids, ratio=32))
    passages = [Passage(1, 0, 22, "The passkey is 40912. ", 8)]
    context = context_with_passages(starter, [gist], passages)
    assert context.n_slots == gist.n_slots
    by_hand = Context(starter, [gist], text_ids=torch.tensor(starter.token_ids("\n\n" + passages[0].text)))
    assert context.kv_bytes == by_hand.kv_bytes > Context(starter, [gist]).kv_bytes
    answers = ["".join(c.answer(QUESTION, Sampling(max_tokens=12))) for c in (context, by_hand)]
    assert answers[0] == answers[1]


def test_without_passages_there_is_only_the_gist(starter: GistModel, pages: list[str]) -> None:
    ids = torch.tensor(starter.token_ids(pages[0]))
    gist: GistKV
    *_, gist = compress(starter, plan_tokens(starter, ids, ratio=32))
    assert context_with_passages(starter, [gist], []).kv_bytes == Context(starter, [gist]).kv_bytes


REPORT = (
    "The mill stands by the river. Its director is Ada Stone. The roof was mended in May. Visitors come on Sundays. "
    "The auditor is Rhys Pemberton, of Marnwick. Flour is sold at the gate. The director lives next door."
)


def told_for(question: str, passages: list[Passage]) -> list[str]:
    return [told.text for told in telling(question, passages)]


def test_the_sentences_that_suit_a_question_are_found_once_and_the_best_first() -> None:
    overlapping = [Passage(1, 0, len(REPORT), REPORT, 60), Passage(1, 30, len(REPORT), REPORT[30:], 50)]
    found = told_for("Who is the auditor, and does the director own the mill?", overlapping)
    assert found.count("The auditor is Rhys Pemberton, of Marnwick.") == 1
    assert found.count("Its director is Ada Stone.") == 1
    assert not any("Flour" in text for text in found) and len(found) <= 5
    assert told_for("Who is the auditor of Marnwick, and the director?", overlapping)[0].startswith("The auditor")
    assert " ".join(told_for("xyzzy", overlapping[:1])) == REPORT[: REPORT.index(" Flour")], "the first ones"
    suits = [told.suits for told in telling("Who is the auditor, and does the director own the mill?", overlapping)]
    assert suits[0] == 1.0 and suits == sorted(suits, reverse=True) and suits[-1] > 0


def test_a_sentence_that_begins_with_a_pronoun_comes_with_the_one_it_speaks_of() -> None:
    page = "The grant for the weir has been paid. It came to 8,150. Item 4 was put off."
    passages = [Passage(1, 0, len(page), page, 30), Passage(1, 38, len(page), page[38:], 20)]
    for order in (passages, passages[::-1]):
        assert sorted(told_for("What of the grant, and of item 4?", order)) == [
            "Item 4 was put off.",
            "The grant for the weir has been paid.",
            "The grant for the weir has been paid. It came to 8,150.",
        ]


def test_a_sentence_that_another_passage_begins_with_is_read_whole() -> None:
    """The second passage begins in the middle of a line, where the sentence's first line looks like a heading."""
    page = (
        "Tarn Ferries is a co-operative with its office in the old customs house. The chief executive officer\n"
        "is Harriet Lindqvist, who joined us six years ago. Its finance director since the spring has been\n"
        "Owen Baptiste of Marnwick."
    )
    starts = (0, page.index("The chief"), page.index("Its finance"))
    passages = [Passage(1, start, len(page), page[start:], 50) for start in starts]
    for order in (passages, passages[::-1]):
        assert told_for("Who is the chief executive officer?", order)[0] == (
            "The chief executive officer is Harriet Lindqvist, who joined us six years ago."
        )
        assert "Owen Baptiste" in told_for("Who is the finance director?", order)[0]
    assert "Harriet" in told_for("Who is the chief executive officer?", passages[1:2])[0]


def tiny_passage_gist(model: GistModel) -> GistKV:
    *_, gist = compress(model, plan_tokens(model, torch.tensor(model.token_ids(REPORT)), ratio=8))
    return gist


def test_a_small_instruct_model_chooses_among_sentences_between_named_parts(
    starter: GistModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    passage = Passage(1, 0, len(REPORT), REPORT, 60)
    question = "Who is the auditor?"
    plain = context_with_passages(starter, [], [passage], question=question)
    assert plain.prompt.answer_start == "" and plain.n_text == len(starter.token_ids(REPORT))  # as it was trained
    monkeypatch.setattr("gistdesk.core.passages._SMALL_READER", range(1, 10**9))
    gist = tiny_passage_gist(starter)
    assert context_with_passages(starter, [gist], [passage]).n_slots == gist.n_slots
    small = context_with_passages(starter, [gist], [passage], question=question)
    assert isinstance(small, Quotes) and small.n_slots == 0  # a gist has no part in it
    assert small.n_text < plain.n_text
    whole = context_with_passages(starter, [gist], [passage], question="Explain this text.")
    assert not isinstance(whole, Quotes) and (whole.n_slots, whole.n_text) == (gist.n_slots, 0)
    assert context_with_passages(starter, [], [passage], question="Explain this text.").n_text == plain.n_text
    pieces = "".join(text for text, _ in small.prompt.pieces([Turn(question, "Rhys"), Turn("And the director?")]))
    assert "Question: Who is the auditor?\nAnswer:" in pieces and "Answer: Rhys" in pieces
    assert pieces.endswith("Answer:")
