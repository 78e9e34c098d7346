"""What the widgets talk to: the library, the engine processes and the settings as one object with signals.

Widgets call its methods and listen to its signals; they never see the engine's protocol. Every method returns at once.
Knows nothing of widgets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.adapters import adapters_folder, remove_adapter, rename_adapter
from gistdesk.core.errors import UserError
from gistdesk.language.i18n import later, tr
from gistdesk.library import Entry, Library
from gistdesk.models import NAMED
from gistdesk.protocol import (
    Error,
    Event,
    ExportAdapter,
    ExportAdapterDone,
    ImportAdapter,
    ImportAdapterDone,
    Load,
    ModelInfo,
    ModelLoadDone,
    ModelLoadProgress,
)
from gistdesk.session.abilities import Ability, ability
from gistdesk.session.answers import Answers
from gistdesk.session.calls import Calls
from gistdesk.session.chats import Chats
from gistdesk.session.cuda import CudaSetUp
from gistdesk.session.documents import Documents
from gistdesk.session.downloads import Downloads
from gistdesk.session.engine import Engine
from gistdesk.session.estimates import Estimates
from gistdesk.session.file_jobs import FileJobs
from gistdesk.session.found_models import FoundModels
from gistdesk.session.models import Memory, ModelRow, Models, model_choice
from gistdesk.session.notices import Notice
from gistdesk.session.queue import Queue
from gistdesk.session.recall_checks import RecallChecks
from gistdesk.session.recommended import Recommended
from gistdesk.session.server import LocalServer
from gistdesk.session.upkeep import Upkeep
from gistdesk.settings import Settings, write_settings

__all__ = ["Desk", "EngineState", "Memory", "ModelRow"]

_READER_IDLE_S = 60


@dataclass(frozen=True)
class EngineState:
    """The engine as the window shows it.

    Attributes:
        state: "off", "starting", "loading", "ready", "busy", "stopping" or "failed".
        fraction: how much of the model is loaded, 0 to 1; None when nothing is being loaded.
        device: "cpu" or "cuda"; "" until a model has been loaded.
        reason: why that device was chosen, as a sentence.
        model: name of the loaded model; "" when none is.
    """

    state: str = "off"
    fraction: float | None = None
    device: str = ""
    reason: str = ""
    model: str = ""


class Desk(QObject):
    """One open library with everything that works on it.

    Signals: `engine_changed`, `memory_changed`, `settings_changed`, `models_changed`: the attribute or method of that
    name has something new; `notice`, a `Notice` to show; `device_wanted`: an answer is waiting for a run;
    `model_arrived`: a download is done.

    Attributes:
        library: rows, texts and chats, for widgets to read from; only the session changes it.
        settings: the current ones; change them with `change_settings`.
        documents: the library's documents; widgets talk to it directly.
        chats: chats and their answers; widgets talk to it directly.
        cuda: sets up CUDA; widgets talk to it directly.
        estimates: what compressing would cost, and which ratio to start from.
        found_models: models other programs have put on this computer; widgets talk to it directly.
        server: the local server for other programs on this computer; it follows the settings.
        upkeep: the library on disk; widgets talk to it directly.
        recall_checks: measures what gists kept; widgets talk to it directly.
        engine_state: state of the main engine process.
        forecast_bytes: memory the pending action will need, hatched in the memory bar.
        file_jobs: long-running file work, in a thread.
        queue_paused: nothing is compressed until the queue is resumed.
        device_holder: title of the run that has the device, or "".
        works_beside: the engine does not wait for that run: on a CPU there is room for both.
    """

    engine_changed = Signal()
    memory_changed = Signal()
    settings_changed = Signal()
    models_changed = Signal()
    notice = Signal(object)
    device_wanted = Signal()
    model_arrived = Signal(str)

    def __init__(
        self, library: Library, settings: Settings, settings_path: Path, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.library, self.settings, self._settings_path = library, settings, settings_path
        self.engine_state, self.forecast_bytes = EngineState(), 0
        self.device_holder = ""
        self._is_closing = self.queue_paused = self.works_beside = False
        self.file_jobs = FileJobs(self)
        self._extra: list[Engine] = []
        self._engine = Engine(self, idle_unload_s=settings.idle_unload_s)
        self._calls = Calls(self._engine, self)
        self._reader = Calls(Engine(self, idle_unload_s=_READER_IDLE_S), self)
        self._downloads = Downloads(self._new_calls, settings.downloads, self)
        self._models = Models(self._reader, self._current_settings, lambda: self._downloads.states, self)
        self.estimates = Estimates(library, self._info_of, self._current_settings)
        self._queue = Queue(library, self._calls, self._current_settings, self._models.info, self)
        self.recall_checks = RecallChecks(library, self._calls, self._current_settings, self)
        self._answers = Answers(library, self._calls, self._current_settings, self._models.info, self)
        self.chats = Chats(library, self._answers, self._revive, self._waits_for_run, self)
        self.upkeep = Upkeep(library, self.file_jobs, self)
        self.documents = Documents(
            *(
                library,
                self._queue,
                self._reader,
                self._new_calls(),
                self.file_jobs,
                self.estimates,
                self._current_settings,
            ),
            *(self._revive, self),
        )
        self.cuda, self.found_models = CudaSetUp(self), FoundModels(self)
        self.server = LocalServer(self._calls, self._current_settings, settings_path.parent, self)
        self._connect()
        library.queue.recover()
        QTimer.singleShot(0, self._on_started)

    def _connect(self) -> None:
        self._engine.state_changed.connect(self._on_engine_state)
        self._engine.crashed.connect(self._on_crash)
        self._engine.event.connect(self._on_engine_event)
        self.documents.notice.connect(self.notice)
        self.upkeep.changed.connect(self.documents.changed)
        self._queue.entry_changed.connect(self._share_with_checks)
        self._queue.compressed.connect(self.recall_checks.start_short)
        self.recall_checks.kept.connect(self.documents.changed)
        self._answers.busy_changed.connect(self._share_engine)
        self.chats.device_wanted.connect(self.device_wanted)
        self._models.changed.connect(self._on_models)
        self._models.memory_changed.connect(self.memory_changed)
        self._downloads.changed.connect(self._models.changed)
        self._downloads.begun_changed.connect(self._on_downloads_begun)
        self._downloads.arrived.connect(self._on_downloaded)
        self._downloads.failed.connect(self._on_download_failed)
        self.cuda.used_changed.connect(self._on_cuda_changed)
        self.server.busy_changed.connect(self._share_engine)

    def _current_settings(self) -> Settings:
        return self.settings

    def _on_started(self) -> None:
        self._models.describe(self.settings.model)
        self.documents.index()
        self.documents.look_at_sources()
        self._queue.wake()
        self.server.follow_settings()

    # the computer

    @property
    def memory(self) -> Memory:
        return self._models.memory()

    def forecast(self, n_bytes: int) -> None:
        """Set the memory a pending action will need; 0 when it is no longer pending."""
        self.forecast_bytes = n_bytes
        self.memory_changed.emit()

    def pause_queue(self, paused: bool) -> None:
        """Stop or resume compressing; what was compressed is kept."""
        self.queue_paused = paused
        self._share_engine()
        self.documents.changed.emit()

    @property
    def ability(self) -> Ability | None:
        """What the chosen model can be asked; None while that is not known."""
        info = self.model_info()
        return ability(self.settings.model, info.n_parameters if info is not None else None)

    # models and settings

    def load_model(self, name: str, *, recompress: bool = False) -> None:
        """Load a model and use it from now on. `recompress`: also for documents compressed with other models."""
        self._revive()
        before, others = self.settings.model, self.documents.made_with_others(name)
        if name != before:
            self.change_settings(model=name)
        if recompress:
            self.documents.recompress([entry.id for entry in others])
        elif name != before and others:
            self._tell_of_others(others, before)
        self._calls.send(Load(model_choice(self.settings, name)), self._on_loaded)

    def _tell_of_others(self, others: Sequence[Entry], before: str) -> None:
        """Documents stay as they are when another model is chosen; offer what can be done about them."""
        self.notice.emit(
            Notice(
                tr("Documents compressed with another model: {n}", n=len(others)),
                later("They stay as they are, and each is asked with the model that it was compressed with."),
                actions=(
                    (later("Recompress all"), partial(self.documents.recompress, [entry.id for entry in others])),
                    (later("Switch back"), partial(self.load_model, before)),
                ),
            )
        )

    def unload(self) -> None:
        """Free the memory by ending the engine process."""
        self._engine.unload()

    def _revive(self) -> None:
        """A new request restarts even an engine that has crashed too often."""
        for engine in (self._engine, self._reader.engine):
            if engine.state == "failed":
                engine.unload()

    def lend_device(self, holder: str, *, beside: bool = False) -> bool:
        """Lend a run the device, with the engine ended and its requests waiting; "" takes it back.

        Args:
            beside: the engine may keep running, if it is on a CPU and memory has room for both.

        Returns False while the engine has work or another run has the device: ask again.
        """
        if holder and self.device_holder not in ("", holder):
            return False
        if holder == self.device_holder:
            return True
        is_shared = bool(holder) and beside and self._models.has_room_for_a_run()
        if holder and not is_shared and (self._answers.busy or self.server.busy or self._queue.busy):
            return False
        self.device_holder, self.works_beside = holder, is_shared
        self._engine.hold(bool(holder) and not is_shared)
        self._share_engine()
        self.engine_changed.emit()
        return True

    def _share_engine(self) -> None:
        """Compressing waits for answers, for a run that has the device to itself, and after the engine has given up."""
        waits = self._answers.busy or self.server.busy or self._waits_for_run() or self.engine_state.state == "failed"
        self._queue.pause(waits or self.queue_paused or self._is_closing)
        self._share_with_checks()

    def _share_with_checks(self) -> None:
        """Recall checks have the lowest priority."""
        waits = (
            self._answers.busy or self.server.busy or bool(self.device_holder) or self.engine_state.state == "failed"
        )
        self.recall_checks.pause(waits or self._queue.busy or self._is_closing)

    def models(self) -> list[ModelRow]:
        return self._models.rows()

    def recommended_models(self) -> list[tuple[Recommended, ModelRow]]:
        """Models worth downloading that are not here yet, each with how it would fit this computer."""
        return self._models.recommended()

    def model_info(self) -> ModelInfo | None:
        """Figures for the chosen model; None while unknown."""
        return self._models.info(self.settings.model)

    def _info_of(self, name: str) -> ModelInfo | None:
        return self.model_info() if name == self.settings.model else self._models.info(name)

    def change_settings(self, **changes: object) -> None:
        """Save changed settings and notify listeners."""
        before = self.settings
        self._write_settings(changes)
        self._engine.set_idle_unload(self.settings.idle_unload_s)
        if (before.device, before.precision) != (self.settings.device, self.settings.precision):
            self._models.forget()
        self.server.follow_settings()
        self.settings_changed.emit()

    def keep_shape(self, window: str, columns: tuple[str, ...]) -> None:
        """Save the window's geometry as it closes; nobody needs to be notified."""
        self._write_settings({"window": window, "columns": columns})

    def _write_settings(self, changes: Mapping[str, object]) -> None:
        self.settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        try:
            write_settings(self._settings_path, self.settings)
        except UserError as error:
            self.notice.emit(Notice(error.message, error.hint))

    def import_adapter(self, path: Path) -> None:
        """Keep a copy of an adapter's folder if its base is among the models; `notice` reports the outcome."""
        models = ("starter", *self.settings.models)
        request = ImportAdapter(path=str(path), into=str(adapters_folder()), models=models)
        self._reader.send(request, self._on_adapter)

    def export_adapter(self, model: str, target: Path) -> None:
        """Copy a model's adapter to a new folder; `notice` reports the outcome."""
        self._reader.send(ExportAdapter(model=model, target=str(target)), self._on_adapter)

    def rename_adapter(self, name: str, title: str) -> None:
        """Rename an adapter that is kept here; documents compressed with it follow."""
        if self._queue.busy or self._answers.busy or self.device_holder:
            self.notice.emit(
                Notice(later("Something else is running."), later("Rename the adapter once it has finished."))
            )
            return
        try:
            new = str(rename_adapter(Path(name), title))
        except UserError as error:
            self.notice.emit(Notice(error.message, error.hint))
            return
        self._engine.unload()  # it knows the model by its old name
        self.documents.move_model(name, new)
        settings = self.settings
        self.change_settings(
            models=tuple(new if model == name else model for model in settings.models),
            model=new if settings.model == name else settings.model,
        )
        self.models_changed.emit()

    def remove_adapter(self, name: str) -> None:
        """Permanently delete an adapter that is kept here."""
        try:
            remove_adapter(Path(name))
        except UserError as error:
            self.notice.emit(Notice(error.message, error.hint))
        if name in self.settings.models:
            self.change_settings(models=tuple(model for model in self.settings.models if model != name))
        self.models_changed.emit()

    def download(self, hub_id: str) -> None:
        """Start or resume downloading a model; see `Downloads`."""
        self._downloads.start(hub_id)

    def pause_download(self, hub_id: str) -> None:
        self._downloads.pause(hub_id)

    def give_up_download(self, hub_id: str) -> None:
        self._downloads.give_up(hub_id)

    def idle(self) -> bool:
        """Whether quitting now would interrupt nothing."""
        return not (
            self._queue.busy or self._answers.busy or self._downloads.busy or self.cuda.busy or self.file_jobs.jobs
        )

    def close(self) -> None:
        """Stop all work, keeping what is done, and end every process."""
        self._is_closing = True
        self._queue.pause(True)
        self.recall_checks.pause(True)
        self.file_jobs.close()
        self.cuda.close()
        self.found_models.close()
        self.server.close()
        for engine in (self._engine, self._reader.engine, *self._extra):
            engine.close()
        self.library.close()

    # event handlers

    def _new_calls(self) -> Calls:
        self._extra.append(Engine(self, idle_unload_s=_READER_IDLE_S))
        return Calls(self._extra[-1], self)

    def _on_cuda_changed(self) -> None:
        """End idle processes; the next ones use the new PyTorch, and maybe another device."""
        if not (self._queue.busy or self._answers.busy):
            self._engine.unload()
        if not self._reader.n_waiting:
            self._reader.engine.unload()
        self._models.forget()

    def _waits_for_run(self) -> bool:
        return bool(self.device_holder) and not self.works_beside

    def tell(self, notice: Notice) -> None:
        """Show a notice in the window's banner."""
        self.notice.emit(notice)

    def _on_adapter(self, event: Event) -> None:
        if isinstance(event, Error):
            self.notice.emit(Notice(event.message, event.hint, event.details or ""))
        elif isinstance(event, ImportAdapterDone):
            self.notice.emit(Notice(tr("The adapter “{name}” can be used now.", name=Path(event.folder).name)))
            self.models_changed.emit()
        elif isinstance(event, ExportAdapterDone):
            self.notice.emit(Notice(tr("Exported to {path}.", path=event.target)))

    def _on_loaded(self, event: Event) -> None:
        if isinstance(event, Error):
            self.notice.emit(Notice(event.message, event.hint, event.details or ""))

    def _on_engine_event(self, _request_id: int, event: Event) -> None:
        """Whatever the request was, a newly loaded model has to reach the device chip."""
        if isinstance(event, ModelLoadProgress):
            self._show_engine(replace(self.engine_state, state="loading", fraction=event.fraction))
        elif isinstance(event, ModelLoadDone):
            info = event.info
            self._models.learn(info)
            self._show_engine(EngineState("ready", None, info.device, info.device_reason, info.model))
            self.documents.mark_outdated(info)

    def _on_engine_state(self, state: str) -> None:
        is_change = (state == "failed") != (self.engine_state.state == "failed")
        if state in ("off", "failed"):
            self._models.learn(None)
            self._show_engine(EngineState(state))
        else:
            self._show_engine(replace(self.engine_state, state=state, fraction=None))
        if is_change:
            self._share_engine()

    def _show_engine(self, state: EngineState) -> None:
        if state != self.engine_state:
            self.engine_state = state
            self.engine_changed.emit()

    def _on_crash(self, details: str) -> None:
        notice = Notice("The engine stopped unexpectedly.", "Nothing is lost. It is restarting.", details)
        if self._engine.state == "failed":
            message = "The engine has crashed several times and will not be restarted."
            notice = Notice(message, "Nothing is lost. Trying again starts it.", details)
        self.notice.emit(notice)

    def _on_models(self) -> None:
        if self._is_closing:
            return
        info = self._models.info(self.settings.model) if self.settings.model == "starter" else None
        if info is not None:
            self.documents.mark_outdated(info)
        self.models_changed.emit()

    def _on_downloads_begun(self, names: tuple[str, ...]) -> None:
        self.change_settings(downloads=names)

    def _on_downloaded(self, hub_id: str) -> None:
        if hub_id not in (*NAMED, *self.settings.models):
            self.change_settings(models=(*self.settings.models, hub_id))
        self._models.look_again(hub_id)
        self.model_arrived.emit(hub_id)

    def _on_download_failed(self, message: str, hint: str, details: str) -> None:
        self.notice.emit(Notice(message, hint, details))
