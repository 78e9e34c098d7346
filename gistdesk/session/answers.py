"""Questions and answers: stores every turn first, then asks the engine and keeps what it writes.

A stopped or broken answer keeps the text it had so far. Knows the library and the engine; knows nothing of widgets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.core.sentences import Sentence
from gistdesk.library import Chat, Entry, Grounded, Library, Message, Passage, Problem
from gistdesk.library.records import Kind, MessageState
from gistdesk.protocol import (
    Answer,
    AnswerDelta,
    AnswerDone,
    AnswerFirstToken,
    AnswerGrounded,
    Cancelled,
    ContextPassages,
    ContextProgress,
    Error,
    Event,
    FoundPassage,
    ModelInfo,
    ModelLoadProgress,
)
from gistdesk.session.abilities import ability, asks_too_much
from gistdesk.session.calls import Calls
from gistdesk.session.models import model_choice
from gistdesk.settings import Settings

if TYPE_CHECKING:
    from gistdesk.library.evidence import Sentence as FoundSentence

_SAVE_MS = 500
_TITLE_CHARACTERS = 60
TOO_MUCH = "too much"
"""Problem kind: the model cannot do what was asked."""
OUTDATED = "outdated"
"""Problem kind: documents have to be compressed again first."""
_VARIED_TEMPERATURE = 0.7
"""A second version of a greedy answer would be identical to the first."""


@dataclass
class _Writing:
    """An answer being written: its text so far, how much of it is stored, and what was known before it began.

    Attributes:
        looked_up: the entries whose texts are searched for passages; `grounded`: those whose texts the answer is
            checked against.
        figures: "passages" once they have been found.
    """

    message: Message
    request_id: int
    entries: list[Entry]
    looked_up: list[Entry]
    grounded: list[Entry]
    pieces: list[str] = field(default_factory=list)
    n_stored: int = 0
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Answers(QObject):
    """Signals: those of the chats in `Desk`; `busy_changed` when the first answer starts or the last one ends."""

    phase = Signal(int, str)
    delta = Signal(int, str)
    done = Signal(int)
    chat_changed = Signal(int)
    busy_changed = Signal(bool)

    def __init__(
        self,
        library: Library,
        calls: Calls,
        settings: Callable[[], Settings],
        info: Callable[[str], ModelInfo | None],
        parent: QObject | None = None,
    ) -> None:
        """`info` gives what is known about a model, by its name."""
        super().__init__(parent)
        self._library, self._calls, self._settings, self._info = library, calls, settings, info
        self._writing: dict[int, _Writing] = {}
        self._saving = QTimer(self)
        self._saving.setInterval(_SAVE_MS)
        self._saving.timeout.connect(self._on_save)

    @property
    def busy(self) -> bool:
        return bool(self._writing)

    def ask(self, chat_id: int, text: str) -> int:
        """Store a question after the last message of a chat and start its answer -> the answer's id."""
        chat = self._library.chats.get(chat_id)
        question = self._library.chats.add_message(chat_id, parent_id=chat.leaf_id, role="user", text=text)
        if not chat.title:
            first_line = text.strip().splitlines()[0] if text.strip() else ""
            self._library.chats.change(chat_id, title=first_line[:_TITLE_CHARACTERS])
        return self._answer(chat_id, question.id)

    def edit(self, message_id: int, text: str) -> int:
        """Store another version of a question beside the first and start its answer -> the answer's id."""
        old = self._library.chats.message(message_id)
        question = self._library.chats.add_message(old.chat_id, parent_id=old.parent_id, role="user", text=text)
        return self._answer(old.chat_id, question.id)

    def regenerate(self, message_id: int) -> int:
        """Start another version of an answer -> its id. A refused one is tried anyway, a failed one just as before."""
        old = self._library.chats.message(message_id)
        assert old.parent_id is not None
        is_refused = (old.figures.get("problem") or {}).get("kind") == TOO_MUCH
        has_failed = old.state == "failed" and not old.text
        return self._answer(
            old.chat_id, old.parent_id, varied=0 if has_failed else old.n_versions, is_anyway=is_refused
        )

    def compare(self, message_id: int) -> int:
        """Answer the same question with the full texts in context -> the id of that answer."""
        old = self._library.chats.message(message_id)
        assert old.parent_id is not None
        return self._answer(old.chat_id, old.parent_id, full=True)

    def stop(self, message_id: int) -> None:
        if message_id in self._writing:
            self._calls.cancel(self._writing[message_id].request_id)

    def verify(self, message_id: int) -> tuple[Grounded | None, list[Passage]]:
        """Whether the kept texts say what an answer says, and the passages that do, the exact sentence first.

        Where they do not, the passages that share words with its question.
        """
        answer = self._library.chats.message(message_id)
        entry_ids = self._library.chats.get(answer.chat_id).entry_ids
        question = "" if answer.parent_id is None else self._library.chats.message(answer.parent_id).text
        grounded = answer.grounded or self._grounded(answer.text, question, entry_ids)
        if grounded is not None and not grounded.found:
            return grounded, self._library.texts.find_passages(question, entry_ids)
        found = self._library.texts.find_passages(answer.text, entry_ids)
        first = grounded.passage if grounded is not None else None
        return grounded, found if first is None else [first, *(each for each in found if not _is_around(each, first))]

    def _grounded(self, text: str, question: str, entry_ids: Sequence[int]) -> Grounded | None:
        """Grounding for an answer that an older version of the program wrote."""
        from gistdesk.library.evidence import evidence  # not needed to draw the window

        entries = _with_texts([self._library.entries.get(entry_id) for entry_id in entry_ids])
        pages = [self._library.texts.pages(entry.id) for entry in entries]
        found = evidence(text, pages, question if len(entries) == len(entry_ids) else "")
        if found is None:
            return None
        at = found.sentence
        passage = None if at is None else _placed(at, entries)
        return Grounded(found.found, found.missing, passage, found.unmatched)

    def _answer(
        self, chat_id: int, question_id: int, *, full: bool = False, varied: int = 0, is_anyway: bool = False
    ) -> int:
        kind: Kind = "full" if full else "gist"
        message = self._library.chats.add_message(
            chat_id, parent_id=question_id, role="assistant", text="", state="writing", kind=kind
        )
        chat = self._library.chats.get(chat_id)
        entries = [self._library.entries.get(i) for i in chat.entry_ids]
        looked_up = _with_texts(entries) if chat.look_up and not full else []
        problem = _obstacle(entries, full)
        if problem is None and not (full or is_anyway):
            problem = self._too_much(self._library.chats.message(question_id).text, entries, looked_up)
        if problem is not None:
            self._fail(message, problem, "")
            return message.id
        grounded = _with_texts(entries)
        request = self._request(chat, entries, looked_up, message, varied)
        request_id = self._calls.send(request, self._handler(message.id))
        figures = {"varied": varied_sampling(chat.sampling, varied)} if varied else {}
        self._writing[message.id] = _Writing(message, request_id, entries, looked_up, grounded, figures=figures)
        self._saving.start()
        self.chat_changed.emit(chat_id)
        self.phase.emit(message.id, "queued")
        if len(self._writing) == 1:
            self.busy_changed.emit(True)
        return message.id

    def _too_much(self, question: str, entries: list[Entry], looked_up: list[Entry]) -> Problem | None:
        """The problem to report when the model cannot do this; it is not tried unasked."""
        model = entries[0].gist_model if entries else self._settings().model
        info = self._info(model)
        found = ability(model, info.n_parameters if info is not None else None)
        looks_up = bool(looked_up) and all(entry.text_sha256 for entry in entries)
        if found is None or not asks_too_much(question, found, looks_up=looks_up):
            return None
        return Problem(TOO_MUCH, found.can, found.cannot)

    def _request(
        self, chat: Chat, entries: list[Entry], looked_up: list[Entry], message: Message, varied: int
    ) -> Answer:
        settings, full = self._settings(), message.kind == "full"
        sampling = dict(chat.sampling)
        if varied:
            sampling |= varied_sampling(sampling, varied)
        texts = [str(self._library.texts.path(entry.id)) for entry in entries if full]
        gists = [str(entry.gist.path) for entry in entries if entry.gist is not None]
        return Answer(
            turns=_turns(self._library.chats.lineage(message.id)),
            gists=() if full else tuple(gists),
            text_paths=tuple(texts) if full else (),
            lookup_paths=tuple(str(self._library.texts.path(entry.id)) for entry in looked_up),
            ground_paths=tuple(str(self._library.texts.path(entry.id)) for entry in _with_texts(entries)),
            system=chat.system or None,
            temperature=float(sampling.get("temperature", 0.0)),
            top_p=float(sampling.get("top_p", 0.95)),
            seed=int(sampling.get("seed", 0)),
            max_tokens=int(sampling.get("max_tokens", 512)),
            choice=model_choice(settings, entries[0].gist_model if entries else settings.model),
        )

    def _handler(self, message_id: int) -> Callable[[Event], None]:
        return lambda event: self._on_event(message_id, event)

    def _on_event(self, message_id: int, event: Event) -> None:
        writing = self._writing[message_id]
        if isinstance(event, AnswerDelta):
            writing.pieces.append(event.text)
            self.delta.emit(message_id, event.text)
        elif isinstance(event, ModelLoadProgress):
            self.phase.emit(message_id, f"loading model {round(100 * event.fraction)}")
        elif isinstance(event, ContextProgress):
            self.phase.emit(message_id, _phase(event))
        elif isinstance(event, ContextPassages):
            passages = _passages(event, writing.looked_up)
            writing.figures["passages"] = [asdict(passage) for passage in passages]
            if passages and (sentence := self._sentence(writing.message, passages)):
                writing.figures["sentence"] = asdict(sentence)
            self._library.chats.set_message(message_id, figures=writing.figures)
            self.chat_changed.emit(writing.message.chat_id)
        elif isinstance(event, AnswerGrounded):
            at = event.sentence
            passage = None if at is None else asdict(_placed(at, writing.grounded))
            writing.figures["grounding"] = {
                "found": event.found,
                "missing": list(event.missing),
                "passage": passage,
                "unmatched": list(event.unmatched),
            }
        elif isinstance(event, AnswerFirstToken):
            self.phase.emit(message_id, "writing")
        elif isinstance(event, AnswerDone):
            writing.figures |= _figures(event, writing)
            self._end(writing, "stopped" if event.stopped == "cancelled" else "complete")
        elif isinstance(event, Cancelled):
            self._end(writing, "stopped")
        elif isinstance(event, Error):
            self._fail(writing.message, Problem(event.kind, event.message, event.hint), event.details or "")

    def _sentence(self, message: Message, passages: list[Passage]) -> Passage | None:
        """The sentence in the retrieved passages that fits a question for a fact best."""
        from gistdesk.core.asked import asks_for_a_fact  # neither is needed to draw the window
        from gistdesk.library.evidence import sentence_about

        assert message.parent_id is not None
        question = self._library.chats.message(message.parent_id).text
        if not asks_for_a_fact(question):
            return None
        number, start, end = sentence_about(question, [passage.text for passage in passages])
        at = passages[number]
        return replace(at, start=at.start + start, end=at.start + end, text=at.text[start:end])

    def _end(self, writing: _Writing, state: MessageState) -> None:
        self._library.chats.set_message(writing.message.id, text=writing.text, state=state, figures=writing.figures)
        self._over(writing.message)

    def _fail(self, message: Message, problem: Problem, details: str) -> None:
        """Text received so far is kept, so an answer cut short by a crash becomes a stopped one that says why."""
        writing = self._writing.get(message.id)
        text, known = (writing.text, writing.figures) if writing else ("", {})
        told = {"kind": problem.kind, "message": problem.message, "hint": problem.hint, "details": details}
        self._library.chats.set_message(message.id, text=text, state="failed", figures=known | {"problem": told})
        self._over(message)

    def _over(self, message: Message) -> None:
        was_busy = self._writing.pop(message.id, None) is not None
        self.done.emit(message.id)
        self.chat_changed.emit(message.chat_id)
        if was_busy and not self._writing:
            self._saving.stop()
            self.busy_changed.emit(False)

    def _on_save(self) -> None:
        for writing in self._writing.values():
            if len(writing.pieces) > writing.n_stored:
                self._library.chats.set_message(writing.message.id, text=writing.text)
                writing.n_stored = len(writing.pieces)


