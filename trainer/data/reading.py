"""What a reader is trained on: a few sentences or passages that were looked up for a question, and which of them tells.

Looked up as chat does it, so the reader sees what it will see: the right sentence among others, or not at all. Its
answer is that sentence, word for word, or that the text does not say it: taught to give the value alone, a model of
135M parameters took another value of the same sentence or its neighbour. Reports are made up, stories FairytaleQA's.
Knows nothing of losses.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gistdesk.core.lexical import Words, sentences
from gistdesk.core.model import GistModel
from gistdesk.core.passages import NOT_SAID, PassageIndex, cut_passages, passages_text, telling_sentences
from gistdesk.core.prompt import Turn
from gistdesk.core.ranking import TOP_K
from trainer.benchmark.metrics import is_contained
from trainer.data.haystack import haystack_names, haystack_text
from trainer.data.reports import draw_report
from trainer.data.source import is_held_out
from trainer.data.stories import Story, read_stories

_STORY_SHARE = 0.6
_ABSENT_SHARE = 0.12
_PASSAGES_SHARE = 0.15
_REPORT_CHARACTERS = 400, 5000
_REPORT_FACTS = 8
_PROSE_CHARACTERS = 3000
_MOST_ANSWER_WORDS = 12
_MOST_SENTENCE_WORDS = 45
_MORE_SENTENCES = 3
_ASKED_AT_ONCE = 4


@dataclass(frozen=True)
class Reading:
    """What was looked up and a question about it; its answer is a sentence. `part`: "reports", "stories", "absent"."""

    part: str
    text: str
    turn: Turn


class Readings:
    """Draws readings; whole stories, and the names and wordings of reports, are held out."""

    def __init__(self, model: GistModel, stories: Path, *, held_out_share: float = 0.02) -> None:
        """Raises UserError: the stories cannot be read."""
        self._model = model
        found = read_stories(stories)
        self._stories = {
            held_out: [s for s in found if is_held_out(s.text, held_out_share) is held_out]
            for held_out in (False, True)
        }

    def draw(self, random: Random, n: int, *, held_out: bool = False) -> list[Reading]:
        """So many, some about the same document."""
        drawn: list[Reading] = []
        while len(drawn) < n:
            make = self._of_story if random.random() < _STORY_SHARE else self._of_report
            drawn += list(make(random, held_out))[:_ASKED_AT_ONCE]
        return drawn[:n]

    def _of_report(self, random: Random, held_out: bool) -> Iterator[Reading]:
        prose = haystack_text(random.choice(haystack_names("en", evaluation=held_out)))
        start = random.randrange(len(prose) - _PROSE_CHARACTERS)
        report = draw_report(
            random,
            n_characters=round(math.exp(random.uniform(*map(math.log, _REPORT_CHARACTERS)))),
            n_facts=_REPORT_FACTS,
            held_out=held_out,
            prose=prose[start : start + _PROSE_CHARACTERS],
        )
        index = self._index(report.text)
        for question, answer in random.sample(report.asked, min(_ASKED_AT_ONCE, len(report.asked))):
            if random.random() < _ABSENT_SHARE:
                without = _without(report.text, answer)
                yield Reading("absent", _looked_up(random, self._index(without), question), Turn(question, NOT_SAID))
                continue
            text = _looked_up(random, index, question)
            if told := _telling(text, question, [answer]):
                yield Reading("reports", text, Turn(question, told))

    def _of_story(self, random: Random, held_out: bool) -> Iterator[Reading]:
        story = random.choice(self._stories[held_out])
        index = self._index(story.text)
        for asked in random.sample(story.asked, min(2 * _ASKED_AT_ONCE, len(story.asked))):
            if random.random() < _ABSENT_SHARE / 2:
                question = self._of_another(random, story, held_out)
                yield Reading("absent", _looked_up(random, index, question), Turn(question, NOT_SAID))
                continue
            text = _looked_up(random, index, asked.question)
            short = [answer for answer in asked.answers if len(answer.split()) <= _MOST_ANSWER_WORDS]
            if told := _telling(text, asked.question, short):
                yield Reading("stories", text, Turn(asked.question, told))

    def _of_another(self, random: Random, story: Story, held_out: bool) -> str:
        other = random.choice([s for s in self._stories[held_out] if s.name != story.name and s.asked])
        return random.choice(other.asked).question

    def _index(self, text: str) -> PassageIndex:
        return PassageIndex(cut_passages(self._model, [text]), "words")


def _looked_up(random: Random, index: PassageIndex, question: str) -> str:
    """Some passages, or what suits the question best with up to three other sentences after it."""
    found = index.best(question, TOP_K) or index.passages[:1]
    whole = passages_text(found)
    if random.random() < _PASSAGES_SHARE:
        return passages_text(found[: random.randint(1, TOP_K)])
    telling = telling_sentences(question, found)
    others = [sentence for start, end in sentences(whole) if (sentence := whole[start:end]) not in telling]
    more = random.sample(others, min(random.randint(0, _MORE_SENTENCES), len(others)))
    return " ".join([telling, *more])


def _telling(text: str, question: str, answers: Sequence[str]) -> str:
    """The sentence that holds one of the answers; of several the one that suits the question best. "" for none."""
    found = [" ".join(text[start:end].split()) for start, end in sentences(text)]
    holding = [s for s in found if any(is_contained(s, a) for a in answers) and len(s.split()) <= _MOST_SENTENCE_WORDS]
    scores = Words(holding).scores(question)
    return max(zip(scores, holding, strict=True))[1] if holding else ""


def _without(text: str, answer: str) -> str:
    """The text without the sentences that hold the answer."""
    spans = sentences(text)
    kept: Sequence[str] = [text[start:end] for start, end in spans if not is_contained(text[start:end], answer)]
    return "\n".join(kept)
