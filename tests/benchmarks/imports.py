"""How long importing the window takes beside Qt's widgets alone: `python -m tests.benchmarks.imports`.

Processor time of fresh processes, the least of several, with compiled bytecode as an installed program has it.
"""

import os
import resource
import subprocess
import sys
import tempfile

_N_TRIES = 7
_NOTHING, _QT, _WINDOW = "pass", "import PySide6.QtWidgets", "import gistdesk.ui.window.main"


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = cache
        for code in (_QT, _WINDOW):
            _seconds(code, environment)  # compiles
        nothing, qt, window = (
            min(_seconds(code, environment) for _ in range(_N_TRIES)) for code in (_NOTHING, _QT, _WINDOW)
        )
    print(f"python {nothing:.3f} s, with QtWidgets {qt:.3f} s, with the window {window:.3f} s: {window / qt:.2f}x")


def _seconds(code: str, environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
