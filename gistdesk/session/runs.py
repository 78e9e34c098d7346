"""All runs of a library: starts them one at a time, finds them again, pauses, stops and resumes them.

A run is its own process and outlives the window. Only one of engine, trainer and benchmark has the device: a run waits
until the engine is idle and its device can be lent. Knows runs and the desk; knows no widgets.
"""

import os
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.atomic import replacing
from gistdesk.complaints import FOR_A_WINDOW
from gistdesk.language.catalogs import VARIABLE
from gistdesk.language.i18n import language, later, tr
from gistdesk.roles import Role, command
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.session.run import ERRORS, OUT, TRAIN, Run, Start, ended, read_start, write_start

if TYPE_CHECKING:
    from subprocess import Popen

_LOOK_MS = 400


class Runs(QObject):
    """Attributes: folder.

    Signals: listed (runs were added or removed), changed (a run's name: it has progressed), told (a Notice).
    """

    listed = Signal()
    changed = Signal(str)
    told = Signal(object)

    def __init__(self, folder: Path, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder, self._desk = folder, desk
        self._runs: dict[str, Run] = {}
        self._own: dict[str, Popen[bytes]] = {}
        self._lent = False
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        desk.device_wanted.connect(self._on_device_wanted)
        self.find()
        self.look()
        self._timer.start()

    # --- which runs there are

    def all(self) -> list[Run]:
        """All runs, newest first."""
        return sorted(self._runs.values(), key=lambda run: (run.start.created, run.name), reverse=True)

    def of(self, kind: str) -> list[Run]:
        return [run for run in self.all() if run.start.kind == kind]

    def run(self, name: str) -> Run | None:
        return self._runs.get(name)

    def live(self) -> Run | None:
        """The run that has the device."""
        return next((run for run in self.all() if run.is_live), None)

    def find(self) -> None:
        """Look for runs that were added or removed, since a command line may make them."""
        there = {path.name: path for path in self.folder.iterdir() if path.is_dir()} if self.folder.is_dir() else {}
        before = set(self._runs)
        for name in before - set(there):
            del self._runs[name]
        for name in sorted(set(there) - before):
            start = read_start(there[name])
            if start is not None:
                self._runs[name] = Run(there[name], start)
                self._runs[name].refresh()
        if set(self._runs) != before:
            self.listed.emit()

    def look(self) -> None:
        """Read what live runs have written; start the next waiting one."""
        for name, process in list(self._own.items()):
            if process.poll() is not None:
                del self._own[name]
        for run in list(self._runs.values()):
            if (run.is_live or run.state == "queued") and run.refresh():
                self.changed.emit(run.name)
        live = self.live()
        if live is not None:
            self._lent = self._desk.lend_device(live.start.title, beside=live.is_training)
        elif self._lent:
            self._lent = False
            self._desk.lend_device("")
        waiting = [run for run in reversed(self.all()) if run.state == "queued"]
        if waiting and live is None:
            first = waiting[0]  # a benchmark measures times, so it has the device to itself
            if self._desk.lend_device(first.start.title, beside=first.is_training):
                self._lent = True
                self._launch(first)

    # --- what can be done with them

    def begin(self, kind: str, title: str, words: list[str]) -> Run | None:
        """Start a run as soon as the device is free. `words` refer to its folder as "{folder}".

        If its folder cannot be written, says so with `told` and returns None.
        """
        now = datetime.now(UTC)
        name = f"{now:%Y%m%d-%H%M%S}-{kind}-{re.sub(r'[^A-Za-z0-9]+', '-', title).strip('-').lower()[:24] or 'run'}"
        while (self.folder / name).exists():
            name += "x"
        folder = self.folder / name
        own = tuple(word.replace("{folder}", str(folder)) for word in words)
        threads = self._desk.settings.threads
        start = Start(kind, title, own, now.isoformat(timespec="seconds"), queued=True, threads=threads)
        if not self._keep(folder, start):
            return None
        run = Run(folder, start)
        run.refresh()
        self._runs[name] = run
        self.listed.emit()
        self.look()
        return run

    def resume(self, run: Run) -> None:
        """Resume where it stopped: the same command in the same folder."""
        if run.state == "paused":
            (self.folder / run.name / "control").unlink(missing_ok=True)
            return
        if run.can_resume and self._keep(run.folder, replace(run.start, queued=True, pid=0)):
            run.start = replace(run.start, queued=True, pid=0)
            run.refresh()
            self.changed.emit(run.name)
            self.look()

    def pause(self, run: Run) -> None:
        """A training run writes a checkpoint and waits; a benchmark ends, and can be resumed from its samples."""
        if run.is_training:
            self._control(run, "pause")
        else:
            self.stop(run)

    def stop(self, run: Run) -> None:
        """A training run ends with a checkpoint, or at once when asked again; a waiting one is withdrawn."""
        if run.state == "queued":
            run.start = ended(run.start)
            self._keep(run.folder, run.start)
        elif run.is_training and not run.is_ending and run.state != "starting":
            run.is_ending = True
            self._control(run, "stop")
        elif run.is_live:
            import psutil

            run.is_ending = True
            with suppress(psutil.Error):
                psutil.Process(run.start.pid).terminate()
        run.refresh()
        self.changed.emit(run.name)

    def stop_live(self) -> None:
        """End the run that has the device; what it has done is kept."""
        run = self.live()
        if run is not None:
            self.stop(run)

    def delete(self, run: Run) -> None:
        """Delete a run permanently; only one that has ended."""
        if not run.is_live:
            shutil.rmtree(run.folder, ignore_errors=True)
            self.find()

    def keep_adapter(self, run: Run) -> Path | None:
        """Copy a run's adapter under the run's name, to outlive the run; None if the copy cannot be made.

        An earlier adapter from the run, which gists may have been made with, is kept beside it.
        """
        source = run.adapter
        if source is None:
            return None
        target, n = self.folder.parent / "adapters" / run.name, 2
        try:
            while target.exists():
                if _is_copy(target, source):
                    return target
                target, n = target.with_name(f"{run.name}-{n}"), n + 1
            fresh = target.with_name(f".{target.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(source, fresh)
            fresh.replace(target)
        except OSError as error:
            self._tell(tr("The adapter cannot be copied ({reason}).", reason=error.strerror), tr("Free some space."))
            return None
        return target

    def close(self) -> None:
        """The window is closing; runs go on."""
        self._timer.stop()
        for process in self._own.values():
            if process.poll() is None:
                process.returncode = 0  # it goes on alone, which Python would warn about
        self._own.clear()

    # --- processes

    def _launch(self, run: Run) -> None:
        import subprocess  # none of it is needed to draw the window

        import psutil

        role: Role = "trainer" if run.start.kind == TRAIN else "gistdesk"
        environment = {**os.environ, **FOR_A_WINDOW, VARIABLE: language(), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
        if run.start.threads:
            environment["OMP_NUM_THREADS"] = str(run.start.threads)
        try:
            (run.folder / "control").unlink(missing_ok=True)
            with (run.folder / OUT).open("wb") as out, (run.folder / ERRORS).open("wb") as errors:
                process = subprocess.Popen(
                    command(role, *run.start.words),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    env=environment,
                    start_new_session=sys.platform != "win32",
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
            began = psutil.Process(process.pid).create_time()
        except (OSError, psutil.Error) as error:
            run.start = ended(run.start)
            self._keep(run.folder, run.start)
            self._tell(
                tr("The run cannot be started ({reason}).", reason=error), tr("Free some space, then resume it.")
            )
            return
        self._own[run.name] = process
        run.begun(replace(run.start, queued=False, pid=process.pid, pid_created=began))
        self._keep(run.folder, run.start)
        run.refresh()
        self.changed.emit(run.name)

    def _control(self, run: Run, word: str) -> None:
        try:
            with replacing(run.folder / "control") as fresh:
                fresh.write_text(word, encoding="utf-8")
        except OSError as error:
            self._tell(tr("The run cannot be reached ({reason}).", reason=error.strerror), tr("Free some space."))

    def _keep(self, folder: Path, start: Start) -> bool:
        try:
            write_start(folder, start)
        except OSError as error:
            sentence = tr("The folder {folder} cannot be written ({reason}).", folder=folder, reason=error.strerror)
            self._tell(sentence, tr("Free some space."))
            return False
        return True

    def _on_device_wanted(self) -> None:
        live = self.live()
        if live is not None:
            self.told.emit(
                Notice(
                    tr("The answer is waiting: “{title}” is using the device.", title=live.start.title),
                    tr(
                        "It will come when the run ends. "
                        "A run that is stopped now can be resumed later from where it stopped."
                    ),
                    actions=((later("Stop the run, and answer"), self.stop_live),),
                )
            )

    def _tell(self, message: str, hint: str) -> None:
        self.told.emit(Notice(message, hint))


def _is_copy(kept: Path, source: Path) -> bool:
    """Whether an adapter is already kept in its current state."""
    import filecmp

    names = ("adapter_config.json", "adapter_model.safetensors", "gist.json")
    return all(
        (kept / name).is_file() and filecmp.cmp(source / name, kept / name, shallow=False)
        for name in names
        if (source / name).is_file()
    )
