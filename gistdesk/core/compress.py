"""From a document to its gist, segment by segment.

A generator: every `yield` is a progress point and a place to stop. Memory does not grow with the document beyond its
tokens and its gist. Knows nothing of processes, terminals or libraries.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name

import psutil
import torch
from torch import Tensor

from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import SUFFIX, GistRecord, write_gist
from gistdesk.core.gist_tensors import KVBits
from gistdesk.core.layout import Segment, encoder_rows
from gistdesk.core.matched import compress_matched
from gistdesk.core.methods import GIST_METHODS
from gistdesk.core.model import GistModel
from gistdesk.core.partial import partial_path, read_partial, write_partial
from gistdesk.core.plan import Plan, starting
from gistdesk.core.refined import n_rounds_left, refine

BATCH_TOKENS = 1024
"""Document tokens per batch on a CPU, about two segments. With 4,096 the starter took 20% longer and 60 MiB more: its
intermediate results no longer fit the processor's caches, and every layer got fresh memory from the system."""
_CARD_BATCH_TOKENS = 4096
_WIDTH_MULTIPLE = 8
"""oneDNN compiles code for every shape it meets and keeps it: at every width, 70 MiB and a tenth of the time."""
_LARGE_MODEL = 10**9


@dataclass(frozen=True)
class Compressed:
    """Progress of a compression. `record` is set at the end, and `file_bytes` if a file was asked for.

    Attributes:
        n_rounds_done, n_rounds: of training the whole gist, if the method does.
        n_rounds_left: those to come that may take their time, see `gistdesk.core.refined.n_rounds_left`.
        agreement: see `Refinement.after`; None before anything is trained.
    """

    n_segments_done: int
    n_segments: int
    n_rounds_done: int = 0
    n_rounds: int = 0
    n_rounds_left: int = 0
    agreement: float | None = None
    record: GistRecord | None = None
    file_bytes: int = 0


Make = Callable[[GistModel, Plan, GistKV | None, int], Iterator[GistKV]]
"""What a row of `GIST_METHODS` names: takes a model, a plan, what is done already, and tokens per batch."""
_MADE_BY = {method.name: method.made_by for method in GIST_METHODS}


def compress(
    model: GistModel, plan: Plan, *, done: GistKV | None = None, batch_tokens: int = BATCH_TOKENS
) -> Iterator[GistKV]:
    """Compress as planned, step by step; yields the gist so far, and finally the whole.

    Each yielded gist is valid for the beginning of the document. Batches always start at the same segments, so a
    resumed compression computes the same as an uninterrupted one.

    Args:
        done: what an earlier, interrupted run finished.
        batch_tokens: tokens per encoding batch of an adapter.
    """
    make: Make = resolve_name(_MADE_BY[plan.method])
    yield from make(model, plan, done, batch_tokens)


def matched(model: GistModel, plan: Plan, done: GistKV | None, batch_tokens: int) -> Iterator[GistKV]:
    """From the text's own keys, segment by segment."""
    yield from compress_matched(model, plan.token_ids, plan.segments, done)


def refined(model: GistModel, plan: Plan, done: GistKV | None, batch_tokens: int) -> Iterator[GistKV]:
    """Make a gist of the whole document by the model's usual method, then train it."""
    gist = done
    if done is None or len(done.segments) < len(plan.segments):
        first = replace(plan, method=starting(model, plan.method))
        for gist in compress(model, first, done=done, batch_tokens=batch_tokens):
            yield gist
    assert gist is not None
    yield from refine(model, plan.token_ids, gist)


def encoded(model: GistModel, plan: Plan, done: GistKV | None, batch_tokens: int) -> Iterator[GistKV]:
    """With gist tokens and the adapter, batch by batch."""
    adapter = model.adapter
    assert adapter is not None
    kv: Tensor | None = None
    n_done = n_slots = 0
    if done is not None:
        n_done, n_slots = len(done.segments), done.n_slots
        kv = _room_for(done.kv, plan, model)
        kv[:, :, :, :n_slots] = done.kv.to(kv)
    for batch in _batches(plan.segments, batch_tokens):
        # a batch may be partly done: batch sizes differ between devices
        batch = [s for s in batch if done is None or s.start >= done.n_tokens]
        if not batch:
            continue
        rows = encoder_rows(
            [plan.token_ids[s.start : s.start + s.n_tokens].long() for s in batch],
            [s.n_slots for s in batch],
            bos_ids=model.bos_ids,
            gist_ids=adapter.gist_ids,
            width_multiple=_WIDTH_MULTIPLE,
        )
        n_new = sum(s.n_slots for s in batch)
        with torch.no_grad():
            encoded = model.encode(rows, torch.arange(n_slots, n_slots + n_new))
        if kv is None:
            kv = _room_for(encoded, plan, model)
        kv[:, :, :, n_slots : n_slots + n_new] = encoded
        n_done, n_slots = n_done + len(batch), n_slots + n_new
        yield GistKV(kv[:, :, :, :n_slots], plan.segments[:n_done])


