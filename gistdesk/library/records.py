"""What the library returns: frozen rows. Knows nothing of where they are kept.

Times are UTC in ISO 8601, sizes are bytes, durations seconds.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

State = Literal["queued", "extracting", "compressing", "ready", "failed", "outdated", "source changed", "cancelled"]
Role = Literal["user", "assistant"]
MessageState = Literal["complete", "writing", "stopped", "failed"]
Kind = Literal["gist", "full"]
Verdict = Literal["reliable", "partly", "unreliable"]

_RELIABLE, _UNRELIABLE = 0.8, 0.4
"""Shares of the facts that come back: from the first up a gist is reliable, below the second it is not."""


_R = TypeVar("_R")


def row_of(kind: type[_R], said: object) -> _R:
    """A row from anything that has its fields by name: an engine's message, or another row."""
    names = getattr(kind, "_fields", None) or [each.name for each in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(said, name) for name in names})


@dataclass(frozen=True)
class Problem:
    """Why an entry failed. `kind` is as in the protocol's `error` event; message and hint are for the user."""

    kind: str
    message: str
    hint: str


class Identity(NamedTuple):
    """The model that made a gist, or is loaded: its name and what distinguishes it from others of that name."""

    model_id: str
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str


@dataclass(frozen=True)
class TextFigures:
    """The result of reading a document, as the engine reports it; see `Entry`."""

    title: str
    text_sha256: str
    source_sha256: str
    source_bytes: int
    n_chars: int
    n_pages: int
    page_label: str | None
    n_tokens: int | None


@dataclass(frozen=True)
class GistFigures:
    """The result of compressing, as the engine reports it. `kv_bits`, `agreement`: as in `GistRow`."""

    model_id: str
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str
    n_tokens: int
    n_slots: int
    kv_bytes: int
    file_bytes: int
    seconds: float = 0.0
    tokens_per_second: float = 0.0
    device: str = ""
    method: str = "adapter"
    kv_bits: int = 16
    agreement: float | None = None
    agreement_before: float | None = None


@dataclass(frozen=True)
class GistRow:
    """A kept gist.

    Attributes:
        path: of the file, absolute.
        ratio: tokens per slot as requested; the actual one is n_tokens / n_slots.
        recall_n: facts of the document that were asked back from it, of which `recall_kept` came back; None if not
            measured.
        kv_bits: bits in which each number of keys and values is stored.
        agreement: and agreement_before: what training achieved, see `gistdesk.core.gist.Refinement`; None if
            nothing was trained.
    """

    id: int
    path: Path
    model_id: str
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str
    ratio: float
    n_tokens: int
    n_slots: int
    kv_bytes: int
    file_bytes: int
    seconds: float
    tokens_per_second: float
    device: str
    created: str
    recall_n: int | None
    recall_kept: int | None
    method: str
    kv_bits: int
    agreement: float | None
    agreement_before: float | None

    @property
    def recall(self) -> float | None:
        """The share of the facts that came back, 0 to 1."""
        return self.recall_kept / self.recall_n if self.recall_n and self.recall_kept is not None else None

    @property
    def verdict(self) -> Verdict | None:
        """What the measurement says about answers from this gist alone; None if there is none."""
        if self.recall is None:
            return None
        return "reliable" if self.recall >= _RELIABLE else "partly" if self.recall >= _UNRELIABLE else "unreliable"

    @property
    def identity(self) -> Identity:
        return row_of(Identity, self)


