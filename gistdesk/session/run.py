"""One run of the trainer or the benchmark as read from its folder: what was started, how far it is, what it measured.

Reads only what is new in the folder. Starts and ends nothing; knows no widgets. The folder belongs to the run's own
process; the window adds `lab.json` (what was started, and as which process) and two logs of its output.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from gistdesk.atomic import replacing
from gistdesk.benchmark_names import READING
from gistdesk.complaints import is_complaint, said_in
from gistdesk.core.sentences import Sentence, unpacked

START, OUT, ERRORS = "lab.json", "stdout.log", "stderr.log"
TRAIN, BENCHMARK = "train", "benchmark"
LIVE = ("starting", "running", "paused", "stopping")
"""States in which a run has a process."""
WAITING = "queued"

Row = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """What was started.

    Attributes:
        kind: TRAIN or BENCHMARK.
        title: the name to show.
        words: the command line after the program's name.
        created: ISO time.
        queued: it is waiting for the device.
        pid, pid_created: its process, and when that started (pids are reused); 0 if there is none.
        threads: CPU threads it may use; 0 leaves it open.
    """

    kind: str
    title: str
    words: tuple[str, ...]
    created: str
    queued: bool = False
    pid: int = 0
    pid_created: float = 0.0
    threads: int = 0


class Run:
    """Attributes:
    folder, start.
    state: "queued", "starting", "running", "paused", "stopping", "stopped" (it can be resumed), "finished" or "failed".
    problem: why it failed, as a sentence; or the last line of a traceback, with `is_bug` set.
    events: of a training run, in order.
    trials: of a benchmark, in order.
    config: the run's configuration as written in its folder; empty until then.
    description: the benchmark's run.json.
    """

    def __init__(self, folder: Path, start: Start) -> None:
        self.folder, self.start = folder, start
        self.state, self.problem, self.is_bug = "stopped", "", False
        self.events: list[Row] = []
        self.trials: list[Row] = []
        self.config: Row = {}
        self.description: Row = {}
        self.is_ending = False
        self._read_to: dict[str, int] = {}
        self._described_at = 0.0
        self._n_before = 0
        self.progress: Row = {}

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def is_training(self) -> bool:
        return self.start.kind == TRAIN

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def can_resume(self) -> bool:
        return self.state in ("stopped", "failed") and bool(self.start.words)

    @property
    def adapter(self) -> Path | None:
        """The best adapter so far, if there is one."""
        folder = self.folder / "adapter"
        return folder if self.is_training and (folder / "gist.json").is_file() else None

    def refresh(self) -> bool:
        """Read what is new; returns whether anything is."""
        before = (self.state, self.problem, len(self.events), len(self.trials), self.progress, bool(self.config))
        if self.is_training:
            self.events += self._new_rows("run.jsonl")
            self._read_config()
        else:
            self._read_description()
            self.trials += self._new_rows("samples.jsonl")
            for row in self._new_rows(OUT):
                if "total" in row:
                    self.progress = row
        self.state = self._present_state()
        return before != (
            self.state,
            self.problem,
            len(self.events),
            len(self.trials),
            self.progress,
            bool(self.config),
        )

    def begun(self, start: Start) -> None:
        """Its process was started (again): what is read from now on comes from that one."""
        self.start, self.is_ending, self.problem = start, False, ""
        self._n_before = len(self.events)
        self._read_to.pop(OUT, None)
        self.progress = {}
        if not self.is_training:  # the process removes a half-written last line
            self._read_to.pop("samples.jsonl", None)
            self.trials.clear()

    # --- figures

    def last(self, event: str) -> Row:
        """The newest event of that name; empty if there is none."""
        return next((row for row in reversed(self.events) if row.get("event") == event), {})

    @property
    def step(self) -> int:
        """Steps done, or samples measured."""
        if not self.is_training:
            return len(self.trials)
        return int(next((row["step"] for row in reversed(self.events) if "step" in row), 0))

    @property
    def steps(self) -> int:
        """Steps or samples of the whole run; 0 while unknown."""
        if self.is_training:
            rows = (row["steps"] for row in reversed(self.events) if "steps" in row)
            return int(next(rows, self.config.get("steps", 0)))
        return int(self.progress.get("total") or self.description.get("n_trials") or 0)

    @property
    def resume_step(self) -> int:
        """Where it would resume: the step of the last checkpoint, or the number of samples measured."""
        return int(self.last("checkpoint").get("step", 0)) if self.is_training else len(self.trials)

    @property
    def evaluating(self) -> tuple[int, int] | None:
        """Progress of a training run's current evaluation; None between evaluations."""
        row = self.events[-1] if self.is_training and self.events else {}
        return (int(row.get("done", 0)), int(row.get("of", 0))) if row.get("event") == "evaluating" else None

    @property
    def left_s(self) -> float | None:
        if not self.is_live:
            return None
        return self.last("progress").get("left_s") if self.is_training else self.progress.get("eta_s")

    @property
    def seed(self) -> int | None:
        return self.config.get("seed")

    @property
    def model(self) -> str:
        """The base being trained, or the model being measured; "" while unknown."""
        if self.is_training:
            return str(self.config.get("base", ""))
        found = word_after(self.start.words, "--model") or self.description.get("model", {}).get("model_id", "")
        return str(found)

    @property
    def score(self) -> float | None:
        """Best held-out accuracy of training; for a benchmark, that of the gist, or else of its first method."""
        if self.is_training:
            return self.last("evaluation").get("best")
        methods = [row["method"] for row in self.trials]
        method = "gist" if "gist" in methods else methods[0] if methods else ""
        own = [points(row) for row in self.trials if row["method"] == method]
        return sum(own) / len(own) if own else None

    @property
    def seconds(self) -> float | None:
        """Seconds it took, or has taken so far."""
        if self.is_training:
            return next((row["seconds"] for row in reversed(self.events) if "seconds" in row), None)
        return sum(trial_seconds(row) for row in self.trials) or None

    def log_tail(self, n_lines: int = 200) -> list[str]:
        """The last lines of its process's stderr."""
        with suppress(OSError):
            return (self.folder / ERRORS).read_text(encoding="utf-8", errors="replace").splitlines()[-n_lines:]
        return []

    # --- reading

    def _new_rows(self, name: str) -> list[Row]:
        """Complete new rows of a JSONL file; a line that is still being written waits."""
        path, at = self.folder / name, self._read_to.get(name, 0)
        try:
            size = path.stat().st_size
            if size < at:  # rewritten
                at = 0
                if name == "samples.jsonl":
                    self.trials.clear()
            if size == at:
                return []
            with path.open("rb") as stream:
                stream.seek(at)
                data = stream.read()
        except OSError:
            return []
        end = data.rfind(b"\n") + 1
        self._read_to[name] = at + end
        rows = []
        for line in data[:end].splitlines():
            with suppress(ValueError, RecursionError):
                value = json.loads(line)
                if isinstance(value, dict):
                    rows.append(unpacked(value))
        return rows

    def _read_config(self) -> None:
        if self.config:
            return
        import yaml

        with suppress(OSError, ValueError, RecursionError, yaml.YAMLError):
            found = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
            self.config = found if isinstance(found, dict) else {}

    def _read_description(self) -> None:
        path = self.folder / "run.json"
        with suppress(OSError, ValueError, RecursionError):
            changed = path.stat().st_mtime
            if changed != self._described_at:
                found = json.loads(path.read_text(encoding="utf-8"))
                self.description = found if isinstance(found, dict) else {}
                config = self.description.get("config")
                self.config = config if isinstance(config, dict) else {}
                self._described_at = changed

    def _present_state(self) -> str:
        if self.start.queued:
            return WAITING
        if is_alive(self.start):
            return self._live_state()
        if self._is_finished():
            return "finished"
        self.problem = self._found_problem()
        return "failed" if self.problem else "stopped"

    def _live_state(self) -> str:
        own = self.events[self._n_before :]
        wanted = read_word(self.folder / "control") if self.is_training else ""
        if self.is_ending or wanted == "stop":
            return "stopping"
        if own and own[-1].get("event") == "paused":
            return "paused"
        started = bool(own) if self.is_training else bool(self.progress) or bool(self.trials)
        return "running" if started else "starting"

    def _is_finished(self) -> bool:
        if self.is_training:
            return bool(self.events) and self.events[-1].get("event") == "finished"
        return bool(self.description.get("finished"))

    def _found_problem(self) -> str:
        """The last thing the process said, if it ended with an error."""
        self.is_bug = False
        if self.events and self.events[-1].get("event") == "failure":
            failure = self.events[-1]
            return Sentence(
                "{message} {hint}",
                message=Sentence(failure.get("message", "")),  # each may have its own entry in the catalogues
                hint=Sentence(failure.get("hint", "")),
            )
        if self.events and self.events[-1].get("event") == "stopped":
            return ""
        lines = [line for line in self.log_tail(40) if line.strip()]
        if not lines:
            return ""
        last = lines[-1].strip()
        if is_complaint(last):
            return "" if said_in(last).startswith("interrupted") else said_in(last)
        self.is_bug = any(line.startswith("Traceback") for line in lines)
        return last if self.is_bug else ""


