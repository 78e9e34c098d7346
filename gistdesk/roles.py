"""How a process of this program is started: window and commands, engine, and trainer are roles of one program.

A checkout and a wheel start Python with a module. A frozen build has no `python -m`: there, the program's only
executable is started with `--role`, which `packaging/frozen.py` reads. Knows nothing of what a role does.
"""

import sys
from typing import Literal

Role = Literal["gistdesk", "worker", "reader", "trainer", "self-test", "cuda-trial", "pip"]

MODULES: dict[Role, str] = {
    "gistdesk": "gistdesk",
    "worker": "gistdesk.worker",
    "reader": "gistdesk.core.document_reader",
    "trainer": "trainer",
    "self-test": "gistdesk.ui.app.self_test",
    "cuda-trial": "gistdesk.cuda.trial",
    "pip": "pip",
}


def is_frozen() -> bool:
    """Whether this is a build that bundles its own Python."""
    return bool(getattr(sys, "frozen", False))


def command(role: Role, *words: str) -> list[str]:
    """The program and arguments that start `role` with these words.

    "gistdesk" is the window, or with words a command; "worker" is the engine process and "reader" the one that
    reads a document, which take no words; "trainer" is `python -m trainer` in a checkout; "self-test" is
    gistdesk/ui/app/self_test.py, "cuda-trial" gistdesk/cuda/trial.py; "pip" is Python's, which asks package indexes.
    """
    module = MODULES[role]
    if not is_frozen():
        # -P: a file `random.py` in the folder that the window was started in must not shadow Python's own module
        return [sys.executable, "-P", "-m", module, *words]
    return [sys.executable, *([] if role == "gistdesk" else ["--role", role]), *words]
