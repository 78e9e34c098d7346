"""The engine process as the window sees it: requests go in, events come out; however it ends, nothing is left behind.

Starts the program's role "worker" when there is a request, restarts it after a crash, ends it when it is not needed.
Every request gets its last event, even when the process dies. Knows the protocol; knows nothing of what requests
are for.
"""

import sys
import time
from collections import deque
from dataclasses import replace

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from gistdesk import roles
from gistdesk.protocol import (
    PROTOCOL_VERSION,
    Cancel,
    Cancelled,
    Error,
    Event,
    Hello,
    ProtocolError,
    Request,
    decode_event,
    encode,
    is_last,
)

FORCE_S = 3.0
"""A cancel or an unload that stays unanswered this long is forced."""
_BACK_OFF_S = (0.2, 1.0, 4.0)
_MAX_CRASHES = 3
_CRASHES_S = 60.0
_HELLO_S = 60.0
_PARSE_S = 0.008
"""Half a frame: events are handled for at most this long at a time, however many there are."""
_TAIL_BYTES = 2**14
_TAIL_LINES = 40
_HINT = "It is restarting; try again, with a smaller document or model if it keeps happening."
_GIVEN_UP_HINT = "Trying again starts it; use a smaller document or model if it keeps happening."


class Engine(QObject):
    """One engine process, there when it is needed.

    Signals:
        event: request id (0: none) and protocol event; never emitted before `send` has returned the id.
        state_changed: the new `state`.
        crashed: why, and the last lines the process wrote to stderr. Every request it had then gets an
            `Error` of kind "crash".
    """

    event = Signal(int, object)  # type: ignore[assignment]  # hides QObject's own, which Qt keeps using
    state_changed = Signal(str)
    crashed = Signal(str)

    def __init__(
        self, parent: QObject | None = None, *, idle_unload_s: float = 0, command: list[str] | None = None
    ) -> None:
        """Does not start a process yet.

        Args:
            idle_unload_s: seconds without a request after which the process is ended; 0 means never.
            command: run instead of the engine's own.
        """
        super().__init__(parent)
        self._command = command or roles.command("worker")
        self._process: QProcess | None = None
        self._ending = ""  # "unload" or "cancel" once this side has ended the process
        self._is_greeted = self._has_ended = self._has_failed = self._is_held = False
        self._last_id = 0
        self._queued: deque[Request] = deque()  # not written to the process yet
        self._unfinished: dict[int, Request] = {}  # written, in this order
        self._cancelling: dict[int, float] = {}  # the deadline by which each must answer
        self._told_later: deque[Event] = deque()
        self._lines = bytearray()
        self._tail = b""
        self._crashes: list[float] = []
        self._n_crashes_in_row = 0
        self._state = "off"
        self._idle_unload_s = idle_unload_s
        self._work_timer = self._timer(self._work)
        self._restart_timer = self._timer(self._start)
        self._force_timer = self._timer(self._force)
        self._idle_timer = self._timer(self.unload)

    def _timer(self, then: object) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.timeout.connect(then)
        return timer

    @property
    def state(self) -> str:
        """ "off", "starting", "ready", "busy", "stopping", or "failed" (it kept crashing; see `unload`)."""
        return self._state

    @property
    def process_id(self) -> int:
        """Id of the running process; 0 when there is none."""
        return self._process.processId() if self._process else 0

    def send(self, request: Request) -> int:
        """Queue a request behind the earlier ones -> the id its events will carry.

        In the state "failed" the request ends at once with an `Error` of kind "crash".
        """
        self._last_id += 1
        request = replace(request, id=self._last_id)
        if isinstance(request, Cancel):
            raise TypeError("a cancel is not sent: see Engine.cancel")
        if self._has_failed:
            self._tell_later(self._given_up(request))
            return request.id
        self._queued.append(request)
        if self._process is None and not self._restart_timer.isActive() and not self._is_held:
            self._start()
        self._write_queued()
        self._update_state()
        return request.id

    def cancel(self, request_id: int) -> None:
        """Cancel a request, unless it is finished. If it does not end in three seconds, the process is killed."""
        for request in self._queued:
            if request.id == request_id:
                self._queued.remove(request)
                self._tell_later(Cancelled(id=request_id))
                self._update_state()
                return
        if request_id in self._unfinished and request_id not in self._cancelling and self._process:
            self._last_id += 1
            self._process.write(encode(Cancel(request_id, id=self._last_id)).encode())
            self._cancelling[request_id] = time.monotonic() + FORCE_S
            self._set_force_timer()

    def unload(self) -> None:
        """End the process and forget its crashes; unfinished requests end with `Cancelled`."""
        self._restart_timer.stop()
        self._crashes.clear()
        self._n_crashes_in_row, self._has_failed = 0, False
        while self._queued:
            self._tell_later(Cancelled(id=self._queued.popleft().id))
        if self._process and self._ending != "unload":
            self._ending = "unload"
            self._process.closeWriteChannel()
            self._cancelling = dict.fromkeys(self._unfinished, time.monotonic() + FORCE_S)
            self._set_force_timer()
        self._update_state()

    def hold(self, held: bool) -> None:
        """While held there is no process and requests wait: something else has the device."""
        if held != self._is_held:
            self._is_held = held
            if held:
                self.unload()
            elif self._queued and self._process is None:
                self._start()

    def close(self) -> None:
        """`unload`, and wait a few seconds at most until it is done; for the end of the program.

        Pending events are emitted at once, and none afterwards.
        """
        self._is_held = True  # no event handler may start another process now
        self.unload()
        if self._process and not self._process.waitForFinished(round(FORCE_S * 1000)):
            self._process.kill()
            self._process.waitForFinished(1000)
        while self._told_later or b"\n" in self._lines or (self._has_ended and self._process):
            self._work()
        self.blockSignals(True)

    def set_idle_unload(self, seconds: float) -> None:
        """End the process after this many seconds without a request; 0 means never."""
        self._idle_unload_s = seconds
        self._set_idle_timer()

    # ---- The process

    def _start(self) -> None:
        self._restart_timer.stop()
        self._ending, self._is_greeted, self._has_ended = "", False, False
        self._lines.clear()
        self._tail = b""
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUTF8", "1")
        process.setProcessEnvironment(environment)
        process.setProgram(self._command[0])
        process.setArguments(self._command[1:])
        process.started.connect(self._on_started)
        process.readyReadStandardOutput.connect(self._on_output)
        process.readyReadStandardError.connect(self._on_stderr)
        process.errorOccurred.connect(self._on_process_error)
        process.finished.connect(self._on_finished)
        self._process = process
        self._force_timer.start(round(_HELLO_S * 1000))
        self._update_state()
        process.start()

    def _on_started(self) -> None:
        if sys.platform == "win32":  # elsewhere nothing is to be imported for it
            from gistdesk.session.process_job import end_with_this_process

            end_with_this_process(self.process_id)

    def _on_stderr(self) -> None:
        assert self._process is not None
        self._note(bytes(self._process.readAllStandardError().data()))

    def _on_output(self) -> None:
        assert self._process is not None
        self._lines += self._process.readAllStandardOutput().data()
        self._work()

    def _on_process_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            assert self._process is not None
            self._note(f"{self._command[0]}: {self._process.errorString()}".encode())
            self._has_ended = True
            self._work_timer.start(0)

    def _on_finished(self) -> None:
        assert self._process is not None
        self._lines += self._process.readAllStandardOutput().data()
        self._on_stderr()
        self._has_ended = True
        self._work()

    def _work(self) -> None:
        """Emit pending events for half a frame; the rest follow after the window has had its turn."""
        until = time.monotonic() + _PARSE_S
        while time.monotonic() < until:
            if self._told_later:
                event = self._told_later.popleft()
                self.event.emit(event.id, event)
            elif (end := self._lines.find(b"\n")) >= 0:
                line = bytes(self._lines[:end])
                del self._lines[: end + 1]
                self._on_line(line)
            else:
                break
        if self._told_later or b"\n" in self._lines:
            self._work_timer.start(0)
        elif self._has_ended and self._process:
            self._clear_away()

    def _on_line(self, line: bytes) -> None:
        try:
            event = decode_event(line)
            if isinstance(event, Hello):
                self._on_hello(event)
        except ProtocolError as error:
            self._note(f"\nThe engine wrote a line that is not understood: {error}\n{line[:200]!r}\n".encode())
            self._kill()
            return
        request = self._unfinished.get(event.id)
        if event.id and request is None:
            return  # for a request that was given up
        if request is not None and is_last(event, request):
            del self._unfinished[event.id]
            self._cancelling.pop(event.id, None)
            self._n_crashes_in_row = 0
            self._set_force_timer()
        self.event.emit(event.id, event)
        self._update_state()

    def _on_hello(self, hello: Hello) -> None:
        if hello.protocol != PROTOCOL_VERSION:
            raise ProtocolError(f"it speaks version {hello.protocol} of the protocol, not {PROTOCOL_VERSION}")
        self._is_greeted = True
        self._set_force_timer()
        self._write_queued()

    def _write_queued(self) -> None:
        while self._queued and self._process and self._is_greeted and not self._ending:
            request = self._queued.popleft()
            self._unfinished[request.id] = request
            self._process.write(encode(request).encode())

    # ---- When it ends

    def _set_force_timer(self) -> None:
        """Set the timer for the earliest deadline; see `_force`."""
        self._force_timer.stop()
        if self._ending == "unload":
            self._force_timer.start(round(FORCE_S * 1000))
        elif self._cancelling:
            self._force_timer.start(max(0, round((min(self._cancelling.values()) - time.monotonic()) * 1000)))

    def _force(self) -> None:
        if self._is_greeted:
            self._ending = self._ending or "cancel"
        else:
            self._note(b"\nThe engine said nothing for a minute.\n")
        self._kill()
        self._update_state()

    def _kill(self) -> None:
        if self._process:
            self._process.kill()

    def _clear_away(self) -> None:
        """The process is gone and all its events are emitted: end what it had not finished, and go on."""
        process, self._process = self._process, None
        assert process is not None
        ending, unfinished = self._ending, list(self._unfinished.values())
        cancelling = set(self._cancelling)
        self._unfinished.clear()
        self._cancelling.clear()
        self._force_timer.stop()
        self._has_ended, self._ending = False, ""
        process.deleteLater()
        if not ending:
            self._note_crash(process)
        for request in unfinished:
            if ending == "unload" or request.id in cancelling:
                self._tell_later(Cancelled(id=request.id))
            elif self._has_failed:
                self._tell_later(self._given_up(request))
            elif not ending:
                self._tell_later(self._crash_of(request, "The engine process has ended unexpectedly.", _HINT))
        if ending == "cancel":  # the others had not begun, or can resume where they were
            self._queued.extendleft(request for request in reversed(unfinished) if request.id not in cancelling)
        if self._queued and ending and not self._is_held:
            self._start()
        self._update_state()

    def _note_crash(self, process: QProcess) -> None:
        now = time.monotonic()
        self._crashes = [at for at in self._crashes if now - at < _CRASHES_S] + [now]
        self._n_crashes_in_row += 1
        self._has_failed = len(self._crashes) >= _MAX_CRASHES
        if self._has_failed:
            while self._queued:
                self._tell_later(self._given_up(self._queued.popleft()))
        else:
            delay_s = _BACK_OFF_S[min(self._n_crashes_in_row, len(_BACK_OFF_S)) - 1]
            self._restart_timer.start(round(delay_s * 1000))
        if process.error() == QProcess.ProcessError.FailedToStart:
            how = "it could not be started"
        else:
            is_signal = process.exitStatus() == QProcess.ExitStatus.CrashExit
            how = "it was killed" if is_signal else f"exit code {process.exitCode()}"
        self._update_state()  # first: the crash message depends on whether it was the last one
        self.crashed.emit(f"The engine process has ended unexpectedly ({how}).\n{self._last_words()}")

    def _given_up(self, request: Request) -> Error:
        message = "The engine has crashed several times and will not be restarted."
        return self._crash_of(request, message, _GIVEN_UP_HINT)

    def _crash_of(self, request: Request, message: str, hint: str) -> Error:
        return Error("crash", request.name, message, hint, details=self._last_words(), id=request.id)

    def _note(self, words: bytes) -> None:
        self._tail = (self._tail + words)[-_TAIL_BYTES:]

    def _last_words(self) -> str:
        return "\n".join(self._tail.decode("utf-8", errors="replace").splitlines()[-_TAIL_LINES:])

    # ---- Emitting

    def _tell_later(self, event: Event) -> None:
        """Emit from the event loop, so that the caller has the id by then."""
        self._told_later.append(event)
        self._work_timer.start(0)

    def _update_state(self) -> None:
        state = self._present_state()
        if state != self._state:
            self._state = state
            self._set_idle_timer()
            self.state_changed.emit(state)

    def _present_state(self) -> str:
        if self._has_failed:
            return "failed"
        if self._process is None:
            return "starting" if self._restart_timer.isActive() else "off"
        if self._ending:
            return "stopping"
        if not self._is_greeted:
            return "starting"
        return "busy" if self._unfinished else "ready"

    def _set_idle_timer(self) -> None:
        self._idle_timer.stop()
        if self._idle_unload_s and self._state == "ready":
            self._idle_timer.start(round(self._idle_unload_s * 1000))
