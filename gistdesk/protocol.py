"""What the window and the engine process say to each other: one JSON object per line, requests one way, events back.

A request has an `id` that the window chose, from 1 on, and says what to `do`; an event has the `id` of its request, or
none when it belongs to no request. The process says `hello` before anything else. Requests are worked off one after
another; each ends with exactly one event (see `is_last`). `cancel` alone is heard at once. Paths cross, tensors never.
Bytes, seconds and tokens are plain numbers; what is not known is null. Lines are pure ASCII: whatever a file is called,
even in bytes that are no Unicode, its name survives.

Knows the words and their types; knows nothing of pipes, processes, models or widgets.
"""

import dataclasses
import json
import math
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from gistdesk.core.sentences import Sentence, packed, unpacked

PROTOCOL_VERSION = 2

Words = Sentence | str
"""What people read; the values of a sentence cross with it."""


class ProtocolError(Exception):
    """A line is not what this module says it is; the message says what is wrong with it."""


@dataclass(frozen=True)
class Message:
    """What both sides send. `id` is 0 where a message belongs to no request."""

    name: ClassVar[str]
    id: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class Event(Message):
    """From the engine to the window."""


# ---- Figures that several messages hold


@dataclass(frozen=True)
class MeasuredRatio:
    """Answers from gists at a ratio: of `n` questions of a kind, as the benchmark calls it, `n_right` were right."""

    kind: str
    ratio: float
    n: int
    n_right: int


@dataclass(frozen=True)
class ModelInfo:
    """A model as it would run on this computer.

    Attributes:
        model: the name it was asked for by; `model_id` is what its gists say.
        family: the architecture, for example "llama".
        n_parameters: of the base model.
        file_bytes: of the base model's weights on disk.
        weight_bytes: of the base model's weights once loaded.
        kv_bytes_per_slot: memory of one gist slot, or of one token of text in front of a question.
        segment_tokens: the longest segment of the adapter, and so its highest ratio; 0 without an adapter.
        max_slots: most slots per segment; 0 without an adapter.
        max_positions: tokens that fit into its window.
        has_adapter: it can compress.
        adapter_fingerprint: "" without an adapter.
        device: "cpu" or "cuda"; `device_reason` is a sentence that says why.
        dtype: of KV, for example "bfloat16".
        precision: of weights: "nf4", "int8", "bf16" or "fp32".
        adapter_base: name of the base where an adapter's own folder was asked for, else "".
        adapter_precision: what the adapter was trained on, "" where that is not known.
        measured: what is kept with the adapter of how well it works.
        trained_ratios: the lowest and the highest that the adapter was trained at; None where that is not known.
    """

    model: str
    model_id: str
    family: str
    n_parameters: int
    file_bytes: int
    weight_bytes: int
    kv_bytes_per_slot: int
    segment_tokens: int
    max_slots: int
    max_positions: int
    has_adapter: bool
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str
    device: str
    device_reason: Words
    dtype: str
    precision: str
    adapter_base: str
    adapter_precision: str
    measured: tuple[MeasuredRatio, ...] = ()
    trained_ratios: tuple[float, float] | None = None


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


@dataclass(frozen=True)
class FoundPassage:
    """A stretch of a kept text that was put in front of a question: `pages[page - 1][start:end]` is its `text`.

    Attributes:
        document: which of the request's `lookup_paths`, from 0.
    """

    document: int
    page: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class FactCount:
    """Facts that were asked back, and how many of them came."""

    n: int
    kept: int


# ---- Events


@dataclass(frozen=True)
class Hello(Event):
    """The first line of every engine process, before it loads anything large."""

    name = "hello"
    protocol: int
    version: str
    pid: int


@dataclass(frozen=True)
class ModelLoadProgress(Event):
    """`phase` is "program" (libraries), then "weights"; `fraction` of the phase, 0 to 1."""

    name = "model_load.progress"
    phase: str
    fraction: float


@dataclass(frozen=True)
class ModelLoadDone(Event):
    """A model was loaded. Ends `load`; in the middle of a request that needed another model, it goes on."""

    name = "model_load.done"
    info: ModelInfo


@dataclass(frozen=True)
class ExtractProgress(Event):
    """Pages read. Counting tokens comes after the last one."""

    name = "extract.progress"
    n_read: int
    n_pages: int


