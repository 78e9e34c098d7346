#!/usr/bin/env python3
"""Sets gistdesk up in `.venv` beside this folder, then starts it, or runs its tests.

    python3 packaging/start.py                 the window; without a display, the demonstration in the terminal
    python3 packaging/start.py run WORDS ...   gistdesk with these words, for example: run compress FILE
    python3 packaging/start.py test WORDS ...  every check, and the quick tests; the words go to pytest
    python3 packaging/start.py test --release  whole runs and programs, too: what a release needs, some 15 minutes
    python3 packaging/start.py test --all      every test: measurements and mutants, too, which take an hour or more

Needs nothing but Python 3.11: no third-party module may be imported here. Up to the version check, and in its
syntax throughout, this file keeps to Python 3.6, so that an old Python can say what is wrong.
Knows nothing of what gistdesk does.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        f"gistdesk needs Python 3.11 or newer, and this is Python {sys.version.split()[0]}. Install a newer "
        "one (python.org/downloads, or your system's packages) and run this script with it, for example: "
        "python3.12 packaging/start.py"
    )

import ctypes
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = "2.13.0"
CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "import-linter": ["-c", "from importlinter.cli import lint_imports_command as main; main()"],
    "pytest": ["-P", "-m", "pytest", "-n", "2", "--dist", "worksteal", "--durations", "20"],
}
ALSO = {"--release": "--also=release", "--all": "--also=all"}
UNFINISHED = "unfinished"
QT_LIBRARIES = {
    "libegl1": "libEGL.so.1",
    "libgl1": "libGL.so.1",
    "libxkbcommon0": "libxkbcommon.so.0",
    "libfontconfig1": "libfontconfig.so.1",
    "libdbus-1-3": "libdbus-1.so.3",
    "libglib2.0-0": "libglib-2.0.so.0",
    "libx11-6": "libX11.so.6",
}
X11_LIBRARIES = {
    "libxcb-cursor0": "libxcb-cursor.so.0",
    "libxcb-icccm4": "libxcb-icccm.so.4",
    "libxcb-image0": "libxcb-image.so.0",
    "libxcb-keysyms1": "libxcb-keysyms.so.1",
    "libxcb-randr0": "libxcb-randr.so.0",
    "libxcb-render-util0": "libxcb-render-util.so.0",
    "libxcb-shape0": "libxcb-shape.so.0",
    "libxcb-xkb1": "libxcb-xkb.so.1",
    "libxkbcommon-x11-0": "libxkbcommon-x11.so.0",
}
NO_NETWORK = "The package index cannot be reached. Check the network, then run the same command again."
PIP_FAILURES = {  # what pip's output says -> what the user is told
    "No space left|not enough space": "The disk is full. A set-up takes about 2 GB in this folder and 1 GB "
    "for temporary files. Make room, then run the same command again.",
    "Permission denied|Read-only file": "A file could not be written. Check who owns this folder.",
    "ConnectionError|Timeout|timed out|NameResolution|[Cc]onnection (refused|reset|aborted|broken)|SSLError"
    "|ProxyError": NO_NETWORK,
}


class SetupError(Exception):
    """Something in the user's world stops the set-up. Its text is all that is shown."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> int:
    job, rest = (words[0], list(words[1:])) if words else ("run", [])
    if job not in ("run", "test"):
        say(__doc__ or "")
        return 0 if job in ("-h", "--help", "help") else 2
    try:
        set_up(ROOT, job, needs_window=job == "test" or (not rest and has_display()))
        bring_model(ROOT)
        if job == "test":
            return run_checks(rest)
        return follow(["-P", "-m", "gistdesk", *rest], Path.cwd())
    except SetupError as error:
        say(str(error))
    except KeyboardInterrupt:
        say("Stopped. The same command takes it up again.")
        return 130
    except OSError as error:
        say(f"{error.strerror or error}: {error.filename or ROOT}")
    return 1


# ---- jobs


def follow(words: Sequence[str], cwd: Path) -> int:
    """Run the environment's Python to its end. What Ctrl-C and a termination do is for it to decide."""
    child = subprocess.Popen([str(venv_python(ROOT)), *words], cwd=cwd)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    code = child.wait()
    return code if code >= 0 else 128 - code


def run_checks(words: Sequence[str]) -> int:
    pytest_words = [ALSO.get(word, word) for word in words]
    failed = []
    for name, check in CHECKS.items():
        say(f"== {name}")
        started = time.monotonic()
        code = follow([*check, *pytest_words] if name == "pytest" else check, ROOT)
        say(f"({time.monotonic() - started:.0f} s)")
        if code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            return code
        if code != 0:
            failed.append(name)
    say("Failed: " + ", ".join(failed) if failed else "All checks and tests passed.")
    return 1 if failed else 0


