"""Everything that the window says is there in English and in Korean."""

import pytest
from PySide6.QtWidgets import QApplication

from gistdesk.ui import i18n
from tests.ui.texts import korean, marked, places, unmarked

TEXTS = sorted({text for _, _, text in marked()})


def test_every_text_is_translated() -> None:
    assert [text for text in TEXTS if not korean().get(text, "").strip()] == []


def test_translations_fill_in_the_same_values() -> None:
    assert [text for text in TEXTS if places(text) != places(korean().get(text, text))] == []


def test_no_text_is_shown_without_being_translated() -> None:
    assert [f"{path.name}:{line}: {text}" for path, line, text in unmarked()] == []


@pytest.mark.parametrize("text", [text for text in TEXTS if len(text) > 20])
def test_a_sentence_is_korean(text: str) -> None:
    assert any("가" <= letter <= "힣" for letter in korean().get(text, ""))


def test_the_language_is_switched_and_values_put_in(qapp: QApplication) -> None:
    i18n.set_language("ko")
    assert i18n.tr("{n} s", n=5) == "5초"
    i18n.set_language("en")
    assert i18n.tr("{n} s", n=5) == "5 s"


def test_auto_is_one_of_the_two(qapp: QApplication) -> None:
    i18n.set_language("auto")
    assert i18n.language() in ("en", "ko")
    i18n.set_language("en")
