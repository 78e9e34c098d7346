"""The ways of making a gist, by name: one table that the window may read, too.

Knows nothing of how a gist is made: `gistdesk.core.compress` does.
"""

from typing import Literal, cast, get_args

from gistdesk.core.errors import UserError

Method = Literal["adapter", "matched", "refined"]
"""adapter: the keys and values of gist tokens, made by a trained adapter. matched: a choice of the text's own keys,
fitted so that attention comes out the same; needs no training. refined: what the model's usual one of these two gave,
trained on questions about this one document."""

METHODS: tuple[Method, ...] = get_args(Method)


def usual_method(has_adapter: bool) -> Method:
    """What a gist is made by if nobody chose."""
    return "adapter" if has_adapter else "matched"


def starting_method(method: Method, has_adapter: bool) -> Method:
    """What makes a gist before it is trained, if it is."""
    return usual_method(has_adapter) if method == "refined" else method


def usual_ratio(method: Method) -> float:
    """Document tokens per slot if nobody chose."""
    return {"adapter": 100.0, "matched": 8.0, "refined": 16.0}[method]


def check_method(name: str) -> None:
    """Raises UserError: it is neither a method nor "auto"."""
    if name != "auto" and name not in METHODS:
        raise UserError(
            'There is no method "{name}".', "Choose one of: auto, {methods}.", name=name, methods=", ".join(METHODS)
        )


def chosen_method(name: str, *, has_adapter: bool) -> Method:
    """A method by its name; "auto" is the usual one."""
    check_method(name)
    return usual_method(has_adapter) if name == "auto" else cast(Method, name)
