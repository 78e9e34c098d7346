"""A question, and everything that comes back until its answer is over. Knows nothing of chats and their versions."""

from dataclasses import dataclass, field

from gistdesk.protocol.messages import Event, Request, message
from gistdesk.protocol.models import ModelChoice


@dataclass(frozen=True)
class FoundPassage:
    """A stretch of a kept text that was put in front of a question: `pages[page - 1][start:end]` is its `text`.

    Attributes:
        document: which of the request's `lookup_paths`, from 0.
    """

    document: int
    page: int
    start: int
    end: int
    text: str


@message
class ContextProgress(Event):
    """What is put in front of a question.

    Attributes:
        phase: "passages" (kept texts are made ready to be looked into), "gist" (files are read) or "text" (the model
            reads full text).
    """

    name = "context.progress"
    phase: str
    fraction: float


@message
class ContextPassages(Event):
    """What was found in `lookup_paths` for the question and stands behind the gists, best first; may be nothing."""

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
    """Whether an answer stands in the texts of `ground_paths`; comes before `answer.done`, if there is anything to say.

    Attributes:
        found: its names, numbers and dates are there, and one sentence holds most of it.
        missing: its names, numbers and dates that are nowhere in the texts.
        sentence: that holds most of it; null where none does. Its document is one of `ground_paths`.
    """

    name = "answer.grounded"
    found: bool
    missing: tuple[str, ...]
    sentence: FoundPassage | None


@message
class AnswerDone(Event):
    """An answer is over.

    Attributes:
        stopped: "end" (the model ended it), "length" or "cancelled"; what came before a cancel is a partial answer.
        tokens_per_second: of the tokens after the first.
        n_prompt_tokens: tokens read for this question, not those that were in front of it already.
        n_slots: gist slots in front of the question.
        n_document_tokens: of the documents that the gists or texts are of.
        n_passage_tokens: of passages of kept texts behind the gists.
        prefill_s: seconds that looking up passages, and reading them, gists or text took; 0 when they were in front
            already.
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


@message
class Answer(Request):
    """Answer the last question of `turns` (question, answer or null), about gists, or about full texts in their place.

    Both lists empty: the model alone. What stands in front of the question is kept for the next one. Cancelled while
    that is still being read it ends with `cancelled`, later with `answer.done`.

    Attributes:
        lookup_paths: kept texts, whose best passages for the question are put behind the gists.
        ground_paths: kept texts in which the answer is looked for once it is written.
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
