"""The ways of making a gist, by name: one table, which the window may read, too.

Knows nothing of how a gist is made: `gistdesk.core.compress` does.
"""

from dataclasses import dataclass

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence

Method = str
"""The name of one of `GIST_METHODS`."""


@dataclass(frozen=True)
class GistMethod:
    """One way of making a gist.

    Attributes:
        title, badge, choice: for people: describing a gist made this way, the same in two words, and when choosing;
            translated where they are shown.
        ratio: the default number of document tokens per slot.
        n_readings: roughly how many times as long as one plain reading of the text it takes: SmolLM2 on a CPU.
        made_by: "module:function" that makes it, called as `compress` is with a plan; imported when needed.
        working_bytes: memory for making it beside weights and gist: SmolLM2's peak, 1,097 tokens at 8x on a CPU.
    """

    name: Method
    title: str
    badge: str
    choice: str
    ratio: float
    n_readings: float
    made_by: str
    working_bytes: int = 128 * 2**20


GIST_METHODS = (
    GistMethod(
        "adapter",
        Sentence("Adapter"),
        Sentence("adapter"),
        Sentence("By the model's adapter"),
        100.0,
        1.0,
        "gistdesk.core.compress:encoded",
    ),
    GistMethod(
        "matched",
        Sentence("The text's own keys"),
        Sentence("own keys"),
        Sentence("By the text's own keys (any model, 4x to 16x)"),
        8.0,
        22.0,
        "gistdesk.core.compress:matched",
        256 * 2**20,
    ),
    GistMethod(
        "refined",
        Sentence("Trained on the document"),
        Sentence("trained"),
        Sentence("Trained on the document (any model, takes minutes)"),
        16.0,
        600.0,
        "gistdesk.core.compress:refined",
        1100 * 2**20,
    ),
)
"""adapter: the keys and values of gist tokens, made by a trained adapter. matched: a selection of the text's own keys,
fitted so that attention comes out the same; needs no training. refined: the result of the model's usual one of these
two, trained until it recites this one document."""

METHODS = tuple(method.name for method in GIST_METHODS)
METHOD_TITLES = {method.name: method.title for method in GIST_METHODS}
METHOD_BADGES = {method.name: method.badge for method in GIST_METHODS}
_RATIOS = {method.name: method.ratio for method in GIST_METHODS}
N_READINGS = {method.name: method.n_readings for method in GIST_METHODS}
WORKING_BYTES = {method.name: method.working_bytes for method in GIST_METHODS}


def usual_method(has_adapter: bool) -> Method:
    """The default method."""
    return "adapter" if has_adapter else "matched"


def starting_method(method: Method, has_adapter: bool) -> Method:
    """The method that makes a gist before any training of it."""
    return usual_method(has_adapter) if method == "refined" else method


LEAST_SLOTS = 2
"""For a document compressed by an adapter: with one for 128 tokens the starter finds 0 of 42 passkeys, with two, 42.
`gistdesk niah --lengths 128 --depths 0,50,100 --samples 7 --methods gist --ratio 128,64`"""


def usual_ratio(method: Method, trained: tuple[float, float] | None = None) -> float:
    """The default number of document tokens per slot.

    Args:
        trained: the lowest and highest ratio that the adapter was trained at, if known.
    """
    return within_trained(_RATIOS[method], trained) if method == "adapter" else _RATIOS[method]


def within_trained(ratio: float, trained: tuple[float, float] | None) -> float:
    """The nearest ratio within those an adapter was trained at."""
    return ratio if trained is None else min(max(ratio, trained[0]), trained[1])


def check_method(name: str) -> None:
    """Raises UserError: it is neither a method nor "auto"."""
    if name != "auto" and name not in METHODS:
        raise UserError(
            'There is no method "{name}".', "Choose one of: auto, {methods}.", name=name, methods=", ".join(METHODS)
        )


def chosen_method(name: str, *, has_adapter: bool) -> Method:
    """A method by its name; "auto" is the usual one."""
    check_method(name)
    return usual_method(has_adapter) if name == "auto" else name
