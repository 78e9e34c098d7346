"""Chats: trees of turns, of which one path is shown; nothing said is ever overwritten."""

import json
from dataclasses import asdict

import pytest

from gistdesk.core.errors import UserError
from gistdesk.library import Chat, Library, Message
from tests.library.made import ready


def say(library: Library, chat: Chat, parent: Message | None, role: str, text: str, **values: str) -> Message:
    return library.chats.add_message(chat.id, parent_id=parent.id if parent else None, role=role, text=text, **values)


@pytest.fixture
def chat(library: Library) -> Chat:
    return library.chats.add([ready(library).id], title="About the lease")


def texts(library: Library, chat: Chat) -> list[str]:
    return [message.text for message in library.chats.path(chat.id)]


def test_a_chat_and_what_can_be_changed(library: Library):
    one, two = ready(library, "one"), ready(library, "two")
    chat = library.chats.add([two.id, one.id], system="Be brief.", sampling={"temperature": 0.5})
    assert library.chats.get(chat.id) == chat
    assert (chat.entry_ids, chat.system, chat.sampling) == ((two.id, one.id), "Be brief.", {"temperature": 0.5})
    library.chats.change(chat.id, title="제목", entry_ids=[one.id, two.id, one.id], sampling={})
    changed = library.chats.get(chat.id)
    assert (changed.title, changed.entry_ids, changed.sampling) == ("제목", (one.id, two.id), {})
    assert changed.system == "Be brief."
    library.chats.change(chat.id, system="")
    assert library.chats.get(chat.id).system is None


def test_looking_passages_up_is_the_chats_own_and_goes_with_a_branch(library: Library, chat: Chat):
    assert chat.look_up
    library.chats.change(chat.id, look_up=False)
    library.chats.change(chat.id, title="Another title")
    assert not library.chats.get(chat.id).look_up and library.chats.add([]).look_up
    question = say(library, chat, None, "user", "rent?")
    assert not library.chats.branch(question.id).look_up
    library.chats.change(chat.id, look_up=True)
    assert library.chats.get(chat.id).look_up and library.chats.branch(question.id).look_up


def test_an_answer_keeps_the_passages_that_were_read_for_it(library: Library):
    entry = ready(library, pages=["Nothing here.", "The rent is\n900 euros."])
    chat = library.chats.add([entry.id], title="About the lease")
    question = say(library, chat, None, "user", "What is the rent?")
    (found,) = library.texts.find_passages("rent", [entry.id])
    assert found.page_label == "page"
    cited = {"passages": [asdict(found)]}
    answer = library.chats.add_message(chat.id, parent_id=question.id, role="assistant", text="900", figures=cited)
    assert library.chats.message(answer.id).passages == (found,)
    assert library.chats.message(question.id).passages is None
    assert library.chats.path(library.chats.branch(answer.id).id)[-1].passages == (found,)
    assert library.chats.all(search="900 lease") and not library.chats.all(
        search="euros"
    )  # what was said, not what was read
    exported = library.chats.export(chat.id, "markdown")
    assert "### Passages read\n\n- Lease, page 2: “The rent is 900 euros.”\n" in exported
    words = {"Passages read": "읽은 구절", "{title}, page {n}": "{title}, {n}쪽"}
    korean = library.chats.export(chat.id, "markdown", words)
    assert "### 읽은 구절\n\n- Lease, 2쪽: “The rent" in korean
    (_, told) = json.loads(library.chats.export(chat.id, "json"))["messages"]
    assert told["figures"]["passages"][0]["page"] == 2
    nothing = library.chats.add_message(
        chat.id, parent_id=question.id, role="assistant", text="?", figures={"passages": []}
    )
    assert library.chats.message(nothing.id).passages == ()
    assert "Passages read" not in library.chats.export(chat.id, "markdown")


def test_turns_make_a_path(library: Library, chat: Chat):
    assert library.chats.path(chat.id) == []
    question = say(library, chat, None, "user", "What is the rent?")
    answer = say(library, chat, question, "assistant", "", state="writing")
    library.chats.set_message(answer.id, text="900")
    library.chats.set_message(answer.id, state="complete", figures={"ttft_s": 0.1})
    path = library.chats.path(chat.id)
    assert [(m.role, m.text, m.state, m.version, m.n_versions) for m in path] == [
        ("user", "What is the rent?", "complete", 1, 1),
        ("assistant", "900", "complete", 1, 1),
    ]
    assert path[1].figures == {"ttft_s": 0.1}
    assert library.chats.message(answer.id) == path[1]


def test_regenerated_answers_are_versions(library: Library, chat: Chat):
    question = say(library, chat, None, "user", "rent?")
    first = say(library, chat, question, "assistant", "900")
    say(library, chat, first, "user", "sure?")
    second = say(library, chat, question, "assistant", "950")
    assert texts(library, chat) == ["rent?", "950"]
    assert [(m.version, m.n_versions) for m in library.chats.path(chat.id)] == [(1, 1), (2, 2)]
    assert [m.text for m in library.chats.versions(second.id)] == ["900", "950"]
    library.chats.choose_version(first.id)
    assert texts(library, chat) == ["rent?", "900", "sure?"]
    library.chats.choose_version(second.id)
    assert texts(library, chat) == ["rent?", "950"]


def test_an_edited_first_question_is_a_version(library: Library, chat: Chat):
    first = say(library, chat, None, "user", "rent?")
    say(library, chat, first, "assistant", "900")
    edited = say(library, chat, None, "user", "deposit?")
    assert texts(library, chat) == ["deposit?"]
    assert (library.chats.message(edited.id).version, library.chats.message(first.id).n_versions) == (2, 2)
    other = library.chats.add([])
    assert say(library, other, None, "user", "another chat's first").n_versions == 1


