"""An uncaught exception becomes a notice in the window and a paragraph in the log; the window goes on.

A `UserError` raised in a signal's slot is the user's environment (a full disk, say); anything else is our bug.
"""

import sys
import traceback
from datetime import datetime
from pathlib import Path
from types import TracebackType

from gistdesk.core.errors import UserError
from gistdesk.folders import make_private
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice

_LOG = "window.log"
_MAX_LOG_BYTES = 2**20


def catch(desk: Desk, log_folder: Path) -> None:
    """From now on, show and log what would otherwise only be printed."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        if isinstance(error, UserError):
            desk.tell(Notice(error.message, error.hint))
            return
        _log(log_folder, details)
        sys.__excepthook__(kind, error, trace)
        desk.tell(
            Notice("Something in gistdesk went wrong.", "Nothing that was stored is lost. Copy the details.", details)
        )

    sys.excepthook = hook


def _log(folder: Path, details: str) -> None:
    """Append; a log that has grown large is started over. Failing to write the log stops nothing."""
    path = folder / _LOG
    try:
        make_private(folder)
        too_large = path.exists() and path.stat().st_size > _MAX_LOG_BYTES
        with path.open("w" if too_large else "a", encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(timespec='seconds')}\n{details}\n")
    except OSError:
        return
