"""The real desk on a real library, answered by a script: words come at once.

For what the widgets do with what comes. That the real engine says such things is shown in `test_chat_real.py`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.library import Entry, GistFigures, Library, TextFigures
from gistdesk.library.evidence import evidence
from gistdesk.protocol import (
    Answer,
    AnswerDelta,
    AnswerDone,
    AnswerFirstToken,
    AnswerGrounded,
    ContextPassages,
    ContextProgress,
    Error,
    Event,
    FoundPassage,
    ModelLoadProgress,
    Request,
)
from gistdesk.session.calls import Calls
from tests.session.still_desk import StillDesk


@dataclass
class Script:
    """What the engine will say.

    Attributes:
        pieces: of the answer.
        found: where passages are to be looked up.
        error: said after the pieces instead of the end.
        held: nothing is said until it is `release`d or cancelled.
        delay_ms: between pieces.
        prefill_s: what reading took, it says.
        recites: without a look-up in its text, what the gist recites is looked up.
        passages_alone: the gist is not read: where passages are found, they alone are, as by a small model.
        stopped: how it ended.
    """

    pieces: Sequence[str] = ("The passkey ", "is **58203**.")
    found: Sequence[FoundPassage] = ()
    error: Error | None = None
    held: bool = False
    delay_ms: int = 0
    prefill_s: float = 0.4
    recites: bool = False
    passages_alone: bool = False
    stopped: str = "end"


@dataclass
class _Run:
    request: Answer
    left: list[Event] = field(default_factory=list)
    n_said: int = 0


class ScriptedEngine(QObject):
    """Attributes: script, for the answers that are asked from now on; requests, all that came."""

    event = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.script = Script()
        self.requests: list[Answer] = []
        self._runs: dict[int, _Run] = {}
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_timeout)

    def send(self, request: Request) -> int:
        assert isinstance(request, Answer)
        self.requests.append(request)
        request_id = len(self.requests)
        run = _Run(request)
        run.left = [ModelLoadProgress("weights", 0.4)]
        if request.lookup_paths:
            run.left += [ContextProgress("passages", 0.3), ContextPassages(tuple(self.script.found))]
        is_recited = self.script.recites and not request.lookup_paths
        if is_recited:
            run.left.append(ContextProgress("recited", 0.4))
        run.left.append(ContextProgress("text" if request.text_paths else "gist", 0.5))
        run.left.append(AnswerFirstToken(0.82))
        run.left += [AnswerDelta(piece) for piece in self.script.pieces]
        n_read = sum(len(passage.text) for passage in self.script.found) if request.lookup_paths else 0
        if grounded := _grounded("".join(self.script.pieces), request):
            run.left.append(grounded)
        done = _done(self.script.stopped, request, n_read, self.script.prefill_s)
        if self.script.passages_alone:
            done = replace(done, n_slots=0)
        if is_recited:
            done = replace(done, is_recited=True, n_passage_tokens=300)
        run.left.append(self.script.error or done)
        self._runs[request_id] = run
        self._timer.setInterval(self.script.delay_ms)
        if not self.script.held:
            self._timer.start()
        return request_id

    def say(self, n: int) -> None:
        """Say the next `n` events of every answer that is held."""
        for request_id in list(self._runs):
            for _ in range(n):
                self._say_next(request_id)

    def release(self) -> None:
        """Go on by itself."""
        self._timer.start()

    def is_busy(self) -> bool:
        """Whether an answer has not ended."""
        return bool(self._runs)

    def cancel(self, request_id: int) -> None:
        run = self._runs[request_id]
        run.left = [_done("cancelled", run.request)]
        self._timer.start()

    def _on_timeout(self) -> None:
        self.say(1)
        if not self._runs:
            self._timer.stop()

    def _say_next(self, request_id: int) -> None:
        run = self._runs.get(request_id)
        if run is None:
            return
        event = run.left.pop(0)
        if not run.left:
            del self._runs[request_id]
        self.event.emit(request_id, event)


def _grounded(answer: str, request: Answer) -> AnswerGrounded | None:
    """As the engine says it."""
    pages = [Path(path).read_text(encoding="utf-8").split("\f") for path in request.ground_paths]
    found = evidence(answer, pages, request.turns[-1][0])
    if found is None:
        return None
    at = found.sentence
    sentence = None if at is None else FoundPassage(at.document, at.page, at.start, at.end, at.text)
    return AnswerGrounded(found.found, found.missing, sentence, found.unmatched)


def _done(stopped: str, request: Answer, n_read: int = 0, prefill_s: float = 0.4) -> AnswerDone:
    n_slots = 1204 * len(request.gists)
    return AnswerDone(stopped, 0.82, 23.4, 12, 9, n_slots, 40 * n_slots or 48_160, n_read, prefill_s)


class ScriptedDesk(StillDesk):
    """Attributes: engine, which answers; windows, kept alive as long as the desk; recompressed, what was to be."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.windows: list[QObject] = []
        self.recompressed: list[int] = []
        self.documents.recompress = self._recompress  # type: ignore[method-assign,assignment]
        self.engine = ScriptedEngine(self)
        self._answers._calls = Calls(self.engine, self)  # type: ignore[arg-type]
        self._answers._info = lambda _: None

    def _recompress(self, entry_ids: Sequence[int]) -> None:
        self.recompressed += entry_ids


def add_document(library: Library, title: str, pages: Sequence[str] = (), *, n_slots: int = 1204) -> Entry:
    """A document that is ready, as the engine would leave it."""
    data = "\f".join(pages or [f"The text of {title}."]).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    entry = library.entries.add(
        source_path=library.store.folder.parent / title, model="starter", ratio=40.0, title=title
    )
    (library.store.texts_folder / f"{sha256}.txt").write_bytes(data)
    text = TextFigures(
        title=title,
        text_sha256=sha256,
        source_sha256=sha256,
        source_bytes=len(data),
        n_chars=len(data),
        n_pages=max(1, len(pages)),
        page_label="page",
        n_tokens=40 * n_slots,
    )
    library.entries.set_extracted(entry.id, text)
    path = library.gists.incoming_path(entry.id)
    path.write_bytes(title.encode())
    figures = GistFigures("starter", "m", "t", "a", 40 * n_slots, n_slots, 4096, 5000, 20.0, 2400.0, "cpu")
    return library.gists.adopt(entry.id, path, figures)
