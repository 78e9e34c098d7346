"""Labels that are shortened to their room."""

from pytestqt.qtbot import QtBot

from gistdesk.ui.widgets.labels import ElidedLabel


def test_what_a_text_ends_with_is_kept_whole(qtbot: QtBot) -> None:
    """Of a document over the composer, the title gives way and not the number of its gist tokens."""
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.setText("Lease agreement, Harbour Street 14 – 1,205 gist tokens", ending=" – 1,205 gist tokens")
    whole = label.fontMetrics().horizontalAdvance(label.text())
    label.resize(whole + 10, 20)
    assert label._shortened() == label.text() and not label.toolTip()
    label.resize(whole * 2 // 3, 20)
    assert label._shortened().endswith(" – 1,205 gist tokens") and "…" in label._shortened()
    assert label._shortened().startswith("Lea") and label._shortened().count("…") == 1
    label.resize(60, 20)
    assert label.fontMetrics().horizontalAdvance(label._shortened()) <= 60


def test_where_an_ending_has_no_room_no_other_word_is_made_of_it(qtbot: QtBot) -> None:
    """What "needs recompressing" must not become "…mpressing"."""
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.setText("Handbook – needs recompressing", ending=" – needs recompressing")
    for width in range(60, 300, 20):
        label.resize(width, 20)
        shown = label._shortened()
        _, dash, ending = shown.partition(" – ")
        assert not dash or "needs recompressing".startswith(ending.rstrip("…"))
        assert "mpressing" not in shown.removesuffix("needs recompressing")
        assert label.fontMetrics().horizontalAdvance(shown) <= width
