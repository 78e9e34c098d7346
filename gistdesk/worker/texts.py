"""The kept text of a document: written once on extraction; compressed, searched for passages, or read in full.

A file named by its own SHA-256, UTF-8, a form feed between pages. Needs torch only to count tokens.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gistdesk.core.document_formats import PageLabel
from gistdesk.core.documents import Document, PagesRead, extract
from gistdesk.core.errors import UserError
from gistdesk.folders import make_private, write_private
from gistdesk.protocol import Extract, ExtractDone, ExtractProgress
from gistdesk.worker.pulse import Pulse, run_to_end

if TYPE_CHECKING:
    from torch import Tensor

    from gistdesk.core.model import GistModel, TextTokenizer

_PAGE_BREAK = "\f"
"""No page contains one: the core turns them into line ends."""


def keep_text(request: Extract, tokenizer: "GistModel | TextTokenizer | None", pulse: Pulse) -> ExtractDone:
    """Extract a document and keep its text.

    Args:
        tokenizer: counts the tokens; None counts none.

    Raises:
        PasswordError: it is encrypted, and the password is missing or wrong.
        UserError: it cannot be read, or its text cannot be kept.
    """

    def tell(step: PagesRead | None) -> None:
        pulse(None if step is None else ExtractProgress(step.n_read, step.n_pages))

    path = Path(request.path)
    document = run_to_end(extract(path, password=request.password), tell)
    text_path = kept_path(document, Path(request.texts_folder))
    n_tokens = None if tokenizer is None else len(tokens_of(tokenizer, document, pulse)[0])
    return ExtractDone(
        title=document.title,
        text_sha256=text_path.stem,
        text_path=str(text_path),
        source_sha256=document.source_sha256,
        source_bytes=document.source_bytes,
        n_chars=sum(map(len, document.pages)),
        n_pages=len(document.pages),
        page_label=document.page_label,
        n_tokens=n_tokens,
    )


def kept_path(document: Document, folder: Path) -> Path:
    """Keep a document's text in a folder -> its file.

    Raises:
        UserError: it cannot be kept.
    """
    data = _PAGE_BREAK.join(document.pages).encode("utf-8", errors="replace")
    path = folder / f"{hashlib.sha256(data).hexdigest()}.txt"
    _keep(path, data)
    return path


def _keep(path: Path, data: bytes) -> None:
    """Write a text unless it is already there, completely or not at all."""
    try:
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return
        make_private(path.parent)
        write_private(path, data)
    except OSError as error:
        raise UserError(
            "The text cannot be kept in {folder} ({reason}).",
            "Check that the folder may be written to and has {n:.1f} MiB of space.",
            folder=path.parent,
            reason=error.strerror or error,
            n=len(data) / 2**20,
        ) from error


def kept_document(path: Path, title: str = "", source_sha256: str = "", page_label: str | None = None) -> Document:
    """A document from its kept text.

    Raises:
        UserError: the text is gone or damaged.
    """
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.stem:
            raise ValueError("another text than the one that was kept")
        pages = data.decode("utf-8").split(_PAGE_BREAK)
    except (OSError, ValueError) as error:
        raise UserError(
            'The kept text of "{title}" cannot be read.', "Add the document again.", title=title or path.name
        ) from error
    return Document(title or path.stem, tuple(pages), cast(PageLabel, page_label), path, source_sha256)


def tokens_of(model: "GistModel | TextTokenizer", document: Document, pulse: Pulse) -> "tuple[Tensor, tuple[int, ...]]":
    """Token ids, (n_tokens,), and the index of every page's first token.

    Raises:
        UserError: there are none.
    """
    from gistdesk.core.plan import tokenizing

    token_ids, page_starts = run_to_end(tokenizing(model, document), lambda _: pulse())
    if not len(token_ids):
        raise UserError('"{title}" holds no text.', "Choose another document.", title=document.title)
    return token_ids, page_starts
