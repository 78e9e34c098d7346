"""From documents and questions to an answer, token by token. The context in front of the questions is kept.

The context is gists, followed by passages if they are looked up; what trained gists recite, or passages of that; or
full texts.
The core makes the answer; knows nothing of chats and how they are kept.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.asked import asks_for_a_summary
from gistdesk.core.documents import Document
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import check_identity, read_gist
from gistdesk.core.model import GistModel
from gistdesk.core.passages import Passage, PassageIndex, context_with_passages, cutting_passages
from gistdesk.core.prompt import Turn
from gistdesk.core.recitation import Recited, answers_by_reciting, is_looked_up, recites, reciting
from gistdesk.core.summary import looked_up
from gistdesk.library.evidence import evidence
from gistdesk.protocol import (
    Answer,
    AnswerDelta,
    AnswerDone,
    AnswerFirstToken,
    AnswerGrounded,
    ContextPassages,
    ContextProgress,
    FoundPassage,
    ProtocolError,
)
from gistdesk.worker.keeper import Front, Keeper, Loaded
from gistdesk.worker.layers import layers_watched
from gistdesk.worker.pulse import Pulse, run_to_end
from gistdesk.worker.texts import kept_document, tokens_of


def answer(request: Answer, keeper: Keeper, pulse: Pulse) -> AnswerDone:
    """Answer the last question; a cancel ends the answer, and the part written so far counts.

    Raises:
        UserError: a gist, a text, the model or the sampling is unusable, or there is not enough room.
        Stopped: cancelled while the context was still being read.
    """
    if not request.turns or request.turns[-1][1] is not None:
        raise ProtocolError("an answer without an open question")
    if request.text_paths and request.lookup_paths:
        raise ProtocolError("passages are looked up for gists, not for full texts")
    turns = [Turn(_unicode(question), None if said is None else _unicode(said)) for question, said in request.turns]
    sampling = Sampling(request.temperature, request.top_p, request.seed, request.max_tokens)
    front, prefill_s = _front(request, keeper, pulse)
    context = front.context
    begun, is_first = time.perf_counter(), True
    pieces = []
    for piece in context.answer(turns, sampling, stop=pulse.stopped):
        if is_first:
            pulse.tell(AnswerFirstToken(time.perf_counter() - begun))
            is_first = False
        pulse.tell(AnswerDelta(piece))
        pieces.append(piece)
    _ground("".join(pieces), request, pulse)
    figures = context.figures
    assert figures is not None
    return AnswerDone(
        stopped="cancelled" if figures.stopped == "closed" else figures.stopped,
        ttft_s=figures.ttft_s,
        tokens_per_second=figures.tokens_per_second,
        n_tokens=figures.n_tokens,
        n_prompt_tokens=figures.n_prompt_tokens,
        n_slots=front.n_slots,
        n_document_tokens=front.n_tokens,
        n_passage_tokens=context.n_text if request.lookup_paths or front.is_recited else 0,
        is_recited=front.is_recited,
        prefill_s=prefill_s,
    )


def _ground(answer: str, request: Answer, pulse: Pulse) -> None:
    """Report whether the answer is in the kept texts; an unreadable text does not stop the answer.

    What the texts do not mention is told only if there is a text for every gist.
    """
    try:
        texts = [kept_document(Path(path)).pages for path in request.ground_paths]
    except UserError:
        return
    has_all = len(texts) >= len(request.gists) or bool(request.text_paths)
    question = _unicode(request.turns[-1][0])
    found = evidence(answer, texts, question if has_all else "")
    if found is not None:
        at = None if asks_for_a_summary(question) else found.sentence  # which is not about one sentence
        sentence = None if at is None else FoundPassage(at.document, at.page, at.start, at.end, at.text)
        pulse.tell(AnswerGrounded(found.found, found.missing, sentence, found.unmatched))


def _front(request: Answer, keeper: Keeper, pulse: Pulse) -> tuple[Front, float]:
    """What is in front of the question, and the seconds it took to read."""
    loaded = keeper.load(request.choice)
    gists, texts = list(map(Path, request.gists)), list(map(Path, request.text_paths))
    begun = time.perf_counter()
    question = _unicode(request.turns[-1][0])
    found, unmatched = _looked_up(request, loaded, pulse) if request.lookup_paths else ((), ())
    is_plain = bool(texts) or (loaded.recited is None and loaded.recited_key == _stamps(gists))
    of_question = bool(request.lookup_paths) or (not is_plain and is_looked_up(loaded.model, question))
    asked = question if of_question else ""
    key = (_stamps(gists), _stamps(texts), request.system, found)
    if loaded.front is not None and loaded.front_key == (*key, asked):
        return loaded.front, 0.0
    keeper.forget_context()  # first: there may not be room for two
    system = None if request.system is None else _unicode(request.system)
    if texts:
        front = _text_front(loaded.model, texts, system, pulse)
    elif request.lookup_paths:
        read = list(_read(loaded.model, gists, pulse))
        front = _gist_front(loaded.model, read, found, system, pulse, asked=asked, unmatched=unmatched)
    else:
        front = _gists_alone(loaded, gists, question, system, pulse)
        asked = asked if loaded.recited else ""
    loaded.front, loaded.front_key = front, (*key, asked)
    return front, time.perf_counter() - begun


def _looked_up(request: Answer, loaded: Loaded, pulse: Pulse) -> tuple[tuple[Passage, ...], tuple[str, ...]]:
    """What is looked up in the kept texts for the last question, and which of its words are in none of them.

    Their places are sent to the window.
    """
    paths = list(map(Path, request.lookup_paths))
    if loaded.passages is None or loaded.passages_key != _stamps(paths):
        loaded.passages = None
        loaded.passages, loaded.passages_key = _indexed(loaded.model, paths, pulse), _stamps(paths)
    question = _unicode(request.turns[-1][0])
    found = tuple(looked_up(loaded.model, loaded.passages, question))
    pulse(ContextPassages(tuple(FoundPassage(p.document, p.page, p.start, p.end, p.text) for p in found)))
    return found, loaded.passages.unmatched(question)


def _gists_alone(loaded: Loaded, paths: Sequence[Path], question: str, system: str | None, pulse: Pulse) -> Front:
    """Gists without their texts: if they were trained to, they recite them, and that is asked."""
    gists = list(_read(loaded.model, paths, pulse))
    by_reciting = answers_by_reciting(loaded.model, gists, question)
    if loaded.recited_key != _stamps(paths):
        loaded.recited, loaded.recited_key = None, ()
        if by_reciting:
            pulse(ContextProgress("recited", 0.0))
            with layers_watched(loaded.model, lambda _: pulse()):
                steps = reciting(loaded.model, gists)
                told = run_to_end(steps, lambda share: pulse(ContextProgress("recited", share)))
            loaded.recited = Recited(loaded.model, gists, told)
        if by_reciting or not recites(gists):
            loaded.recited_key = _stamps(paths)
    if by_reciting and loaded.recited is not None:
        with layers_watched(loaded.model, lambda _: pulse()):
            context = loaded.recited.context(question, system=system)
        if context is not None:
            n_tokens, n_slots = (sum(getattr(gist, name) for gist in gists) for name in ("n_tokens", "n_slots"))
            return Front(context, n_tokens, n_slots, is_recited=context.n_text > 0)
    return _gist_front(loaded.model, gists, (), system, pulse)


def _indexed(model: GistModel, paths: Sequence[Path], pulse: Pulse) -> PassageIndex:
    """By words in every language, and by meaning if that is installed, as the benchmark ranks them."""
    texts = [kept_document(path).pages for path in paths]
    total = max(1, sum(len(page) for pages in texts for page in pages))
    passages: list[Passage] = []
    n_before = 0

    def tell(n_read: int) -> None:
        pulse(ContextProgress("passages", (n_before + n_read) / total))

    for document, pages in enumerate(texts):
        passages += run_to_end(cutting_passages(model, pages, document=document), tell)
        n_before += sum(map(len, pages))
    return PassageIndex(passages)


def _gist_front(
    model: GistModel,
    gists: Sequence[GistKV],
    passages: Sequence[Passage],
    system: str | None,
    pulse: Pulse,
    *,
    asked: str = "",
    unmatched: Sequence[str] = (),
) -> Front:
    with layers_watched(model, lambda _: pulse()):
        context = context_with_passages(model, gists, passages, question=asked, unmatched=unmatched, system=system)
    return Front(context, sum(gist.n_tokens for gist in gists), context.n_slots)


def _read(model: GistModel, paths: Sequence[Path], pulse: Pulse) -> Iterator[GistKV]:
    for number, path in enumerate(paths):
        pulse(ContextProgress("gist", number / len(paths)))
        record = read_gist(path)
        check_identity(record, model.identity)
        yield record.gist


def _text_front(model: GistModel, paths: Sequence[Path], system: str | None, pulse: Pulse) -> Front:
    """Several texts are read as one, each one's pages after those of the one before."""
    pulse(ContextProgress("text", 0.0))
    pages = tuple(page for path in paths for page in kept_document(path).pages)
    text_ids = tokens_of(model, Document("The text", pages, None, paths[0], ""), pulse)[0]
    with layers_watched(model, _share_told(model, text_ids, pulse)):
        return Front(Context(model, text_ids=text_ids.to(torch.long), system=system), len(text_ids), 0)


def _share_told(model: GistModel, text_ids: Tensor, pulse: Pulse) -> Any:
    """For `layers_watched`: reports how much of a text all layers together have read."""
    total = len(text_ids) * int(model.causal_lm.config.num_hidden_layers)
    n_read = 0

    def tell(n_positions: int) -> None:
        nonlocal n_read
        pulse(ContextProgress("text", min(1.0, n_read / total)))
        n_read += n_positions

    return tell


def _stamps(paths: Sequence[Path]) -> tuple[tuple[Path, int, int], ...]:
    """Path, size and time of files: a different file may take the same name."""
    try:
        return tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    except OSError as error:
        raise UserError("{name} cannot be found.", "Compress the document again.", name=error.filename) from error


def _unicode(text: str) -> str:
    """Tokenizers reject half a surrogate pair, which a window's text field may briefly hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
