"""The benchmark: every method on the same samples, through the same compress and answer that users run.

Samples depend only on seed and position, never on the list of methods. A generator: it can be stopped after every
trial, and resumes from the trials already done. Knows nothing of files, pictures or terminals.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gistdesk.benchmark_names import BY_RATIO, trial_cost
from gistdesk.core.answer import Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.memory import peak_memory_bytes
from gistdesk.core.model import GistModel
from gistdesk.core.plan import check_ratio
from gistdesk.core.prompt import Turn
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.metrics import is_contained, is_exact, rouge_l_of, token_f1
from trainer.benchmark.readings import Reader, made_by
from trainer.benchmark.samples import Sample, Task
from trainer.benchmark.tasks import tasks_of

TrialKey = tuple[str, str, float | None]
"""Sample, method, and the ratio asked for, if there is one."""


@dataclass(frozen=True)
class Trial:
    """One question put to one method.

    Attributes:
        needle_kind: the needle's kind, or the name of a set of records.
        depth_percent: None for records from files.
        correct: the whole answer is right.
        prompt_tail: the question.
        ratio: document tokens per gist slot, or per token read in its place; None if no gist sets the size.
        kv_bytes: of what is in context before the question.
        ttft_s: seconds from having gist, index, or the text's tokens in memory to the first token of the answer.
        peak_memory_bytes: while the gist was made and the answer was written; see `memory.peak_memory_bytes`.
        sample: the sample's name within the run.
        score: from 0 to 1 if there is more than right and wrong; None otherwise.
        ratio_asked: the ratio asked for.
        prompt: what was before the question, as text; long texts without their middle.
        document_bytes: of the text, in UTF-8.
        document_kv_bytes: what the keys and values of the whole text would take.
        kept_bytes: what has to be kept of the document between two questions.
        prepare_s: seconds to compress, or to split and index, once per document.
        tokens_per_second: of the answer's tokens after the first; 0 if there was only one.
        n_answer_tokens: including the one that ends it.
        places: start and end of every passage read, in characters of the document's text, best first.
        exact, contained: 1 if the answer is, or says in however many words, one of the right answers, else 0;
            f1, rouge_l: against the right answer it is most like. None if there is no right answer.
        answer_loss: of the right answer, nats per token; None if not measured.
    """

    method: str
    language: str
    needle_kind: str
    context_tokens: int
    depth_percent: int | None
    correct: bool
    expected: str
    answer: str
    prompt_tail: str
    ratio: float | None
    kv_bytes: int
    ttft_s: float
    peak_memory_bytes: int
    sample: str = ""
    score: float | None = None
    ratio_asked: float | None = None
    prompt: str = ""
    document_bytes: int = 0
    document_kv_bytes: int = 0
    kept_bytes: int = 0
    prepare_s: float = 0.0
    tokens_per_second: float = 0.0
    n_answer_tokens: int = 0
    places: tuple[tuple[int, int], ...] = ()
    exact: float | None = None
    contained: float | None = None
    f1: float | None = None
    rouge_l: float | None = None
    answer_loss: float | None = None

    @property
    def key(self) -> TrialKey:
        return self.sample, self.method, self.ratio_asked

    @property
    def points(self) -> float:
        """The score from 0 to 1, whatever the rule."""
        return float(self.correct) if self.score is None else self.score


class Benchmark:
    """A configuration prepared for a model.

    Attributes:
        n_trials: in total, including those from files.
        costs: per trial in order, roughly how long it takes relative to others; for a time forecast.

    Raises:
        UserError: a method needs an adapter and the model has none, a haystack is too short, or a file is unusable.
    """

    def __init__(self, model: GistModel, config: BenchConfig) -> None:
        if model.adapter is None and config.needs_adapter:
            raise UserError("The model has no gist adapter.", "Train one, or measure matched, full, none and rag.")
        for method in {made_by(name) for name in config.methods if name in BY_RATIO}:
            for ratio in config.ratios:
                check_ratio(model, ratio, method)
        self._model, self._config = model, config
        self._tasks: list[Task] = tasks_of(model, config)
        self._variants = config.variants
        self.costs = [
            trial_cost(method, length, config.top_k * config.chunk_tokens)
            for task in self._tasks
            for length in task.lengths
            for method, _ in self._variants_of(task)
        ]
        self.n_trials = len(self.costs)

    def run(self, done: Mapping[TrialKey, Trial] | None = None) -> Iterator[Trial]:
        """Yield every trial in order; those in `done` as they are, the others as they are measured."""
        done = done or {}
        reader = Reader(self._model, self._config)
        for task in self._tasks:
            for index, name in enumerate(task.names):
                keys: list[TrialKey] = [(name, method, ratio) for method, ratio in self._variants_of(task)]
                sample = None if all(key in done for key in keys) else task.sample(index)
                for key in keys:
                    if key in done:
                        yield done[key]
                    elif sample is not None:
                        yield _trial(self._model, reader, sample, key[1], key[2])

    def _variants_of(self, task: Task) -> list[tuple[str, float | None]]:
        return [one for one in self._variants if one[0] != "section" or task.has_sections]


def _trial(model: GistModel, reader: Reader, sample: Sample, method: str, ratio: float | None) -> Trial:
    reading = reader.read(sample, method, ratio)
    context = reading.context
    sampling = Sampling(max_tokens=sample.max_tokens)
    answer = "".join(context.answer([Turn(sample.question)], sampling))
    assert context.figures is not None
    points = sample.points(answer)
    n_tokens = len(sample.source.token_ids)
    figures = context.figures
    peak_bytes = max(reading.prepare_peak_bytes, peak_memory_bytes(model.device))
    loss = round(context.answer_loss(sample.question, sample.loss_of), 5) if sample.loss_of else None
    return Trial(
        method=method,
        language=sample.language,
        needle_kind=sample.task,
        context_tokens=n_tokens,
        depth_percent=sample.depth_percent,
        correct=points > 1 - 1e-6,
        expected=sample.expected,
        answer=answer,
        prompt_tail=sample.question,
        ratio=reading.ratio,
        kv_bytes=context.kv_bytes,
        ttft_s=round(reading.prefill_s + figures.ttft_s, 5),
        peak_memory_bytes=peak_bytes,
        sample=sample.name,
        score=round(points, 6) if sample.is_graded else None,
        ratio_asked=ratio,
        prompt=reading.shown,
        document_bytes=len(model.tokenizer.decode(sample.source.token_ids.tolist()).encode()),
        document_kv_bytes=n_tokens * reader.position_bytes,
        kept_bytes=reading.kept_bytes,
        prepare_s=round(reading.prepare_s, 5),
        tokens_per_second=round(figures.tokens_per_second, 1),
        n_answer_tokens=figures.n_tokens,
        places=tuple((passage.start, passage.end) for passage in reading.passages),
        answer_loss=loss,
        **_scores(answer, sample.accepted),
    )


_SCORES: dict[str, Callable[[str, str], float]] = {
    "exact": lambda given, right: float(is_exact(given, right)),
    "contained": lambda given, right: float(is_contained(given, right)),
    "f1": token_f1,
    "rouge_l": rouge_l_of,
}


def _scores(answer: str, accepted: Sequence[str]) -> dict[str, float]:
    """The scores common to all kinds and methods, each against the right answer that gives the most."""
    if not accepted:
        return {}
    return {name: round(max(score(answer, right) for right in accepted), 6) for name, score in _SCORES.items()}
