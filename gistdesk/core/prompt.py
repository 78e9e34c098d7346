"""What a model's chat template puts around a document, its questions and its answers.

The template is rendered once with placeholders and split into six pieces, each of which is tokenized by
itself. So training, chat and benchmark build the same ids, and an answer's tokens stay as they were generated.
Knows nothing of gists: the document's place is simply where the prefix ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gistdesk.core.errors import UserError

_MARKS = ("\ue000d\ue000", "\ue000q\ue000", "\ue000a\ue000", "\ue000r\ue000", "\ue000b\ue000")
_SEPARATOR = "\n\n"

Role = Literal["template", "question", "answer"]
"""Who wrote a piece: only the template's pieces may become special tokens."""


@dataclass(frozen=True)
class Turn:
    """One question and, once there is one, its answer."""

    question: str
    answer: str | None = None


@dataclass(frozen=True)
class Prompt:
    """The pieces of text that a model's template puts around a conversation about a document.

    Attributes:
        prefix: before the document: BOS, system message, the opening of the user's turn.
        before_question: between the document and the first question.
        before_answer: after any question, up to where the model starts to answer.
        before_next: after an answer, up to the next question.
        after_answer: the token text that ends an answer; training teaches the model to stop there.
        answer_start: begins an answer's tokens but is never shown, such as the space after "Answer:".
    """

    prefix: str
    before_question: str
    before_answer: str
    before_next: str
    after_answer: str
    answer_start: str = ""

    def pieces(self, turns: Sequence[Turn]) -> list[tuple[str, Role]]:
        """Everything after the document, in order; the last turn's answer may still be missing."""
        parts: list[tuple[str, Role]] = []
        for index, turn in enumerate(turns):
            before = self.before_question if index == 0 else self.before_next
            parts += [(before, "template"), (turn.question, "question"), (self.before_answer, "template")]
            if turn.answer is not None:
                parts.append((self.answer_start + turn.answer, "answer"))
        return parts


def about_passages(prompt: Prompt) -> Prompt:
    """The same template, with question and answer labelled and the model's answer begun.

    SmolLM2 continues a passage, or talks about itself, if a question merely follows the passage; the figures for both
    are printed by `tests/benchmarks/passages.py --readings`.
    """
    return replace(
        prompt,
        before_question=prompt.before_question + "Question: ",
        before_answer="\nAnswer:" + prompt.before_answer + "Answer:",
        before_next=prompt.before_next + "Question: ",
        answer_start=" ",
    )


def prompt_of(tokenizer: Any, system: str | None = None) -> Prompt:
    """Split a tokenizer's chat template; a model without one gets plain "Question:" and "Answer:" lines.

    Raises:
        UserError: the template reorders the pieces, so it cannot be used with a gist.
    """
    eos = str(tokenizer.eos_token or "")
    if not getattr(tokenizer, "chat_template", None):
        start = str(tokenizer.bos_token or "") + (system + _SEPARATOR if system else "")
        return Prompt(start, "\n\nQuestion: ", "\nAnswer:", "\n\nQuestion: ", eos or "\n")
    document, question, answer, second, closing = _MARKS
    messages = [{"role": "system", "content": system}] if system else []
    messages += [
        {"role": "user", "content": document + _SEPARATOR + question},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": second},
    ]
    try:
        asking = _render(tokenizer, messages)
        closed = _render(tokenizer, [*messages, {"role": "assistant", "content": closing}], ask=False)
        prefix, rest = asking.split(document)
        before_question, rest = rest.split(question)
        _, rest = rest.split(answer)
        before_next, before_answer = rest.split(second)
        # Llama 2 writes a space before its end token; a space alone must not end an answer
        after_answer = closed.split(closing)[1].lstrip(" ")
    except Exception as error:
        raise UserError(
            "The model's chat template cannot be used around a document ({reason}).",
            "Use an instruct model whose template allows a user, an assistant and a user message in turn.",
            reason=error,
        ) from error
    return Prompt(prefix, before_question, before_answer, before_next, after_answer or eos)


def _render(tokenizer: Any, messages: list[dict[str, str]], ask: bool = True) -> str:
    return str(
        tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask, enable_thinking=False)
    )
