"""From a kept text to a gist file, with progress in the protocol's terms and a second try when memory runs out.

The core compresses; knows nothing of the library or of what becomes of the file.
"""

import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gistdesk.core.compress import Compressed, batch_tokens_for, compress_document
from gistdesk.core.documents import Document
from gistdesk.core.gist_file import GistRecord
from gistdesk.core.gist_tensors import check_bits, stored_dtype
from gistdesk.core.memory import peak_memory_bytes, reset_peak_memory
from gistdesk.core.methods import chosen_method
from gistdesk.core.model import GistModel
from gistdesk.core.plan import Plan, check_ratio, plan_tokens
from gistdesk.protocol import Compress, CompressDone, CompressProgress, ProtocolError
from gistdesk.worker.failures import is_out_of_memory, release_memory
from gistdesk.worker.keeper import Keeper
from gistdesk.worker.layers import layers_watched
from gistdesk.worker.pulse import Pulse
from gistdesk.worker.texts import kept_document, tokens_of


def compress(request: Compress, keeper: Keeper, pulse: Pulse) -> CompressDone:
    """Compress a kept text into `request.target`.

    Raises:
        UserError: text, model, method, ratio or target are unusable.
    """
    if not 0 < request.batch_share <= 1:
        raise ProtocolError(f"a batch share of {request.batch_share}")
    model = keeper.load(request.choice).model
    method = chosen_method(request.method, has_adapter=model.adapter is not None)
    check_ratio(model, request.ratio, method)
    begun = time.perf_counter()
    reset_peak_memory()
    document = kept_document(Path(request.text_path), request.title, request.source_sha256, request.page_label)
    cut = plan_tokens(model, *tokens_of(model, document, pulse), ratio=request.ratio, method=method)
    record, file_bytes, n_before = _compress(model, document, cut, request, pulse)
    seconds = time.perf_counter() - begun
    gist = record.gist
    return CompressDone(
        target=request.target,
        n_tokens=gist.n_tokens,
        n_slots=gist.n_slots,
        ratio=gist.ratio,
        kv_bytes=gist.kv_bytes * stored_dtype(gist).itemsize // gist.kv.element_size(),
        file_bytes=file_bytes,
        seconds=seconds,
        tokens_per_second=(gist.n_tokens - n_before) / seconds,
        device=str(model.device),
        peak_memory_bytes=peak_memory_bytes(model.device),
        method=record.method,
        kv_bits=request.kv_bits,
        agreement=gist.refined.after if gist.refined else None,
        agreement_before=gist.refined.before if gist.refined else None,
        **asdict(record.identity),
    )


def _compress(
    model: GistModel, document: Document, cut: Plan, request: Compress, pulse: Pulse
) -> tuple[GistRecord, int, int]:
    """The gist, its file's size, and the tokens that an earlier run had done; memory may run out once."""
    batch_tokens = max(1, int(batch_tokens_for(model) * request.batch_share))
    try:
        return _attempt(model, document, cut, request, batch_tokens, pulse)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    release_memory()  # here, not above: the exception references every tensor on its way up
    return _attempt(model, document, cut, request, max(1, batch_tokens // 2), pulse)


def _attempt(
    model: GistModel, document: Document, cut: Plan, request: Compress, batch_tokens: int, pulse: Pulse
) -> tuple[GistRecord, int, int]:
    n_before = 0
    begun = trained_since = time.perf_counter()
    target, bits = Path(request.target), check_bits(request.kv_bits)
    with (
        layers_watched(model, lambda _: pulse()),
        closing(compress_document(model, document, cut, target, batch_tokens=batch_tokens, kv_bits=bits)) as steps,
    ):
        for number, step in enumerate(steps):
            if step.record is not None:
                return step.record, step.file_bytes, n_before
            n_done = sum(segment.n_tokens for segment in cut.segments[: step.n_segments_done])
            n_before = n_done if number == 0 else n_before
            if step.n_rounds_done:
                pulse(_training_progress(step, time.perf_counter() - trained_since))
                continue
            trained_since = time.perf_counter()
            pulse(_progress(step, n_done - n_before, len(cut.token_ids) - n_done, time.perf_counter() - begun))
    raise RuntimeError("compressing ended without a gist")


def _training_progress(step: Compressed, seconds: float) -> CompressProgress:
    """After `seconds` of training. The time left is what it may take, if rounds take as long as they did."""
    done, total = step.n_segments_done + step.n_rounds_done, step.n_segments + step.n_rounds
    return CompressProgress(done, total, None, step.n_rounds_left * seconds / step.n_rounds_done)


def _progress(step: Compressed, n_done: int, n_left: int, seconds: float) -> CompressProgress:
    """`n_done` tokens took `seconds`, `n_left` are left."""
    speed = n_done / seconds if n_done else None
    known = speed is not None and not step.n_rounds
    total = step.n_segments + step.n_rounds
    return CompressProgress(step.n_segments_done, total, speed, n_left / speed if speed and known else None)
