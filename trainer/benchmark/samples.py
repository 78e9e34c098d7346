"""One question about one document, and groups of them.

A sample is made on demand, and depends only on seed and position, never on the methods or on earlier samples.
Knows tokens; knows nothing of how they are answered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gistdesk.core.prompt import Prompt

ANSWER_TOKENS = 64
"""Room kept free in the context window for template and answer."""


@dataclass(frozen=True)
class Source:
    """A document that gists and passages are made from; its name is unique within a run."""

    name: str
    token_ids: Tensor


@dataclass(frozen=True)
class Sample:
    """One question about one document.

    Attributes:
        task: needle kind, or the name of a set of records.
        depth_percent: where the needle is; None if unknown.
        max_tokens: longest answer.
        points: maps an answer to a number from 0 to 1.
        is_graded: whether there is anything between 0 and 1.
        other: a document that does not hold the answer.
        may_be_cut: a text too long for the window is read without its middle, as LongBench does.
        accepted: answers any of which is right, for the scores that every kind has; empty if there are none.
        section: the part of the document that holds the answer, (n_tokens,); None if unknown.
        is_one_of_several: there are more questions about this document: what comes before them is made once.
        loss_of: the answer whose loss is measured; empty if none.
        prompt: the text around document and question, if it differs from a user's.
    """

    name: str
    task: str
    language: str
    depth_percent: int | None
    source: Source
    question: str
    expected: str
    max_tokens: int
    points: Callable[[str], float]
    is_graded: bool
    other: Callable[[], Source]
    may_be_cut: bool
    accepted: tuple[str, ...] = ()
    section: Tensor | None = None
    is_one_of_several: bool = False
    loss_of: str = ""
    prompt: Prompt | None = None


class Task(Protocol):
    """A group of samples of one kind.

    Attributes:
        has_sections: it is known which part of a document holds the answer.
    """

    has_sections: bool

    @property
    def names(self) -> list[str]:
        """The names of its samples, in order."""

    @property
    def lengths(self) -> list[int]:
        """Roughly how many document tokens have to be read anew for each sample."""

    def sample(self, index: int) -> Sample:
        """Make one sample."""


def without_middle(ids: Tensor, n_tokens: int) -> Tensor:
    """At most `n_tokens` tokens of a text, half from each end; (n_tokens,) or fewer."""
    if len(ids) <= n_tokens:
        return ids
    first = n_tokens - n_tokens // 2
    return torch.cat([ids[:first], ids[len(ids) - (n_tokens - first) :]])
