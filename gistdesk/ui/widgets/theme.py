"""How the window looks: light and dark palettes with one accent, the 8 px grid, the focus ring, tinted icons.

Knows widgets' classes and the few object names and properties listed at `style_sheet`; knows nothing of their contents.
"""

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt, QTemporaryDir
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QIcon, QIconEngine, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QWidget

from gistdesk.folders import resource
from gistdesk.language.i18n import language, set_language
from gistdesk.ui.widgets.colours import DARK, LIGHT, Colours, mix
from gistdesk.ui.widgets.style_sheet import style_sheet

GRID = 8
"""Every margin, gap and height is a multiple of this or of half of it. In device-independent pixels."""
SMALL = GRID // 2
ROW_HEIGHT = 6 * GRID
ICON = 20
SMALL_ICON = 16


_colours = LIGHT
_choice = "system"
_listening = False
_system_font: QFont | None = None


def colours() -> Colours:
    """The colours in use."""
    return _colours


def is_dark() -> bool:
    """Whether the dark theme is in use."""
    return _colours is DARK


def apply(app: QApplication, choice: str) -> None:
    """Give the whole application the look of "light", "dark" or "system", which follows the desktop while it runs."""
    global _choice, _listening
    _choice = choice
    app.setStyle("Fusion")
    hints = app.styleHints()
    if not _listening:
        hints.colorSchemeChanged.connect(_on_scheme_changed)
        _listening = True
    if choice == "system":
        hints.unsetColorScheme()
    else:
        hints.setColorScheme(Qt.ColorScheme.Dark if choice == "dark" else Qt.ColorScheme.Light)
    _dress(app)


def _on_scheme_changed() -> None:
    app = QApplication.instance()
    if isinstance(app, QApplication) and _choice == "system":
        _dress(app)


def _dress(app: QApplication) -> None:
    global _colours
    dark = _choice == "dark" or (_choice == "system" and app.styleHints().colorScheme() == Qt.ColorScheme.Dark)
    _colours = DARK if dark else LIGHT
    app.setPalette(_palette(_colours))
    app.setStyleSheet(style_sheet(_colours, _tinted))


def _palette(c: Colours) -> QPalette:
    role = QPalette.ColorRole
    colour = {
        role.Window: c.window,
        role.WindowText: c.text,
        role.Base: c.surface,
        role.AlternateBase: c.window,
        role.Text: c.text,
        role.PlaceholderText: c.muted,
        role.Button: c.raised,
        role.ButtonText: c.text,
        role.BrightText: c.bad,
        role.ToolTipBase: c.raised,
        role.ToolTipText: c.text,
        role.Highlight: c.accent,
        role.HighlightedText: c.on_accent,
        role.Accent: c.accent,
        role.Link: c.accent,
        role.LinkVisited: c.accent,
        role.Light: c.raised,
        role.Midlight: c.hover,
        role.Mid: c.border,
        role.Dark: c.border,
        role.Shadow: c.border,
    }
    palette = QPalette()
    for each, value in colour.items():
        palette.setColor(each, QColor(value))
    faint = QColor(c.muted)
    faint.setAlphaF(0.6)
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, each, faint)
    return palette


# --- fonts

_KOREAN_FONTS = (
    *("Noto Sans CJK KR", "Noto Sans KR", "Pretendard", "Malgun Gothic", "Apple SD Gothic Neo", "NanumBarunGothic"),
    "NanumGothic",
)


def use_language(name: str) -> None:
    """Switch to a language (see `set_language`) and to a font for it.

    That is the system's font, or, if it lacks Hangul and the language is Korean, one that also has Latin letters:
    otherwise Qt takes Hangul, and the figures beside it, from a font of another size and weight.
    """
    global _system_font
    set_language(name)
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        return
    _system_font = _system_font or app.font()
    font = QFont(_system_font)
    korean = QFontDatabase.WritingSystem.Korean
    if language() == "ko" and korean not in QFontDatabase.writingSystems(QFontInfo(font).family()):
        there = set(QFontDatabase.families(korean))
        font.setFamilies([*(name for name in _KOREAN_FONTS if name in there), font.family()])
    if font != app.font():
        app.setFont(font)


# --- icons


def icon(name: str, colour: str | None = None) -> QIcon:
    """`resources/icons/NAME.svg` in the text colour, or in a named one of `Colours` ("accent", "bad").

    It follows the theme: an icon given to a widget needs no change when light becomes dark.
    """
    return QIcon(_TintedIcon(name, colour))


def application_icon() -> QIcon:
    """The application's own icon, in its own colours."""
    return QIcon(str(resource("icons/gistdesk.svg")))


def paint_icon(painter: QPainter, rect: QRectF, name: str, colour: str) -> None:
    """Draw an icon in a colour given as "#rrggbb"."""
    _renderer(name, colour).render(painter, rect)


class _TintedIcon(QIconEngine):
    """Draws an SVG in the theme's current colours."""

    def __init__(self, name: str, colour: str | None) -> None:
        super().__init__()
        self._name, self._colour = name, colour

    def paint(self, painter: QPainter, rect: object, mode: QIcon.Mode, state: QIcon.State) -> None:
        tint = getattr(_colours, self._colour or "text")
        if mode == QIcon.Mode.Disabled:
            tint = mix(_colours.muted, _colours.window)
        paint_icon(painter, QRectF(rect), self._name, tint)  # type: ignore[call-overload]

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, pixmap.rect(), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        return _TintedIcon(self._name, self._colour)


_sources: dict[str, str] = {}
_renderers: dict[tuple[str, str], QSvgRenderer] = {}


def _source(name: str) -> str:
    if name not in _sources:
        _sources[name] = resource(f"icons/{name}.svg").read_text(encoding="utf-8")
    return _sources[name]


def _renderer(name: str, colour: str) -> QSvgRenderer:
    key = (name, colour)
    if key not in _renderers:
        _renderers[key] = QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))
    return _renderers[key]


def _tinted(name: str, colour: str) -> str:
    """The path of a tinted copy of an icon, since style sheets take only files. On a full disk, the untinted icon."""
    folder = _tinted_folder()
    target = Path(folder.path()) / f"{name}-{colour[1:]}.svg"
    try:
        if folder.isValid() and not target.exists():
            target.write_text(_source(name).replace("currentColor", colour), encoding="utf-8")
    except OSError:
        target.unlink(missing_ok=True)
    return (target if folder.isValid() and target.exists() else Path(str(resource(f"icons/{name}.svg")))).as_posix()


@cache
def _tinted_folder() -> QTemporaryDir:
    return QTemporaryDir()  # deletes itself when the program ends


# --- small settings that widgets share


def set_kind(widget: QWidget, kind: str) -> None:
    """Give a button one of the looks named at `style_sheet`, also after it was shown."""
    _set_property(widget, "kind", kind)


def set_role(widget: QWidget, role: str) -> None:
    """Give a label one of the looks named at `style_sheet`, also after it was shown."""
    _set_property(widget, "role", role)


def _set_property(widget: QWidget, name: str, value: str) -> None:
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def inset(box: QAbstractSpinBox) -> None:
    """Move a spin box's figure off its left edge: Qt does not apply the style sheet's padding to the field inside."""
    box.lineEdit().setTextMargins(GRID, 0, 0, 0)


def mono_font(widget: QWidget) -> QFont:
    """The system's fixed-width font in the widget's size."""
    font = QFont(widget.font())
    font.setFamilies(["monospace", "Consolas", "Menlo"])
    font.setStyleHint(QFont.StyleHint.Monospace)
    return font
