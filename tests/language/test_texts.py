"""Everything that the window says is there in English and in Korean."""

import re

from PySide6.QtWidgets import QApplication

from gistdesk.language import i18n
from tests.language.texts import by_file, korean, marked, places, unmarked

TEXTS = sorted({text for _, _, text in marked()})


def test_every_text_is_translated() -> None:
    assert [text for text in TEXTS if not korean().get(text, "").strip()] == []


def test_translations_fill_in_the_same_values() -> None:
    assert [text for text in TEXTS if places(text) != places(korean().get(text, text))] == []


def test_no_text_is_shown_without_being_translated() -> None:
    assert [f"{path.name}:{line}: {text}" for path, line, text in unmarked()] == []


def test_sentences_are_korean() -> None:
    texts = korean()
    sentences = [text for text in TEXTS if len(text) > 20]
    assert [text for text in sentences if not re.search("[가-힣]", texts.get(text, ""))] == []


def test_the_language_is_switched_and_values_put_in(qapp: QApplication) -> None:
    i18n.set_language("ko")
    assert i18n.tr("{n} s", n=5) == "5초"
    i18n.set_language("en")
    assert i18n.tr("{n} s", n=5) == "5 s"


def test_auto_is_one_of_the_two(qapp: QApplication) -> None:
    i18n.set_language("auto")
    assert i18n.language() in ("en", "ko")
    i18n.set_language("en")


def test_no_translation_is_left_over() -> None:
    kept = {name: texts for name, texts in by_file().items() if name not in ("errors.json", "reasons.json")}
    assert [f"{name}: {text}" for name, texts in kept.items() for text in texts if text not in TEXTS] == []
