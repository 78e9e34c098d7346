"""An answer's Markdown as widgets: runs of prose, and code blocks with a button that copies them.

A growing text is cut into pieces, and only its last piece is redrawn, so that a long answer costs no more per word
than a short one. Knows nothing of messages.
"""

import time

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gistdesk.language.i18n import tr
from gistdesk.ui.chat.code import CodeView
from gistdesk.ui.chat.pieces import Piece, split_markdown
from gistdesk.ui.chat.prose import ProseView
from gistdesk.ui.widgets.theme import GRID

_TURN_S = 0.008
"""Seconds of drawing a long text before events are processed."""
_BUSY_SHARE = 0.1
"""Drawing a growing piece takes at most this share of the time, however long the piece is."""


class MarkdownView(QWidget):
    """A Markdown text that may grow.

    Args:
        width: its likely width when shown, in pixels, so that heights are known before that.

    Signals: pieces_added (there may be more to reach with Tab).
    """

    pieces_added = Signal()

    def __init__(self, width: int = 80 * GRID) -> None:
        super().__init__()
        self._width = width
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(GRID)
        self._text = ""
        self._pieces: list[Piece] = []
        self._pending: list[Piece] = []
        self._more = QTimer(self, singleShot=True, interval=0)
        self._more.timeout.connect(self._show_pending)
        self._views: list[ProseView | CodeView] = []
        self._not_before_s = 0.0

    def text(self) -> str:
        """The text shown."""
        return self._text

    def is_drawn(self) -> bool:
        """Whether all of a long text has been drawn."""
        return not self._pending

    def grow(self, text: str) -> bool:
        """Show `text`, which is longer than before, unless the last drawing was too recent for its cost.

        Returns:
            Whether it was drawn.
        """
        now = time.monotonic()
        if now < self._not_before_s:
            return False
        self.set_text(text)
        after = time.monotonic()
        self._not_before_s = after + (after - now) * (1 / _BUSY_SHARE - 1)
        return True

    def set_text(self, text: str) -> None:
        """Show `text`; unchanged pieces are left alone."""
        if text == self._text:
            return
        settled: list[Piece] = []
        if self._pieces and text.startswith(self._text):
            settled = self._pieces[:-1]
            start = self._pieces[-1].start
        else:
            start = 0
        tail = [Piece(start + piece.start, piece.text, piece.language) for piece in split_markdown(text[start:])]
        self._text = text
        self._show([*settled, *tail])

    def _show(self, pieces: list[Piece]) -> None:
        self._pending = pieces
        self._drop_from(len(pieces))
        self._show_pending()

    def _show_pending(self) -> None:
        """Draw pieces that differ from what is shown, for a while; the rest after events have been processed."""
        until, n_before = time.monotonic() + _TURN_S, len(self._views)
        for index, piece in enumerate(self._pending):
            if index < len(self._pieces) and piece == self._pieces[index]:
                continue
            if time.monotonic() > until:
                self._more.start()
                break
            self._show_piece(index, piece)
        else:
            self._pending = []
        if len(self._views) > n_before:
            self.pieces_added.emit()

    def _show_piece(self, index: int, piece: Piece) -> None:
        is_code = piece.language is not None
        if index < len(self._pieces) and is_code != (self._pieces[index].language is not None):
            self._drop_from(index)
        if index == len(self._pieces):
            self._views.append(CodeView(self) if is_code else self._new_prose())
            self._rows.addWidget(self._views[index])
            self._pieces.append(piece)
        self._pieces[index] = piece
        view = self._views[index]
        if isinstance(view, CodeView):
            view.set_piece(piece)
        else:
            view.set_markdown(piece.text)

    def _new_prose(self) -> ProseView:
        view = ProseView(self)
        view.setAccessibleName(tr("Text of the message"))
        view.resize(self.width() if self.isVisible() else self._width, view.height())
        return view

    def _drop_from(self, index: int) -> None:
        for view in self._views[index:]:
            self._rows.removeWidget(view)
            view.hide()
            view.deleteLater()
        del self._views[index:]
        self._pieces = self._pieces[:index]