# ---- set-up


def venv_python(root: Path) -> Path:
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp_file(root: Path) -> Path:
    return root / ".venv" / "gistdesk-setup.txt"


def read_stamp(root: Path) -> str:
    return stamp_file(root).read_text("utf-8") if stamp_file(root).exists() else ""


def wanted_stamp(root: Path, job: str) -> str:
    made_of = [sys.version, str(root), TORCH, (root / "pyproject.toml").read_text("utf-8")]
    return job + " " + hashlib.sha256("\n".join(made_of).encode("utf-8", "replace")).hexdigest()


def is_ready(root: Path, job: str) -> bool:
    """Whether nothing is to be done. What the tests need is more than what a run needs."""
    enough = {wanted_stamp(root, job), wanted_stamp(root, "test")}
    return read_stamp(root) in enough and venv_python(root).exists()


def set_up(root: Path, job: str, needs_window: bool) -> None:
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = project["dependencies"] + (project["optional-dependencies"]["test"] if job == "test" else [])
    if sys.platform == "linux" and any(name.lower().startswith("pyside6") for name in wanted):
        check_qt_libraries(needs_window)
    if is_ready(root, job):
        return
    with lock(root) as held:
        if is_ready(root, job):
            return
        started = time.monotonic()
        say(f"Setting up gistdesk in {root / '.venv'} (the first time, this takes a minute or more)")
        if not is_usable(root):
            create_venv(root, held)
        stamp_file(root).write_text(UNFINISHED, "utf-8")
        install_torch(root, held)
        say("Installing gistdesk and the other libraries ...")
        code, output = pip_install(root, held, "-e", str(root) + ("[test]" if job == "test" else ""))
        if code != 0:
            raise pip_failure(root, output)
        stamp_file(root).write_text(wanted_stamp(root, job), "utf-8")
        say(f"Set up in {time.monotonic() - started:.0f} s.")


@contextmanager
def lock(root: Path) -> Iterator[int]:
    """Wait until no other set-up runs; then hold it for this process and its pip, however they end.

    The lock is on pyproject.toml, far past its end: it leaves no file behind and hinders no reader.
    """
    with (root / "pyproject.toml").open("r+b") as file:
        waited = False
        while not try_lock(file.fileno()):
            if not waited:
                say("Another set-up of this folder is under way; waiting for it ...")
            waited = True
            time.sleep(0.2)
        yield file.fileno()


def try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 30, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def quietly(command: Sequence[str], held: int | None = None) -> tuple[int, str]:
    """Run to the end; returns exit code and output. While it lives, the lock `held` lives."""
    keep = () if held is None or os.name == "nt" else (held,)
    pipe, merged, nothing = subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL
    done = subprocess.run(
        command, stdin=nothing, stdout=pipe, stderr=merged, encoding="utf-8", errors="replace", pass_fds=keep
    )
    return done.returncode, done.stdout


def last_lines(output: str) -> str:
    telling = [line for line in output.splitlines() if line and not line.startswith(("WARNING", "INFO"))]
    return "\n".join("    " + line for line in telling[-12:])


def is_usable(root: Path) -> bool:
    """Whether .venv can be built upon: no set-up broke off in it, and it has pip and this Python."""
    if read_stamp(root) == UNFINISHED or not venv_python(root).exists():
        return False
    probe = "import pip, sys; print(sys.version_info[:2])"
    try:
        return quietly([str(venv_python(root)), "-c", probe]) == (0, f"{sys.version_info[:2]}\n")
    except OSError:  # made on another system
        return False


def create_venv(root: Path, held: int) -> None:
    # In an activated .venv this script runs on the Python that is about to be deleted: use the one behind it.
    base = getattr(sys, "_base_executable", None) or sys.executable
    if quietly([base, "-c", "import ensurepip, venv"])[0] != 0:
        package = "python{}.{}-venv".format(*sys.version_info[:2])
        why = f"This Python ({base}) lacks its venv or ensurepip module, so it cannot set up .venv."
        if not apt_install([package], why):
            raise SetupError(f"{why}\n{apt_advice([package])}")
    folder = root / ".venv"
    if folder.exists():
        say("Replacing .venv: it is unfinished, broken or of another Python version ...")
        shutil.rmtree(folder)
    folder.mkdir()
    stamp_file(root).write_text(UNFINISHED, "utf-8")
    code, output = quietly([base, "-m", "venv", str(folder)], held)
    if code != 0:
        free = shutil.disk_usage(folder).free >> 20
        raise SetupError(f"{folder} could not be created ({free} MB are free there):\n{last_lines(output)}")


