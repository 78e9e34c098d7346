"""Gists: making one, what a file declares, and how much of its text it gives back. Knows nothing of chats."""

from dataclasses import dataclass, field

from gistdesk.protocol.messages import Event, Request, Words, message
from gistdesk.protocol.models import ModelChoice


@message
class CompressProgress(Event):
    """`done` of `total` segments, including an interrupted run's. Speed and time left are null at first."""

    name = "compress.progress"
    done: int
    total: int
    tokens_per_second: float | None
    eta_s: float | None


@message
class CompressDone(Event):
    """A gist file was written to `target`.

    Attributes:
        seconds: of this run, without loading the model; `tokens_per_second` is also this run's.
        peak_memory_bytes: on CUDA of this request, on a CPU of the process so far.
        kv_bits, agreement, agreement_before: as in `GistDescription`.
    """

    name = "compress.done"
    target: str
    n_tokens: int
    n_slots: int
    ratio: float
    kv_bytes: int
    file_bytes: int
    seconds: float
    tokens_per_second: float
    device: str
    peak_memory_bytes: int
    model_id: str
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str
    method: str = "adapter"
    kv_bits: int = 16
    agreement: float | None = None
    agreement_before: float | None = None


@message
class Compress(Request):
    """Compress a kept text into the gist file `target`; resumes an interrupted run.

    Attributes:
        ratio: document tokens per slot.
        method: see `gistdesk.core.methods`; "auto" is the model's default.
        batch_share: of the usual number of tokens per batch, above 0 to 1; less needs less memory.
        kv_bits: per stored number of keys and values, 16 or 8.
    """

    name = "compress"
    done = CompressDone
    text_path: str
    title: str
    source_sha256: str
    target: str
    ratio: float
    page_label: str | None = None
    choice: ModelChoice = field(default_factory=ModelChoice)
    batch_share: float = 1.0
    method: str = "auto"
    kv_bits: int = 16


@dataclass(frozen=True)
class GistDescription:
    """A gist file's description of itself.

    Attributes:
        created: UTC, ISO 8601.
        n_unfitted: see `GistKV`.
        kv_bits: bits in which each number of keys and values is stored.
        agreement, agreement_before: see `Refinement`; None if nothing was trained.
    """

    title: str
    n_tokens: int
    n_slots: int
    ratio: float
    n_segments: int
    segment_tokens: int
    n_pages: int
    kv_bytes: int
    file_bytes: int
    dtype: str
    model_id: str
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str
    source_sha256: str
    created: str
    method: str = "adapter"
    n_unfitted: int = 0
    kv_bits: int = 16
    agreement: float | None = None
    agreement_before: float | None = None


@message
class DescribeDone(Event):
    """`description` of a gist file, or the `problem` with it, one sentence; the other is null."""

    name = "describe.done"
    description: GistDescription | None
    problem: Words | None


@message
class Describe(Request):
    """Describe a gist file."""

    name = "describe"
    done = DescribeDone
    path: str


@dataclass(frozen=True)
class FactCount:
    """Facts that were asked back, and how many of them were recalled."""

    n: int
    kept: int


@message
class RecallProgress(Event):
    """`done` of `total` facts were asked back."""

    name = "recall.progress"
    done: int
    total: int


@message
class RecallDone(Event):
    """How many facts of a text its gist gave back.

    Attributes:
        low: and high: the 95% interval of `kept / n` (Wilson).
        guessed: as many were also right without the document.
        by_depth: in equally long parts of the text, from its beginning to its end.
    """

    name = "recall.done"
    n: int
    kept: int
    low: float
    high: float
    guessed: int
    by_depth: tuple[FactCount, ...]


@message
class Recall(Request):
    """Ask facts of a kept text back from its gist.

    Attributes:
        n_facts: at most.
        budget_s: seconds after which no more are asked, except for the first few; 0 sets no limit.
    """

    name = "recall"
    done = RecallDone
    gist: str
    text_path: str
    n_facts: int = 40
    budget_s: float = 0.0
    choice: ModelChoice = field(default_factory=ModelChoice)