def test_choosing_a_version_shows_what_was_written_last_below_it(library: Library, chat: Chat):
    first = say(library, chat, None, "user", "1")
    a = say(library, chat, first, "assistant", "1a")
    b = say(library, chat, first, "assistant", "1b")
    library.chats.choose_version(a.id)
    say(library, chat, a, "user", "1a2")
    other = say(library, chat, None, "user", "2")
    library.chats.choose_version(other.id)
    library.chats.choose_version(first.id)
    assert texts(library, chat) == ["1", "1a", "1a2"]
    library.chats.choose_version(b.id)
    assert texts(library, chat) == ["1", "1b"]


def test_answers_from_the_full_text_stand_beside(library: Library, chat: Chat):
    question = say(library, chat, None, "user", "rent?")
    answer = say(library, chat, question, "assistant", "900")
    assert library.chats.comparison(answer.id) is None
    say(library, chat, question, "assistant", "old", kind="full")
    full = say(library, chat, question, "assistant", "901", kind="full")
    assert texts(library, chat) == ["rent?", "900"]
    compared = library.chats.comparison(answer.id)
    assert compared is not None and compared.id == full.id
    assert [(m.version, m.n_versions) for m in library.chats.path(chat.id)] == [(1, 1), (1, 1)]
    library.chats.choose_version(question.id)
    assert texts(library, chat) == ["rent?", "900"]


def test_a_branch_is_a_chat_of_its_own(library: Library, chat: Chat):
    question = say(library, chat, None, "user", "rent?")
    answer = say(library, chat, question, "assistant", "900")
    say(library, chat, answer, "user", "sure?")
    branch = library.chats.branch(answer.id)
    assert texts(library, branch) == ["rent?", "900"]
    assert (branch.title, branch.entry_ids) == (chat.title, chat.entry_ids)
    say(library, branch, library.chats.path(branch.id)[-1], "user", "elsewhere")
    assert texts(library, chat) == ["rent?", "900", "sure?"]
    assert texts(library, branch) == ["rent?", "900", "elsewhere"]


def test_search_covers_titles_and_messages(library: Library, chat: Chat):
    question = say(library, chat, None, "user", "월세는 얼마입니까?")
    answer = say(library, chat, question, "assistant", "", state="writing")
    library.chats.set_message(answer.id, text="The rent is 1,200 euros.")
    other = library.chats.add([], title="월세 계약")

    def found(search: str) -> set[int]:
        return {c.id for c in library.chats.all(search=search)}

    assert found("rent euros") == set()  # not while it is being written
    library.chats.set_message(answer.id, state="complete")
    assert found("RENT euros") == found("lease") == found("about 1,200") == {chat.id}
    assert found("월세") == {chat.id, other.id}
    assert found("월세는") == {chat.id}
    assert found('"') == found("%") == set()
    library.chats.set_message(answer.id, text="Another text.")
    assert found("euros") == set() and found("Another") == {chat.id}
    library.chats.trash(chat.id)
    assert found("Another") == set()
    library.chats.restore(chat.id)
    assert found("Another") == {chat.id}


def test_the_last_changed_chat_comes_first(library: Library):
    one, two = library.chats.add([], title="one"), library.chats.add([], title="two")
    assert [c.id for c in library.chats.all()] == [two.id, one.id]
    with library.store.write() as db:  # half a second would do as well
        db.execute("UPDATE chats SET updated = '2020' || substr(updated, 5)")
    say(library, one, None, "user", "hello")
    assert [c.id for c in library.chats.all()] == [one.id, two.id]


def test_export(library: Library, chat: Chat):
    question = say(library, chat, None, "user", "월세는?")
    say(library, chat, question, "assistant", "900 **euros**", state="stopped")
    say(library, chat, question, "assistant", "950")
    library.chats.choose_version(question.id + 1)
    assert library.chats.export(chat.id, "markdown") == (
        "# About the lease\n\n- Lease\n\n## Question\n\n월세는?\n\n## Answer (stopped)\n\n900 **euros**\n"
    )
    words = {"Question": "질문", "Answer": "답변", "stopped": "중지됨"}
    assert "## 질문\n\n월세는?\n\n## 답변 (중지됨)\n" in library.chats.export(chat.id, "markdown", words)
    exported = json.loads(library.chats.export(chat.id, "json"))
    assert [m["text"] for m in exported["messages"]] == ["월세는?", "900 **euros**", "950"]
    assert exported["documents"] == ["Lease"] and exported["leaf_id"] == question.id + 1


def test_a_chat_that_another_window_deleted(library: Library, chat: Chat):
    message = say(library, chat, None, "user", "hello")
    library.chats.trash(chat.id)
    library.disk.empty_trash()
    with pytest.raises(UserError, match="no longer"):
        library.chats.path(chat.id)
    with pytest.raises(UserError, match="no longer"):
        library.chats.branch(message.id)
    with pytest.raises(UserError, match="no longer"):
        say(library, chat, None, "user", "hello")
    library.chats.set_message(message.id, text="late", state="complete")
    library.chats.choose_version(message.id)


def test_a_very_long_chat(library: Library, chat: Chat):
    message = None
    for n in range(1200):  # SQLite's own limit of nested actions is 1,000
        message = say(library, chat, message, "user" if n % 2 == 0 else "assistant", f"turn {n}")
    assert len(library.chats.path(chat.id)) == 1200
    library.chats.trash(chat.id)
    library.disk.empty_trash()
    assert library.chats.all() == []
