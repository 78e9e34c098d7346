"""Tells screen readers about changes away from the focus: progress, results, notices."""

from PySide6.QtWidgets import QWidget


def announce(widget: QWidget, text: str, *, urgent: bool = False) -> None:
    """Have `text` read out if a screen reader is running; urgent ones interrupt what it is saying."""
    from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent  # not needed to draw the window

    if not QAccessible.isActive():
        return
    event = QAccessibleAnnouncementEvent(widget, text)
    if urgent:
        event.setPoliteness(QAccessible.AnnouncementPoliteness.Assertive)
    QAccessible.updateAccessibility(event)
