"""Where the frozen program begins: the one executable is window, engine, trainer and more, by its words.

    gistdesk [FILE ... | COMMAND ...]     what `python -m gistdesk` is in a checkout
    gistdesk --role ROLE [WORDS ...]      see gistdesk/roles.py, which makes these words

Knows nothing of what a role does.
"""

import multiprocessing
import os
import sys


def main() -> None:
    multiprocessing.freeze_support()
    _give_streams()
    role, words = ("gistdesk", sys.argv[1:]) if sys.argv[1:2] != ["--role"] else (sys.argv[2], sys.argv[3:])
    sys.argv[1:] = words
    if role == "worker":
        from gistdesk.worker.__main__ import main as serve

        serve()
    elif role == "reader":
        from gistdesk.core.document_reader import main as read

        read()
    elif role == "trainer":
        from trainer.__main__ import main as train

        train("gistdesk --role trainer")
    elif role == "self-test":
        from gistdesk.ui.app.self_test import main as test

        sys.exit(test(words))
    elif role == "cuda-trial":
        from gistdesk.cuda.trial import main as try_card

        sys.exit(try_card(words))
    elif role == "pip":
        from pip._internal.cli.main import main as pip

        sys.exit(pip(words))
    elif role == "gistdesk":
        from gistdesk.__main__ import main as start

        start()
    else:
        sys.exit(f'gistdesk: there is no role "{role}".')


def _give_streams() -> None:
    """A program of the desktop may be started without any of these; what is printed then goes nowhere, quietly."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


main()
