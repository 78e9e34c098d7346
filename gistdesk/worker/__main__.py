"""The engine process begins: it gives way to the window, sees to it that it dies with it, says hello, and serves.

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
    """Serve the process that started this one until its end of stdin closes."""
    requests, events = _own_pipes()
    outlet = Outlet(events)
    inbox = Inbox(requests, outlet)
    _end_with_parent(inbox.end)
    if sys.platform != "win32":  # there the window's job object does it
        os.nice(_NICENESS)  # the window, and all else on the desktop, comes first where both want the same core
    outlet.send(Hello(PROTOCOL_VERSION, __version__, os.getpid()))
    threading.Thread(target=inbox.listen, name="requests", daemon=True).start()
    from gistdesk.cuda.place import use

    use()
    from gistdesk.worker.serve import serve

    serve(inbox, outlet)
    sys.stderr.flush()
    os._exit(0)  # all is written; taking a large model apart object by object would only keep the window waiting


def _own_pipes() -> tuple[int, int]:
    """Descriptors for requests and events that nobody else has: a library that prints, or asks, cannot break in."""
    requests, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, events


def _end_with_parent(end: Callable[[], None]) -> None:
    """End when asked to by SIGTERM, and on Linux have it sent when the window dies, however it dies.

    The end of stdin says the same, but not if something else holds the other end of the pipe. SIGTERM is waited for
    by a thread: a handler would not run before the main thread comes back from a long calculation. On Windows the
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
        if os.getppid() != parent:  # it died before this process could ask to be told
            end()


if __name__ == "__main__":
    main()