@dataclass(frozen=True)
class ExtractDone(Event):
    """A document's text was kept.

    Attributes:
        text_sha256: of the kept text file's bytes, as hex; the file is called by it.
        page_label: what its pages are called, "page" or "section"; null for a format without pages.
        n_tokens: by the tokenizer of the model that was named, else of the one that is loaded; null without either.
    """

    name = "extract.done"
    title: str
    text_sha256: str
    text_path: str
    source_sha256: str
    source_bytes: int
    n_chars: int
    n_pages: int
    page_label: str | None
    n_tokens: int | None


@dataclass(frozen=True)
class CompressProgress(Event):
    """`done` of `total` segments, an interrupted run's included. Speed and time left are null at first."""

    name = "compress.progress"
    done: int
    total: int
    tokens_per_second: float | None
    eta_s: float | None


@dataclass(frozen=True)
class CompressDone(Event):
    """A gist file was written to `target`.

    Attributes:
        seconds: of this run, without loading the model; `tokens_per_second` is of this run, too.
        peak_memory_bytes: on CUDA of this request, on a CPU of the process so far.
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


@dataclass(frozen=True)
class ContextProgress(Event):
    """What is put in front of a question.

    Attributes:
        phase: "passages" (kept texts are made ready to be looked into), "gist" (files are read) or "text" (the model
            reads full text).
    """

    name = "context.progress"
    phase: str
    fraction: float


@dataclass(frozen=True)
class ContextPassages(Event):
    """What was found in `lookup_paths` for the question and stands behind the gists, best first; may be nothing."""

    name = "context.passages"
    passages: tuple[FoundPassage, ...]


@dataclass(frozen=True)
class AnswerFirstToken(Event):
    """`ttft_s`: seconds from the question, with everything in front of it read, to the first token."""

    name = "answer.first_token"
    ttft_s: float


@dataclass(frozen=True)
class AnswerDelta(Event):
    """The next piece of the answer."""

    name = "answer.delta"
    text: str


@dataclass(frozen=True)
class AnswerGrounded(Event):
    """Whether an answer stands in the texts of `ground_paths`; comes before `answer.done`, if there is anything to say.

    Attributes:
        found: its names, numbers and dates are there, and one sentence holds most of it.
        missing: its names, numbers and dates that are nowhere in the texts.
        sentence: that holds most of it; null where none does. Its document is one of `ground_paths`.
    """

    name = "answer.grounded"
    found: bool
    missing: tuple[str, ...]
    sentence: FoundPassage | None


@dataclass(frozen=True)
class AnswerDone(Event):
    """An answer is over.

    Attributes:
        stopped: "end" (the model ended it), "length" or "cancelled"; what came before a cancel is a partial answer.
        tokens_per_second: of the tokens after the first.
        n_prompt_tokens: tokens read for this question, not those that were in front of it already.
        n_slots: gist slots in front of the question.
        n_document_tokens: of the documents that the gists or texts are of.
        n_passage_tokens: of passages of kept texts behind the gists.
        prefill_s: seconds that looking up passages, and reading them, gists or text took; 0 when they were in front
            already.
    """

    name = "answer.done"
    stopped: str
    ttft_s: float
    tokens_per_second: float
    n_tokens: int
    n_prompt_tokens: int
    n_slots: int
    n_document_tokens: int
    n_passage_tokens: int
    prefill_s: float


@dataclass(frozen=True)
class RecallProgress(Event):
    """`done` of `total` facts were asked back."""

    name = "recall.progress"
    done: int
    total: int


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class DescribeDone(Event):
    """`description` of a gist file, or the `problem` with it, one sentence; the other one is null."""

    name = "describe.done"
    description: GistDescription | None
    problem: Words | None


@dataclass(frozen=True)
class DownloadProgress(Event):
    """`file` is the one being fetched or checked; bytes are those of all files together."""

    name = "download.progress"
    file: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class DownloadDone(Event):
    """A model lies in `folder`, `n_bytes` of files; from now on it can be loaded by its hub id."""

    name = "download.done"
    hub_id: str
    folder: str
    n_bytes: int


@dataclass(frozen=True)
class DownloadDropped(Event):
    """Nothing of an unfinished download is left."""

    name = "drop_download.done"
    hub_id: str


@dataclass(frozen=True)
class ModelInfoDone(Event):
    """A model's figures, without loading it."""

    name = "model_info.done"
    info: ModelInfo


@dataclass(frozen=True)
class ImportAdapterDone(Event):
    """An adapter lies in `folder`, by which it can be loaded."""

    name = "import_adapter.done"
    folder: str


