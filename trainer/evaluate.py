"""The needle-in-a-haystack benchmark: every method on the same samples, through the same compress and answer as users.

Samples depend on seed, language, kind, length and depth alone, never on the list of methods. A generator: it can be
stopped after every sample. Knows nothing of files, pictures or terminals.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import batch_tokens_for, check_ratio, compress, plan_tokens
from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.memory import peak_memory_bytes, reset_peak_memory
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.haystack import haystack_names, haystack_text
from trainer.needles import ENGLISH_ONLY, LANDMARK_FILLER, NEEDLE_KINDS, Needle, own_needle

_ANSWER_TOKENS = 64
"""Room for template and answer that is kept free in the window."""

METHODS = ("gist", "full", "none", "wrong-gist", "truncate")


@dataclass(frozen=True)
class NiahConfig:
    """What is measured.

    Attributes:
        lengths: document lengths, tokens.
        depths: where the needle stands, percent of the document before it.
        samples: per length, depth, language and kind.
        languages: "en", "ko".
        methods: of `METHODS`.
        kinds: of `NEEDLE_KINDS`; ignored when `needle` is given.
        ratio: tokens per slot.
        seed: of everything random.
        haystack: text to hide needles in; empty takes the bundled evaluation texts.
        needle, question: a needle of the user's own, with {value} in it.
    """

    lengths: tuple[int, ...] = (512, 2048, 8192)
    depths: tuple[int, ...] = (0, 25, 50, 75, 100)
    samples: int = 4
    languages: tuple[str, ...] = ("en", "ko")
    methods: tuple[str, ...] = METHODS
    kinds: tuple[str, ...] = ("passkey",)
    ratio: float = 100.0
    seed: int = 1
    haystack: str = ""
    needle: str = ""
    question: str = ""

    def __post_init__(self) -> None:
        known = {
            "method": (self.methods, METHODS),
            "needle kind": (self.kinds, tuple(NEEDLE_KINDS)),
            "language": (self.languages, ("en", "ko")),
        }
        for what, (given, allowed) in known.items():
            if not given:
                raise UserError(f"No {what} is given.", f"Choose from {', '.join(allowed)}.")
            for name in given:
                if name not in allowed:
                    raise UserError(f'There is no {what} "{name}".', f"Choose from {', '.join(allowed)}.")
        if not self.series:
            raise UserError(f"There is no {' or '.join(self.kinds)} needle but in English.", "Add en to --languages.")
        if not self.lengths or min(self.lengths) < 64:
            raise UserError("A length must be at least 64 tokens.", "Give for example --lengths 512,2048.")
        if not self.depths or not all(0 <= depth <= 100 for depth in self.depths):
            raise UserError("A depth is a percentage from 0 to 100.", "Give for example --depths 0,50,100.")
        if self.samples < 1:
            raise UserError("There must be at least one sample.", "Give --samples 1 or more.")
        if not 1.0 <= self.ratio < math.inf:
            raise UserError(f"A ratio of {self.ratio:g} cannot be had.", "Give for example --ratio 100.")
        if bool(self.needle) != bool(self.question):
            raise UserError("A needle of your own needs a question, and the other way round.", "Give both.")
        if self.needle:
            own_needle(self.needle, self.question)

    @property
    def series(self) -> list[tuple[str, str]]:
        """Needle kind and language of every grid that is measured."""
        kinds = ("own",) if self.needle else self.kinds
        return [(k, lang) for k in kinds for lang in self.languages if k not in ENGLISH_ONLY or lang == "en"]

    @property
    def n_trials(self) -> int:
        return len(self.series) * len(self.lengths) * len(self.depths) * self.samples * len(self.methods)


@dataclass(frozen=True)
class Trial:
    """One question put to one method.

    Attributes:
        ratio: document tokens per gist slot; None where no gist is involved.
        kv_bytes: of what stands before the question.
        ttft_s: seconds from having the gist, or the text's tokens, in memory to the first token of the answer.
    """

    method: str
    language: str
    needle_kind: str
    context_tokens: int
    depth_percent: int
    correct: bool
    expected: str
    answer: str
    prompt_tail: str
    ratio: float | None
    kv_bytes: int
    ttft_s: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class Document:
    """A generated sample: document tokens, and the needle in them."""

    token_ids: Tensor
    needle: Needle


def wilson(correct: int, n: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson, 1927), as two numbers from 0 to 1."""
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    share, spread = correct / n, z * z / n
    centre = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return max(0.0, (centre - half) / (1 + spread)), min(1.0, (centre + half) / (1 + spread))


