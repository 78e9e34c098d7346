"""What the commands do, step by step, as generators and plain values: files in, results as dictionaries out.

Knows paths and results; prints nothing.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gistdesk.cli.choosing import load_model_of
from gistdesk.cli.opening import open_document
from gistdesk.core.adapter import check_base, parse_adapter
from gistdesk.core.compress import compress_document
from gistdesk.core.documents import Document, read_document
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import model_fingerprint
from gistdesk.core.gist_description import agreement
from gistdesk.core.gist_file import SUFFIX, check_identity, read_gist
from gistdesk.core.gist_tensors import KVBits, stored_dtype
from gistdesk.core.load import find_model
from gistdesk.core.memory import peak_memory_bytes, reset_peak_memory
from gistdesk.core.methods import Method, usual_method, usual_ratio
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan, untrained_ratio
from gistdesk.core.precision import trained_precision
from gistdesk.core.recall import AskedFact, ask_back, draw_facts, summary


def gist_paths(files: Sequence[Path], output: Path | None) -> list[Path]:
    """Where each document's gist goes: beside it, into a folder, or, for a single one, to the given name.

    A folder for several is created if needed.

    Raises:
        UserError: two documents would get the same gist file, or a file that is not a gist would be overwritten.
    """
    if output is not None and len(files) == 1 and not output.is_dir():
        if output.suffix != SUFFIX and output.exists() and not _is_gist(output):
            raise UserError(
                "{path} exists and is not a gist file.", "Give another name, or delete it first.", path=output
            )
        return [output]
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                "The folder {folder} cannot be created ({reason}).",
                "Give a folder for several documents.",
                folder=output,
                reason=error.strerror,
            ) from error
    found: dict[Path, Path] = {}
    for file in files:
        target = (output or file.parent) / (file.stem + SUFFIX)
        if target in found:
            raise UserError(
                "{one} and {other} would both become {target}.",
                "Compress them one by one, with -o NAME.gistkv.",
                one=found[target],
                other=file,
                target=target,
            )
        found[target] = file
    return list(found)


def _is_gist(path: Path) -> bool:
    try:
        read_gist(path)
    except UserError:
        return False
    return True


def compress_file(
    model: GistModel,
    file: Path,
    target: Path,
    *,
    ratio: float | None = None,
    n_slots: int | None = None,
    method: Method | None = None,
    kv_bits: KVBits = 16,
    document: Document | None = None,
) -> Generator[dict[str, Any], None, None]:
    """Compress one document; yields `done` and `total` segments, and finally only the result.

    It is read here unless the caller has already read it and passes it as `document`.

    The speed is this run's: an interrupted run's work is not counted.

    Raises:
        UserError: the document, the ratio or the target is unusable.
    """
    begun = time.perf_counter()
    reset_peak_memory()
    if ratio is None and n_slots is None:
        trained = model.adapter.ratios if model.adapter is not None else None
        ratio = usual_ratio(method or usual_method(model.adapter is not None), trained)
    document = document or read_document(file)
    cut = plan(model, document, ratio=ratio, n_slots=n_slots, method=method)
    n_before: int | None = None
    for step in compress_document(model, document, cut, target, kv_bits=kv_bits):
        if n_before is None:
            n_before = sum(segment.n_tokens for segment in cut.segments[: step.n_segments_done])
        if step.record is None:
            event = {"done": step.n_segments_done + step.n_rounds_done, "total": step.n_segments + step.n_rounds}
            yield event if step.agreement is None else {**event, "agreement": round(step.agreement, 4)}
            continue
        seconds = time.perf_counter() - begun
        gist = step.record.gist
        yield {
            "document": str(file),
            "gist": str(target),
            "n_tokens": gist.n_tokens,
            "n_slots": gist.n_slots,
            "ratio": round(gist.ratio, 2),
            "method": step.record.method,
            "n_unfitted": gist.n_unfitted,
            **agreement(gist),
            "kv_bits": step.record.kv_bits,
            "kv_bytes": gist.kv_bytes * stored_dtype(gist).itemsize // gist.kv.element_size(),
            "file_bytes": step.file_bytes,
            "seconds": round(seconds, 3),
            "tokens_per_second": round((gist.n_tokens - n_before) / seconds, 1),
            "device": str(model.device),
            "peak_memory_bytes": peak_memory_bytes(model.device),
            **({"warning": warning} if (warning := untrained_ratio(model, cut)) else {}),
        }


def describe_adapter(folder: Path) -> dict[str, Any]:
    """An adapter kept here: its base and sizes, or a `problem` in one sentence; no weights are loaded."""
    found: dict[str, Any] = {"name": folder.name, "folder": str(folder), "problem": ""}
    try:
        folders = find_model(str(folder))
        check_base(folder, model_fingerprint(folders.base))
        adapter = parse_adapter(folder)
    except (UserError, OSError, ValueError) as error:
        return {**found, "problem": str(error)}
    return {
        **found,
        "base": folders.model_id,
        "precision": trained_precision(folder),
        "slots": adapter.max_slots,
        "segment_tokens": adapter.segment_tokens,
        "file_bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }


def haystack_of(path: Path, password: str | None = None) -> str:
    """The text of a document, or of all documents in a folder, by name; encrypted ones have the same password.

    Raises:
        UserError: one cannot be read, or there are none.
    """
    if not path.is_dir():
        return open_document(path, password).text
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise UserError("There are no documents in {path}.", "Put essays there, or give a single document.", path=path)
    return "\n".join(open_document(file, password).text for file in files)


def recall_of(
    gist: Path,
    document: Path,
    *,
    model: str | None,
    device: str,
    precision: str,
    n_facts: int,
    seed: int = 0,
    password: str | None = None,
    is_kept_text: bool = False,
    known: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Ask for facts of a document from its gist; yields `done` and `total`, and finally only the figures.

    Args:
        is_kept_text: `document` is the text that a library kept, which the library knows to be this gist's.

    Raises:
        UserError: gist, document and model do not belong together, or the text holds no facts.
    """
    record = read_gist(gist)
    read = open_document(document, password)
    if not is_kept_text and read.source_sha256 != record.source_sha256:
        raise UserError(
            "{gist} was not made from {document} as it is now.",
            "Give the document that it was made from.",
            gist=gist,
            document=document,
        )
    facts = draw_facts(read.pages, n=n_facts, seed=seed)
    loaded = load_model_of(record, model, device, precision, known)
    check_identity(record, loaded.identity)
    asked: list[AskedFact] = []
    for one in ask_back(loaded, record.gist, facts):
        asked.append(one)
        yield {"done": len(asked), "total": len(facts)}
    told = [{**asdict(one.fact), "answer": one.answer, "kept": one.is_kept, "guessed": one.is_guessed} for one in asked]
    yield {"document": str(document), "gist": str(gist), "seed": seed, **summary(asked), "facts": told}
