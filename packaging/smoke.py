"""Tries the frozen program as a person would have it: moved elsewhere, with the network off and no Python in sight.

    python packaging/smoke.py build/frozen/gistdesk             everything, several minutes
    python packaging/smoke.py build/frozen/gistdesk start ...   the named checks alone; their names are in CHECKS

The program is copied to a path with spaces and Hangul, its folder is made read-only, and every process is watched for
sockets to a network. On Linux, as root, this checkout, the Python that runs this script and the network are hidden from
it as well. A check fails by AssertionError. Needs nothing but Python; knows the program by its words and output alone.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXECUTABLE = "gistdesk-cli.exe" if os.name == "nt" else "gistdesk"
LIMIT_S = 900
EXPECTED = ("This plugin does not support propagateSizeHints()", "This plugin does not support raise()")
"""Lines on stderr that mean nothing: Qt's offscreen platform, which only tests use, says them of every window."""
HIDE = 'for folder in $GISTDESK_HIDDEN; do mount -t tmpfs none "$folder" || exit 97; done; mount --bind "$1" "$1"; '
HIDE += 'mount -o remount,bind,ro "$1" || exit 98; shift; exec "$@"'
SOCKETS = ("AF_INET", "AF_INET6", "AF_PACKET", "AF_NETLINK")


class Smoke:
    """A copy of the program and the place it is tried in.

    Attributes:
        home: what $GISTDESK_HOME is; a new one for each check.
        sample: a document of the program's own.
    """

    def __init__(self, folder: Path, place: Path) -> None:
        self._place = place
        self.program = place / "옮긴 프로그램 (moved)" / "gistdesk"
        shutil.copytree(folder, self.program, symlinks=True)
        (self.sample,) = self.program.rglob("alice-with-a-note.txt")
        self.home = place / "자료 data"
        self._can_hide = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("unshare") is not None
        self._can_trace = shutil.which("strace") is not None
        self._before = self._listing()
        if os.name != "nt":
            subprocess.run(["chmod", "-R", "a-w", str(self.program)], check=True)

    def says(self) -> str:
        hidden = "hidden: checkout, Python, network" if self._can_hide else "NOT hidden: checkout, Python, network"
        return f"{hidden}; sockets {'watched' if self._can_trace else 'NOT watched (no strace)'}"

    def python_version(self) -> tuple[str, str]:
        """Major and minor, of the Python in the program."""
        names = " ".join(path.name for path in (self.program / "_internal").iterdir())
        found = re.search(r"python(3)\.?(\d+)", names)
        assert found is not None, names
        return found[1], found[2]

    def new_home(self, name: str) -> None:
        self.home = self._place / f"자료 {name}"

    def command(self, *words: str) -> list[str]:
        start = [str(self.program / EXECUTABLE), *words]
        if self._can_trace:
            log = self._place / f"sockets-{time.monotonic_ns()}"
            start = ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=socket", "--seccomp-bpf", *start]
        if self._can_hide:
            start = ["unshare", "--mount", "--net", "sh", "-c", HIDE, "sh", str(self.program), *start]
        return start

    def environment(self) -> dict[str, str]:
        """Nothing of this script's own environment that could help the program."""
        hidden = [str(ROOT)]
        for path in (sys.prefix, sys.base_prefix):
            if not path.startswith(("/usr", *hidden)):
                hidden.append(path)
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP", "TMP") if name in os.environ}
        return kept | {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self._place),
            "LANG": "C.UTF-8",
            "QT_QPA_PLATFORM": "offscreen",
            "GISTDESK_HOME": str(self.home),
            "GISTDESK_HIDDEN": " ".join(hidden),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
        }

    def run(self, *words: str, code: int = 0) -> str:
        """Run to the end; what it printed. Raises AssertionError: another exit code, or a line on stderr."""
        done = subprocess.run(
            self.command(*words), env=self.environment(), cwd=self._place, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, encoding="utf-8", timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not unexpected(done.stderr), f"{words}: unexpected output\n{done.stderr}"
        return done.stdout

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(*words), env=self.environment(), stdout=pipe, stderr=pipe, text=True)

    def network_sockets(self) -> list[str]:
        lines = [line for log in self._place.glob("sockets-*") for line in log.read_text("utf-8").splitlines()]
        return [line for line in lines if any(f"({family}," in line for family in SOCKETS)]

    def left_processes(self) -> list[int]:
        """Processes of this program that still run."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "exe").readlink().is_relative_to(self.program):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def changed_files(self) -> set[object]:
        return self._before ^ self._listing()

    def _listing(self) -> set[object]:
        return {(p.relative_to(self.program), p.lstat().st_size, p.lstat().st_mtime) for p in self.program.rglob("*")}


def unexpected(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.strip() and not any(known in line for known in EXPECTED)]


# ---- checks


def version(smoke: Smoke) -> str:
    init = (ROOT / "gistdesk" / "__init__.py").read_text("utf-8")
    said = smoke.run("--version").split()[-1]
    assert f'"{said}"' in init, f"the program says it is {said}"
    return said


def start(smoke: Smoke) -> str:
    """The seconds from start to a window that answers, twice: once from the disk, once from memory."""
    seconds = []
    for _ in range(2):
        steps = steps_of(smoke.run("--role", "self-test", "start"))
        assert [step["step"] for step in steps] == ["window", "closed"], steps
        seconds.append(steps[0]["s"])
    return f"{seconds[0]} s, then {seconds[1]} s to the window"


def window(smoke: Smoke) -> str:
    """The window's own way: engine process, compression of the sample, an answer."""
    steps = steps_of(smoke.run("--role", "self-test"))
    assert [step["step"] for step in steps] == ["window", "compressed", "answered", "closed"], steps
    return f"answer {steps[2]['answer']!r} after {steps[2]['s']} s"


