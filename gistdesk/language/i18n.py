"""The window's language: `tr` gives a text in the one in use, `set_language` changes it while the program runs.

The English text is its own key. Knows nothing of widgets' contents: each widget sets its texts again in `changeEvent`
on `QEvent.LanguageChange`.
"""

from PySide6.QtCore import QCoreApplication, QEvent, QLibraryInfo, QLocale, QTranslator
from PySide6.QtWidgets import QApplication

from gistdesk.language.catalogs import ENGLISH, languages, translated

_language = ENGLISH
_translator: QTranslator | None = None


def tr(text: str, /, **values: object) -> str:
    """`text` in the window's language, with `values` filled into its {places}; a `Sentence` brings its own."""
    return translated(_language, text, **values)


def later(text: str) -> str:
    """Marks a text in a table or a signature that is passed to `tr` when it is shown."""
    return text


def language() -> str:
    """The language in use, as ISO 639 has it: "en", "ko"."""
    return _language


def language_name(name: str) -> str:
    """What a language calls itself: "English", "한국어"."""
    return "English" if name == ENGLISH else QLocale(name).nativeLanguageName()


def set_language(name: str) -> None:
    """Switch every open window to a language; "auto" is the system's, or English if that one is not available."""
    global _language
    _language = _system_language() if name == "auto" else name
    _install_qt_texts()
    for widget in QApplication.topLevelWidgets():
        QCoreApplication.sendEvent(widget, QEvent(QEvent.Type.LanguageChange))


def _system_language() -> str:
    name = QLocale.system().name().partition("_")[0]
    return name if name in languages() else ENGLISH


def _install_qt_texts() -> None:
    """Qt's own texts: buttons of file dialogs, context menus of text fields."""
    global _translator
    if _translator is not None:
        QCoreApplication.removeTranslator(_translator)
        _translator = None
    if _language == ENGLISH or QCoreApplication.instance() is None:
        return
    translator = QTranslator()
    if translator.load(f"qtbase_{_language}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)):
        QCoreApplication.installTranslator(translator)
        _translator = translator
