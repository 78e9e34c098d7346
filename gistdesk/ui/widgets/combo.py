"""Makes a combo box's list as wide as its items, however narrow the box. Knows nothing of what is chosen."""

from PySide6.QtWidgets import QComboBox, QStyle

from gistdesk.ui.widgets import theme


def fit_list(box: QComboBox) -> None:
    """Fit the list to its items; call it whenever the texts change."""
    view = box.view()
    bar = box.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
    widest = max((box.fontMetrics().horizontalAdvance(box.itemText(n)) for n in range(box.count())), default=0)
    view.setMinimumWidth(widest + bar + 3 * theme.GRID)
