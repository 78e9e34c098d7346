"""Turns a form's choices into a command line, and predicts how long the command will take. Knows no widgets.

`{folder}` in a command line stands for the run's folder, which exists once the run is started.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gistdesk.benchmark_names import BY_RATIO, trial_cost
from gistdesk.session.run import Row, Run, trial_seconds
from gistdesk.ui.lab.grid import expected_series

FOLDER = "{folder}"
TRAINING: dict[str, Row] = {
    "check": {"steps": 50, "learning_rate": 1e-3, "batch": 1, "rank": 64, "seed": 20261122, "precision": "auto"},
    "quick": {"steps": 600, "learning_rate": 1e-3, "batch": 1, "rank": 64, "seed": 20261122, "precision": "auto"},
    "standard": {"steps": 600, "learning_rate": 2e-4, "batch": 8, "rank": 64, "seed": 20261122, "precision": "nf4"},
    "full": {"steps": 6000, "learning_rate": 2e-4, "batch": 8, "rank": 64, "seed": 20261122, "precision": "nf4"},
}
"""The presets of trainer/training/config.py, as far as the form shows them; a test keeps the two equal."""
_LOAD_S = 8.0
STARTER_PACE_S = 0.0004
"""Seconds per unit of cost for the starter on one free core, until something has been measured here."""


@dataclass(frozen=True)
class BenchChoice:
    """What a benchmark measures, as chosen in the form; sizes in tokens and percent."""

    lengths: Sequence[int]
    depths: Sequence[int]
    samples: int
    languages: Sequence[str]
    methods: Sequence[str]
    kinds: Sequence[str]
    ratios: Sequence[float]
    seed: int = 1
    model: str = "starter"
    device: str = "auto"
    haystack: str = ""
    files: Mapping[str, str] | None = None
    records: int = 0

    @property
    def config(self) -> Row:
        """The configuration as the benchmark writes it to its folder, as far as the grids need it."""
        return {
            "lengths": list(self.lengths),
            "depths": list(self.depths),
            "samples": self.samples,
            "languages": list(self.languages),
            "methods": list(self.methods),
            "kinds": list(self.kinds),
            "ratio": list(self.ratios),
        }

    @property
    def n_trials(self) -> int:
        """Number of trials in the grids; records from files come on top."""
        return sum(1 for _ in expected_series(self.config)) * len(self.lengths) * len(self.depths) * self.samples

    @property
    def cost(self) -> float:
        """Cost of all grids together, in units of about one token read."""
        series = list(expected_series(self.config))
        per_length = sum(trial_cost(one.method, length) for one in series for length in self.lengths)
        return per_length * len(self.depths) * self.samples

    def words(self) -> list[str]:
        """Arguments for `gistdesk`."""
        options = {
            "-o": FOLDER,
            "--model": self.model,
            "--lengths": _listed(self.lengths),
            "--depths": _listed(self.depths),
            "--samples": str(self.samples),
            "--languages": _listed(self.languages),
            "--methods": _listed(self.methods),
            "--kinds": _listed(self.kinds),
            "--seed": str(self.seed),
            "--device": self.device,
        }
        if set(self.methods) & set(BY_RATIO):
            options["--ratio"] = ",".join(f"{ratio:g}" for ratio in self.ratios)
        if self.haystack:
            options["--haystack"] = self.haystack
        options |= {f"--{name}": path for name, path in (self.files or {}).items()}
        if self.files and self.records:
            options["--records"] = str(self.records)
        return ["niah", *(word for pair in options.items() for word in pair), "--events"]


def predicted_s(choice: BenchChoice, earlier: Iterable[Run]) -> float | None:
    """Seconds a benchmark will take, by the pace of the latest one with the same model.

    None if that model was never measured and it is not the starter on a CPU.
    """
    for run in earlier:
        own = [trial for trial in run.trials if trial.get("depth_percent") is not None]
        if run.model == choice.model and len(own) >= 4:
            cost = sum(trial_cost(trial["method"], trial["context_tokens"]) for trial in own)
            return _LOAD_S + choice.cost * sum(map(trial_seconds, own)) / cost
    return _LOAD_S + choice.cost * STARTER_PACE_S if choice.model == "starter" else None


def train_words(preset: str, settings: Mapping[str, str]) -> list[str]:
    """Arguments for `gistdesk train`; empty settings are left to the preset."""
    words = ["train", "--preset", preset, "--work", FOLDER]
    for name, value in settings.items():
        if value:
            words += ["--set", f"{name}={value}"]
    return words


def shown(words: Sequence[str], folder: str = "runs/NAME") -> list[str]:
    """The command line a person would type for the same."""
    return ["gistdesk", *(word.replace(FOLDER, folder) for word in words if word != "--events")]


def _listed(values: Sequence[object]) -> str:
    return ",".join(str(value) for value in values)