def varied_sampling(sampling: Mapping[str, Any], n_versions: int) -> dict[str, Any]:
    """Temperature and seed for the next answer to a question that has `n_versions` already; stored with that answer."""
    return {"temperature": max(sampling.get("temperature", 0.0), _VARIED_TEMPERATURE), "seed": n_versions}


def _obstacle(entries: list[Entry], full: bool) -> Problem | None:
    """Why these documents cannot be asked about; None if they can."""
    for entry in entries:
        if full and entry.text_sha256 is None:
            return Problem(
                "user",
                Sentence("The text of {title} is not in the library.", title=entry.title),
                "Only its gist file was imported.",
            )
        if not full and entry.gist is None:
            return Problem(
                "user",
                Sentence("{title} is not compressed yet.", title=entry.title),
                "Ask again when its row says Ready.",
            )
        if not full and entry.is_outdated:
            return Problem(
                OUTDATED,
                Sentence("{title} was compressed with a different version of its model.", title=entry.title),
                "Recompress it.",
            )
    models = {entry.gist_model for entry in entries}
    if len(models) > 1:
        return Problem(
            OUTDATED,
            Sentence(
                "These documents were compressed with different models ({models}).", models=", ".join(sorted(models))
            ),
            "Recompress them with one model, or ask them in separate chats.",
        )
    return None


