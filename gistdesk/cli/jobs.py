"""What the commands do, step by step, as generators and plain values: files in, results as dictionaries out.

Knows paths and results; prints nothing.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gistdesk.cli.choosing import model_of_gist
from gistdesk.core.adapter import check_base, parse_adapter
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import compress_document, plan, untrained_ratio
from gistdesk.core.documents import Document, read_document
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import model_fingerprint, of_files
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_description import agreement
from gistdesk.core.gist_file import SUFFIX, GistRecord, check_identity, read_gist
from gistdesk.core.gist_tensors import KVBits, stored_dtype
from gistdesk.core.load import choose_device, find_model, load_model, plain_precision
from gistdesk.core.memory import peak_memory_bytes, reset_peak_memory
from gistdesk.core.methods import Method, usual_method, usual_ratio
from gistdesk.core.model import GistModel
from gistdesk.core.passages import Passage, PassageIndex, context_with_passages, cut_passages, telling
from gistdesk.core.precision import trained_precision
from gistdesk.core.prompt import Turn
from gistdesk.core.quoting import Quotes
from gistdesk.core.ranking import TOP_K
from gistdesk.core.recall import AskedFact, ask_back, draw_facts, summary
from gistdesk.core.recitation import Recited, answers_by_reciting, reciting
from gistdesk.core.unmatched import unmatched_words


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
    password: str | None = None,
    document: Document | None = None,
) -> Iterator[dict[str, Any]]:
    """Compress one document; yields `done` and `total` segments, and finally only the result.

    It is read here unless the caller has already read it and passes it as `document`.

    The speed is this run's: an interrupted run's work is not counted.

    Raises:
        UserError: the document, the ratio or the target is unusable.
    """
    begun = time.perf_counter()
    reset_peak_memory()
    if ratio is None and n_slots is None:
        ratio = usual_ratio(method or usual_method(model.adapter is not None), model.adapter and model.adapter.ratios)
    document = document or read_document(file, password=password)
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


class Conversation:
    """A conversation about gists, and about what is looked up for each question; keeps its turns.

    It is looked up in the texts, or in what trained gists recite of them; a summary is of all that they recite.

    Attributes:
        told: the sentence of the texts that suits the last question best; "" if none does, or there are no texts.
        quotes: whether the answer is itself such a sentence.
        unmatched: words of the last question that are nowhere in the texts, or in what is recited of them.
    """

    def __init__(
        self,
        model: GistModel,
        gists: Sequence[GistKV],
        sampling: Sampling,
        *,
        system: str | None = None,
        index: PassageIndex | None = None,
    ) -> None:
        self._model, self._gists, self._system = model, gists, system
        self._context = self._plain = Context(model, gists, system=system)
        self._sampling, self._index = sampling, index
        self._recited: Recited | None = None
        self._turns: list[Turn] = []
        self.told, self.quotes = "", False
        self.unmatched: tuple[str, ...] = ()
        self._text = "" if index is None else "\n".join(passage.text for passage in index.passages)

    def forget(self) -> None:
        """Forget all turns; the next question is the first one again."""
        self._turns = []

    def look_up(self, question: str) -> Iterator[dict[str, Any]]:
        """Put what suits a question in front of the model: passages, if there are any, or what trained gists recite.

        Yields progress while trained gists recite their texts, once for all questions.
        """
        self.told, self.unmatched, context = "", (), None
        if self._index is not None:
            found = self._index.best(question, TOP_K)
            self.told = telling(question, found)[0].text if found else ""
            self.unmatched = unmatched_words(question, self._text)
            context = context_with_passages(self._model, self._gists, found, question=question, system=self._system)
        elif answers_by_reciting(self._model, self._gists, question):
            self._recited = self._recited or (yield from self._reciting())
            context = self._recited.context(question, system=self._system)
            self.unmatched = unmatched_words(question, self._recited.text)
        self._context = context or self._plain
        self.quotes = isinstance(context, Quotes)

    def _reciting(self) -> Generator[dict[str, Any], None, Recited]:
        steps = reciting(self._model, self._gists)
        while True:
            try:
                yield {"done": round(100 * next(steps)), "total": 100}
            except StopIteration as finished:
                return Recited(self._model, self._gists, finished.value)

    def ask(self, question: str) -> Iterator[str]:
        """The answer's pieces as they are generated. A question that fails is not remembered."""
        pieces = []
        for piece in self._context.answer([*self._turns, Turn(question)], self._sampling):
            pieces.append(piece)
            yield piece
        self._turns.append(Turn(question, "".join(pieces)))

    def figures(self) -> dict[str, Any]:
        """What the last answer cost."""
        figures = self._context.figures
        assert figures is not None
        return {
            "ttft_s": round(figures.ttft_s, 5),
            "tokens_per_second": round(figures.tokens_per_second, 1),
            "n_slots": self._context.n_slots,
            "n_text_tokens": self._context.n_text,
            "n_prompt_tokens": figures.n_prompt_tokens,
        }


