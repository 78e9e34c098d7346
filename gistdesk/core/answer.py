"""Answers about gists or plain text: a context is read once and asked many times.

`Context.answer` is a generator of pieces of text; closing it stops at once. Knows nothing of files or screens.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import DynamicCache

from gistdesk.core.context import Assembled, assemble, assemble_gist
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV, join_gists
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Prompt, Turn, prompt_of
from gistdesk.core.sentences import Sentence

_GREEDY_BELOW = 1e-3
"""Smaller temperatures would only overflow: they take the likeliest token, too."""
_PREFILL_TOKENS = 2048
"""Plain text is read in pieces of this many tokens, so that attention's memory is bounded and a stop takes effect."""
_LOOP_TOKENS, _LOOP_ROUNDS = 128, 3
"""An answer ends when so many tokens, or more, were the same few so often: a small model that is greedy may say a
sentence up to its limit. Fewer would end a matrix of zeros, rows of a table, or a refrain."""
_UNMASKED_VALUES = 2**26
"""A text with nothing before it needs no mask, which makes reading it twice as fast, but only in one piece. The piece
may be so long that one layer's widest result has no more values than this, 128 MiB in bfloat16."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: 0 takes the likeliest token (greedy).
        top_p: only the likeliest tokens whose probabilities add up to this are drawn from (nucleus sampling).
        seed: for drawing tokens.
        max_tokens: the longest an answer may be.
        may_loop: go on though the same is said over and over; otherwise that ends an answer.

    Raises:
        UserError: a value is unusable.
    """

    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    max_tokens: int = 512
    may_loop: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise UserError(
                "A temperature of {value:g} cannot be used.", "Choose 0 (greedy) to 2.", value=self.temperature
            )
        if not 0 <= self.top_p <= 1:
            raise UserError("A top_p of {value:g} cannot be used.", "Choose a share from 0 to 1.", value=self.top_p)
        if self.max_tokens < 1:
            raise UserError("An answer has at least one token.", "Choose 1 or more.")


@dataclass(frozen=True)
class AnswerFigures:
    """What an answer cost.

    Attributes:
        ttft_s: seconds from the question to the first token, the question's prefill included.
        tokens_per_second: over the tokens after the first; 0 if there was only one.
        n_tokens: tokens of the answer.
        n_prompt_tokens: tokens read for this question (not those already in the cache).
        stopped: "end" (the model ended it), "loop" (it only repeated itself), "length" or "closed".
    """

    ttft_s: float
    tokens_per_second: float
    n_tokens: int
    n_prompt_tokens: int
    stopped: str


