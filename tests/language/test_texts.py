"""Everything that people are told is there in English and in Korean."""

import re
import string

import pytest
from PySide6.QtWidgets import QApplication

from gistdesk.language import i18n
from gistdesk.language.catalogs import languages
from tests.language.shown import unmarked
from tests.language.texts import catalog, finished, literals, marked, texts_in

KOREAN = texts_in("ko")


def test_every_text_is_translated() -> None:
    assert [str(text) for text in marked() if not KOREAN.get(text.text, "").strip()] == []


def test_no_value_is_put_into_a_text_before_it_is_looked_up() -> None:
    assert [str(text) for text in finished()] == []


def test_no_text_is_shown_without_being_translated() -> None:
    assert [str(text) for text in unmarked()] == []


def test_no_translation_is_left_over() -> None:
    """Reasons are the system's and the libraries' own words."""
    used = {text.text for text in marked()} | literals()
    kept = {name: texts for name, texts in catalog("ko").items() if name != "reasons.po"}
    assert [f"{name}: {text}" for name, texts in kept.items() for text in texts if text not in used] == []


@pytest.mark.parametrize("language", languages()[1:])
def test_translations_fill_in_the_same_values(language: str) -> None:
    assert [text for text, own in texts_in(language).items() if own and _places(text) != _places(own)] == []


def test_sentences_are_korean() -> None:
    sentences = [text.text for text in marked() if len(text.text) > 20]
    assert [text for text in sentences if not re.search("[가-힣]", KOREAN.get(text, ""))] == []


def test_the_language_is_switched_and_values_put_in(qapp: QApplication) -> None:
    i18n.set_language("ko")
    assert i18n.tr("{n} s", n=5) == "5초"
    i18n.set_language("en")
    assert i18n.tr("{n} s", n=5) == "5 s"


def test_auto_is_one_of_those_there_are(qapp: QApplication) -> None:
    i18n.set_language("auto")
    assert i18n.language() in languages()
    i18n.set_language("en")


def _places(text: str) -> list[tuple[str, str]]:
    """The {places} of a text with their forms, in order of their names."""
    return sorted((name, form or "") for _, name, form, _ in string.Formatter().parse(text) if name is not None)
