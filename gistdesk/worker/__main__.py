"""Starts the engine process: lowers its priority, ties its life to the window's, says hello, and serves.

Nothing large is imported before the hello. Knows nothing of models.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable

from gistdesk import __version__
from gistdesk.protocol import PROTOCOL_VERSION, Hello
from gistdesk.worker.pipes import Inbox, Outlet

_PR_SET_PDEATHSIG = 1
_NICENESS = 5


def main() -> None:
    """Serve the parent process until it closes stdin."""
    requests, events = _own_pipes()
    outlet = Outlet(events)
    inbox = Inbox(requests, outlet)
    _end_with_parent(inbox.end)
    if sys.platform != "win32":  # on Windows the window's job object does this
        os.nice(_NICENESS)  # the window and the rest of the desktop come first if both want the same core
    outlet.send(Hello(PROTOCOL_VERSION, __version__, os.getpid()))
    threading.Thread(target=inbox.listen, name="requests", daemon=True).start()
    from gistdesk.cuda.place import use

    use()
    from gistdesk.worker.serve import serve

    serve(inbox, outlet)
    sys.stderr.flush()
    os._exit(0)  # all is written; freeing a large model object by object would only keep the window waiting


def _own_pipes() -> tuple[int, int]:
    """Private descriptors for requests and events: a library that prints, or reads stdin, cannot interfere."""
    requests, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, events


def _end_with_parent(end: Callable[[], None]) -> None:
    """End on SIGTERM, and on Linux have it sent when the window dies, however it dies.

    The end of stdin says the same, but not if something else holds the other end of the pipe. A thread waits for
    SIGTERM: a handler would not run before the main thread returns from a long calculation. On Windows the
    window's job object does this.
    """
    if sys.platform == "win32":
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for the window, which then closes stdin
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        end()

    threading.Thread(target=wait, name="end", daemon=True).start()
    if sys.platform == "linux":
        import ctypes

        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before this process could ask for the signal
            end()


if __name__ == "__main__":
    main()