@dataclass(frozen=True)
class ExportAdapterDone(Event):
    """A model's adapter was copied to `target`."""

    name = "export_adapter.done"
    target: str


@dataclass(frozen=True)
class IndexProgress(Event):
    """`fraction` of one kept text can be searched."""

    name = "index.progress"
    entry_id: int
    fraction: float


@dataclass(frozen=True)
class IndexDone(Event):
    """All texts that were asked for can be searched; `n_indexed` of them could not before."""

    name = "index.done"
    n_indexed: int


@dataclass(frozen=True)
class Cancelled(Event):
    """The request was cancelled and left nothing half done; a partial compression is kept and gone on with."""

    name = "cancelled"


@dataclass(frozen=True)
class Error(Event):
    """The request failed.

    Attributes:
        kind: "user" (something in the user's world), "password" (the document needs one, or another one),
            "out_of_memory", "bug", "protocol" (a line was not understood), "crash" (the engine process died; said by
            the window's side of it).
        stage: what was being done: "model_load", "context", "extract", "compress", "answer" and so on.
        message: one sentence that says what happened.
        hint: one sentence that says what to do about it; may be "".
        needed_bytes: memory that was asked for at the end, where known; `free_bytes` is what there was.
        details: for a bug report: a traceback, or the engine's last words.
    """

    name = "error"
    kind: str
    stage: str
    message: Words
    hint: Words
    needed_bytes: int | None = None
    free_bytes: int | None = None
    details: str | None = None


# ---- Requests


@dataclass(frozen=True)
class Request(Message):
    """From the window to the engine. `done` is the event that ends it when all goes well."""

    done: ClassVar[type[Event]]


@dataclass(frozen=True)
class Load(Request):
    """Load a model: "starter", a folder, or a hub id that was downloaded. `threads` 0: as many as torch likes.

    `precision` of its weights, here and in other requests: "auto", "nf4", "int8", "bf16" or "fp32"; what "auto" comes
    to depends on the adapter and the device alone.
    """

    name = "load"
    done = ModelLoadDone
    model: str
    device: str = "auto"
    threads: int = 0
    precision: str = "auto"


@dataclass(frozen=True)
class Extract(Request):
    """Read a document and keep its text as `texts_folder/<text_sha256>.txt`: UTF-8, a form feed between pages.

    Attributes:
        model: whose tokenizer counts the tokens, which does not load the model; null: of the one that is loaded.
    """

    name = "extract"
    done = ExtractDone
    path: str
    texts_folder: str
    password: str | None = field(default=None, repr=False)
    model: str | None = None


@dataclass(frozen=True)
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
    model: str = "starter"
    device: str = "auto"
    threads: int = 0
    precision: str = "auto"
    batch_share: float = 1.0
    method: str = "auto"
    kv_bits: int = 16


@dataclass(frozen=True)
class Answer(Request):
    """Answer the last question of `turns` (question, answer or null), about gists, or about full texts in their place.

    Both lists empty: the model alone. What stands in front of the question is kept for the next one. Cancelled while
    that is still being read it ends with `cancelled`, later with `answer.done`.

    Attributes:
        lookup_paths: kept texts, whose best passages for the question are put behind the gists.
        ground_paths: kept texts in which the answer is looked for once it is written.
    """

    name = "answer"
    done = AnswerDone
    turns: tuple[tuple[str, str | None], ...]
    gists: tuple[str, ...] = ()
    text_paths: tuple[str, ...] = ()
    lookup_paths: tuple[str, ...] = ()
    ground_paths: tuple[str, ...] = ()
    system: str | None = None
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    max_tokens: int = 512
    model: str = "starter"
    device: str = "auto"
    threads: int = 0
    precision: str = "auto"


@dataclass(frozen=True)
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
    model: str = "starter"
    device: str = "auto"
    threads: int = 0
    precision: str = "auto"


@dataclass(frozen=True)
class Describe(Request):
    """Say what a gist file holds."""

    name = "describe"
    done = DescribeDone
    path: str


@dataclass(frozen=True)
class Download(Request):
    """Fetch a model of the hub, going on where an earlier try stopped, and check what came. Uses the network."""

    name = "download"
    done = DownloadDone
    hub_id: str


@dataclass(frozen=True)
class DropDownload(Request):
    """Delete what came of a model whose download was given up; one that is here whole stays."""

    name = "drop_download"
    done = DownloadDropped
    hub_id: str