class Haystack:
    """A text as tokens, with the places where a sentence starts."""

    def __init__(self, model: GistModel, text: str) -> None:
        self.ids = torch.tensor(model.token_ids(" " + text.strip()))
        self.starts = model.ends_sentence[self.ids].nonzero()[:, 0] + 1

    def document(self, model: GistModel, random: Random, needle: Needle, n_tokens: int, depth: int) -> Tensor:
        """A stretch that starts with a sentence, with the needle walked back to a sentence end; (n_tokens,).

        Distractors are put between other sentences, at random.
        """
        statements = [torch.tensor(model.token_ids(" " + text)) for text in needle.statements]
        n_hay = n_tokens - sum(len(ids) for ids in statements)
        if n_tokens > len(self.ids):
            raise UserError(
                f"The haystack has {len(self.ids)} tokens, {n_tokens} are asked for.", "Give a longer text."
            )
        if n_hay < 0:
            raise UserError(f"The needle does not fit into {n_tokens} tokens.", "Ask for longer documents.")
        possible = self.starts[self.starts <= len(self.ids) - n_hay]
        start = int(possible[random.randrange(len(possible))]) if len(possible) else 0
        hay = self.ids[start : start + n_hay]
        inside = self.starts[(self.starts > start) & (self.starts < start + n_hay)] - start
        ends = [0, *inside.tolist(), n_hay] if depth == 100 else [0, *inside.tolist()]
        target = n_hay * depth / 100
        places = [max(end for end in ends if end <= target)]
        places += [random.choice(ends) for _ in statements[1:]]
        order = sorted(range(len(statements)), key=lambda i: places[i])
        pieces, last = [], 0
        for i in order:
            pieces += [hay[last : places[i]], statements[i]]
            last = places[i]
        return torch.cat([*pieces, hay[last:]])


