"""Banners: what happened, what to do about it, up to two actions, details to copy. Knows notices, not their causes."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gistdesk.language.i18n import tr
from gistdesk.session.notices import Notice
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.labels import Label
from gistdesk.ui.widgets.speech import announce

_MOST = 3
_WIDEST = 96 * theme.GRID
_INFO_MS = 12_000


class Banner(QFrame):
    """One notice. Signals: closed."""

    closed = Signal()

    def __init__(self, notice: Notice, tone: str, parent: QWidget) -> None:
        """`tone`: "info", which goes away by itself, or "warning"."""
        super().__init__(parent)
        self.setProperty("surface", "card")
        self.notice = notice
        self._icon = Label(self)
        self._icon.setPixmap(theme.icon(tone, "accent" if tone == "info" else "warning").pixmap(theme.ICON, theme.ICON))
        self._message, self._hint = Label(self), Label(self)
        theme.set_role(self._message, "heading" if notice.hint else "")
        theme.set_role(self._hint, "muted")
        for label in (self._message, self._hint):
            label.setWordWrap(True)
        self._hint.setVisible(bool(notice.hint))
        self.buttons = [QPushButton(self) for _ in notice.actions]
        for button, (_, action) in zip(self.buttons, notice.actions, strict=True):
            button.clicked.connect(lambda _=False, action=action: self._on_action(action))
        self._more = QPushButton(self)
        theme.set_kind(self._more, "link")
        self._more.setCheckable(True)
        self._more.setVisible(bool(notice.details))
        self._more.toggled.connect(self._on_more)
        self._details = QPlainTextEdit(notice.details, self)
        self._details.setReadOnly(True)
        self._details.setFont(theme.mono_font(self._details))
        self._details.setFixedHeight(16 * theme.GRID)
        self._details.setTabChangesFocus(True)
        self._copy = QPushButton(self)
        self._copy.setIcon(theme.icon("copy"))
        self._copy.clicked.connect(self._on_copy)
        self._close = QToolButton(self)
        self._close.setIcon(theme.icon("close"))
        self._close.clicked.connect(self.closed)
        self._arrange()
        self._on_more(False)
        self._retranslate()

    def _arrange(self) -> None:
        texts = QVBoxLayout()
        texts.setSpacing(theme.SMALL)
        texts.addWidget(self._message)
        texts.addWidget(self._hint)
        top = QHBoxLayout()
        top.setSpacing(theme.GRID)
        top.addWidget(self._icon)
        top.addSpacing(theme.SMALL)
        top.addLayout(texts, 1)
        for widget in (self._more, *self.buttons, self._close):
            top.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        column.setSpacing(theme.GRID)
        column.addLayout(top)
        column.addWidget(self._details)
        foot = QHBoxLayout()
        foot.addWidget(self._copy)
        foot.addStretch()
        column.addLayout(foot)

    def _on_more(self, shown: bool) -> None:
        self._details.setVisible(shown)
        self._copy.setVisible(shown)

    def _on_copy(self) -> None:
        parts = (self.notice.message, self.notice.hint, self.notice.details)
        QApplication.clipboard().setText("\n".join(part for part in parts if part))

    def _on_action(self, action: object) -> None:
        self.closed.emit()
        if callable(action):
            action()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self._message.setText(tr(self.notice.message))
        self._hint.setText(tr(self.notice.hint))
        for button, (label, _) in zip(self.buttons, self.notice.actions, strict=True):
            button.setText(tr(label))
        self._more.setText(tr("Details"))
        self._details.setAccessibleName(tr("Details"))
        self._copy.setText(tr("Copy details"))
        self._close.setToolTip(tr("Close this notice"))
        self._close.setAccessibleName(tr("Close this notice"))


class BannerArea(QScrollArea):
    """Where banners are shown, newest on top, a few at a time; as high as they are, up to half the parent's height.

    They lie over the lower part of the parent, so that nothing moves under the pointer when one appears or goes.
    """

    def __init__(self, parent: QWidget, above: Callable[[], int]) -> None:
        """`above` gives the height in pixels to leave free at the parent's lower edge."""
        super().__init__(parent)
        self._above = above
        parent.installEventFilter(self)
        self._inner = QWidget(self)
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(*(theme.GRID,) * 4)
        self._column.setSpacing(theme.GRID)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(self._inner)
        self._inner.installEventFilter(self)
        self.banners: list[Banner] = []
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == (QEvent.Type.LayoutRequest if watched is self._inner else QEvent.Type.Resize):
            self.fit()
        return super().eventFilter(watched, event)

    def fit(self) -> None:
        """Fill the room that is free now."""
        parent = self.parentWidget()
        if parent is None or self.isHidden():
            return
        width = min(parent.width(), _WIDEST)
        self._column.activate()
        wanted = self._column.totalHeightForWidth(width) if self._column.hasHeightForWidth() else -1
        height = min(max(wanted, self._column.sizeHint().height()), parent.height() // 2)
        self.setGeometry((parent.width() - width) // 2, parent.height() - self._above() - height, width, height)

    def tell(self, notice: Notice, tone: str = "warning") -> Banner:
        """Show a notice, replacing one that says the same."""
        for banner in list(self.banners):
            if banner.notice.message == notice.message:
                self._remove(banner)
        banner = Banner(notice, tone, self._inner)
        banner.closed.connect(self._on_closed)
        self._column.insertWidget(0, banner)
        self.banners.insert(0, banner)
        for old in self.banners[_MOST:]:
            self._remove(old)
        self.show()
        self.raise_()
        self.fit()
        announce(self, f"{tr(notice.message)} {tr(notice.hint)}", urgent=tone == "warning")
        if tone == "info":
            QTimer.singleShot(_INFO_MS, banner, banner.closed.emit)
        return banner

    def _on_closed(self) -> None:
        banner = self.sender()
        if isinstance(banner, Banner):
            self._remove(banner)

    def _remove(self, banner: Banner) -> None:
        if banner in self.banners:
            self.banners.remove(banner)
            self._column.removeWidget(banner)
            banner.hide()
            banner.deleteLater()
        self.setVisible(bool(self.banners))
        self.fit()
