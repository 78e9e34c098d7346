"""English and Korean: `tr` gives a text in the window's language, `set_language` changes it while the window is open.

The English text is its own key. Korean is in `resources/translations/ko/*.json`, one file per part of the window.
Knows nothing of widgets' contents: each widget sets its texts again in `changeEvent` on `QEvent.LanguageChange`.
"""

import json
from functools import cache

from PySide6.QtCore import QCoreApplication, QEvent, QLibraryInfo, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

from gistdesk.core.resources import resource
from gistdesk.language.sentences import PHRASES, Sentences, filled
from gistdesk.ui.widgets import theme

_language = "en"
_translator: QTranslator | None = None


def tr(text: str, /, **values: object) -> str:
    """`text` in the window's language, with `values` put into its {places}.

    An error or a notice, which comes with its values in it, is recognised by the template that it was made from.
    """
    translated = text
    if _language == "ko":
        translated = _korean().get(text) or _errors().translated(text) or text
        values = {name: _errors().phrases(str(value)) if name in PHRASES else value for name, value in values.items()}
    return filled(translated, values) if values else translated


def later(text: str) -> str:
    """Marks a text of a table or a signature that is given to `tr` when it is shown."""
    return text


def language() -> str:
    """The language in use: "en" or "ko"."""
    return _language


def set_language(name: str) -> None:
    """Switch every open window to "en", "ko", or, with "auto", to the system's language (English if it is neither)."""
    global _language
    _language = _system_language() if name == "auto" else name
    _install_qt_texts()
    app = QApplication.instance()
    if isinstance(app, QApplication):
        theme.use_font_for(app, _language)
    for widget in QApplication.topLevelWidgets():
        QCoreApplication.sendEvent(widget, QEvent(QEvent.Type.LanguageChange))


@cache
def _korean() -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in sorted(resource("translations/ko").glob("*.json")):
        texts.update(json.loads(path.read_text(encoding="utf-8")))
    return texts


@cache
def _errors() -> Sentences:
    texts: dict[str, str] = {}
    for name in ("errors.json", "reasons.json"):
        texts.update(json.loads(resource(f"translations/ko/{name}").read_text(encoding="utf-8")))
    return Sentences(texts)


def _system_language() -> str:
    return "ko" if QLocale.system().language() == QLocale.Language.Korean else "en"


def _install_qt_texts() -> None:
    """Qt's own texts: buttons of file dialogs, context menus of text fields."""
    global _translator
    if _translator is not None:
        QCoreApplication.removeTranslator(_translator)
        _translator = None
    if _language == "en" or QCoreApplication.instance() is None:
        return
    translator = QTranslator()
    if translator.load(f"qtbase_{_language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        QCoreApplication.installTranslator(translator)
        _translator = translator
