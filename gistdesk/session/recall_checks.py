"""Asks facts from documents back from their gists, with the loaded engine: after compressing, and on demand.

One check at a time, and only while nobody else wants the engine: an interrupted check starts over afterwards. Knows
the library and the engine; knows nothing of widgets.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.core.errors import UserError
from gistdesk.library import Library
from gistdesk.protocol import Error, Event, Recall, RecallDone, RecallProgress
from gistdesk.session.calls import Calls
from gistdesk.session.models import model_choice
from gistdesk.settings import Settings

SHORT, LONG = 12, 40
"""Number of facts asked automatically, and on request."""
_BUDGET_S = 20.0
_SOON_MS = 300
"""The next document in the queue goes first."""


@dataclass
class Check:
    """A waiting or running check; `total` is 0 until the first fact has been asked, `gist_id` until it runs."""

    entry_id: int
    n_facts: int
    budget_s: float
    request_id: int = 0
    gist_id: int = 0
    done: int = 0
    total: int = 0


class RecallChecks(QObject):
    """Signals: `changed`, an entry whose check started, progressed or ended; `kept`, when a result was stored."""

    changed = Signal(int)
    kept = Signal()

    def __init__(
        self, library: Library, calls: Calls, settings: Callable[[], Settings], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._library, self._calls, self._settings = library, calls, settings
        self._waiting: list[Check] = []
        self._running: Check | None = None
        self._paused = False
        self._problems: dict[int, str] = {}
        self._soon = QTimer(self, singleShot=True, interval=_SOON_MS)
        self._soon.timeout.connect(self._begin)

    @property
    def checks(self) -> list[Check]:
        """The one that runs, then those that wait."""
        return [*([self._running] if self._running is not None else []), *self._waiting]

    def check(self, entry_id: int) -> Check | None:
        """The entry's check, while it waits or runs."""
        found = [self._running, *self._waiting]
        return next((each for each in found if each is not None and each.entry_id == entry_id), None)

    def problem(self, entry_id: int) -> str:
        """Why the entry's last check gave no result, in English; "" if it did."""
        return self._problems.get(entry_id, "")

    def start(self, entry_id: int, *, is_short: bool = False) -> None:
        """Check an entry's gist as soon as the engine is free."""
        if self.check(entry_id) is None:
            n_facts, budget_s = (SHORT, _BUDGET_S) if is_short else (LONG, 0.0)
            self._waiting.append(Check(entry_id, n_facts, budget_s))
            self._problems.pop(entry_id, None)
            self._soon.start()
            self.changed.emit(entry_id)

    def start_short(self, entry_id: int) -> None:
        """Start a short check after compressing, unless the same gist was measured before."""
        gist = self._library.entries.get(entry_id).gist
        if gist is not None and gist.recall_n is None:
            self.start(entry_id, is_short=True)

    def stop(self, entry_id: int) -> None:
        """Give an entry's check up."""
        self._waiting = [each for each in self._waiting if each.entry_id != entry_id]
        running = self._running
        if running is not None and running.entry_id == entry_id:
            self._running = None
            self._calls.cancel(running.request_id)
            self._soon.start()
        self.changed.emit(entry_id)

    def pause(self, paused: bool) -> None:
        """While paused nothing runs; an interrupted check starts over afterwards."""
        if paused == self._paused:
            return
        self._paused = paused
        running = self._running
        if paused and running is not None:
            self._running = None
            self._waiting.insert(0, Check(running.entry_id, running.n_facts, running.budget_s))
            self._calls.cancel(running.request_id)
            self.changed.emit(running.entry_id)
        self._soon.start()

    def _begin(self) -> None:
        while self._waiting and self._running is None and not self._paused:
            check = self._waiting.pop(0)
            request = self._request(check)
            if request is None:
                self.changed.emit(check.entry_id)
                continue
            self._running = check
            check.request_id = self._calls.send(request, partial(self._on_event, check))
            self.changed.emit(check.entry_id)

    def _request(self, check: Check) -> Recall | None:
        """The request for a check; None if there is nothing to measure any more."""
        try:
            entry = self._library.entries.get(check.entry_id)
        except UserError:  # deleted meanwhile
            return None
        text = self._library.texts.path(entry.id)
        if entry.gist is None or text is None or entry.trashed:
            return None
        check.gist_id = entry.gist.id
        return Recall(
            gist=str(entry.gist.path),
            text_path=str(text),
            n_facts=check.n_facts,
            budget_s=check.budget_s,
            choice=model_choice(self._settings(), entry.gist_model),
        )

    def _on_event(self, check: Check, event: Event) -> None:
        if check is not self._running:
            return
        if isinstance(event, RecallProgress):
            check.done, check.total = event.done, event.total
        elif isinstance(event, RecallDone):
            self._running = None
            self._keep(check, _row(event))
        elif isinstance(event, Error):
            self._running = None
            self._problems[check.entry_id] = event.message
        if self._running is None:
            self._soon.start()
        self.changed.emit(check.entry_id)

    def _keep(self, check: Check, row: dict[str, Any]) -> None:
        """With the gist that was asked, whichever the entry has by now."""
        try:
            self._library.recalls.keep(check.gist_id, row)
            self.kept.emit()
        except UserError as error:
            self._problems[check.entry_id] = error.message


def _row(event: RecallDone) -> dict[str, Any]:
    """The result as the library stores it and `gistdesk recall` writes it."""
    n_parts = len(event.by_depth)
    return asdict(event) | {
        "recall": event.kept / event.n if event.n else None,
        "by_depth": [
            {"from": 100 * i // n_parts, "to": 100 * (i + 1) // n_parts, "n": part.n, "kept": part.kept}
            for i, part in enumerate(event.by_depth)
        ],
    }