def haystacks(model: GistModel, config: NiahConfig) -> dict[tuple[str, str], Haystack]:
    """Per needle kind and language, the text to hide needles in; the landmark needle brings its own."""
    texts = {}
    for kind, language in config.series:
        text = config.haystack or " ".join(haystack_text(n) for n in haystack_names(language, evaluation=True))
        texts[kind, language] = LANDMARK_FILLER * (max(config.lengths) // 20 + 1) if kind == "landmark" else text
    tokenized = {text: Haystack(model, text) for text in set(texts.values())}
    return {series: tokenized[text] for series, text in texts.items()}


def _draw_of(config: NiahConfig, kind: str) -> Callable[[Random, str], Needle]:
    return own_needle(config.needle, config.question) if config.needle else NEEDLE_KINDS[kind]


def _check_possible(model: GistModel, config: NiahConfig, stack: Haystack, kind: str, language: str) -> None:
    """Refuse at the start what would otherwise end the benchmark hours later."""
    random = Random(f"{config.seed}:{kind}:{language}")
    for length in sorted(config.lengths):
        needle = _draw_of(config, kind)(random, language)
        stack.document(model, random, needle, length, config.depths[0])
        n_full = length + len(model.token_ids(needle.question)) + _ANSWER_TOKENS
        if "full" in config.methods and n_full > model.max_positions:
            raise UserError(
                f"{length} tokens of text and a question do not fit into the model's window of {model.max_positions}.",
                "Ask for shorter documents, or leave full out of --methods.",
            )


def evaluate(model: GistModel, config: NiahConfig) -> Iterator[Trial]:
    """Run the benchmark; yields every trial as it is done.

    Raises:
        UserError: the model has no adapter but a gist method is asked for, or a haystack is too short.
    """
    if model.adapter is None and {"gist", "wrong-gist", "truncate"} & set(config.methods):
        raise UserError("The model has no gist adapter.", "Train one, or measure full and none only.")
    if model.adapter is not None:
        check_ratio(model.adapter, config.ratio)
    stacks = haystacks(model, config)
    for kind, language in config.series:
        _check_possible(model, config, stacks[kind, language], kind, language)
    for kind, language in config.series:
        stack, draw = stacks[kind, language], _draw_of(config, kind)
        for length in config.lengths:
            for depth in config.depths:
                name = f"{config.seed}:{kind}:{language}:{length}:{depth}"
                documents = []
                # One more than asked for: the last one only lends its gist as a wrong one.
                for i in range(config.samples + 1):
                    random = Random(f"{name}:{i}")
                    needle = draw(random, language)
                    ids = stack.document(model, random, needle, length, depth)
                    documents.append(Document(ids, needle))
                yield from _cell(model, config, documents, language, kind, depth)


def _cell(
    model: GistModel, config: NiahConfig, documents: Sequence[Document], language: str, kind: str, depth: int
) -> Iterator[Trial]:
    """All methods on the documents of one length and depth; the last document is nobody's own."""
    gists: dict[int, GistKV] = {}
    for i, document in enumerate(documents[:-1]):
        needle = document.needle
        for method in config.methods:
            reset_peak_memory()
            gist = None
            if method in ("gist", "truncate"):
                gist = _kept(gists, i, model, document.token_ids, config.ratio)
            if method == "wrong-gist":
                other = documents[i + 1]
                if other.needle.expected == needle.expected:
                    other = _without_needle(model, document)
                    gist = gist_of(model, other.token_ids, config.ratio)
                else:
                    gist = _kept(gists, i + 1, model, other.token_ids, config.ratio)
            begun = time.perf_counter()
            context = _context(model, method, document, gist)
            prefill_s = time.perf_counter() - begun
            n_expected = len(model.token_ids(needle.expected))
            answer = "".join(context.answer([Turn(needle.question)], Sampling(max_tokens=n_expected + 16)))
            assert context.figures is not None
            yield Trial(
                method,
                language,
                kind,
                len(document.token_ids),
                depth,
                needle.is_right(answer),
                needle.expected,
                answer,
                needle.question,
                round(gist.ratio, 2) if gist else None,
                context.kv_bytes,
                round(prefill_s + context.figures.ttft_s, 5),
                peak_memory_bytes(model.device),
            )


def _kept(gists: dict[int, GistKV], index: int, model: GistModel, token_ids: Tensor, ratio: float) -> GistKV:
    if index not in gists:
        gists[index] = gist_of(model, token_ids, ratio)
    return gists[index]


def _without_needle(model: GistModel, document: Document) -> Document:
    """The document with its statement cut out: the wrong one for a needle whose value is always the same."""
    ids = document.token_ids.tolist()
    needle = model.token_ids(" " + document.needle.statements[0])
    place = next(i for i in range(len(ids)) if ids[i : i + len(needle)] == needle)
    kept = torch.tensor(ids[:place] + ids[place + len(needle) :])
    return Document(kept, document.needle)


def gist_of(model: GistModel, token_ids: Tensor, ratio: float) -> GistKV:
    """Compress tokens exactly as a document is compressed."""
    plan = plan_tokens(model, token_ids, ratio=ratio)
    *_, gist = compress(model, plan, batch_tokens=batch_tokens_for(model))
    return gist


def _context(model: GistModel, method: str, document: Document, gist: GistKV | None) -> Context:
    """What a method puts in front of the question."""
    if method == "none":
        return Context(model)
    if method == "full":
        return Context(model, text_ids=document.token_ids)
    assert gist is not None
    if method == "truncate":
        return Context(model, text_ids=document.token_ids[: gist.n_slots])
    return Context(model, [gist])