class Context:
    """What the model has in front of it: a prompt prefix, then gists or text. Questions and answers follow.

    Attributes:
        figures: of the last answer; None before the first.
        n_slots: gist slots in front of the question.
        n_text: tokens of text in front of it, after the gists.
    """

    def __init__(
        self,
        model: GistModel,
        gists: Sequence[GistKV] = (),
        *,
        text_ids: Tensor | None = None,
        system: str | None = None,
        prompt: Prompt | None = None,
    ) -> None:
        """Put gists (one or several) or the tokens of a text in front. Both are optional.

        Args:
            prompt: wording around it other than the model's chat template, with no system message.

        Raises:
            UserError: they do not fit into the model's window, or this model did not make them.
        """
        for gist in gists:
            if (*gist.kv.shape[:3], gist.kv.shape[4]) != model.kv_shape:
                raise UserError(
                    "The keys and values of a gist have a different shape from this model's.",
                    "Load the model that made it, or compress the document again.",
                )
        self.model = model
        self.prompt = prompt or prompt_of(model.tokenizer, system)
        self.n_slots = sum(gist.n_slots for gist in gists)
        n_positions = sum(gist.n_positions for gist in gists)
        self.figures: AnswerFigures | None = None
        prefix = model.template_ids(self.prompt.prefix)
        self.n_text = 0 if text_ids is None else len(text_ids)
        self._check_window(
            len(prefix) + n_positions + self.n_text, Sentence("The text") if self.n_text else Sentence("These gists")
        )
        with torch.no_grad():
            only_text = text_ids is not None and not gists
            before = [] if only_text else prefix
            if gists:
                parts = [replace(gist, kv=gist.kv.to(model.device, model.dtype)) for gist in gists]
                start = assemble_gist(model, before, join_gists(parts, model.inv_freq))
            else:
                start = assemble(model, before, [None])
            self._cache: DynamicCache = start.cache
            self._n_context = int(start.position)
            if text_ids is not None:
                ids = [*(prefix if only_text else []), *text_ids.tolist()]
                self._read(ids, self._n_context)
                self._n_context += len(ids)
            layers: list[Any] = list(self._cache.layers)
            self._n_cached = [layer.get_seq_length() for layer in layers]
        self._ids: list[int] = []

    @property
    def kv_bytes(self) -> int:
        """Bytes of the keys and values in front of the conversation."""
        layers: list[Any] = list(self._cache.layers)
        return sum(
            2 * n_cached * layer.keys.shape[1] * layer.keys.shape[3] * layer.keys.element_size()
            for layer, n_cached in zip(layers, self._n_cached, strict=True)
            if n_cached
        )

    def answer(
        self, turns: Sequence[Turn], sampling: Sampling = Sampling(), *, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[str]:
        """Answer the last of `turns`, whose answer is missing; yields text as it is generated.

        Whatever earlier turns share with the last call is not read again, so editing or branching costs only
        the new part.

        Args:
            turns: the conversation; all but the last with answers.
            sampling: greedy by default.
            stop: called between tokens; True ends the answer.

        Raises:
            UserError: the question does not fit into the model's window.
        """
        begun = time.perf_counter()
        wanted = self._conversation_ids(turns)
        self._check_window(self._n_context + len(wanted) + 1, Sentence("The question"))
        random = torch.Generator().manual_seed(sampling.seed)
        stream, ends = _Spelling(self.model), self.end_ids()
        said: list[int] = []
        n_tokens, first_s, stopped, has_begun = 0, 0.0, "closed", False
        n_prompt = 0
        try:
            with torch.no_grad():
                n_prompt, logits = self._extend(wanted, stop)
                while logits is not None:
                    token = choose_token(logits, sampling, random)
                    n_tokens += 1
                    first_s = first_s or time.perf_counter() - begun
                    if token in ends:
                        stopped = "end"
                        break
                    piece = stream.add(token)
                    if piece and not has_begun:
                        piece = piece.removeprefix(self.prompt.answer_start)
                        has_begun = True
                    if piece:
                        yield piece
                    said.append(token)
                    if not sampling.may_loop and _loops(said):
                        stopped = "loop"
                        break
                    room = self.model.max_positions - self._n_context - len(self._ids)
                    if n_tokens >= sampling.max_tokens or room < 2:
                        stopped = "length"
                        break
                    if stop():
                        break
                    logits = self._read([token], self._n_context + len(self._ids))
                    self._ids.append(token)
        finally:
            rest_s = time.perf_counter() - begun - first_s
            speed = (n_tokens - 1) / rest_s if n_tokens > 1 else 0.0
            self.figures = AnswerFigures(first_s, speed, n_tokens, n_prompt, stopped)

    def answer_loss(self, question: str, answer: str) -> float:
        """How surprising the model finds a given answer: nats per token of it. Forgets the conversation.

        Raises:
            UserError: they do not fit into the model's window.
        """
        ids, n_answer = self.ids_of_answer(question, answer)
        self._check_window(self._n_context + len(ids), Sentence("The question"))
        self.forget()
        with torch.no_grad():
            hidden = self.model.decode(ids[None, :-1], self._cache, self._n_context)[0, -n_answer:]
            logits = self.model.logits(hidden).float()
        self.forget()
        return float(torch.nn.functional.cross_entropy(logits, ids[-n_answer:].to(logits.device)))

    def question_loss(self, question: str) -> float:
        """How surprising the model finds a question about what it has read: nats per token.

        Forgets the conversation.

        Raises:
            UserError: it does not fit into the model's window.
        """
        before = self.model.template_ids(self.prompt.before_question)
        asked = torch.tensor(self.model.token_ids(question))
        self._check_window(self._n_context + len(before) + len(asked), Sentence("The question"))
        self.forget()
        with torch.no_grad():
            ids = torch.tensor([[*before, *asked[:-1].tolist()]])
            hidden = self.model.decode(ids, self._cache, self._n_context)[0, len(before) - 1 :]
            logits = self.model.logits(hidden).float()
        self.forget()
        return float(torch.nn.functional.cross_entropy(logits, asked.to(logits.device)))

    def ids_of_answer(
        self, question: str, answer: str, most_tokens: int | None = None, *, with_end: bool = False
    ) -> tuple[Tensor, int]:
        """The ids of a question and a given answer, and how many of them are the answer's; nothing is read.

        Args:
            most_tokens: of the answer; the rest is dropped.
            with_end: count the token that ends an answer as its last one.
        """
        n_before = len(self.ids_of_question(question))
        end = None if most_tokens is None else n_before + most_tokens
        after = self.model.template_ids(self.prompt.after_answer)[:1] if with_end else []
        ids = torch.tensor([*self._conversation_ids([Turn(question, answer)]), *after][:end])
        return ids, len(ids) - n_before

    def ids_of_question(self, question: str) -> list[int]:
        """The ids that ask the first question, up to where its answer begins."""
        return self._conversation_ids([Turn(question)])

    def in_front(self) -> Assembled:
        """What is in front of the conversation, without it; `forget` drops what is read after this."""
        self.forget()
        return Assembled(self._cache, torch.tensor([[self._n_context]], device=self.model.device), None)

    def forget(self) -> None:
        """Forget the conversation: the next answer is computed as if it were the first."""
        self._rewind(0)

    def _conversation_ids(self, turns: Sequence[Turn]) -> list[int]:
        """Everything after the context; special tokens cannot be spelled in questions and answers."""
        ids: list[int] = []
        for text, role in self.prompt.pieces(turns):
            ids += self.model.piece_ids(text, role)
        return ids

    def _extend(self, wanted: list[int], stop: Callable[[], bool]) -> tuple[int, Tensor | None]:
        """Extend or rewind the cache to exactly `wanted`; tokens read, and logits after the last, (vocab_size,)."""
        same = 0
        while same < min(len(self._ids), len(wanted) - 1) and self._ids[same] == wanted[same]:
            same += 1
        self._rewind(same)
        new = wanted[same:]
        logits = self._read(new, self._n_context + same, stop)
        if logits is not None:
            self._ids = list(wanted)
        return len(new), logits

    def _rewind(self, n_kept: int) -> None:
        """Forget all but the first `n_kept` ids after the context, and what an interrupted pass left in some layers."""
        layers: list[Any] = list(self._cache.layers)
        for layer, n_cached in zip(layers, self._n_cached, strict=True):
            excess = layer.get_seq_length() - n_cached - n_kept
            if excess > 0:
                layer.crop(-excess)
        self._ids = self._ids[:n_kept]

    def _read(self, ids: Sequence[int], position: int, stop: Callable[[], bool] = lambda: False) -> Tensor | None:
        """Prefill; the logits after the last token, or None when stopped (the cache is then as before).

        Positions are counted here and in the gist, never inferred from the length of the cache.
        """
        start, hidden = 0, None
        while start < len(ids):
            if stop():
                self._rewind(len(self._ids))
                return None
            n_unmasked = 0 if position + start else _UNMASKED_VALUES // self.model.causal_lm.config.intermediate_size
            piece = torch.tensor([list(ids[start : start + max(_PREFILL_TOKENS, n_unmasked)])])
            hidden = self.model.decode(piece, self._cache, position + start)
            start += piece.shape[1]
        return None if hidden is None else self.model.logits(hidden[0, -1]).float()

    def end_ids(self) -> set[int]:
        """Those that end an answer."""
        configured = self.model.causal_lm.generation_config.eos_token_id
        ends = {self.model.tokenizer.eos_token_id, *self.model.template_ids(self.prompt.after_answer)[:1]}
        ends |= set(configured) if isinstance(configured, list) else {configured}
        return {int(end) for end in ends if end is not None}

    def _check_window(self, n_tokens: int, what: Sentence) -> None:
        if n_tokens > self.model.max_positions:
            raise UserError(
                "{what} would need {n_tokens} tokens; the model's window holds {n}.",
                "Shorten it, or use fewer documents or a higher ratio.",
                what=what,
                n_tokens=n_tokens,
                n=self.model.max_positions,
            )


class _Spelling:
    """Text of tokens as they come; bytes that are no text, as a model may write when it is not greedy, are left out."""

    def __init__(self, model: GistModel) -> None:
        self._tokenizer = model.tokenizer.backend_tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def add(self, token: int) -> str:
        """What this token adds, "" while a character is not complete."""
        try:
            return self._stream.step(self._tokenizer, token) or ""
        except Exception:  # tokenizers has no class of its own for "Invalid prefix encountered"
            self._stream = DecodeStream(skip_special_tokens=True)
            return self._stream.step(self._tokenizer, token) or ""


def _loops(said: Sequence[int]) -> bool:
    """Whether the last tokens are the same few over and over."""
    for n in range(1, len(said) // _LOOP_ROUNDS + 1):
        n_tail = max(_LOOP_TOKENS, _LOOP_ROUNDS * n)
        if n_tail <= len(said) and said[-1] == said[-1 - n] and said[-n_tail:-n] == said[n - n_tail :]:
            return True
    return False


def choose_token(logits: Tensor, sampling: Sampling, random: torch.Generator) -> int:
    """Choose one of (n,) logits, or scores in nats.

    Raises:
        UserError: some are not numbers.
    """
    if bool(logits.isnan().any()):
        raise UserError(
            "The model's output was not finite numbers.",
            "Its weights are damaged, or do not work in this precision: choose another model or another precision.",
        )
    if sampling.temperature < _GREEDY_BELOW:
        return int(logits.argmax())
    probabilities = (logits.cpu() / sampling.temperature).softmax(-1)
    if sampling.top_p >= 1.0:
        return int(torch.multinomial(probabilities, 1, generator=random))
    ordered, ids = probabilities.sort(descending=True)
    kept = ordered.cumsum(0) - ordered < sampling.top_p
    kept[0] = True
    return int(ids[torch.multinomial(ordered[kept], 1, generator=random)])
