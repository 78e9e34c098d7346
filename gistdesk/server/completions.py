"""Converts between OpenAI's chat completions and the engine's messages.

https://platform.openai.com/docs/api-reference/chat: what a request contains, what comes back whole, and what comes in
pieces. Unsupported requests are refused, not ignored. Knows nothing of HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.protocol import Answer, AnswerDone, ModelChoice
from gistdesk.server.gists import NamedGist, find

MOST_TOKENS = 4096
_REFUSED = ("tools", "functions", "stop", "logprobs", "audio")
_REASONS = {"end": "stop", "length": "length", "loop": "length", "cancelled": "stop"}


@dataclass(frozen=True)
class Wanted:
    """What a request asks for. Attributes: model: its name in the request; streams, with_usage: how to send it."""

    model: str
    answer: Answer
    streams: bool
    with_usage: bool


def parse(body: Any, gists: Sequence[NamedGist], model: str) -> Wanted:
    """What to answer, and from which gists: those in `gist` or `gists`, or the one that `model` names.

    As in the window, passages of the texts that are kept are looked up, unless `look_up` is false.

    Args:
        model: answers if a request names no gist.

    Raises:
        UserError: the request is not understood, asks for something unavailable, or names an unknown gist.
    """
    if not isinstance(body, dict):
        raise UserError("The request is no JSON object.", "See OpenAI's chat completions.")
    for name in _REFUSED:
        if body.get(name):
            raise UserError("{name} cannot be used here.", "Leave it out.", name=name)
    if body.get("n") not in (None, 1):
        raise UserError("A request gets one answer.", "Leave n out.")
    form = body.get("response_format")
    if form and form != {"type": "text"}:
        raise UserError("Answers are plain text.", "Leave response_format out.")
    called = body.get("model")
    if not isinstance(called, str) or not called:
        raise UserError("The request names no model.", "GET /v1/models lists the gists that can be asked.")
    chosen = _chosen(body, called, gists, model)
    choices = {ModelChoice(gist.model, precision=gist.precision) for gist in chosen} or {ModelChoice(model)}
    if len(choices) > 1:
        raise UserError("These gists were made with different models.", "Ask them in separate requests.")
    turns, system = _turns(body.get("messages"))
    options = body.get("stream_options")
    answer = Answer(
        turns=turns,
        gists=tuple(str(gist.path) for gist in chosen),
        lookup_paths=_texts(body, chosen),
        system=system,
        temperature=_number(body, "temperature", 0.0, 0.0, 100.0),
        top_p=_number(body, "top_p", 0.95, 0.0, 1.0),
        seed=int(_number(body, "seed", 0, -(2**63), 2**63 - 1)),
        max_tokens=int(_number(body, _limit_name(body), 512, 1, MOST_TOKENS)),
        choice=choices.pop(),
    )
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Wanted(called, answer, body.get("stream") is True, with_usage)


def _chosen(body: dict[str, Any], called: str, gists: Sequence[NamedGist], model: str) -> list[NamedGist]:
    named = body["gists"] if body.get("gists") is not None else body.get("gist")
    if named is None:
        return [] if called == model and called not in {gist.name for gist in gists} else [find(gists, called)]
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError("gists is to be a name, or a list of names.", "GET /v1/models lists them.")
    return [find(gists, name) for name in dict.fromkeys(names)]


def _texts(body: dict[str, Any], chosen: Sequence[NamedGist]) -> tuple[str, ...]:
    looks_up = body.get("look_up", True)
    if type(looks_up) is not bool:
        raise UserError("look_up is to be true or false.", "Leave it out to look passages up.")
    return tuple(dict.fromkeys(str(gist.text) for gist in chosen if gist.text and looks_up))


def _limit_name(body: dict[str, Any]) -> str:
    return "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"


def _number(body: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if type(value) not in (int, float) or not least <= value <= most:
        raise UserError(
            "{name} is to be a number from {least:g} to {most:g}.",
            "Leave it out to have the default.",
            name=name,
            least=least,
            most=most,
        )
    return float(value) if isinstance(default, float) else int(value)


def _turns(messages: Any) -> tuple[tuple[tuple[str, str | None], ...], str | None]:
    """Questions with their answers, the last one open, and the system prompt."""
    if not isinstance(messages, list) or not messages:
        raise UserError("The request has no messages.", "Give a list that ends with the user's question.")
    turns: list[tuple[str, str | None]] = []
    system: list[str] = []
    for message in messages:
        role, text = _message(message)
        if role in ("system", "developer"):
            system.append(text)
        elif role == "user":
            open_question = f"{turns.pop()[0]}\n\n" if turns and turns[-1][1] is None else ""
            turns.append((open_question + text, None))
        elif role == "assistant" and turns and turns[-1][1] is None:
            turns[-1] = (turns[-1][0], text)
        else:
            raise UserError(
                "A message of {role} cannot stand there.", "Questions and answers are to alternate.", role=role
            )
    if not turns or turns[-1][1] is not None:
        raise UserError("The last message is no question.", "End the messages with the user's question.")
    return tuple(turns), "\n\n".join(system) or None


def _message(message: Any) -> tuple[str, str]:
    role = message.get("role") if isinstance(message, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        content = "\n".join(part for part in parts if part is not None) if None not in parts else None
    if not isinstance(role, str) or not isinstance(content, str):
        raise UserError("A message is not understood.", "It has a role and, as its content, text.")
    return role, content


# --- what comes back


def whole(wanted: Wanted, made: str, created: int, text: str, done: AnswerDone) -> dict[str, Any]:
    """The answer in one piece; `made` is its id."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": _REASONS[done.stopped]}
    head = {"id": made, "object": "chat.completion", "created": created, "model": wanted.model}
    return {**head, "choices": [choice], "usage": usage(done)}


def piece(
    wanted: Wanted, made: str, created: int, delta: dict[str, str], done: AnswerDone | None = None
) -> dict[str, Any]:
    """One chunk of a stream; the last one, with `done`, says why it ends."""
    choice = {"index": 0, "delta": delta, "finish_reason": None if done is None else _REASONS[done.stopped]}
    head = {"id": made, "object": "chat.completion.chunk", "created": created, "model": wanted.model}
    return {**head, "choices": [choice]}


def usage(done: AnswerDone) -> dict[str, Any]:
    """Prompt tokens are gist slots and what was read anew; a document's own tokens are reported separately."""
    n_before = done.n_slots + done.n_passage_tokens + done.n_prompt_tokens
    return {
        "prompt_tokens": n_before,
        "completion_tokens": done.n_tokens,
        "total_tokens": n_before + done.n_tokens,
        "prompt_tokens_details": {"gist_slots": done.n_slots, "document_tokens": done.n_document_tokens},
    }


def listed(gists: Sequence[NamedGist], model: str) -> dict[str, Any]:
    """The models that a request may name: every gist, and the model alone."""
    rows = [{"id": gist.name, "object": "model", "created": gist.created, "owned_by": "gistdesk"} for gist in gists]
    rows.append({"id": model, "object": "model", "created": 0, "owned_by": "gistdesk"})
    return {"object": "list", "data": rows}


def failure(error: UserError, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": f"{error.message} {error.hint}".strip(), "type": kind, "param": None, "code": None}}
