"""A question, and everything that comes back until its answer ends. Knows nothing of chats and their versions."""

from dataclasses import dataclass, field

from gistdesk.protocol.messages import Event, Request, message
from gistdesk.protocol.models import ModelChoice


@dataclass(frozen=True)
class FoundPassage:
    """A stretch of a kept text put in front of a question: `pages[page - 1][start:end]` is its `text`.

    Attributes:
        document: index into the request's `lookup_paths`, from 0.
    """

    document: int
    page: int
    start: int
    end: int
    text: str


@message
class ContextProgress(Event):
    """Progress of the context in front of a question.

    Attributes:
        phase: "passages" (kept texts are prepared for searching), "gist" (files are read), "recited" (a
            trained gist tells its text) or "text" (the model reads full text).
    """

    name = "context.progress"
    phase: str
    fraction: float


@message
class ContextPassages(Event):
    """What was found in `lookup_paths` for the question and comes after the gists, best first; may be empty."""

    name = "context.passages"
    passages: tuple[FoundPassage, ...]


@message
class AnswerFirstToken(Event):
    """`ttft_s`: seconds from the question, with everything in front of it read, to the first token."""

    name = "answer.first_token"
    ttft_s: float


@message
class AnswerDelta(Event):
    """The next piece of the answer."""

    name = "answer.delta"
    text: str


@message
class AnswerGrounded(Event):
    """Whether the texts of `ground_paths` support an answer; precedes `answer.done`, if there is anything to report.

    Attributes:
        found: its names, numbers and dates are there, and one sentence holds most of it.
        missing: its names, numbers and dates that are nowhere in the texts.
        sentence: the one that holds most of it; null if none does. Its document is one of `ground_paths`.
        unmatched: words of the question that are nowhere in the texts.
    """

    name = "answer.grounded"
    found: bool
    missing: tuple[str, ...]
    sentence: FoundPassage | None
    unmatched: tuple[str, ...] = ()


@message
class AnswerDone(Event):
    """An answer has ended.

    Attributes:
        stopped: "end" (the model ended it), "loop" (it only repeated itself), "length" or "cancelled"; text before a
            cancel is a partial answer.
        tokens_per_second: of the tokens after the first.
        n_prompt_tokens: tokens read for this question, not those already in front of it.
        n_slots: gist slots that are read, or that recited the documents.
        n_document_tokens: of the documents behind the gists or texts.
        n_passage_tokens: of passages of kept texts after the gists, or of what gists recite.
        prefill_s: seconds for reciting, looking up passages, and reading them, gists or text; 0 if they were already in
            front.
        is_recited: it is answered from what gists recite, not from kept texts.
    """

    name = "answer.done"
    stopped: str
    ttft_s: float
    tokens_per_second: float
    n_tokens: int
    n_prompt_tokens: int
    n_slots: int
    n_document_tokens: int
    n_passage_tokens: int
    prefill_s: float
    is_recited: bool = False


@message
class Answer(Request):
    """Answer the last question of `turns` (question, answer or null), about gists, or about full texts instead.

    Both lists empty: the model alone. The context is kept for the next question. Cancelled while it is still being
    read, the request ends with `cancelled`, later with `answer.done`.

    Attributes:
        lookup_paths: kept texts, whose best passages for the question are put after the gists.
        ground_paths: kept texts in which the finished answer is looked for.
    """

    name = "answer"
    done = AnswerDone
    turns: tuple[tuple[str, str | None], ...]
    gists: tuple[str, ...] = ()
    text_paths: tuple[str, ...] = ()
    lookup_paths: tuple[str, ...] = ()
    ground_paths: tuple[str, ...] = ()
    system: str | None = None
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    max_tokens: int = 512
    choice: ModelChoice = field(default_factory=ModelChoice)