@dataclass(frozen=True)
class DescribeModel(Request):
    """Give a model's figures without loading its weights."""

    name = "model_info"
    done = ModelInfoDone
    model: str
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True)
class ImportAdapter(Request):
    """Copy the adapter in the folder `path` to a new folder in `into`; its base is the one it names, or of `models`."""

    name = "import_adapter"
    done = ImportAdapterDone
    path: str
    into: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportAdapter(Request):
    """Copy a model's adapter to the new folder `target`."""

    name = "export_adapter"
    done = ExportAdapterDone
    model: str
    target: str


@dataclass(frozen=True)
class Index(Request):
    """Make kept texts of the library in `folder` searchable: those of `entry_ids`, or, if empty, all that are not."""

    name = "index"
    done = IndexDone
    folder: str
    entry_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cancel(Request):
    """End the request `target`, running or waiting; one that is over already is left alone. Has no event of its own."""

    name = "cancel"
    done = Cancelled
    target: int


def is_last(event: Event, request: Request) -> bool:
    """Whether this event of a request ends it."""
    return isinstance(event, (request.done, Cancelled, Error))


# ---- Lines

_M = TypeVar("_M", bound=Message)


def encode(message: Message) -> str:
    """One line, with its line end.

    Raises:
        ProtocolError: a number in it is not finite, or the type is neither a request's nor an event's.
    """
    key = "do" if isinstance(message, Request) else "event"
    body = {key: message.name, **packed(dataclasses.asdict(message))}
    if not message.id:
        del body["id"]
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")) + "\n"
    except ValueError as error:
        raise ProtocolError(f"{message.name} cannot be written: {error}") from error


def decode_event(line: str | bytes) -> Event:
    """Raises ProtocolError: the line is no event of this version."""
    return _decode(line, "event", _EVENTS)


def decode_request(line: str | bytes) -> Request:
    """Raises ProtocolError: the line is no request of this version, or has no id."""
    request = _decode(line, "do", _REQUESTS)
    if request.id < 1:
        raise ProtocolError(f"{request.name} has no id")
    return request


_EVENTS: dict[str, type[Event]] = {kind.name: kind for kind in Event.__subclasses__()}
_REQUESTS: dict[str, type[Request]] = {kind.name: kind for kind in Request.__subclasses__()}


def _decode(line: str | bytes, key: str, known: dict[str, type[_M]]) -> _M:
    try:
        body = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a line of JSON: {error}") from error
    if not isinstance(body, dict):
        raise ProtocolError("not an object")
    name = body.pop(key, None)
    if not isinstance(name, str) or name not in known:
        raise ProtocolError(f"{key} {json.dumps(name)} is not known")
    return _object(known[name], body, name)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


_D = TypeVar("_D")


def _object(kind: type[_D], body: dict[str, Any], where: str) -> _D:
    types = _types_of(kind)  # type: ignore[arg-type]
    if unknown := body.keys() - types:
        raise ProtocolError(f"{where} has no {', '.join(sorted(unknown))}")
    values = {name: _value(types[name], value, f"{where}.{name}") for name, value in body.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ProtocolError(f"{where} is not complete: {error}") from error


@cache
def _types_of(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in dataclasses.fields(kind)}


def _value(wanted: Any, value: Any, where: str) -> Any:
    """The value as the type that is wanted, of those that messages are made of."""
    if get_origin(wanted) is UnionType:
        kinds = set(get_args(wanted))
        if value is None and NoneType in kinds:
            return None
        if Sentence not in kinds:
            [kind] = kinds - {NoneType}
            return _value(kind, value, where)
        if isinstance(words := unpacked(value), str):
            return words
    if get_origin(wanted) is tuple and isinstance(value, list):
        inner = get_args(wanted)
        inner = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(inner) == len(value):
            return tuple(_value(kind, each, where) for kind, each in zip(inner, value, strict=True))
    elif dataclasses.is_dataclass(wanted) and isinstance(value, dict):
        return _object(wanted, value, where)  # type: ignore[arg-type]
    elif wanted is float and type(value) in (int, float):
        return _finite(value, where)
    elif type(value) is wanted:
        return value
    raise ProtocolError(f"{where} is {json.dumps(value)[:80]}, which is of the wrong type")


def _finite(value: int | float, where: str) -> float:
    with suppress(OverflowError):
        if math.isfinite(number := float(value)):
            return number
    raise ProtocolError(f"{where} is too large")
