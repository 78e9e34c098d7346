"""An answer's Markdown: how it is cut, that growing is as good as being there at once, and that it is cheap."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QSize, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from pytestqt.qtbot import QtBot

from gistdesk.ui.chat.code import CodeView
from gistdesk.ui.chat.markdown import MarkdownView
from gistdesk.ui.chat.pieces import Piece, split_markdown
from gistdesk.ui.chat.prose import ProseView

TEXT = """Rent is **1,250**.

- one
- two

```python
def rent():
    return 1250
```

| a | b |
|---|---|
| 1 | 2 |

~~~
plain ``` inside
~~~
End."""


@pytest.fixture
def view(qtbot: QtBot) -> MarkdownView:
    view = MarkdownView()
    qtbot.addWidget(view)
    view.resize(600, 400)
    view.show()
    return view


def shown(view: MarkdownView) -> list[str]:
    """What each part says."""
    return [part.text() if isinstance(part, CodeView) else part.toPlainText() for part in parts(view)]


def parts(view: MarkdownView) -> list[ProseView | CodeView]:
    rows = view.layout()
    assert rows is not None
    return [rows.itemAt(i).widget() for i in range(rows.count())]  # type: ignore[misc,union-attr]


def test_code_is_cut_out() -> None:
    pieces = split_markdown(TEXT)
    assert [piece.language for piece in pieces] == [None, "python", None, "", None]
    assert pieces[1].text == "def rent():\n    return 1250"
    assert pieces[3].text == "plain ``` inside"
    assert pieces[4] == Piece(TEXT.index("End."), "End.")


@given(st.text(alphabet="ab `~\n-1.#|", max_size=80))
@settings(max_examples=300, deadline=None)
def test_no_word_is_lost_and_starts_are_in_order(text: str) -> None:
    pieces = split_markdown(text)
    kept = "".join(piece.text for piece in pieces)
    assert [c for c in kept if c in "ab"] == [c for c in text if c in "ab"] or "```" in text or "~~~" in text
    assert [piece.start for piece in pieces] == sorted({piece.start for piece in pieces})


def test_long_prose_is_cut_between_paragraphs_but_never_in_a_list() -> None:
    paragraphs = "\n\n".join(["Words and more words, and even more of them. " * 5] * 30) + "\n"
    assert len(split_markdown(paragraphs)) > 2
    items = "\n\n".join(["1. " + "An item of a loose list. " * 5] * 30) + "\n"
    assert len(split_markdown(items)) == 1


@pytest.mark.parametrize("step", [1, 3, 17])
def test_a_text_that_grew_looks_like_one_that_was_there(view: MarkdownView, qtbot: QtBot, step: int) -> None:
    text = TEXT + "\n\n" + "\n\n".join(f"Paragraph {i} of a long answer. " * 8 for i in range(10)) + "\n" + TEXT
    for end in range(step, len(text), step):
        view.set_text(text[:end])
    view.set_text(text)
    whole = MarkdownView()
    qtbot.addWidget(whole)
    whole.set_text(text)
    qtbot.waitUntil(lambda: view.is_drawn() and whole.is_drawn())
    assert shown(view) == shown(whole)


def test_html_is_text_and_pictures_are_not_loaded(view: MarkdownView) -> None:
    view.set_text("<b>bold</b> <script>x</script> ![a](file:///etc/passwd) ![b](http://example.org/x.png)")
    (prose,) = parts(view)
    assert isinstance(prose, ProseView)
    assert "<b>bold</b> <script>x</script>" in prose.toPlainText()
    for name in ("file:///etc/passwd", "http://example.org/x.png"):
        picture = prose.loadResource(2, QUrl(name))
        assert isinstance(picture, QImage) and picture.size() == QSize(1, 1) and picture.pixelColor(0, 0).alpha() == 0


def test_only_the_last_piece_of_a_growing_text_is_drawn(view: MarkdownView, qtbot: QtBot) -> None:
    view.set_text(TEXT)
    qtbot.waitUntil(view.is_drawn)
    before = parts(view)
    view.set_text(TEXT + " And more.\n\n```\ncode\n```\nAfter.")
    qtbot.waitUntil(view.is_drawn)
    after = parts(view)
    assert after[:4] == before[:4]
    assert shown(view)[-1] == "After."


def test_code_is_copied(view: MarkdownView, qtbot: QtBot) -> None:
    view.set_text(TEXT)
    qtbot.waitUntil(view.is_drawn)
    code = parts(view)[1]
    assert isinstance(code, CodeView)
    code.copy_button.click()
    assert QGuiApplication.clipboard().text() == "def rent():\n    return 1250"


@pytest.mark.parametrize(
    "line",
    ["Some words of a paragraph that has **bold** in it.\n\n", "- an item of a list that never ends\n", "    x = 1\n"],
)
def test_growing_costs_no_more_per_word_when_it_is_long(view: MarkdownView, line: str) -> None:
    """Pieces come 30 times a second; what is drawn may take a tenth of the time, so some are drawn together."""
    text, drawn_s, n_drawn = "", 0.0, 0
    begun = time.monotonic()
    while time.monotonic() - begun < 1.5:
        text += line * 12
        at = time.process_time()
        n_drawn += view.grow(text)
        drawn_s += time.process_time() - at
        time.sleep(0.01)
    assert n_drawn > 5
    assert drawn_s < 0.45  # of 1.5 s; a fifth, and what a slow machine adds


def test_heights_fit_what_is_shown(view: MarkdownView, qtbot: QtBot) -> None:
    view.set_text("word " * 400)
    (prose,) = parts(view)
    qtbot.waitUntil(lambda: prose.width() > 500)
    wide = prose.height()
    view.resize(300, 400)
    qtbot.waitUntil(lambda: prose.height() > wide * 1.6)
    assert not prose.verticalScrollBar().isVisible()  # type: ignore[union-attr]


def test_a_very_long_text_does_not_hold_up_the_window(view: MarkdownView, qtbot: QtBot) -> None:
    text = "\n\n".join("Words with **bold** ones and more. " * 20 for _ in range(200))
    begun = time.process_time()
    view.set_text(text)
    assert time.process_time() - begun < 0.1
    assert not view.is_drawn()
    qtbot.waitUntil(view.is_drawn, timeout=10_000)
    assert "".join(shown(view)).count("bold") == 4000
