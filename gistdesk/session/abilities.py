"""What a model of a given size can be asked, and which requests ask for more than that.

Knows model sizes and the words of requests; knows nothing of widgets. Texts are in English, for `tr`.
"""

from dataclasses import dataclass

from gistdesk.language.i18n import later

_FINDS, _READS = 50_000_000, 1_000_000_000
"""Parameters below which a model finds stated facts only, and below which it quotes rather than writes."""


@dataclass(frozen=True)
class Ability:
    """Attributes: can, cannot: one sentence each; finds_only: it can be asked for what a text states alone."""

    can: str
    cannot: str
    finds_only: bool = False


_FINDER = Ability(
    later("This model finds facts that a document states: names, numbers, dates, codes."),
    later(
        "It cannot explain, translate or reason, summarises only by quoting passages that are looked up, and makes "
        "something up when the text does not say."
    ),
    finds_only=True,
)
_READER = Ability(
    later(
        "This model answers plain questions by quoting the sentence of the document that answers them, and summarises "
        "by quoting several."
    ),
    later(
        "What it writes itself, such as an explanation, or a summary without the text, is often wrong, and it reads "
        "English best."
    ),
)
_GENERAL = Ability(
    later("This model answers questions, summarises and explains."),
    later("It can be wrong: check names and figures in the text."),
)


def ability(model: str, n_parameters: int | None) -> Ability | None:
    """The ability of a model, by its name and size; None while nothing is known about it."""
    if model == "starter":
        return _FINDER
    if n_parameters is None:
        return None
    return _FINDER if n_parameters < _FINDS else _READER if n_parameters < _READS else _GENERAL


def asks_too_much(question: str, of: Ability | None, *, looks_up: bool = False) -> bool:
    """Whether a question asks for something the model certainly cannot do.

    Args:
        looks_up: in kept texts, whose sentences can be quoted for a summary.
    """
    from gistdesk.core.asked import asks_for_a_fact, asks_for_a_summary  # not needed to draw the window

    if of is None or not of.finds_only or asks_for_a_fact(question):
        return False
    return not (looks_up and asks_for_a_summary(question))
