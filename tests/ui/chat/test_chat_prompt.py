"""The field for questions: Enter, new lines, and input methods that compose Korean, Japanese and Chinese."""

import pytest
from PySide6.QtCore import QCoreApplication, QMimeData, Qt, QUrl
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from gistdesk.ui.chat.prompt import PromptEdit


@pytest.fixture
def field(qtbot: QtBot) -> PromptEdit:
    field = PromptEdit()
    qtbot.addWidget(field)
    field.resize(300, field.height())
    field.show()
    field.setFocus()
    return field


@pytest.fixture
def sent(field: PromptEdit) -> list[str]:
    texts: list[str] = []
    field.entered.connect(lambda: texts.append(field.toPlainText()))
    return texts


def compose(field: QWidget, preedit: str, commit: str = "") -> None:
    event = QInputMethodEvent(preedit, [])
    if commit:
        event.setCommitString(commit)
    QCoreApplication.sendEvent(field, event)


def press(field: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(field, key, modifiers)


def test_enter_is_done_and_shift_enter_is_a_new_line(field: PromptEdit, sent: list[str]) -> None:
    QTest.keyClicks(field, "one")
    press(field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(field, "two")
    assert sent == []
    press(field, Qt.Key.Key_Return)
    press(field, Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    assert sent == ["one\ntwo"] * 2


@pytest.mark.parametrize(
    ("steps", "text"),
    [(("ㅎ", "하", "한"), "한"), (("に", "にほ", "にほん"), "日本"), (("z", "zh", "zhong"), "中")],
)
def test_enter_while_composing_only_commits(
    qtbot: QtBot, field: PromptEdit, sent: list[str], steps: tuple[str, ...], text: str
) -> None:
    """The input method hears Enter, commits, and nothing is sent; the next Enter sends all of it, once."""
    for preedit in steps:
        compose(field, preedit)
    press(field, Qt.Key.Key_Return)
    assert sent == []
    assert field.toPlainText() == ""
    compose(field, "", text)
    assert field.toPlainText() == text
    qtbot.wait(80)
    press(field, Qt.Key.Key_Return)
    assert sent == [text]


def test_an_enter_that_the_input_method_passes_on_is_the_same_enter(
    qtbot: QtBot, field: PromptEdit, sent: list[str]
) -> None:
    """As ibus-hangul and Microsoft's Korean input method do: commit, then the key itself."""
    compose(field, "글")
    compose(field, "", "글")
    press(field, Qt.Key.Key_Return)
    assert sent == []
    assert field.toPlainText() == "글"
    qtbot.wait(80)
    press(field, Qt.Key.Key_Return)
    assert sent == ["글"]


def test_text_that_comes_without_composing_is_sent_at_once(field: PromptEdit, sent: list[str]) -> None:
    """As from dictation or an emoji panel."""
    compose(field, "", "요약해 줘")
    press(field, Qt.Key.Key_Return)
    assert sent == ["요약해 줘"]


def test_the_syllable_after_a_commit_is_still_being_composed(field: PromptEdit, sent: list[str]) -> None:
    compose(field, "안")
    compose(field, "녀", "안")
    press(field, Qt.Key.Key_Return)
    assert sent == []
    assert field.toPlainText() == "안"


def test_esc_ends_the_composition_first(qtbot: QtBot, field: PromptEdit) -> None:
    escaped = []
    field.escaped.connect(lambda: escaped.append(1))
    compose(field, "한")
    press(field, Qt.Key.Key_Escape)
    assert not escaped
    compose(field, "")
    press(field, Qt.Key.Key_Escape)
    assert escaped


def test_it_grows_up_to_ten_lines(qtbot: QtBot, field: PromptEdit) -> None:
    heights = []
    for n in (1, 3, 10, 30):
        field.setPlainText("\n".join(["line"] * n))
        heights.append(field.height())
    assert heights[0] < heights[1] < heights[2] == heights[3]
    field.setPlainText("word " * 60)
    assert field.height() > heights[1]  # long lines wrap, and count
    field.clear()
    assert field.height() == heights[0]


def test_files_are_not_pasted_as_text(field: PromptEdit) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/tmp/lease.pdf")])
    assert not field.canInsertFromMimeData(data)
    data = QMimeData()
    data.setText("words")
    assert field.canInsertFromMimeData(data)
