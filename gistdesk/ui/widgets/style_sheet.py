"""The style sheet of the whole window, from a theme's colours. Knows widgets' classes and a few properties."""

from collections.abc import Callable

from gistdesk.ui.widgets.colours import Colours, mix


def style_sheet(c: Colours, tinted: Callable[[str, str], str]) -> str:
    """The style sheet; `tinted` gives the path of an icon in a colour.

    Properties that widgets may set: `kind` ("primary", "quiet", "link" or "danger") on buttons; `role` ("title",
    "heading", "muted", "small", "bad", "warning", "good") on labels; `surface` ("card", "bar", "page", "rail" on
    frames, "nav" on lists).
    """
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
    QPushButton:disabled {{ color: {mix(c.muted, c.window)}; border-color: {mix(c.border, c.window)}; }}
    QPushButton:focus {{ border: 2px solid {c.accent}; padding: 4px 14px; }}
    QPushButton[kind="primary"] {{ background: {c.accent}; color: {c.on_accent}; border: 1px solid {c.accent}; }}
    QPushButton[kind="primary"]:hover {{ background: {mix(c.accent, c.text, 0.88)}; }}
    QPushButton[kind="primary"]:disabled {{ background: {mix(c.accent, c.window, 0.4)}; border-color: transparent;
        color: {mix(c.on_accent, c.window, 0.7)}; }}
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
    QToolButton:disabled {{ color: {mix(c.muted, c.window)}; }}
    QToolButton::menu-indicator {{ image: none; }}

    QLineEdit, QPlainTextEdit, QTextEdit, QSpinBox, QDoubleSpinBox, QComboBox {{ background: {c.surface};
        color: {c.text}; border: 1px solid {c.border}; border-radius: 6px; padding: 5px 9px; min-height: 20px;
        selection-background-color: {c.accent}; selection-color: {c.on_accent}; }}
    QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{
        border: 2px solid {c.accent}; padding: 4px 8px; }}
    QLineEdit:disabled, QSpinBox:disabled, QComboBox:disabled {{ color: {mix(c.muted, c.window)};
        background: {c.window}; }}
    QComboBox {{ padding-right: 28px; combobox-popup: 0; }}
    QComboBox:focus {{ padding-right: 27px; }}
    QComboBox::drop-down {{ border: 0; width: 24px; subcontrol-position: center right; }}
    QComboBox::down-arrow {{ image: url({tinted("chevron-down", c.muted)}); width: 16px; height: 16px; }}
    QComboBox QAbstractItemView, QComboBox QAbstractItemView:focus {{ background: {c.raised};
        border: 1px solid {c.border}; padding: 0;
        selection-background-color: {c.selected}; selection-color: {c.text}; outline: 0; }}
    QComboBox QAbstractItemView::item {{ min-height: 28px; padding: 0 8px; }}
    QSpinBox::up-button, QDoubleSpinBox::up-button {{ border: 0; width: 20px; subcontrol-position: top right; }}
    QSpinBox::down-button, QDoubleSpinBox::down-button {{ border: 0; width: 20px; subcontrol-position: bottom right; }}
    QSpinBox::up-arrow, QDoubleSpinBox::up-arrow {{ image: url({tinted("chevron-up", c.muted)}); width: 12px; }}
    QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {{ image: url({tinted("chevron-down", c.muted)}); width: 12px; }}

    QCheckBox, QRadioButton {{ spacing: 8px; padding: 3px; border: 2px solid transparent; border-radius: 6px; }}
    QCheckBox:focus, QRadioButton:focus {{ border: 2px solid {c.accent}; }}
    QCheckBox::indicator, QRadioButton::indicator, QAbstractItemView::indicator {{ width: 14px; height: 14px;
        border: 1px solid {c.muted};
        background: {c.surface}; }}
    QCheckBox::indicator, QAbstractItemView::indicator {{ border-radius: 4px; }}
    QRadioButton::indicator {{ border-radius: 8px; }}
    QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{ background: {c.accent};
        border-color: {c.accent}; image: url({tinted("check", c.on_accent)}); }}
    QRadioButton::indicator:checked {{ background: {c.accent}; border-color: {c.accent};
        image: url({tinted("dot", c.on_accent)}); }}

    QAbstractItemView {{ background: {c.surface}; border: 0; outline: 0; alternate-background-color: {c.surface};
        selection-background-color: {c.selected}; selection-color: {c.text}; }}
    QTableView, QTreeView, QListView {{ border: 2px solid transparent; }}
    QTableView::item:focus, QTreeView::item:focus, QListView::item:focus {{ border: 2px solid {c.accent}; }}
    QTableView::item, QTreeView::item, QListView::item {{ padding: 0 8px; }}
    QTableView::item:selected, QTreeView::item:selected, QListView::item:selected {{ background: {c.selected};
        color: {c.text}; }}
    QListView[surface="nav"] {{ background: {c.window}; border-right: 1px solid {c.border}; padding: 8px; }}
    QListView[surface="nav"]::item {{ border-radius: 6px; }}
    QDialog {{ background: {c.surface}; }}
    QListView::item:hover:!selected, QTreeView::item:hover:!selected {{ background: {c.hover}; }}
    QHeaderView {{ background: {c.surface}; }}
    QHeaderView::section {{ background: {c.surface}; color: {c.muted}; border: 0;
        border-bottom: 1px solid {c.border}; padding: 6px 8px; }}
    QHeaderView::section:hover {{ color: {c.text}; }}
    QHeaderView::up-arrow {{ image: url({tinted("chevron-up", c.muted)}); width: 12px; height: 12px; }}
    QHeaderView::down-arrow {{ image: url({tinted("chevron-down", c.muted)}); width: 12px; height: 12px; }}
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
    QMenu::item:disabled {{ color: {mix(c.muted, c.raised)}; }}
    QMenu::icon {{ padding-left: 8px; }}
    QMenu::separator {{ height: 1px; background: {c.border}; margin: 4px 8px; }}

    QScrollArea {{ background: transparent; border: 0; }}
    QScrollArea > QWidget > QWidget {{ background: transparent; }}
    QAbstractScrollArea::corner {{ background: transparent; border: 0; }}
    QScrollBar:vertical {{ background: transparent; width: 12px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: 12px; margin: 0; }}
    QScrollBar::handle {{ background: {mix(c.muted, c.surface, 0.45)}; border-radius: 4px; margin: 2px; }}
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