def commands(smoke: Smoke) -> str:
    gist = smoke.home.parent / "견본 sample.gistkv"
    smoke.run("compress", str(smoke.sample), "-o", str(gist))
    answer = json.loads(smoke.run("ask", str(gist), "-q", "What is the passkey?", "--json"))["answer"]
    assert answer.strip().isdigit(), answer
    facts = json.loads(smoke.run("info", str(gist), "--json"))
    assert facts["model_id"], facts
    smoke.run("doctor", "--json")
    return f"answer {answer.strip()!r}"


def benchmark(smoke: Smoke) -> str:
    folder = smoke.home.parent / "측정 niah"
    words = ("--lengths", "512", "--depths", "0,100", "--samples", "1")
    results = json.loads(smoke.run("niah", "-o", str(folder), *words, "--json"))
    assert results["cells"], results
    assert (folder / "report.html").exists()
    assert list(folder.glob("*.png")), "no picture was drawn"
    return f"{len(results['cells'])} cells"


def training(smoke: Smoke) -> str:
    folder = smoke.home.parent / "훈련 check"
    events = steps_of(smoke.run("--role", "trainer", "train", "--preset", "check", "--work", str(folder)))
    assert events[-1]["event"] == "finished", events[-1]
    return f"{events[-1]['step']} steps in {events[-1]['seconds']} s"


def no_streams(smoke: Smoke) -> str:
    """Started by a desktop that gives no stdin, stdout and stderr."""
    if os.name == "nt":
        return "not on Windows"
    close = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    for words in (["--version"], ["--role", "self-test"]):
        done = subprocess.run([*close, *smoke.command(*words)], env=smoke.environment(), timeout=LIMIT_S)
        assert done.returncode == 0, f"{words}: exit code {done.returncode}"
    return "version and window"


def second_instance(smoke: Smoke) -> str:
    """It hands over and ends; the first one goes on, and ends when it is asked to."""
    first = smoke.start()
    try:
        wait_for(lambda: (smoke.home / "data" / "window.lock").exists() and first.poll() is None, "the first window")
        time.sleep(3)
        begun = time.monotonic()
        assert smoke.run(str(smoke.sample)) == ""
        took = time.monotonic() - begun
        assert first.poll() is None, "the first window has ended"
    finally:
        for process in smoke.left_processes():
            os.kill(process, signal.SIGTERM)
        _, stderr = first.communicate(timeout=60)
    assert first.returncode == 0, f"the first window ended with {first.returncode}: {stderr}"
    assert not unexpected(stderr), stderr
    return f"handed over in {took:.1f} s"


