"""What the starter is trained on at each step, and how hard that currently is.

Passkeys, general facts and words of running text, read in full or compressed; short ones first.
Knows nothing of models beyond the samples' tokens.
"""

import math
from dataclasses import dataclass
from random import Random

from trainer.data.curriculum import Curriculum, advance, drawn_length
from trainer.data.pool import Pool
from trainer.data.samples import Sample, Samples
from trainer.starter.base import SEGMENT_TOKENS
from trainer.starter.config import StarterConfig


@dataclass(frozen=True)
class Batch:
    """What one step trains on: samples whose text is read in full, or a pool for documents of up to `n_segments`."""

    task: str
    work: list[Sample] | Pool
    n_segments: int = 1

    @property
    def mode(self) -> str:
        return "gist" if isinstance(self.work, Pool) else "full"


class Batches:
    """Draws batches below bounds that grow with the accuracy.

    Attributes:
        curricula: by task: "TASK" for segments, "TASK segments" for documents, "TASK full" for texts read in full.
    """

    def __init__(self, samples: Samples, config: StarterConfig) -> None:
        self._samples, self._config = samples, config
        self.curricula = {
            "passkey": Curriculum(bound=40, limit=SEGMENT_TOKENS),
            "passkey segments": Curriculum(bound=1, limit=40),
            "passkey full": Curriculum(bound=40, limit=2048),
            "facts": Curriculum(bound=40, limit=SEGMENT_TOKENS, goal=0.7),
            "facts segments": Curriculum(bound=1, limit=16, goal=0.7),
            "facts full": Curriculum(bound=40, limit=2048, goal=0.7),
            "words": Curriculum(bound=40, limit=SEGMENT_TOKENS, goal=0.7),
            "words segments": Curriculum(bound=1, limit=40, goal=0.7),
            "words full": Curriculum(bound=40, limit=2048, goal=0.7),
        }

    def batch(self, step: int) -> Batch:
        """A step's samples: a function of seed, step number and curricula.

        Passkeys in one segment come first: copying a value is learned there within minutes. Documents of several
        segments and more of the other facts join once that goes well; given from the start they only slowed it down.
        """
        random = Random(f"{self._config.seed}:{step}")
        copying = self.curricula["passkey"].bound >= 100
        task = "facts" if random.random() < (0.5 if copying else 0.1) else "passkey"
        if task == "facts" and step >= self._config.words_step and random.random() < 0.5:
            task = "words"
        language = "ko" if random.random() < self._config.korean_share else "en"
        # Telling facts apart is learned from the full text first; copying a number hardly needs it any more.
        if random.random() < (0.15 if copying and task == "passkey" else 0.35):
            return self._full(random, task, language)
        return self._pool(random, task, language)

    def _full(self, random: Random, task: str, language: str) -> Batch:
        bound = self.curricula[f"{task} full"].bound
        if bound > 500:  # mostly short texts still: a long one is a single sample
            n_tokens = int(math.exp(random.uniform(math.log(32), math.log(bound))))
        else:
            n_tokens = int(random.uniform(max(32.0, 0.4 * min(bound, 400)), bound))
        count = max(1, self._config.tokens_per_step // (n_tokens + 24))
        n_facts = random.randint(1, max(1, min(8, n_tokens // 20)))
        if task == "facts":
            return Batch(task, [self._samples.general(random, n_tokens, n_facts, 4, language) for _ in range(count)])
        if task == "words":
            return Batch(task, [self._samples.words(random, n_tokens, n_facts, language) for _ in range(count)])
        n_keys = min(4, n_facts) if n_tokens > 100 and (bound <= 500 or random.random() < 0.3) else 1
        return Batch(task, [self._samples.passkey(random, n_tokens, n_keys, language) for _ in range(count)])

    def _pool(self, random: Random, task: str, language: str) -> Batch:
        """A pool of segments of about one length, as a cut makes them; about a third of them hold a passkey."""
        bound = self.curricula[task].bound
        segment = drawn_length(random, bound)
        n_segments = round(self.curricula[f"{task} segments"].bound)
        if task != "passkey":
            n_slots = random.choice((4, 8, 8, 16, 16, 32, 64))
        else:
            # Two slots are rare: right in a quarter of the cases where four were in four fifths, they held all back.
            n_slots = random.choice((2, 3, 4, 4, 4, 5, 5, 5, 6, 8) if bound >= 200 else (4, 4, 5, 8, 8, 16))
        n_slots = min(n_slots, int(segment / 1.5))
        most = self._config.tokens_per_step * 5 // 4
        n_texts = min(48, max(6, most // int(segment + n_slots)))
        n_keyed = n_texts if n_segments == 1 else n_texts * 3 // 4 if task == "facts" else max(4, n_texts // 3)
        lengths = [int(segment * random.uniform(0.75, 1.0)) for _ in range(n_texts)]
        slots = [n_slots - (n_slots > 3 and random.random() < 0.3) for _ in range(n_texts)]
        if task == "passkey":
            keyed, plain = self._samples.passkey_pool(random, lengths, n_keyed, language)
        else:
            n_facts = random.randint(1, max(1, min(4, int(segment) // 20)))
            draw = self._samples.words_pool if task == "words" else self._samples.fact_pool
            keyed, plain = draw(random, lengths, n_keyed, n_facts, language)
        return Batch(task, Pool(keyed, plain, slots, distracting=task == "facts"), n_segments)

    def advance(self, batch: Batch, accuracy: float) -> None:
        """Make samples of this batch's kind harder if its answers were right."""
        if batch.mode == "full":
            self.curricula[f"{batch.task} full"].update(accuracy)
            return
        advance(self.curricula[batch.task], self.curricula[f"{batch.task} segments"], accuracy)

    def lengthen(self) -> None:
        """Ask facts and texts of any length, and facts among others', whatever the accuracy."""
        for task in ("facts", "words"):
            self.curricula[task].bound = self.curricula[task].limit
            self.curricula[f"{task} segments"].bound = 8
        for task in ("passkey", "facts", "words"):
            self.curricula[f"{task} full"].bound = self.curricula[f"{task} full"].limit
