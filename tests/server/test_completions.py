"""What a request of OpenAI's form becomes for the engine, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Library
from gistdesk.protocol import AnswerDone
from gistdesk.server.completions import listed, parse, piece, whole
from gistdesk.server.gists import NamedGist, of_files, of_library
from tests.library.made import add, ready

GISTS = [NamedGist("lease", Path("/g/lease.gistkv"), "starter", 5), NamedGist("book", Path("/g/b.gistkv"), "other", 6)]
QUESTION = {"role": "user", "content": "What is the passkey?"}
DONE = AnswerDone("end", 0.1, 20.0, 3, 9, 33, 3300, 0, 0.02)


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "lease", "messages": [QUESTION], **changes}


def test_the_model_names_a_gist_or_the_model_alone() -> None:
    assert parse(body(), GISTS, "starter").answer.gists == ("/g/lease.gistkv",)
    assert parse(body(model="book"), GISTS, "starter").answer.choice.model == "other"
    alone = parse(body(model="starter"), GISTS, "starter").answer
    assert (alone.gists, alone.choice.model) == ((), "starter")


@pytest.mark.parametrize("field", [{"gist": "lease"}, {"gists": ["lease"]}, {"gists": ["lease", "lease"]}])
def test_a_field_names_gists_whatever_the_model_is_called(field: dict[str, Any]) -> None:
    wanted = parse(body(model="gpt-4o", **field), GISTS, "starter")
    assert (wanted.model, wanted.answer.gists) == ("gpt-4o", ("/g/lease.gistkv",))


def test_passages_are_looked_up_in_the_texts_that_are_there() -> None:
    gists = [replace(GISTS[0], text=Path("/t/1.txt")), NamedGist("note", Path("/g/n.gistkv"), "starter", 7)]
    both = {"gists": ["lease", "note"]}
    assert parse(body(**both), gists, "starter").answer.lookup_paths == ("/t/1.txt",)
    assert parse(body(look_up=True), gists, "starter").answer.lookup_paths == ("/t/1.txt",)
    assert parse(body(look_up=False), gists, "starter").answer.lookup_paths == ()
    assert parse(body(model="note"), gists, "starter").answer.lookup_paths == ()


def test_a_gist_of_the_models_name_and_an_empty_field() -> None:
    gists = [replace(GISTS[0], name="starter")]
    assert parse(body(model="starter"), gists, "starter").answer.gists == ("/g/lease.gistkv",)
    assert parse(body(gists=None, gist="lease"), GISTS, "starter").answer.gists == ("/g/lease.gistkv",)


def test_a_gist_is_read_by_its_model_in_the_precision_of_then() -> None:
    gists = [replace(GISTS[0], precision="int8"), replace(GISTS[0], name="plain")]
    assert parse(body(), gists, "starter").answer.choice.precision == "int8"
    with pytest.raises(UserError, match="different models"):
        parse(body(gists=["lease", "plain"]), gists, "starter")


def test_messages_become_turns() -> None:
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "developer", "content": "And polite."},
        {"role": "user", "content": [{"type": "text", "text": "One?"}, {"type": "text", "text": "Two?"}]},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "So"},
        {"role": "user", "content": "what?"},
    ]
    answer = parse(body(messages=messages, temperature=1, seed=3, max_completion_tokens=7), GISTS, "starter").answer
    assert answer.turns == (("One?\nTwo?", "Yes."), ("So\n\nwhat?", None))
    assert answer.system == "Be short.\n\nAnd polite."
    assert (answer.temperature, answer.seed, answer.max_tokens, answer.top_p) == (1.0, 3, 7, 0.95)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": "lost"}, "There is no gist lost"),
        ({"model": None}, "names no model"),
        ({"gists": ["lease", "book"]}, "different models"),
        ({"gists": 5}, "a name, or a list of names"),
        ({"look_up": "yes"}, "true or false"),
        ({"look_up": 0}, "true or false"),
        ({"gists": []}, "a name, or a list of names"),
        ({"messages": []}, "no messages"),
        ({"messages": [QUESTION, {"role": "assistant", "content": "x"}]}, "no question"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "cannot stand there"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "not understood"),
        ({"messages": ["hello"]}, "not understood"),
        ({"temperature": "hot"}, "temperature is to be a number"),
        ({"temperature": float("nan")}, "temperature is to be a number"),
        ({"max_tokens": 0}, "max_tokens is to be a number"),
        ({"max_tokens": True}, "max_tokens is to be a number"),
        ({"n": 2}, "one answer"),
        ({"tools": [{}]}, "tools cannot be used"),
        ({"stop": ["\n"]}, "stop cannot be used"),
        ({"response_format": {"type": "json_object"}}, "plain text"),
    ],
)
def test_what_cannot_be_done_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parse(body(**wrong), GISTS, "starter")


def test_answers_have_openais_form() -> None:
    wanted = parse(body(), GISTS, "starter")
    made = whole(wanted, "chatcmpl-1", 7, "58203", DONE)
    assert made["object"] == "chat.completion" and made["model"] == "lease"
    assert made["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "58203"}, "finish_reason": "stop"}
    ]
    assert (made["usage"]["prompt_tokens"], made["usage"]["completion_tokens"]) == (42, 3)
    chunk = piece(wanted, "chatcmpl-1", 7, {"content": "58"})
    assert chunk["object"] == "chat.completion.chunk"
    assert chunk["choices"] == [{"index": 0, "delta": {"content": "58"}, "finish_reason": None}]
    assert [row["id"] for row in listed(GISTS, "starter")["data"]] == ["lease", "book", "starter"]


@pytest.mark.parametrize(
    ("stopped", "reason"), [("end", "stop"), ("cancelled", "stop"), ("length", "length"), ("loop", "length")]
)
def test_a_program_is_told_whether_an_answer_is_whole(stopped: str, reason: str) -> None:
    made = whole(parse(body(), GISTS, "starter"), "chatcmpl-1", 7, "58203", replace(DONE, stopped=stopped))
    assert made["choices"][0]["finish_reason"] == reason


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "letter.gistkv", tmp_path / "b" / "letter.gistkv", tmp_path / "gone.gistkv"]
    for path in paths[:2]:
        path.parent.mkdir()
        path.touch()
    look = of_files([NamedGist(path.stem, path, "starter", 0) for path in paths])
    assert [gist.name for gist in look()] == ["letter", "letter 2"] and all(gist.created > 0 for gist in look())
    paths[0].unlink()
    assert [(gist.name, gist.path) for gist in look()] == [("letter 2", paths[1])]  # not the other one's name


def test_a_librarys_documents_answer_while_another_gist_is_made_of_them(tmp_path: Path) -> None:
    """By the model that made the gist they have; those whose model is another now are left out."""
    library = Library(tmp_path)
    waiting, outdated = ready(library, "Lease"), ready(library, "Minutes")
    library.entries.set_job(waiting.id, model="/models/llama", ratio=8.0)
    library.entries.set_state(outdated.id, "outdated")
    add(library, "Unread")
    library.close()
    assert [(each.name, each.model) for each in of_library(tmp_path)()] == [("Lease", "starter")]
