"""The Chat place's wording about answers: phases, figures, places in documents. Knows no widgets.

Phases come as the desk's keys ("queued", "loading model 40", "looking up 40", "reciting 40", "loading gist",
"reading text", "writing").
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gistdesk.core.methods import METHOD_BADGES
from gistdesk.language.figures import count_text, duration_text, ratio_text
from gistdesk.language.i18n import tr
from gistdesk.library import Entry, GistRow, Message, Passage

_WORTH_TELLING_S = 0.05
_PER_TOKEN, _EASTERN_PER_TOKEN = 4.0, 1.5
"""Characters per token; roughly what the tokenizers of the supported families need."""


def phase_percent(phase: str) -> int | None:
    """The percentage at the end of a phase, 0 to 100; None if it has none."""
    last = phase.rpartition(" ")[2]
    return int(last) if last.isdecimal() else None


def phase_words(phase: str) -> str:
    """A phase in readable words, with its percentage."""
    percent = phase_percent(phase)
    kind = phase if percent is None else phase.rpartition(" ")[0]
    words = {
        "queued": tr("Waiting for the engine"),
        "run": tr("Waiting: a run in the Lab is using the device"),
        "loading model": tr("Loading model"),
        "looking up": tr("Looking up passages"),
        "reciting": tr("Reciting the text from the gist"),
        "loading gist": tr("Loading gist"),
        "reading text": tr("Reading the full text"),
        "writing": tr("Writing"),
    }.get(kind, tr("Working"))
    return words if percent is None else tr("{phase} {percent}%", phase=words, percent=percent)


def footer_words(figures: Mapping[str, Any]) -> str:
    """TTFT, speed, what was read in place of how many tokens, and the prefill saved; as far as measured."""
    parts = []
    if (ttft_s := figures.get("ttft_s")) is not None:
        parts.append(_first_token_words(ttft_s, figures.get("prefill_s") or 0.0))
    if speed := figures.get("tokens_per_second"):
        parts.append(tr("{n} tokens/s", n=f"{speed:.1f}" if speed < 99.95 else count_text(speed)))
    n_slots, n_tokens = figures.get("n_slots") or 0, figures.get("n_document_tokens") or 0
    n_read = 0 if figures.get("is_recited") else figures.get("n_passage_tokens") or 0  # that is the gist's own
    if n_read and n_tokens and not n_slots:
        parts.append(tr("{read} tokens of the text, without the gist", read=count_text(n_read)))
    if n_slots and n_tokens:
        tokens, slots, ratio = count_text(n_tokens), count_text(n_slots), ratio_text(n_tokens / (n_slots + n_read))
        if n_read:
            read = count_text(n_read)
            words = tr(
                "{tokens} → {slots} gist + {read} passage tokens ({ratio})",
                tokens=tokens,
                slots=slots,
                read=read,
                ratio=ratio,
            )
        else:
            words = tr("{tokens} → {slots} gist tokens ({ratio})", tokens=tokens, slots=slots, ratio=ratio)
        parts.append(words)
    if varied := figures.get("varied"):
        parts.append(tr("another version: temperature {t}", t=f"{varied['temperature']:.2f}"))
    if (saved_s := figures.get("saved_s") or 0) > 0:
        parts.append(tr("prefill saved: {time}", time=duration_text(saved_s)))
    return "  ·  ".join(parts)


def origin_words(message: Message) -> tuple[str, str]:
    """What an answer was written from, and a sentence about it; "" while unknown."""
    n_slots, reads_passages = message.figures.get("n_slots"), bool(message.passages)
    if message.kind == "full":
        return tr("from the full text"), tr("The model read the whole document for this answer.")
    if reads_passages and n_slots is None:
        return "", ""
    if n_slots == 0 and not reads_passages:
        return (
            tr("no passage suits the question"),
            tr("No passage of the text has the question's words, and this model does not answer from the gist alone."),
        )
    if reads_passages and not n_slots:
        return (
            tr("from passages of the text"),
            tr(
                "Written from the passages below, without the gist: this model reads best that way. "
                "Open them to check it."
            ),
        )
    if message.figures.get("is_recited"):
        return (
            tr("from what the gist recites"),
            tr(
                "Answered from what the gist recites of its document, without the text. It may be wrong: Verify in "
                "source compares them."
            ),
        )
    ways = "".join(f" · {_way(method)}" for method in message.figures.get("methods", ()))
    if reads_passages:
        return (
            tr("from compressed memory and passages") + ways,
            tr("Written from gist tokens and the passages below. Open them to check the answer."),
        )
    return (
        tr("from compressed memory") + ways,
        tr("Written from gist tokens, without the text. It may be wrong: Verify in source looks it up."),
    )


def _first_token_words(ttft_s: float, prefill_s: float) -> str:
    """Time from the question to the first token, as the user experienced it; what was already read took no time."""
    if prefill_s < _WORTH_TELLING_S:
        return tr("TTFT {seconds} s", seconds=_seconds(ttft_s + prefill_s))
    both = _seconds(ttft_s + prefill_s)
    return tr("TTFT {seconds} s, {reading} s of it reading", seconds=both, reading=_seconds(prefill_s))


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 9.95 else f"{seconds:.0f}"


def place_words(passage: Passage) -> str:
    """Where a passage is: "Contract, page 12"."""
    if passage.page_label == "page":
        return tr("{title}, page {n}", title=passage.title, n=passage.page)
    if passage.page_label == "section":
        return tr("{title}, section {n}", title=passage.title, n=passage.page)
    return passage.title


def pill_words(entry: Entry) -> str:
    """A document's pill: its name, and its gist tokens or why there are none."""
    if entry.trashed is not None:
        return f"{entry.title} – {tr('in the trash')}"
    if not entry.can_answer or entry.gist is None:
        return f"{entry.title} – {_work_words(entry) or tr('not compressed')}"
    size = tr("{n} gist tokens", n=count_text(entry.gist.n_slots))
    parts = [f"{size}, {_kept_words(entry.gist)}", _way(entry.gist.method), _work_words(entry)]
    return f"{entry.title} – {' · '.join(filter(None, parts))}"