def _room_for(like: Tensor, plan: Plan, model: GistModel) -> Tensor:
    """Memory for the whole gist up front, so that nothing is copied as it grows."""
    n_layers, two, n_heads, _, head_dim = like.shape
    return torch.empty(n_layers, two, n_heads, plan.n_slots, head_dim, dtype=model.dtype, device=model.device)


def _batches(segments: Sequence[Segment], batch_tokens: int) -> Iterator[list[Segment]]:
    batch: list[Segment] = []
    for segment in segments:
        if batch and sum(s.n_tokens for s in batch) + segment.n_tokens > batch_tokens:
            yield batch
            batch = []
        batch.append(segment)
    if batch:
        yield batch


def batch_tokens_for(model: GistModel) -> int:
    """A large model on a CPU takes one segment at a time: a batch would be no faster, and a stop would take minutes."""
    if model.device.type != "cpu":
        return _CARD_BATCH_TOKENS
    large = model.n_parameters > _LARGE_MODEL
    return 1 if large else BATCH_TOKENS


def compress_document(
    model: GistModel,
    document: Document,
    plan: Plan,
    path: Path,
    *,
    kv_bits: KVBits = 16,
    checkpoint_s: float = 20.0,
    batch_tokens: int | None = None,
) -> Generator[Compressed, None, None]:
    """Compress into a `.gistkv` file, keeping finished work in `<path>.part` so that an interruption costs little.

    Args:
        model: with an adapter if the plan's method needs one.
        document: its title and fingerprint are used.
        plan: of this document.
        path: of the file to write.
        kv_bits: bits in which each number of keys and values is stored; the partial file has 16, so that a resumed
            run continues with the same numbers.
        checkpoint_s: seconds of work between two writes of the partial file.
        batch_tokens: tokens per encoding batch; None chooses by `batch_tokens_for`.

    Raises:
        UserError: the file cannot be written.
    """
    by_adapter = starting(model, plan.method) == "adapter"
    identity = model.identity if by_adapter else replace(model.identity, adapter_fingerprint="")
    record = GistRecord(
        GistKV(torch.empty(0), ()),
        identity,
        document.title,
        document.source_sha256,
        plan.page_starts,
        plan.ratio,
        plan.segment_tokens,
        datetime.now(UTC).isoformat(timespec="seconds"),
        plan.method,
    )
    _remove_stale(path.parent)
    batch_tokens = batch_tokens or batch_tokens_for(model)
    partial = partial_path(path)
    done = _resumable(partial, record, plan)
    yield _come_to(plan, done)
    saved = time.monotonic()
    gist = done
    try:
        for gist in compress(model, plan, done=done, batch_tokens=batch_tokens):
            finished = _is_whole(plan, gist)
            if not finished and time.monotonic() - saved > checkpoint_s:
                with suppress(UserError):  # no room for both, or no such name: the gist itself may still be written
                    write_partial(partial, replace(record, gist=gist))
                saved = time.monotonic()
            if not finished:
                yield _come_to(plan, gist)
        assert gist is not None
        whole = replace(record, gist=gist, kv_bits=kv_bits)
        file_bytes = write_gist(path, whole)
    except BaseException:  # Ctrl+C, a closed generator, no memory left: keep finished work
        if gist is not None and gist is not done:
            with suppress(UserError):
                write_partial(partial, replace(record, gist=gist))
        raise
    with suppress(OSError):
        partial.unlink(missing_ok=True)
    yield replace(_come_to(plan, gist), record=whole, file_bytes=file_bytes)


def _is_whole(plan: Plan, gist: GistKV) -> bool:
    """Whether nothing is left to do."""
    n_rounds = gist.refined.n_rounds if gist.refined else 0
    return len(gist.segments) == len(plan.segments) and n_rounds == plan.n_rounds


def _come_to(plan: Plan, gist: GistKV | None) -> Compressed:
    n_done = len(gist.segments) if gist else 0
    trained = gist.refined if gist else None
    n_rounds, agreement = (trained.n_rounds, trained.after) if trained else (0, None)
    n_left = n_rounds_left(plan.segments, trained) if trained else plan.n_rounds
    return Compressed(n_done, len(plan.segments), n_rounds, plan.n_rounds, n_left, agreement)


def _resumable(partial: Path, record: GistRecord, plan: Plan) -> GistKV | None:
    """The result of an interrupted run, if it was compressing the same text in the same way."""
    found = read_partial(partial)
    if found is None:
        return None
    same = (
        found.identity == record.identity
        and found.method == record.method
        and found.source_sha256 == record.source_sha256
        and found.gist.segments == plan.segments[: len(found.gist.segments)]
    )
    return found.gist if same else None


def _remove_stale(folder: Path) -> None:
    """Delete temporary files of programs that were killed while writing."""
    with suppress(OSError):
        for path in folder.glob(f".*{SUFFIX}.tmp"):
            number = path.name[1:].removesuffix(f"{SUFFIX}.tmp")
            if number.isascii() and number.isdigit() and len(number) < 10 and not psutil.pid_exists(int(number)):
                path.unlink(missing_ok=True)
