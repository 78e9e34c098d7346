"""The words, icon and next step for each state of a document. Knows entries; knows nothing of widgets."""

from gistdesk.language.figures import duration_text
from gistdesk.language.i18n import later, tr
from gistdesk.library import Entry, GistRow

WORKING = ("queued", "extracting", "compressing")
NEEDS_ATTENTION = ("failed", "outdated", "source changed", "cancelled")

ICONS = {
    "queued": ("queued", "muted"),
    "extracting": ("reader", "accent"),
    "compressing": ("compress", "accent"),
    "ready": ("ready", "good"),
    "failed": ("error", "bad"),
    "outdated": ("retry", "warning"),
    "source changed": ("changed", "warning"),
    "cancelled": ("cancelled", "muted"),
}
"""State -> icon, and the name of its colour in the theme."""

_WORDS = {
    "queued": later("Queued"),
    "extracting": later("Extracting"),
    "compressing": later("Compressing"),
    "ready": later("Ready"),
    "failed": later("Failed"),
    "outdated": later("Needs recompressing"),
    "source changed": later("Source changed"),
    "cancelled": later("Cancelled"),
}


def state_words(entry: Entry, seconds_left: float | None = None) -> str:
    """The state as the status column says it: "Compressing 41% - 3 min left"."""
    if entry.state == "extracting" and entry.total:
        return tr("Extracting p. {done}/{total}", done=entry.done, total=entry.total)
    if entry.state == "compressing" and entry.total:
        percent = round(100 * entry.done / entry.total)
        if seconds_left is None:
            return tr("Compressing {percent}%", percent=percent)
        return tr("Compressing {percent}% · {time} left", percent=percent, time=duration_text(seconds_left))
    if entry.state == "ready" and entry.gist is not None:
        return verdict_words(entry.gist)
    if entry.state == "failed" and entry.problem is not None:
        return tr("Failed: {reason}", reason=_reason(entry, tr(entry.problem.message)))
    return tr(_WORDS[entry.state])


_VERDICTS = {
    "reliable": later("Reliable: {kept} of {n} facts kept"),
    "partly": later("Partly reliable: {kept} of {n} facts kept"),
    "unreliable": later("Unreliable: {kept} of {n} facts kept"),
}
_LOOKS = {"reliable": ("ready", "good"), "partly": ("warning", "warning"), "unreliable": ("error", "bad")}


def verdict_words(gist: GistRow) -> str:
    """What a gist's measurement says: a finished one that lost its facts is of no use."""
    if gist.verdict is None and gist.agreement is not None:
        return tr("Ready: recites {percent}% of its text", percent=f"{100 * gist.agreement:.0f}")
    if gist.verdict is None:
        return tr("Ready, not measured yet")
    return tr(_VERDICTS[gist.verdict], kept=gist.recall_kept, n=gist.recall_n)


def look(entry: Entry) -> tuple[str, str]:
    """The icon, and the name of its colour in the theme."""
    if entry.state == "ready" and entry.gist is not None:
        return _LOOKS[entry.gist.verdict] if entry.gist.verdict else ("ready", "muted")
    return ICONS[entry.state]


def _reason(entry: Entry, message: str) -> str:
    """The message without the file's name in front, which is in the same row anyway."""
    return message.removeprefix(entry.source_path.name).lstrip(": ") or message


def explanation(entry: Entry) -> str:
    """A sentence on what the state means for the user and what to do about it; "" if nothing needs saying."""
    if entry.problem is not None and entry.state == "failed":
        kept = tr("Until then, chats use the previous gist.") if entry.can_answer else ""
        return f"{tr(entry.problem.message)} {tr(entry.problem.hint)} {kept}".rstrip()
    if entry.can_answer and entry.state in WORKING:
        return tr("Until the new gist is ready, chats use the previous one.")
    if entry.state == "outdated":
        return tr("The model or its adapter changed since this was compressed. Recompress it to ask questions of it.")
    if entry.state == "source changed":
        return tr("The file changed on disk since it was read. Recompress it to take in the changes.")
    if entry.state == "ready" and entry.gist is not None and entry.gist.verdict in ("partly", "unreliable"):
        return tr(
            "Its facts were asked back from the gist, and not all came back. The text is kept: answers that look up "
            "passages rely on it."
        )
    if entry.state == "cancelled":
        return tr("Compression was cancelled. Progress is kept; Retry continues from there.")
    return ""


def fraction(entry: Entry) -> float | None:
    """Progress of an entry being worked on, 0 to 1; None if it is not, or if that is unknown."""
    if entry.state not in ("extracting", "compressing") or not entry.total:
        return None
    return min(1.0, entry.done / entry.total)
