"""The settings (Ctrl+,): a separate window beside the main one; every change takes effect at once.

Knows its pages.
"""

from PySide6.QtCore import QEvent, QSize
from PySide6.QtWidgets import QDialog, QHBoxLayout, QListWidget, QListWidgetItem, QStackedWidget, QWidget

from gistdesk.language.i18n import tr
from gistdesk.session.desk import Desk
from gistdesk.ui.settings.models import ModelsPage
from gistdesk.ui.settings.pages import AdvancedPage, GeneralPage, HardwarePage, PrivacyPage
from gistdesk.ui.settings.server import ServerPage
from gistdesk.ui.settings.storage import StoragePage
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.banner import BannerArea

MODELS = 1
_ICONS = ("settings", "lab", "folder", "chip", "export", "privacy", "more")


class SettingsDialog(QDialog):
    """Attributes: general, models, storage, hardware, server, privacy, advanced (its pages); banners."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.general, self.models, self.storage = GeneralPage(desk), ModelsPage(desk), StoragePage(desk)
        self.hardware, self.server = HardwarePage(desk), ServerPage(desk)
        self.privacy, self.advanced = PrivacyPage(desk), AdvancedPage(desk)
        self._pages = (
            *(self.general, self.models, self.storage, self.hardware),
            *(self.server, self.privacy, self.advanced),
        )
        self.list = QListWidget(self)
        self.list.setIconSize(QSize(theme.ICON, theme.ICON))
        self.list.setProperty("surface", "nav")
        self.list.setFixedWidth(22 * theme.GRID)
        self._stack = QStackedWidget(self)
        for page, icon in zip(self._pages, _ICONS, strict=True):
            item = QListWidgetItem(theme.icon(icon), page.title)
            item.setSizeHint(QSize(0, 5 * theme.GRID))
            self.list.addItem(item)
            self._stack.addWidget(page)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.list)
        row.addWidget(self._stack, 1)
        self.banners = BannerArea(self, lambda: 0)
        self.list.currentRowChanged.connect(self._on_page)
        self.resize(100 * theme.GRID, 70 * theme.GRID)
        self._retranslate()

    def show_page(self, number: int = 0) -> None:
        """Open at a page."""
        self.list.setCurrentRow(number)
        self.show()
        self.raise_()
        self.activateWindow()
        self.list.setFocus()

    def _on_page(self, number: int) -> None:
        self._stack.setCurrentIndex(number)
        if self._pages[number] is self.storage:
            self.storage.refresh()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def _retranslate(self) -> None:
        self.setWindowTitle(tr("Settings"))
        self.list.setAccessibleName(tr("Pages of the settings"))
        for number, page in enumerate(self._pages):
            self.list.item(number).setText(tr(page.title))
