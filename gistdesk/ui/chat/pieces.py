"""Cuts an answer's Markdown into runs of prose and code blocks, so that each can be drawn by itself.

Knows no widgets, and no more about Markdown than where it may be cut.
"""

import re
from dataclasses import dataclass

_PROSE_CHARS = 1500
"""Prose is cut at the next paragraph after this many characters: drawing that many takes about two milliseconds."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)\n?$")
_GOES_ON = re.compile(r"\s|[-*+>|]|\d{1,9}[.)]")
"""Line starts that may belong to the list, quotation or table before them."""


@dataclass(frozen=True)
class Piece:
    """A run of prose (`language` is None), or the contents of one fenced code block.

    Attributes:
        start: where it starts in the text, including the fence.
    """

    start: int
    text: str
    language: str | None = None


def split_markdown(text: str) -> list[Piece]:
    """Cut at fences, and long prose between paragraphs.

    All but the last piece stay the same when more text follows.
    """
    pieces: list[Piece] = []
    run: list[str] = []
    start = at = n_run = 0
    fence = language = ""

    def finish(next_start: int, *, code: bool = False) -> None:
        nonlocal start, n_run
        body = "".join(run)
        if code or body.strip():
            pieces.append(Piece(start, body.removesuffix("\n") if code else body, language if code else None))
        run.clear()
        start, n_run = next_start, 0

    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not found[2].strip():
                finish(at + len(line), code=True)
                fence = ""
            else:
                run.append(line)
        elif found:
            finish(at)
            fence, language = found[1], found[2].strip().split(" ")[0]
        else:
            blank_before = bool(run) and not run[-1].strip()
            if n_run > _PROSE_CHARS and blank_before and line.endswith("\n") and not _GOES_ON.match(line):
                finish(at)
            run.append(line)
            n_run += len(line)
        at += len(line)
    if fence or run:
        finish(at, code=bool(fence))
    return pieces