@dataclass(frozen=True)
class Entry:
    """A row of the table: a document, how to compress it, and its progress.

    Attributes:
        source_path: the user's file, which may be gone.
        source_bytes: and source_mtime_ns: of that file when it was added or last read; 0 if it was missing.
        text_sha256: names the kept text, which is the gist's if there is one; None before it is extracted and for an
            imported gist.
        n_tokens: None until a model has counted them.
        model: the user's choice: "starter", a folder or a hub id; for an imported gist its model_id.
        ratio: tokens per slot asked for.
        method: how to make its gist, see `gistdesk.core.methods`; "auto" is the model's default.
        done: segments compressed, of `total`.
        gist: the newest usable one, even while another is being made.
        gist_model: the name of the model that made it, and so answers from it; `model` while there is none.
        is_outdated: whether that model is another by now, and cannot read it.
        read_again: whether the file is to be read again before it is compressed.
        next_text: what the file had when it was read again; the text of the next gist.
    """

    id: int
    title: str
    source_path: Path
    source_bytes: int
    source_mtime_ns: int
    source_sha256: str | None
    text_sha256: str | None
    n_chars: int
    n_pages: int
    page_label: str | None
    n_tokens: int | None
    model: str
    ratio: float
    state: State
    done: int
    total: int
    problem: Problem | None
    gist: GistRow | None
    added: str
    trashed: str | None
    method: str = "auto"
    gist_model: str = ""
    is_outdated: bool = False
    read_again: bool = False
    next_text: TextFigures | None = None

    @property
    def can_answer(self) -> bool:
        """Whether it has a gist that its model can read, whatever else is being done with it."""
        return self.gist is not None and not self.is_outdated


@dataclass(frozen=True)
class Passage:
    """A place in a kept text: `kept_text(entry_id)[page - 1][start:end] == text`.

    Attributes:
        page_label: "page" or "section"; None for a document without pages.
    """

    entry_id: int
    title: str
    page: int
    start: int
    end: int
    text: str
    page_label: str | None


@dataclass(frozen=True)
class Grounded:
    """Whether the kept texts support an answer.

    Attributes:
        missing: its names, numbers and dates that are nowhere in them.
        passage: the sentence that holds most of it; None if none does.
        unmatched: words of the question that are nowhere in them: what the answer says may be about something else.
    """

    found: bool
    missing: tuple[str, ...]
    passage: Passage | None
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chat:
    """A conversation about entries.

    Attributes:
        leaf_id: the last message of the shown path.
        look_up: whether the best passages of the kept texts are read after the gists.
        pinned: listed before those that are not.
    """

    id: int
    title: str
    entry_ids: tuple[int, ...]
    system: str | None
    sampling: dict[str, Any]
    leaf_id: int | None
    created: str
    updated: str
    trashed: str | None
    look_up: bool
    pinned: bool = False


@dataclass(frozen=True)
class Message:
    """One turn.

    Attributes:
        kind: "gist", or "full" for an answer from the full text, which is shown beside the path and never on it.
        version: from 1, among the `n_versions` siblings of the same role and kind.
    """

    id: int
    chat_id: int
    parent_id: int | None
    role: Role
    text: str
    state: MessageState
    kind: Kind
    figures: dict[str, Any]
    created: str
    version: int
    n_versions: int

    @property
    def passages(self) -> tuple[Passage, ...] | None:
        """The parts of the kept texts read for this answer, best first; None if nothing was looked up."""
        found = self.figures.get("passages")
        return None if found is None else tuple(Passage(**each) for each in found)

    @property
    def sentence(self) -> Passage | None:
        """The sentence of the kept texts that suits the question best, known before the answer; None if none does."""
        found = self.figures.get("sentence")
        return None if found is None else Passage(**found)

    @property
    def grounded(self) -> Grounded | None:
        """Whether the kept texts support it; None if unknown, or if there is nothing to look for."""
        found = self.figures.get("grounding")
        if found is None:
            return None
        passage = None if found["passage"] is None else Passage(**found["passage"])
        return Grounded(found["found"], tuple(found["missing"]), passage, tuple(found.get("unmatched", ())))


@dataclass(frozen=True)
class Storage:
    """Bytes on disk: in use, only in the trash, and belonging to nothing (which cleaning up frees)."""

    gists: int
    texts: int
    database: int
    trash: int
    unused: int

    @property
    def total(self) -> int:
        return self.gists + self.texts + self.database + self.trash + self.unused
