"""The messages of one chat, one below the other: opens at the end, draws old ones when scrolled to.

It follows a growing answer only while scrolled to the end; otherwise what is being read stays where it is, whatever
is added above or below. Knows messages; knows nothing of the desk or the library.
"""

import time
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from gistdesk.language.i18n import tr
from gistdesk.library import Message
from gistdesk.ui.chat.answer import AnswerView
from gistdesk.ui.chat.look import FLAT_TEXT
from gistdesk.ui.chat.message import MessageView
from gistdesk.ui.widgets import theme
from gistdesk.ui.widgets.theme import GRID

_FRAME_MS = 33
"""Growing text is drawn about 30 times a second."""
_TURN_S = 0.008
"""Seconds of building messages before events are processed."""
_WIDEST_PX = 880
_LEVELS = 5
"""Depth of nested layouts: page, message, answer, text, code."""
_END_PX = 3 * GRID
"""Anything nearer to the end than this counts as the end."""


class Transcript(QScrollArea):
    """Attributes: views, the messages that are built, oldest first.

    Signals:
        acted, edited, passage_chosen: see `MessageView`.
        focus_chain_changed: `focus_chain` has changed.
    """

    acted = Signal(int, str)
    edited = Signal(int, str)
    passage_chosen = Signal(object)
    focus_chain_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views: list[MessageView] = []
        self._drafts: dict[int, str] = {}
        self._unbuilt: list[Message] = []
        self._current: MessageView | None = None
        self._at_end = True
        self._anchor: tuple[MessageView, int] | None = None
        self._busy = False
        self._restoring = False
        self._maximum = 0
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setStyleSheet(FLAT_TEXT)
        self._page = _Page()
        self._page.laid_out.connect(self._keep_place)
        self.setWidget(self._page)
        self._earlier = QPushButton()
        theme.set_kind(self._earlier, "quiet")
        self._earlier.clicked.connect(self._on_earlier_clicked)
        self._page.rows.addWidget(self._earlier, 0, Qt.AlignmentFlag.AlignHCenter)
        self._page.rows.addStretch(1)
        self._to_end = QPushButton(self)
        self._to_end.setIcon(theme.icon("chevron-down"))
        self._to_end.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # with the keyboard, it is the End key
        self._to_end.clicked.connect(self.scroll_to_end)
        self._to_end.hide()
        self._frames = QTimer(self)
        self._frames.setInterval(_FRAME_MS)
        self._frames.timeout.connect(self._on_frame)
        self._building = QTimer(self)
        self._building.setSingleShot(True)
        self._building.setInterval(0)
        self._building.timeout.connect(self._build)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self._retranslate()

    def show_path(self, path: Sequence[Message], *, busy: bool) -> None:
        """Show these messages; those already shown stay as they are.

        Args:
            busy: an answer is being written in this chat.
        """
        self._busy = busy
        built = [view.id for view in self.views]
        n_unbuilt = len(self._unbuilt)
        ids = [message.id for message in path]
        n_same = 0
        before = [message.id for message in self._unbuilt] + built
        while n_same < min(len(ids), len(before)) and ids[n_same] == before[n_same]:
            n_same += 1
        if n_same < n_unbuilt or not built or n_same == n_unbuilt:
            self._restart(path)
            return
        self._unbuilt = list(path[:n_unbuilt])
        for view in self.views[n_same - n_unbuilt :]:
            self._drop(view)
        del self.views[n_same - n_unbuilt :]
        for view, message in zip(self.views, path[n_unbuilt:], strict=False):
            view.set_message(message)
        for message in path[n_same:]:
            self._add(message)
        for view in self.views:
            view.set_busy(busy)
        focused = self.focused()
        self._choose_current(focused or (self.views[-1] if self.views else None))

    def view(self, message_id: int) -> MessageView | None:
        """The message's view, if it is built."""
        return next((view for view in self.views if view.id == message_id), None)

    def last_answer(self) -> MessageView | None:
        """The newest answer."""
        return next((view for view in reversed(self.views) if view.message.role == "assistant"), None)

    def being_edited(self) -> dict[int, str]:
        """Ids of the questions that are being edited, and what they have become."""
        shown = {view.id: view.draft for view in self.views if view.draft is not None and view.draft != view.text()}
        return {**self._drafts, **shown}

    def go_on_editing(self, drafts: Mapping[int, str]) -> None:
        """Of the next path, show these questions as they were being edited, as soon as they are built."""
        self._drafts = dict(drafts)

    def focused(self) -> MessageView | None:
        """The message that has the keyboard focus."""
        widget = QApplication.focusWidget()
        while widget is not None and not isinstance(widget, MessageView):
            widget = widget.parentWidget()
        return widget if widget in self.views else None

    def hold(self, view: MessageView) -> None:
        """Keep this message where it is while it grows."""
        if view is not self.views[-1]:
            self._at_end = False
            self._anchor = (view, view.y() - self.verticalScrollBar().value())

    def reveal(self, view: MessageView) -> None:
        """Scroll to the part of a message that was just opened and has the focus."""
        QTimer.singleShot(0, view, self._reveal_focus)

    def _reveal_focus(self) -> None:
        widget = QApplication.focusWidget()
        if widget is not None and self._page.isAncestorOf(widget):
            self.ensureWidgetVisible(widget, 0, 2 * GRID)

    def answer(self, message_id: int) -> AnswerView | None:
        """The view of an answer, or of a comparison beside one."""
        for view in reversed(self.views):
            for answer in view.answers():
                if answer.message.id == message_id:
                    return answer
        return None

    def add_delta(self, message_id: int, delta: str) -> bool:
        """Append to an answer; returns whether it is shown here."""
        answer = self.answer(message_id)
        if answer is not None:
            answer.add(delta)
            if not self._frames.isActive():
                self._frames.start()
        return answer is not None

    def scroll_to_end(self) -> None:
        """Scroll to the end, and follow what grows there."""
        self._at_end = True
        self._keep_place()

    def scroll_page(self, direction: int) -> None:
        """Scroll a page up (-1) or down (1)."""
        bar, action = self.verticalScrollBar(), self.verticalScrollBar().SliderAction
        bar.triggerAction(action.SliderPageStepSub if direction < 0 else action.SliderPageStepAdd)

    def is_complete(self) -> bool:
        """Whether all messages are built."""
        return not self._unbuilt

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if event.key() in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.scroll_page(-1 if event.key() == Qt.Key.Key_PageUp else 1)
        elif event.key() == Qt.Key.Key_End:
            self._focus_view(len(self.views) - 1)
            self.scroll_to_end()
        elif event.key() == Qt.Key.Key_Home:
            self._focus_view(0)
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._retranslate()

    def resizeEvent(self, event: object) -> None:  # noqa: N802
        super().resizeEvent(event)  # type: ignore[arg-type]
        side = max(2 * GRID, (self.viewport().width() - _WIDEST_PX) // 2)
        self._page.rows.setContentsMargins(side, 2 * GRID, side, 2 * GRID)
        self._show_to_end()

    def _retranslate(self) -> None:
        self.setAccessibleName(tr("Messages"))
        self._to_end.setText(tr("Jump to the end"))
        self._to_end.setToolTip(tr("Go to the newest message and follow it (End)"))
        self._show_earlier()

    def _show_earlier(self) -> None:
        self._earlier.setVisible(bool(self._unbuilt))
        self._earlier.setText(tr("Earlier messages: {n}", n=len(self._unbuilt)))

    def _restart(self, path: Sequence[Message]) -> None:
        for view in self.views:
            self._drop(view)
        self.views = []
        self._current = self._anchor = None
        self._at_end = True
        self._unbuilt = list(path)
        self._build()

    def _build(self) -> None:
        """Build older messages, from the newest back, until there are enough above the visible part."""
        until = time.monotonic() + _TURN_S
        while self._unbuilt and (not self.views or time.monotonic() < until):
            self._add(self._unbuilt.pop(), first=True)
        self._show_earlier()
        if self._current is None and self.views:
            self._choose_current(self.views[-1])
        self._settle()
        QTimer.singleShot(0, self, self._build_more)

    def _build_more(self) -> None:
        if self._unbuilt and self.verticalScrollBar().value() < self.viewport().height():
            self._building.start()

    def _add(self, message: Message, *, first: bool = False) -> None:
        view = MessageView(message, self._page.contentsRect().width())
        view.acted.connect(self.acted)
        view.edited.connect(self.edited)
        view.passage_chosen.connect(self.passage_chosen)
        view.focus_moved.connect(self._on_focus_moved)
        view.chain_changed.connect(self.focus_chain_changed)
        view.installEventFilter(self)
        view.set_busy(self._busy)
        if first:
            self.views.insert(0, view)
            self._page.rows.insertWidget(1, view)
        else:
            self.views.append(view)
            self._page.rows.insertWidget(self._page.rows.count() - 1, view)
        view.show()  # the layout would do it later, and a hidden view takes no focus
        if message.id in self._drafts:
            view.edit(self._drafts.pop(message.id))

    def _drop(self, view: MessageView) -> None:
        if view is self._current:
            self._current = None
        if self._anchor is not None and self._anchor[0] is view:
            self._anchor = None
        if view.draft is not None and view.draft != view.text():
            self._drafts[view.id] = view.draft
        self._page.rows.removeWidget(view)
        view.hide()
        view.deleteLater()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.FocusIn and isinstance(watched, MessageView):
            self._choose_current(watched)
        return super().eventFilter(watched, event)

    def _choose_current(self, view: MessageView | None) -> None:
        if view is self._current:
            return
        if self._current is not None:
            self._current.set_current(False)
        self._current = view
        if view is not None:
            view.set_current(True)
        self.focus_chain_changed.emit()

    def focus_chain(self) -> list[QWidget]:
        """What Tab reaches: the current message and its contents."""
        return [] if self._current is None else self._current.focus_chain()

    def _on_focus_moved(self, step: int) -> None:
        if self._current in self.views:
            self._focus_view(self.views.index(self._current) + step)

    def _focus_view(self, index: int) -> None:
        if 0 <= index < len(self.views):
            view = self.views[index]
            view.setFocus(Qt.FocusReason.TabFocusReason)
            self.ensureWidgetVisible(view, 0, GRID)

    def _on_earlier_clicked(self) -> None:
        self.verticalScrollBar().setValue(0)
        self._building.start()

    def _on_frame(self) -> None:
        left = [answer.flush() for view in self.views for answer in view.answers()]
        self._settle()
        if not any(left):
            self._frames.stop()

    def _settle(self) -> None:
        """Lay out before anything is painted: heights propagate from texts to messages to the page, one event each."""
        for _ in range(_LEVELS):
            QCoreApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest.value)
        self._keep_place()

    def _on_scrolled(self, value: int) -> None:
        bar = self.verticalScrollBar()
        if self._restoring or bar.maximum() != self._maximum:
            return  # the user did not scroll: the page became shorter
        self._at_end = value >= bar.maximum() - _END_PX
        self._remember_place()
        self._show_to_end()
        self._build_more()

    def _remember_place(self) -> None:
        """Remember the topmost visible message and its position, which is to stay in place."""
        top = self.verticalScrollBar().value()
        view = next((view for view in self.views if view.y() + view.height() > top), None)
        self._anchor = None if view is None else (view, view.y() - top)

    def _keep_place(self) -> None:
        bar = self.verticalScrollBar()
        self._maximum = bar.maximum()
        self._restoring = True
        if self._at_end:
            bar.setValue(bar.maximum())
        elif self._anchor is not None:
            view, offset = self._anchor
            bar.setValue(view.y() - offset)
        self._restoring = False
        if self._anchor is None:
            self._remember_place()
        self._show_to_end()

    def _show_to_end(self) -> None:
        self._to_end.setVisible(not self._at_end and self.verticalScrollBar().maximum() > 0)
        size = self._to_end.sizeHint()
        x = (self.viewport().width() - size.width()) // 2
        self._to_end.setGeometry(x, self.height() - size.height() - GRID, size.width(), size.height())


class _Page(QWidget):
    """The scrolled page; signals when its messages have been laid out."""

    laid_out = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows = QVBoxLayout(self)
        self.rows.setSpacing(GRID)

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self.laid_out.emit()
        return done
