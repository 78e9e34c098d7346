"""What a benchmark can be asked for, by name: methods, and kinds of questions; and how its results are grouped.

So that the window can offer what the trainer measures, and shows it as the trainer does. What they do is the trainer's.
"""

METHODS = (
    "gist",
    "full",
    "none",
    "wrong-gist",
    "truncate",
    "truncate-last",
    "truncate-both",
    "rag",
    "rag-budget",
    "hybrid",
    "section",
    "matched",
    "refined",
)
"""gist: answered from the gist alone, as the model's adapter makes it. full: the whole text in front of the model.
none: no text. wrong-gist: the gist of another document. truncate, truncate-last, truncate-both: as many tokens of the
text's beginning, end, or both ends as the gist has slots. rag: the best passages of the text. rag-budget: passages of
together as many tokens as the gist has slots. hybrid: the gist, and the best passages after it. section: only the part
of the text that holds the answer, where it is known, as it is of `TEXT_KINDS`. matched, refined: from a gist made in
that way, see `gistdesk.core.methods`."""

BY_ADAPTER = ("gist", "wrong-gist", "hybrid")
"""Methods that need an adapter."""

BY_RATIO = (
    "gist",
    "wrong-gist",
    "truncate",
    "truncate-last",
    "truncate-both",
    "rag-budget",
    "hybrid",
    "matched",
    "refined",
)
"""Methods that depend on a ratio."""

BY_PASSAGES = ("rag", "rag-budget", "hybrid")
"""Methods that look passages up."""

NEEDLES = ("passkey", "unseen", "landmark", "sandwich", "fact", "facts-4", "facts-8", "absent")
"""Needles hidden in running text, on a grid of lengths and depths."""

RULER = (
    "ruler-single-1",
    "ruler-single-2",
    "ruler-single-3",
    "ruler-multikey-1",
    "ruler-multikey-2",
    "ruler-multikey-3",
    "ruler-multivalue",
    "ruler-multiquery",
    "ruler-vt",
    "ruler-cwe",
    "ruler-fwe",
    "ruler-qa",
)
"""The tasks of RULER, on the same grid: needles, variable tracking, common words, frequent words, questions."""

TEXT_KINDS = ("documents", "reading", "summary")
"""Questions about whole texts, each as long as it is. documents: the bundled report-like documents. reading: stories
of a file with questions. summary: what the stories of that file are about."""

OF_STORIES = ("reading", "summary")
"""Kinds that need a file of stories."""

KINDS = (*NEEDLES, *RULER, *TEXT_KINDS)

ENGLISH_ONLY = ("landmark", "sandwich", "ruler-qa", *TEXT_KINDS)
"""Kinds that there are in English alone."""


def length_class(context_tokens: int) -> int:
    """Of a text that is as long as it is: a power of two that is no less, and at least 256."""
    return max(256, 1 << max(context_tokens - 1, 0).bit_length())
