"""Turns a web page or a book's chapter into text: lines for blocks, tabs between table cells.

Knows nothing of files. Leaves out nothing visible, however repetitive: it cannot recognize boilerplate.
"""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

_HTML_SKIPPED = frozenset(
    "script style noscript template svg iframe object audio video canvas rt rp annotation".split()
)
_HTML_BLOCKS = frozenset(
    """
    address article aside blockquote br caption center dd details dialog dir div dl dt fieldset
    figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol option p
    pre search section summary table ul
    """.split()
)
_EMPTY_IN_XHTML = re.compile(r"<(script|style|title|iframe|noscript|textarea)(\s[^<>]*)?/>", re.IGNORECASE)
_DECLARED_ENCODING = re.compile(rb"""(?:charset|encoding)\s{0,9}=\s{0,9}["']?([\w.:-]+)""", re.IGNORECASE)

# Markers put between pieces of text; `_gap` decides all white space around them.
_BREAK, _CELL, _ROW = "\x1e", "\x1d", "\x1c"
_GAPS = re.compile(f"[ \t\n\r\f{_BREAK}{_CELL}{_ROW}]+")
_KEEP = str.maketrans(" \t\n", "\x01\x02\x03")
_RELEASE = str.maketrans("\x01\x02\x03", " \t\n")


def declared_encoding(data: bytes) -> str | None:
    """The encoding a page declares, in a meta element or an XML declaration."""
    found = _DECLARED_ENCODING.search(data[:4096])
    return found[1].decode("ascii", errors="replace") if found else None


def html_title_and_text(markup: str) -> tuple[str | None, str]:
    """A page's title and text; block elements end a line, tabs separate cells."""
    # An HTML parser reads XHTML's <title/> as an opening tag and would swallow everything after it.
    tree = LexborHTMLParser(_EMPTY_IN_XHTML.sub(r"<\1\2></\1>", markup))
    heading = tree.css_first("head > title")
    text = "".join(_html_pieces(tree.body)) if tree.body else ""
    return (heading.text() if heading else None), _GAPS.sub(_gap, text).translate(_RELEASE)


def _gap(found: re.Match[str]) -> str:
    _, row, after = found[0].rpartition(_ROW)
    if _CELL in after:
        return ("\n" if row else "") + "\t" * after.count(_CELL)
    return "\n" if row or _BREAK in after else " "


def _html_pieces(root: LexborNode) -> Iterator[str]:
    """Text and markers in reading order. Not recursive, because pages nest deeper than Python's stack."""
    node, n_pre, root_id = root, 0, root.mem_id  # `==` on nodes would compare their whole HTML
    while True:
        tag = node.tag
        if tag == "-text":
            text = node.text()
            yield text.translate(_KEEP) if n_pre else text
        yield _mark(tag)
        n_pre += tag == "pre"
        child = node.first_child if tag not in _HTML_SKIPPED else None
        if child is not None:
            node = child
            continue
        while True:
            tag = node.tag
            yield _CELL if tag in ("td", "th") else _mark(tag)
            n_pre -= tag == "pre"
            if node.mem_id == root_id:
                return
            if node.next is not None:
                node = node.next
                break
            assert node.parent is not None
            node = node.parent


def _mark(tag: str | None) -> str:
    return _ROW if tag == "tr" else _BREAK if tag in _HTML_BLOCKS else ""
