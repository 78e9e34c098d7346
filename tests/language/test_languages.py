"""A language is a folder of texts, and nothing else: German, and one that is made here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from gistdesk.core.errors import UserError
from gistdesk.folders import resource
from gistdesk.language import catalogs, i18n
from tests.language.texts import ROOT, literals, marked, texts_in

CHROME = (
    *("chat/page", "library/collection_menu", "library/list", "settings/dialog", "widgets/banner", "widgets/fit_badge"),
    *("window/drop", "window/first_run", "window/help", "window/jobs_drawer", "window/menus", "window/palette"),
    *("window/rail", "window/notifications"),
)
"""Modules of the window's own words: menus, places, toolbar, empty states, welcome."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where translations are, with those that there are."""
    made = tmp_path / "made"
    made.mkdir()
    for there in resource("translations").iterdir():
        (made / there.name).symlink_to(there, target_is_directory=True)
    monkeypatch.setattr(catalogs, "resource", lambda name: made / name.removeprefix("translations").lstrip("/"))
    catalogs.languages.cache_clear()
    yield made
    monkeypatch.undo()
    catalogs.languages.cache_clear()
    i18n.set_language("en")


def test_a_language_is_found_from_its_folder_alone(folder: Path, qapp: QApplication) -> None:
    (folder / "nl").mkdir()
    (folder / "nl" / "all.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "Library"\nmsgstr "Bibliotheek"\n\nmsgid "{name} is empty."\nmsgstr "{name} is leeg."\n',
        encoding="utf-8",
    )
    assert catalogs.languages() == ("en", "de", "ko", "nl")
    assert i18n.language_name("nl") == "Nederlands"
    i18n.set_language("nl")
    assert i18n.tr("Library") == "Bibliotheek"
    assert i18n.tr(UserError("{name} is empty.", "", name="a.txt").message) == "a.txt is leeg."
    assert i18n.tr("Not in it: {n}", n=3) == "Not in it: 3"  # what has no text yet is told in English


def test_an_empty_folder_is_no_language(folder: Path) -> None:
    (folder / "xx").mkdir()
    assert "xx" not in catalogs.languages()


def test_the_windows_own_words_are_german() -> None:
    german = texts_in("de")
    chrome = [text for text in marked() if text.path.relative_to(ROOT).with_suffix("").as_posix()[12:] in CHROME]
    assert len(chrome) > 100
    assert [str(text) for text in chrome if not german.get(text.text)] == []


def test_no_german_is_left_over() -> None:
    assert [text for text in texts_in("de") if text not in literals()] == []


def test_languages_name_themselves() -> None:
    assert [i18n.language_name(name) for name in catalogs.languages()] == ["English", "Deutsch", "한국어"]