def _work_words(entry: Entry) -> str:
    """What is being made of it, or became of it; "" of what is done."""
    if entry.state == "compressing" and entry.total:
        return tr("compressing {percent}%", percent=100 * entry.done // entry.total)
    return {
        "queued": tr("queued"),
        "extracting": tr("being read"),
        "compressing": tr("compressing"),
        "failed": tr("failed"),
        "outdated": tr("needs recompressing"),
        "source changed": tr("source changed"),
        "cancelled": tr("cancelled"),
    }.get(entry.state, "")


def _kept_words(gist: GistRow) -> str:
    """What was measured on a gist, in a few words."""
    kept, n = gist.recall_kept, gist.recall_n
    if gist.verdict is None and gist.agreement is not None:
        return tr("recites {percent}% of its text", percent=f"{100 * gist.agreement:.0f}")
    return {
        "reliable": tr("reliable ({kept}/{n})", kept=kept, n=n),
        "partly": tr("partly reliable ({kept}/{n})", kept=kept, n=n),
        "unreliable": tr("unreliable ({kept}/{n})", kept=kept, n=n),
    }.get(gist.verdict or "", tr("not measured yet"))


def _way(method: str) -> str:
    return tr(METHOD_BADGES.get(method, method))


def about_tokens(text: str) -> int:
    """A rough token count without the model's tokenizer: Korean takes more tokens per character than English."""
    n_eastern = sum(character >= "\u1100" for character in text)
    return round((len(text) - n_eastern) / _PER_TOKEN + n_eastern / _EASTERN_PER_TOKEN + 0.49)


def reliance_words(entries: Sequence[Entry]) -> str:
    """What answers about these documents cannot be relied on for, if anything."""
    lost = [e.title for e in entries if e.gist is not None and e.gist.verdict == "unreliable"]
    if not lost:
        return ""
    return tr(
        "Facts in {titles} could not be recalled from the gist: answers from it alone are guesses.",
        titles=", ".join(lost),
    )