def points(trial: Row) -> float:
    """The score of a trial, 0 to 1, whatever the rule."""
    return float(trial["correct"]) if trial.get("score") is None else float(trial["score"])


def trial_seconds(trial: Row) -> float:
    """Roughly how long a sample took: its own preparation, if no other method's sample has it, and the answer."""
    speed = trial.get("tokens_per_second") or 0
    rest = max(0, trial.get("n_answer_tokens", 0) - 1) / speed if speed else 0
    own = trial.get("prepare_s", 0.0) if trial.get("method") in READING else 0.0
    return float(own + trial.get("ttft_s", 0.0) + rest)


def word_after(words: tuple[str, ...], option: str) -> str:
    """The value of an option in a command line; "" if it is not given."""
    return next((after for word, after in pairwise(words) if word == option), "")


def read_word(path: Path) -> str:
    """The single word in a small file; "" if there is none."""
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").strip()
    return ""


def is_alive(start: Start) -> bool:
    """Whether the process that was started is still running."""
    if not start.pid:
        return False
    import psutil  # not needed to draw the window

    try:
        process = psutil.Process(start.pid)
        return abs(process.create_time() - start.pid_created) < 2 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def read_start(folder: Path) -> Start | None:
    """What `lab.json` says; for a run made on a command line, what its files say; None if there is no run."""
    with suppress(OSError, ValueError, TypeError, LookupError, RecursionError):
        found = json.loads((folder / START).read_text(encoding="utf-8"))
        start = Start(**{**found, "words": tuple(found["words"])})
        if all(isinstance(word, str) for word in (start.kind, start.title, start.created, *start.words)):
            return replace(start, pid=int(start.pid), pid_created=float(start.pid_created))
    if (folder / "run.json").is_file():
        return Start(BENCHMARK, folder.name, (), _changed(folder))
    if (folder / "config.yaml").is_file():
        return Start(TRAIN, folder.name, ("train", "--work", str(folder)), _changed(folder))
    return None


def write_start(folder: Path, start: Start) -> None:
    """Write `lab.json`. Raises OSError: the folder cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / START) as part:
        part.write_text(json.dumps(asdict(start), ensure_ascii=False, indent=1), encoding="utf-8")


def ended(start: Start) -> Start:
    """The same start, with no process."""
    return replace(start, queued=False, pid=0, pid_created=0.0)


def _changed(folder: Path) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds")
