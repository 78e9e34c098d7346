"""A user's text as tokens: nothing spelled in it becomes one of the tokens that steer a model.

A tokenizer can be told to ignore special tokens. Other added tokens, such as `</think>`, it finds in
any text; so a text is split inside them. Knows nothing of models.
"""

import functools
import itertools
import re
from collections.abc import Iterator
from typing import Any

_CHUNK_CHARACTERS = 2**14
_STEERING = re.compile(r"<.+>|\[.+\]|.*\|.*", re.DOTALL)
"""Added tokens that look like this are marks; added runs of spaces and words are ordinary text."""


def text_pieces(text: str) -> Iterator[str]:
    """Split a long text into pieces to tokenize one by one, as a novel takes seconds; joined, they are the text."""
    start = 0
    while start < len(text):
        stop = start + _CHUNK_CHARACTERS
        if stop < len(text):
            latest = stop + _CHUNK_CHARACTERS
            stop = text.find("\n", stop, latest) + 1 or max(text.find(" ", stop, latest), 0) or latest
        yield text[start:stop]
        start = stop


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text."""
    ids: list[int] = []
    for piece in _pieces(tokenizer, text):
        ids += tokenizer(piece, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def plain_spans(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """The character span of each token of `plain_ids`."""
    spans: list[tuple[int, int]] = []
    start = 0
    for piece in _pieces(tokenizer, text):
        found = tokenizer(piece, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)[
            "offset_mapping"
        ]
        spans += [(start + first, start + last) for first, last in found]
        start += len(piece)
    return spans


def _pieces(tokenizer: Any, text: str) -> list[str]:
    marks = _marks(tokenizer, len(tokenizer))
    if marks is None:
        return [text]
    cuts = [0, *(found.start() + 1 for found in marks.finditer(text)), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(cuts)] if len(cuts) > 2 else [text]


@functools.lru_cache(maxsize=4)
def _marks(tokenizer: Any, n_tokens: int) -> re.Pattern[str] | None:
    """For a tokenizer with this many tokens. Finds overlapping marks, too: a text is split wherever one begins."""
    added = tokenizer.added_tokens_decoder.values()
    spelled = {token.content for token in added if not token.special and _STEERING.fullmatch(token.content)}
    spelled = {each for each in spelled if len(each) > 1}
    if not spelled:
        return None
    return re.compile("(?=" + "|".join(re.escape(each) for each in sorted(spelled, key=len, reverse=True)) + ")")
