"""How the window looks: light and dark palettes with one accent, the 8 px grid, the focus ring, tinted icons.

Knows widgets' classes and the few object names and properties listed at `_sheet`; knows nothing of their contents.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt, QTemporaryDir
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QIcon, QIconEngine, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QWidget

from gistdesk.core.resources import resource

GRID = 8
"""Every margin, gap and height is a multiple of this, or half of it. In device-independent pixels."""
SMALL = GRID // 2
ROW_HEIGHT = 6 * GRID
ICON = 20
SMALL_ICON = 16


@dataclass(frozen=True)
class Colours:
    """The colours of one theme.

    Attributes:
        window, surface, raised: background of bars, of texts and tables, of cards over them.
        text, muted, border: writing, secondary writing, lines.
        accent, on_accent, tint: the one accent, writing on it, and a weak background of it.
        good, warning, bad: always beside an icon or a word that says the same.
        hover, selected: backgrounds of what is under the mouse, and of what is chosen.
        memory_model, memory_gist, memory_other, memory_free: parts of the memory bar.
    """

    window: str
    surface: str
    raised: str
    text: str
    muted: str
    border: str
    accent: str
    on_accent: str
    tint: str
    good: str
    warning: str
    bad: str
    hover: str
    selected: str
    memory_model: str
    memory_gist: str
    memory_other: str
    memory_free: str


LIGHT = Colours(
    window="#f4f5f8",
    surface="#ffffff",
    raised="#ffffff",
    text="#1b1e28",
    muted="#5b6275",
    border="#d5d9e3",
    accent="#3f56c9",
    on_accent="#ffffff",
    tint="#e8ecfc",
    good="#1c7a4b",
    warning="#8f5a00",
    bad="#b3261e",
    hover="#e9ebf2",
    selected="#dde4fb",
    memory_model="#3f56c9",
    memory_gist="#1f9d8b",
    memory_other="#a3aabd",
    memory_free="#e6e9f0",
)
DARK = Colours(
    window="#1a1c22",
    surface="#21242c",
    raised="#2a2e38",
    text="#e8eaf1",
    muted="#a2a9bb",
    border="#3a3f4c",
    accent="#9dacff",
    on_accent="#141a3c",
    tint="#2c3352",
    good="#6fd09b",
    warning="#f0bd62",
    bad="#ff9d94",
    hover="#2e323d",
    selected="#343d63",
    memory_model="#9dacff",
    memory_gist="#4fc7b4",
    memory_other="#707789",
    memory_free="#30343f",
)

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
    app.setStyleSheet(_sheet(_colours))


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


def _sheet(c: Colours) -> str:
    """The style sheet. Properties that widgets may set: `kind` ("primary", "quiet", "link" or "danger") on buttons;
    `role` ("title", "heading", "muted", "small", "mono", "bad", "warning", "good") on labels;
    `surface` ("card", "bar", "page", "rail" on frames, "nav" on lists)."""
    return f"""
    QToolTip {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; padding: 4px 8px; }}
    QFrame[surface="card"] {{ background: {c.raised}; border: 1px solid {c.border}; border-radius: 8px; }}
    QFrame[surface="bar"] {{ background: {c.window}; border: 0; border-top: 1px solid {c.border}; }}
    QFrame[surface="rail"] {{ background: {c.window}; border: 0; border-right: 1px solid {c.border}; }}
    QFrame[surface="page"] {{ background: {c.surface}; border: 0; }}
    QLabel {{ background: transparent; }}
    QLabel[role="title"] {{ font-size: 18pt; font-weight: 600; }}
    QLabel[role="heading"] {{ font-size: 11pt; font-weight: 600; }}
    QLabel[role="muted"], QLabel[role="small"] {{ color: {c.muted}; }}
    QLabel[role="bad"] {{ color: {c.bad}; }}
    QLabel[role="warning"] {{ color: {c.warning}; }}
    QLabel[role="good"] {{ color: {c.good}; }}

    QPushButton {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.border}; border-radius: 6px;
        padding: 5px 15px; min-height: 20px; }}
    QPushButton:hover {{ background: {c.hover}; }}
    QPushButton:pressed, QPushButton:checked {{ background: {c.selected}; }}
    QPushButton:disabled {{ color: {_mix(c.muted, c.window)}; border-color: {_mix(c.border, c.window)}; }}
    QPushButton:focus {{ border: 2px solid {c.accent}; padding: 4px 14px; }}
    QPushButton[kind="primary"] {{ background: {c.accent}; color: {c.on_accent}; border: 1px solid {c.accent}; }}
    QPushButton[kind="primary"]:hover {{ background: {_mix(c.accent, c.text, 0.88)}; }}
    QPushButton[kind="primary"]:disabled {{ background: {_mix(c.accent, c.window, 0.4)}; border-color: transparent;
        color: {_mix(c.on_accent, c.window, 0.7)}; }}
    QPushButton[kind="primary"]:focus {{ border: 2px solid {c.text}; }}
    QPushButton[kind="danger"] {{ color: {c.bad}; }}
    QPushButton[kind="quiet"] {{ background: transparent; border: 1px solid transparent; }}
    QPushButton[kind="quiet"]:hover {{ background: {c.hover}; }}
    QPushButton[kind="quiet"]:focus {{ border: 2px solid {c.accent}; }}
    QPushButton[kind="link"] {{ background: transparent; border: 1px solid transparent; color: {c.accent};
        padding: 3px 7px; }}
    QPushButton[kind="link"]:hover {{ text-decoration: underline; }}
    QPushButton[kind="link"]:focus {{ border: 2px solid {c.accent}; padding: 2px 6px; }}
    QPushButton::menu-indicator {{ image: none; width: 0; }}

    QToolButton {{ background: transparent; color: {c.text}; border: 2px solid transparent; border-radius: 6px;
        padding: 4px; }}
    QToolButton:hover {{ background: {c.hover}; }}
    QToolButton:pressed, QToolButton:checked {{ background: {c.selected}; }}
    QToolButton:focus {{ border: 2px solid {c.accent}; }}
    QToolButton:disabled {{ color: {_mix(c.muted, c.window)}; }}
    QToolButton::menu-indicator {{ image: none; }}

    QLineEdit, QPlainTextEdit, QTextEdit, QSpinBox, QDoubleSpinBox, QComboBox {{ background: {c.surface};
        color: {c.text}; border: 1px solid {c.border}; border-radius: 6px; padding: 5px 9px; min-height: 20px;
        selection-background-color: {c.accent}; selection-color: {c.on_accent}; }}
    QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{
        border: 2px solid {c.accent}; padding: 4px 8px; }}
    QLineEdit:disabled, QSpinBox:disabled, QComboBox:disabled {{ color: {_mix(c.muted, c.window)};
        background: {c.window}; }}
    QComboBox {{ padding-right: 28px; }}
    QComboBox:focus {{ padding-right: 27px; }}
    QComboBox::drop-down {{ border: 0; width: 24px; subcontrol-position: center right; }}
    QComboBox::down-arrow {{ image: url({_tinted("chevron-down", c.muted)}); width: 16px; height: 16px; }}
    QComboBox QAbstractItemView {{ background: {c.raised}; border: 1px solid {c.border}; padding: 4px;
        selection-background-color: {c.selected}; selection-color: {c.text}; outline: 0; }}
    QSpinBox::up-button, QDoubleSpinBox::up-button {{ border: 0; width: 20px; subcontrol-position: top right; }}
    QSpinBox::down-button, QDoubleSpinBox::down-button {{ border: 0; width: 20px; subcontrol-position: bottom right; }}
    QSpinBox::up-arrow, QDoubleSpinBox::up-arrow {{ image: url({_tinted("chevron-up", c.muted)}); width: 12px; }}
    QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {{ image: url({_tinted("chevron-down", c.muted)}); width: 12px; }}

    QCheckBox, QRadioButton {{ spacing: 8px; padding: 3px; border: 2px solid transparent; border-radius: 6px; }}
    QCheckBox:focus, QRadioButton:focus {{ border: 2px solid {c.accent}; }}
    QCheckBox::indicator, QRadioButton::indicator {{ width: 14px; height: 14px; border: 1px solid {c.muted};
        background: {c.surface}; }}
    QCheckBox::indicator {{ border-radius: 4px; }}
    QRadioButton::indicator {{ border-radius: 8px; }}
    QCheckBox::indicator:checked {{ background: {c.accent}; border-color: {c.accent};
        image: url({_tinted("check", c.on_accent)}); }}
    QRadioButton::indicator:checked {{ background: {c.accent}; border-color: {c.accent};
        image: url({_tinted("dot", c.on_accent)}); }}

    QAbstractItemView {{ background: {c.surface}; border: 0; outline: 0; alternate-background-color: {c.surface};
        selection-background-color: {c.selected}; selection-color: {c.text}; }}
    QTableView, QTreeView, QListView {{ border: 2px solid transparent; }}
    QTableView:focus, QTreeView:focus, QListView:focus {{ border: 2px solid {c.accent}; }}
    QTableView::item, QTreeView::item, QListView::item {{ padding: 0 8px; }}
    QTableView::item:selected, QTreeView::item:selected, QListView::item:selected {{ background: {c.selected};
        color: {c.text}; }}
    QListView[surface="nav"] {{ background: {c.window}; border-right: 1px solid {c.border}; padding: 8px; }}
    QListView[surface="nav"]:focus {{ border: 2px solid {c.accent}; padding: 7px; }}
    QListView[surface="nav"]::item {{ border-radius: 6px; }}
    QDialog {{ background: {c.surface}; }}
    QListView::item:hover:!selected, QTreeView::item:hover:!selected {{ background: {c.hover}; }}
    QHeaderView {{ background: {c.surface}; }}
    QHeaderView::section {{ background: {c.surface}; color: {c.muted}; border: 0;
        border-bottom: 1px solid {c.border}; padding: 6px 8px; }}
    QHeaderView::section:hover {{ color: {c.text}; }}
    QHeaderView::up-arrow {{ image: url({_tinted("chevron-up", c.muted)}); width: 12px; height: 12px; }}
    QHeaderView::down-arrow {{ image: url({_tinted("chevron-down", c.muted)}); width: 12px; height: 12px; }}
    QTableCornerButton::section {{ background: {c.surface}; border: 0; }}

    QTabWidget::pane {{ border: 0; border-top: 1px solid {c.border}; }}
    QTabBar {{ background: transparent; }}
    QTabBar::tab {{ background: transparent; color: {c.muted}; padding: 7px 15px; border: 2px solid transparent;
        border-bottom: 3px solid transparent; }}
    QTabBar::tab:selected {{ color: {c.text}; border-bottom: 3px solid {c.accent}; }}
    QTabBar::tab:hover {{ color: {c.text}; }}
    QTabBar:focus {{ border: 0; }}
    QTabBar::tab:focus {{ border: 2px solid {c.accent}; border-radius: 6px; }}

    QMenuBar {{ background: {c.window}; padding: 2px 4px; }}
    QMenuBar::item {{ padding: 4px 10px; border-radius: 4px; background: transparent; }}
    QMenuBar::item:selected {{ background: {c.hover}; }}
    QMenu {{ background: {c.raised}; border: 1px solid {c.border}; padding: 4px; }}
    QMenu::item {{ padding: 6px 28px 6px 12px; border-radius: 4px; }}
    QMenu::item:selected {{ background: {c.selected}; color: {c.text}; }}
    QMenu::item:disabled {{ color: {_mix(c.muted, c.raised)}; }}
    QMenu::icon {{ padding-left: 8px; }}
    QMenu::separator {{ height: 1px; background: {c.border}; margin: 4px 8px; }}

    QScrollArea {{ background: transparent; border: 0; }}
    QScrollArea > QWidget > QWidget {{ background: transparent; }}
    QScrollBar:vertical {{ background: transparent; width: 12px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: 12px; margin: 0; }}
    QScrollBar::handle {{ background: {_mix(c.muted, c.surface, 0.45)}; border-radius: 4px; margin: 2px; }}
    QScrollBar::handle:vertical {{ min-height: 32px; }}
    QScrollBar::handle:horizontal {{ min-width: 32px; }}
    QScrollBar::handle:hover {{ background: {c.muted}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

    QSplitter::handle {{ background: {c.border}; }}
    QSplitter::handle:horizontal {{ width: 1px; }}
    QSplitter::handle:vertical {{ height: 1px; }}
    QProgressBar {{ background: {c.memory_free}; border: 0; border-radius: 3px; max-height: 6px; min-height: 6px; }}
    QProgressBar::chunk {{ background: {c.accent}; border-radius: 3px; }}
    QGroupBox {{ border: 0; margin-top: 24px; font-weight: 600; }}
    QGroupBox::title {{ subcontrol-origin: margin; left: 0; }}
    """


def _mix(front: str, back: str, share: float = 0.55) -> str:
    """`front` over `back`: style sheets have no transparency that all controls respect."""
    one, other = QColor(front), QColor(back)
    parts = (
        round(a * share + b * (1 - share))
        for a, b in zip(one.getRgb()[:3], other.getRgb()[:3], strict=True)  # type: ignore[index]
    )
    return "#" + "".join(f"{part:02x}" for part in parts)


# --- fonts

_KOREAN_FONTS = (
    *("Noto Sans CJK KR", "Noto Sans KR", "Pretendard", "Malgun Gothic", "Apple SD Gothic Neo", "NanumBarunGothic"),
    "NanumGothic",
)


def use_font_for(app: QApplication, language: str) -> None:
    """The system's font, or, where it has no Hangul and the language is "ko", one that has Latin letters, too.

    Otherwise Qt takes Hangul, and the figures beside it, from a font of another size and weight.
    """
    global _system_font
    _system_font = _system_font or app.font()
    font = QFont(_system_font)
    korean = QFontDatabase.WritingSystem.Korean
    if language == "ko" and korean not in QFontDatabase.writingSystems(QFontInfo(font).family()):
        there = set(QFontDatabase.families(korean))
        font.setFamilies([*(name for name in _KOREAN_FONTS if name in there), font.family()])
    if font != app.font():
        app.setFont(font)


# --- icons


def icon(name: str, colour: str | None = None) -> QIcon:
    """`resources/icons/NAME.svg` in the colour of text, or in the one of `Colours` that is named ("accent", "bad").

    It follows the theme: an icon that was given to a widget needs no change when light becomes dark.
    """
    return QIcon(_TintedIcon(name, colour))


def application_icon() -> QIcon:
    """The application's own, in its own colours."""
    return QIcon(str(resource("icons/gistdesk.svg")))


def paint_icon(painter: QPainter, rect: QRectF, name: str, colour: str) -> None:
    """Draw an icon in a colour given as "#rrggbb"."""
    _renderer(name, colour).render(painter, rect)


class _TintedIcon(QIconEngine):
    """Draws an SVG in the theme's colours as they are at that moment."""

    def __init__(self, name: str, colour: str | None) -> None:
        super().__init__()
        self._name, self._colour = name, colour

    def paint(self, painter: QPainter, rect: object, mode: QIcon.Mode, state: QIcon.State) -> None:
        tint = getattr(_colours, self._colour or "text")
        if mode == QIcon.Mode.Disabled:
            tint = _mix(_colours.muted, _colours.window)
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
    """The path of a tinted copy of an icon: style sheets take files only."""
    target = Path(_tinted_folder().path()) / f"{name}-{colour[1:]}.svg"
    if not target.exists():
        target.write_text(_source(name).replace("currentColor", colour), encoding="utf-8")
    return target.as_posix()


@cache
def _tinted_folder() -> QTemporaryDir:
    return QTemporaryDir()  # deletes itself when the program ends


# --- small shared settings of widgets


def set_kind(widget: QWidget, kind: str) -> None:
    """Give a button one of the looks named at `_sheet`, also after it was shown."""
    _set_property(widget, "kind", kind)


def set_role(widget: QWidget, role: str) -> None:
    """Give a label one of the looks named at `_sheet`, also after it was shown."""
    _set_property(widget, "role", role)


def _set_property(widget: QWidget, name: str, value: str) -> None:
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def inset(box: QAbstractSpinBox) -> None:
    """Move a spin box's figure off its left edge: Qt gives the field inside no padding of the style sheet."""
    box.lineEdit().setTextMargins(GRID, 0, 0, 0)


def mono_font(widget: QWidget) -> QFont:
    """The system's fixed-width font in the widget's size."""
    font = QFont(widget.font())
    font.setFamilies(["monospace", "Consolas", "Menlo"])
    font.setStyleHint(QFont.StyleHint.Monospace)
    return font