def pip_install(root: Path, held: int, *words: str) -> tuple[int, str]:
    options = ["--disable-pip-version-check", "--no-input", "--retries", "2"]
    return quietly([str(venv_python(root)), "-m", "pip", "install", *options, *words], held)


def install_torch(root: Path, held: int) -> None:
    """Install the PyTorch build that suits the machine.

    PyPI has one build per system: CUDA (gigabytes) for Linux, CPU for Windows and macOS. Where the other one
    is wanted, ask for it by its exact version, with PyTorch's own index beside those that pip is set up with:
    any of them may provide it. Only if none does, take PyPI's. The short timeout is for networks that let
    nothing through but a mirror of PyPI.
    """
    tool = shutil.which("nvidia-smi")
    card = tool is not None and "GPU" in quietly([tool, "-L"])[1]
    build = {"linux": None if card else "cpu", "win32": "cu130" if card else None}.get(sys.platform)
    cuda = card and sys.platform != "darwin"
    say(f"Installing PyTorch ({'CUDA, about 3 GB' if cuda else 'about 200 MB'}) ...")
    if build is not None:
        index = f"https://download.pytorch.org/whl/{build}"
        code, output = pip_install(root, held, "--timeout", "10", "--extra-index-url", index, f"torch=={TORCH}+{build}")
        if code == 0:
            return
        if "No matching distribution found for torch" not in output:
            raise pip_failure(root, output)
        say(f"No {build} build can be found; trying PyPI's, {'for the CPU' if cuda else 'about 3 GB'} ...")
    code, output = pip_install(root, held, f"torch=={TORCH}")
    if code != 0:
        raise pip_failure(root, output)


def pip_failure(root: Path, output: str) -> SetupError:
    reason = next((text for sign, text in PIP_FAILURES.items() if re.search(sign, output)), None)
    if reason == NO_NETWORK:  # pip fetches everything before it changes anything: build upon this .venv
        stamp_file(root).unlink()
    if reason is None and f"No matching distribution found for torch=={TORCH}" in output:
        python = platform.python_version()
        reason = f"PyTorch {TORCH} is not available for Python {python} on {platform.platform()}."
    if reason is None:
        return SetupError(f"pip failed. The last lines of its output:\n{last_lines(output)}")
    errors = [line for line in output.splitlines() if "ERROR:" in line]
    return SetupError("\n    ".join([reason, *[line.strip() for line in errors[-1:]]]))


def bring_model(root: Path) -> None:
    """Have SmolLM2 fetched and prepared, once; where that is not to be had, the program goes on with its starter."""
    stamp, places = root / ".venv" / "gistdesk-model.txt", ("GISTDESK_HOME", "GISTDESK_MODELS")
    wanted = "\n".join(os.environ.get(name, "") for name in places)
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return
    say("Looking for SmolLM2, the model for English text (93 MB, fetched once) ...")
    started = time.monotonic()
    words = [str(venv_python(root)), "-P", "-m", "gistdesk", "models", "fetch", "smollm2"]
    if subprocess.call(words, stdin=subprocess.DEVNULL, stdout=sys.stderr) == 0:
        stamp.write_text(wanted, "utf-8")
        say(f"SmolLM2 is there ({time.monotonic() - started:.0f} s).")
    else:
        say("The bundled starter model is used instead; the next start tries again.")


# ---- system packages


def has_display() -> bool:
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def check_qt_libraries(needs_window: bool) -> None:
    missing = []
    on_x11 = os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY")
    for package, library in (QT_LIBRARIES | (X11_LIBRARIES if on_x11 else {})).items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    why = f"The window needs system libraries that are not installed: {', '.join(missing)}."
    if not missing or apt_install(missing, why):
        return
    if needs_window:
        raise SetupError(f"{why}\n{apt_advice(missing)}")
    say(f"{why}\n{apt_advice(missing)}")


def apt_install(packages: Sequence[str], why: str) -> bool:
    """Install Debian packages; False where that is not for this script to do, or fails."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return False
    say(f"{why} Installing with apt-get ...")
    quietly(["apt-get", "update"])
    code, output = quietly(["apt-get", "install", "-y", "--no-install-recommends", *packages])
    if code != 0:
        say(f"apt-get failed:\n{last_lines(output)}")
    return code == 0


def apt_advice(packages: Sequence[str]) -> str:
    line = "sudo apt-get install -y " + " ".join(packages)
    return f"On Debian and Ubuntu, run this, then the same command again:\n    {line}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