def _with_texts(entries: list[Entry]) -> list[Entry]:
    """The entries whose text is here, each text once; an imported gist has none."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.text_sha256:
            found.setdefault(entry.text_sha256, entry)
    return list(found.values())


def _passages(event: ContextPassages, entries: list[Entry]) -> list[Passage]:
    return [_placed(found, entries) for found in event.passages]


def _placed(at: "FoundSentence | FoundPassage", entries: list[Entry]) -> Passage:
    """A stretch of one of these entries' texts."""
    entry = entries[at.document]
    return Passage(entry.id, entry.title, at.page, at.start, at.end, at.text, entry.page_label)


def _is_around(place: Passage, sentence: Passage) -> bool:
    is_same_page = (place.entry_id, place.page) == (sentence.entry_id, sentence.page)
    return is_same_page and place.start <= sentence.start and sentence.end <= place.end


def _phase(event: ContextProgress) -> str:
    if event.phase == "passages":
        return f"looking up {round(100 * event.fraction)}"
    if event.phase == "recited":
        return f"reciting {round(100 * event.fraction)}"
    return "reading text" if event.phase == "text" else "loading gist"


def _turns(lineage: list[Message]) -> tuple[tuple[str, str | None], ...]:
    """Questions with their answers, from the first message up to the one to be written; failed ones are left out."""
    turns: list[tuple[str, str | None]] = []
    for message in lineage:
        if message.role == "user":
            if turns and turns[-1][1] is None:
                turns.pop()
            turns.append((message.text, None))
        elif message.text and turns and message is not lineage[-1]:
            turns[-1] = (turns[-1][0], message.text)
    return tuple(turns)


def _figures(event: AnswerDone, writing: _Writing) -> dict[str, Any]:
    """Figures for the footer. `saved_s` is an estimate: the time to read the text at the speed it was compressed at.

    There is none where a gist recited the text, which takes longer than reading it.
    """
    figures: dict[str, Any] = asdict(event)
    gists = [entry.gist for entry in writing.entries if entry.gist is not None]
    if event.n_slots:
        figures["methods"] = sorted({gist.method for gist in gists})
    if event.n_slots and not event.is_recited and gists and all(gist.tokens_per_second for gist in gists):
        figures["ratio"] = event.n_document_tokens / (event.n_slots + event.n_passage_tokens)
        figures["saved_s"] = sum(gist.n_tokens / gist.tokens_per_second for gist in gists) - event.prefill_s
    return figures