def old_data(smoke: Smoke) -> str:
    """A library that an older version made is brought up to date, and kept as it was beside that."""
    folder = smoke.home / "data" / "library"
    folder.mkdir(parents=True)
    schema = (ROOT / "tests" / "library" / "schema-1.sql").read_text("utf-8")
    with closing(sqlite3.connect(folder / "library.sqlite3")) as db:
        db.executescript(schema)
    smoke.run("--role", "self-test", "start")
    with closing(sqlite3.connect(folder / "library.sqlite3")) as db:
        (found,) = db.execute("PRAGMA user_version").fetchone()
    assert found > 1, f"the library is still of version {found}"
    assert list(folder.glob("*.backup")), "no copy of the old library was kept"
    return f"version 1 to {found}"


def clean(smoke: Smoke) -> str:
    """Last of all: nothing runs, nothing was written beside the program, and no network was spoken to."""
    assert not smoke.left_processes(), f"left: {smoke.left_processes()}"
    assert not smoke.changed_files(), f"changed: {smoke.changed_files()}"
    assert not smoke.network_sockets(), "\n".join(smoke.network_sockets()[:10])
    return "no process, no change, no network socket"


def cuda(smoke: Smoke) -> str:
    """What a set-up of CUDA brings comes before the program's own, in every role; and pip, which asks for it, works.

    The set-up here is a module `torch` that only says so.
    """
    facts = json.loads(smoke.run("cuda", "status", "--json"))
    name = f"torch-0-cuda-0-py{''.join(smoke.python_version())}-smoke"
    packages = smoke.home / "data" / "cuda" / name / "packages"
    (packages / "torch").mkdir(parents=True)
    (packages / "torch" / "__init__.py").write_text("import os\nos._exit(77)\n", "utf-8")
    (packages.parents[1] / "current").write_text(name, "utf-8")
    assert json.loads(smoke.run("cuda", "status", "--json"))["in_use"] == name
    smoke.run("doctor", code=77)
    smoke.run("--role", "trainer", "train", "--preset", "check", "--work", str(smoke.home / "run"), code=77)
    smoke.run("--role", "cuda-trial", str(packages), code=77)
    smoke.run("cuda", "remove")
    smoke.run("doctor", "--json")
    said = smoke.run("--role", "pip", "--version")
    assert said.startswith("pip "), said
    return f"{said.split()[1]} of pip; {facts['problem'] or 'a card is here'}"


CHECKS: dict[str, Callable[[Smoke], str]] = {
    check.__name__.replace("_", "-"): check
    for check in (version, start, window, commands, benchmark, training, no_streams, second_instance, old_data, cuda)
}


def steps_of(lines: str) -> list[dict]:
    return [json.loads(line) for line in lines.splitlines() if line.startswith("{")]


def wait_for(done: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 120
    while not done():
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.2)


def main(words: Sequence[str]) -> int:
    failed = 0
    with tempfile.TemporaryDirectory(prefix="gistdesk smoke ") as place:
        smoke = Smoke(Path(words[0]).resolve(), Path(place))
        print(smoke.says(), flush=True)
        chosen = {name: check for name, check in CHECKS.items() if name in words[1:] or not words[1:]}
        for name, check in (chosen | {"clean": clean}).items():
            begun = time.monotonic()
            smoke.new_home(name)
            try:
                said = check(smoke)
            except (AssertionError, OSError, ValueError, subprocess.TimeoutExpired) as error:
                failed, said = failed + 1, f"FAILED: {error}"
            print(f"{name:>16}  {time.monotonic() - begun:5.1f} s  {said}", flush=True)
        if os.name != "nt":
            subprocess.run(["chmod", "-R", "u+w", place], check=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
