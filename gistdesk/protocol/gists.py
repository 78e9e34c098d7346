"""Gists: making one, what a file says of itself, and how much of its text it gives back. Knows nothing of chats."""

from dataclasses import dataclass, field

from gistdesk.protocol.messages import Event, Request, Words, message
from gistdesk.protocol.models import ModelChoice


@message
class CompressProgress(Event):
    """`done` of `total` segments, an interrupted run's included. Speed and time left are null at first."""

    name = "compress.progress"
    done: int
    total: int
    tokens_per_second: float | None
    eta_s: float | None


@message
class CompressDone(Event):
    """A gist file was written to `target`.

    Attributes:
        seconds: of this run, without loading the model; `tokens_per_second` is of this run, too.
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
    """Compress a kept text into the gist file `target`; what an interrupted run left is gone on with.

    Attributes:
        ratio: document tokens per slot.
        method: see `gistdesk.core.methods`; "auto" is the usual one of the model.
        batch_share: of the usual number of tokens per batch, above 0 to 1; less needs less memory.
        kv_bits: of each stored number of keys and values, 16 or 8.
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
    """What a gist file says of itself.

    Attributes:
        created: UTC, ISO 8601.
        n_unfitted: see `GistKV`.
        kv_bits: in how many each number of keys and values is stored.
        agreement, agreement_before: see `Refinement`; None where nothing was trained.
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
    """`description` of a gist file, or the `problem` with it, one sentence; the other one is null."""

    name = "describe.done"
    description: GistDescription | None
    problem: Words | None


@message
class Describe(Request):
    """Say what a gist file holds."""

    name = "describe"
    done = DescribeDone
    path: str


@dataclass(frozen=True)
class FactCount:
    """Facts that were asked back, and how many of them came."""

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
        guessed: as many came right without the document, too.
        by_depth: in parts of the text that are equally long, from its beginning to its end.
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
        budget_s: seconds after which no more of them are asked, but for the first few; 0 sets no limit.
    """

    name = "recall"
    done = RecallDone
    gist: str
    text_path: str
    n_facts: int = 40
    budget_s: float = 0.0
    choice: ModelChoice = field(default_factory=ModelChoice)
