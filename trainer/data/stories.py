"""The part "fairytaleqa": stories with the questions and answers of experts on them (FairytaleQA, ACL 2022).

One JSON object per story, `{"story", "sections": [str], "questions": [{"question", "answers", "sections": [int]}]}`, in
a gzipped file of lines. A unit is a run of sections of one story, up to the whole of it, with questions on these alone.
Knows nothing of losses.
"""

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from trainer.data.source import Stage, is_held_out
from trainer.data.units import Unit, unit_cut

_N_HELD_OUT = 6
_HELD_OUT_RATIO = 16.0
_HELD_OUT_QUESTIONS = 5


@dataclass(frozen=True)
class Asked:
    """A question, the answers that count as right, and the sections that it is about, by index."""

    question: str
    answers: tuple[str, ...]
    sections: tuple[int, ...]


@dataclass(frozen=True)
class Story:
    """Attributes: name; sections, the text in order; asked."""

    name: str
    sections: tuple[str, ...]
    asked: tuple[Asked, ...]

    @property
    def text(self) -> str:
        return "\n\n".join(self.sections)


def read_stories(path: Path) -> list[Story]:
    """Every story of a file.

    Raises:
        UserError: it cannot be read, or a line is not a story.
    """
    found: list[Story] = []
    hint = "Give FairytaleQA's train.jsonl.gz."
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            found += (_story(json.loads(line)) for line in stream)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError("The stories in {path} cannot be read ({reason}).", hint, path=path, reason=error) from error
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            "Line {n} of {path} is not a story with its questions ({reason}).",
            hint,
            n=len(found) + 1,
            path=path,
            reason=error,
        ) from error
    if not found:
        raise UserError("{path} holds no stories.", hint, path=path)
    return found


def _story(given: dict[str, object]) -> Story:
    sections = tuple(str(s) for s in given["sections"])  # type: ignore[attr-defined]
    asked = []
    for entry in given["questions"]:  # type: ignore[attr-defined]
        own = tuple(int(i) for i in entry["sections"])
        answers = tuple(str(a) for a in entry["answers"] if str(a).strip())
        if answers and own and max(own) < len(sections):
            asked.append(Asked(str(entry["question"]), answers, own))
    return Story(str(given["story"]), sections, tuple(asked))


class Stories:
    """Runs of sections, cut as compressing cuts them; whole stories are held out."""

    def __init__(
        self, model: GistModel, path: Path, *, document_tokens: int, questions: int, held_out_share: float
    ) -> None:
        self._model, self._document_tokens, self._questions = model, document_tokens, questions
        stories = read_stories(path)
        self.training = [s for s in stories if not is_held_out(s.text, held_out_share)]
        self.reserved = [s for s in stories if is_held_out(s.text, held_out_share)]
        self._tokens: dict[tuple[str, int], Tensor] = {}
        if not self.training:
            raise UserError("All stories are held out.", "Lower held_out_share.")

    def unit(self, random: Random, stage: Stage) -> Unit:
        while True:
            story = random.choice(self.training)
            unit = self._unit(random, story, random.randint(64, self._document_tokens), stage.ratio, self._questions)
            if unit:
                return unit

    def held_out(self) -> list[Unit]:
        drawn = [
            self._unit(Random(f"held out:{i}"), story, self._document_tokens, _HELD_OUT_RATIO, _HELD_OUT_QUESTIONS)
            for i, story in enumerate(self.reserved[:_N_HELD_OUT])
        ]
        return [unit for unit in drawn if unit]

    def _unit(self, random: Random, story: Story, n_tokens: int, ratio: float, questions: int) -> Unit | None:
        """A unit of as many sections as fit, from a random one on; None if nothing is asked about them."""
        first = random.randrange(len(story.sections))
        ids = [self._section(story, first)]
        last = first
        while last + 1 < len(story.sections) and sum(map(len, ids)) < n_tokens:
            last += 1
            ids.append(self._section(story, last))
        known = [a for a in story.asked if min(a.sections) >= first and max(a.sections) <= last]
        if not known:
            return None
        chosen = random.sample(known, min(len(known), questions))
        turns = tuple(Turn(a.question, random.choice(a.answers)) for a in chosen)
        text = torch.cat(ids)[: self._document_tokens + 512]
        return unit_cut(self._model, "fairytaleqa", text, [turns], ratio=ratio)

    def _section(self, story: Story, index: int) -> Tensor:
        key = story.name, index
        if key not in self._tokens:
            text = story.sections[index].strip() + "\n\n"
            self._tokens[key] = torch.tensor(self._model.token_ids(text))
        return self._tokens[key]
