"""`gistdesk ask`: questions of gist files, one by one or as a conversation.

Reads arguments and prints; `conversation` does the work.
"""

import json
import math
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gistdesk.cli.arguments import unicode_of
from gistdesk.cli.options import (
    DeviceOption,
    GistModelOption,
    JsonOption,
    PasswordOption,
    PrecisionOption,
    known_models,
)
from gistdesk.core.errors import UserError
from gistdesk.core.title import printable
from gistdesk.terminal import complain, counted, each

if TYPE_CHECKING:
    from gistdesk.cli.conversation import Conversation

_FROM_THE_GIST_ALONE = (
    "gistdesk: From the gist alone, which may leave things out and invent others; --text DOCUMENT looks answers up."
)


def ask(
    gists: Annotated[list[Path], typer.Argument(help=".gistkv files; several are read as one context.")],
    question: Annotated[
        list[str] | None,
        typer.Option("-q", "--question", help="May be given several times; without it, a conversation."),
    ] = None,
    temperature: Annotated[float, typer.Option(help="0 is greedy: always the likeliest token.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 512,
    seed: Annotated[int, typer.Option(help="Of sampling.", min=0, max=2**63 - 1)] = 0,
    system: Annotated[str | None, typer.Option(help="A system prompt.")] = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(help="A document of these gists: the sentences that suit the question are looked up in it."),
    ] = None,
    password: PasswordOption = None,
    model: GistModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask questions of gist files. The documents themselves are not needed; with them, more is answered right.

    Several questions are asked one by one, each without those before it.

    Example: gistdesk ask book.gistkv -q "What is the passkey?" --text book.txt
    """
    from gistdesk.cli.conversation import conversation
    from gistdesk.cli.opening import open_document
    from gistdesk.core.answer import Sampling

    questions = [unicode_of(each) for each in question or ()]
    if as_json and not questions:
        raise UserError("--json needs a question.", "Add -q QUESTION.")
    if not all(each.strip() for each in questions):
        raise UserError("The question is empty.", "Write one after -q, or leave -q out for a conversation.")
    if not 0 <= temperature < math.inf or max_tokens < 1:
        raise UserError("A temperature is 0 or more, and an answer has at least one token.", "See gistdesk ask --help.")
    sampling = Sampling(temperature=temperature, seed=seed, max_tokens=max_tokens)
    talk = conversation(
        gists,
        model=model,
        device=device,
        precision=precision,
        system=unicode_of(system),
        sampling=sampling,
        known=known_models(),
        texts=(open_document(path, password) for path in text or ()),
    )
    for asked in questions:
        talk.forget()
        _look_up(talk, asked)
        if as_json:
            answer = "".join(talk.ask(asked))
            found = {"sentence": talk.told, "unmatched": talk.unmatched} if text else {}
            answered = {"question": asked, "answer": answer, **found, **talk.figures()}
            print(json.dumps(answered, ensure_ascii=False), flush=True)
            continue
        if len(questions) > 1:
            print(f"> {printable(asked)}")
        _answered(talk, asked)
    if questions:
        if not (as_json or talk.looks_up):
            print(_FROM_THE_GIST_ALONE, file=sys.stderr, flush=True)
        return
    welcome = "Ask, and press Enter. Ctrl+C stops an answer, an empty line or Ctrl+D ends the conversation."
    for line in each(sys.stdin, welcome, "> "):
        if not line.strip():
            break
        try:
            _look_up(talk, line.strip())
            _answered(talk, line.strip())
        except UserError as error:
            complain("gistdesk", error)
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            print()


def _look_up(talk: "Conversation", question: str) -> None:
    """With a bar while a gist recites its text, and nothing on the screen otherwise."""
    steps = talk.look_up(question)
    for first in steps:
        for _ in counted(chain([first], steps), "Reciting the text", show=True):
            pass


def _answered(talk: "Conversation", question: str) -> None:
    """The sentence of the text that suits the question, where there is one, before the model has said a word.

    If the answer is that none answers, it comes after that: a person may see what the model does not. The words of the
    question that the text does not have go to stderr.
    """
    if talk.told and not talk.quotes:
        print(f"[{printable(' '.join(talk.told.split()))}]", flush=True)
    for piece in talk.ask(question):
        print(printable(piece), end="", flush=True)
    print()
    if talk.told and talk.declined:
        print(f"[{printable(' '.join(talk.told.split()))}]", flush=True)
    if talk.unmatched:
        words = ", ".join(map(printable, talk.unmatched))
        print(f"gistdesk: The text does not mention: {words}", file=sys.stderr, flush=True)
