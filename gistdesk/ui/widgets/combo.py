"""Lists of combo boxes as wide as what they offer, however narrow the box is. Knows nothing of what is chosen."""

from PySide6.QtWidgets import QComboBox, QStyle

from gistdesk.ui.widgets import theme


def fit_list(box: QComboBox) -> None:
    """Call it when the texts have changed."""
    view = box.view()
    bar = box.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
    widest = max((box.fontMetrics().horizontalAdvance(box.itemText(n)) for n in range(box.count())), default=0)
    view.setMinimumWidth(widest + bar + 3 * theme.GRID)