def conversation(
    gists: Sequence[Path],
    *,
    model: str | None,
    device: str,
    precision: str,
    system: str | None,
    sampling: Sampling,
    known: Sequence[str] = (),
    texts: Sequence[Path] = (),
) -> Conversation:
    """Open gists, check that the model made them, and put them in front of it. Precision "auto" is the gists' own.

    Args:
        texts: documents of these gists, in which passages are looked up.

    Raises:
        UserError: a gist, a document or the model is unusable, or they do not belong together.
    """
    records = [read_gist(path) for path in gists]
    loaded = _model_of(records[0], model, device, precision, known)
    for record in records:
        check_identity(record, loaded.identity)
    index = _indexed(loaded, texts, {record.source_sha256 for record in records}) if texts else None
    return Conversation(loaded, [record.gist for record in records], sampling, system=system, index=index)


def _indexed(model: GistModel, texts: Sequence[Path], hashes: set[str]) -> PassageIndex:
    passages: list[Passage] = []
    for number, path in enumerate(texts):
        document = read_document(path)
        if document.source_sha256 not in hashes:
            raise UserError(
                "{path} is not the document that was compressed.",
                "Give the file that the gist was made from, or compress it again.",
                path=path,
            )
        passages += (replace(passage, document=number) for passage in cut_passages(model, document.pages))
    return PassageIndex(passages)


def _model_of(record: GistRecord, model: str | None, device: str, precision: str, known: Sequence[str]) -> GistModel:
    """The named model, or the one that made the gist; with "auto" at the precision it had then."""
    if precision == "auto":
        precision = of_files(record.identity.model_fingerprint)[1] or plain_precision(choose_device(device)[0])
    name = model or model_of_gist(record.identity, known)
    return load_model(name, device=device, precision=precision, need_adapter=False)


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


def haystack_of(path: Path) -> str:
    """The text of a document, or of all documents in a folder, by name.

    Raises:
        UserError: one cannot be read, or there are none.
    """
    if not path.is_dir():
        return read_document(path).text
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise UserError("There are no documents in {path}.", "Put essays there, or give a single document.", path=path)
    return "\n".join(read_document(file).text for file in files)


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
    read = read_document(document, password=password)
    if not is_kept_text and read.source_sha256 != record.source_sha256:
        raise UserError(
            "{gist} was not made from {document} as it is now.",
            "Give the document that it was made from.",
            gist=gist,
            document=document,
        )
    facts = draw_facts(read.pages, n=n_facts, seed=seed)
    loaded = _model_of(record, model, device, precision, known)
    check_identity(record, loaded.identity)
    asked: list[AskedFact] = []
    for one in ask_back(loaded, record.gist, facts):
        asked.append(one)
        yield {"done": len(asked), "total": len(facts)}
    told = [{**asdict(one.fact), "answer": one.answer, "kept": one.is_kept, "guessed": one.is_guessed} for one in asked]
    yield {"document": str(document), "gist": str(gist), "seed": seed, **summary(asked), "facts": told}
