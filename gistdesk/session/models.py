"""Which models there are, whether they fit, and the memory bar's figures.

Knows models' figures; knows nothing of their insides or of widgets.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from gistdesk.adapters import adapters_folder, kept_adapters
from gistdesk.models import NAMED, STARTER, has_smollm2
from gistdesk.protocol import DescribeModel, Error, Event, ModelChoice, ModelInfo, ModelInfoDone
from gistdesk.session.calls import Calls
from gistdesk.session.downloads import DownloadState
from gistdesk.session.recommended import PROGRAM_BYTES, RECOMMENDED, Recommended
from gistdesk.settings import Settings

_MEMORY_MS = 1000
_MERGE_BYTES = 2 * 2**30
"""Up to this size the engine holds a second copy of the weights, with the adapter merged in."""
_CONTEXT_SLOTS = 4096
_RUN_BYTES, _RUN_TIMES = 2 * 2**30, 8
"""Upper bounds for a training run: its program and activations, and how many times the size of the base's weights."""
_TIGHT = 0.8


def model_choice(settings: Settings, name: str) -> ModelChoice:
    """A model, run as the settings say."""
    return ModelChoice(name, settings.device, settings.threads, settings.precision)


@dataclass(frozen=True)
class Memory:
    """Device memory in bytes, as drawn by the resource bar. `source` is "RAM" or "VRAM"."""

    total: int
    free: int
    model: int
    gist: int
    other: int
    reserve: int
    source: str


@dataclass(frozen=True)
class ModelRow:
    """A model that can be chosen.

    Attributes:
        name: as in the settings: "starter", "smollm2", a folder, a GGUF file, or a hub id.
        title: the name to show.
        n_parameters: None while unknown.
        file_bytes: size of its weights on disk; None while unknown.
        fit: "fits", "tight", "too large" or "unknown", by the memory free right now.
        needed_bytes: for the model, its working memory and a context of 4,096 slots; None while unknown.
        free_bytes: what is free on the device now, less the reserve.
        problem: why it cannot be used, as a sentence; or "".
        download: progress of a model that is not here yet; None for one that is.
        has_adapter: whether it can compress.
        precision: how its weights would be held: "nf4", "int8", "bf16" or "fp32"; "" while unknown.
        adapter_base: the base's name if the row is an adapter; or "".
        adapter_precision: the precision its adapter was trained on; "" if unknown.
        is_kept: an adapter kept among the program's own files, which can be removed.
    """

    name: str
    title: str
    n_parameters: int | None
    file_bytes: int | None
    fit: str
    needed_bytes: int | None
    free_bytes: int
    problem: str
    download: DownloadState | None
    has_adapter: bool
    precision: str = ""
    adapter_base: str = ""
    adapter_precision: str = ""
    is_kept: bool = False


class Models(QObject):
    """Signals: `changed` (a row), `memory_changed`."""

    changed = Signal()
    memory_changed = Signal()

    def __init__(
        self,
        calls: Calls,
        settings: Callable[[], Settings],
        downloads: Callable[[], Mapping[str, DownloadState]],
        parent: QObject | None = None,
    ) -> None:
        """`downloads` gives the models being downloaded."""
        super().__init__(parent)
        self._calls, self._settings, self._downloads = calls, settings, downloads
        self._info: dict[str, ModelInfo] = {}
        self._problems: dict[str, str] = {}
        self._asked: set[str] = set()
        self.loaded: ModelInfo | None = None
        self.context_slots = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_MEMORY_MS)
        self._timer.timeout.connect(self.memory_changed)
        self._timer.start()

    def info(self, name: str) -> ModelInfo | None:
        """Figures for a model; None while unknown, in which case they are requested."""
        if name not in self._info:
            self.describe(name)
        return self._info.get(name)

    def describe(self, name: str) -> None:
        if name not in self._asked:
            self._asked.add(name)
            request = DescribeModel(model_choice(self._settings(), name))
            self._calls.send(request, lambda event: self._on_described(request, event))

    def learn(self, info: ModelInfo | None) -> None:
        """Take note that the engine has loaded a model, or none any more."""
        self.loaded = info
        if info is not None:
            self._info[info.model] = info
            self._problems.pop(info.model, None)
        self.changed.emit()
        self.memory_changed.emit()

    def look_again(self, name: str) -> None:
        """A model's files have changed: forget its figures."""
        self._asked.discard(name)
        self._problems.pop(name, None)
        self.changed.emit()

    def forget(self) -> None:
        """Forget all figures, which depend on device and precision, so that they are asked for again."""
        self._asked.clear()
        self._info.clear()
        self._problems.clear()
        self.changed.emit()

    def rows(self) -> list[ModelRow]:
        """All models that can be chosen; figures for new ones arrive later, with `changed`."""
        kept = map(str, kept_adapters())
        own = NAMED if has_smollm2() else (STARTER,)
        names = dict.fromkeys((*own, *self._settings().models, *kept, *self._downloads()))
        return [self._row(name) for name in names]

    def _row(self, name: str) -> ModelRow:
        download = self._downloads().get(name)
        info, memory = self.info(name) if download is None else None, self.memory()
        title = "starter" if name == "starter" else Path(name).name if Path(name).is_absolute() else name
        free = _usable(memory)
        needed = needed_bytes(info) if info is not None else None
        fit = _fit(needed, free) if needed is not None else "unknown"
        return ModelRow(
            name,
            title,
            info.n_parameters if info else None,
            info.file_bytes if info else None,
            fit,
            needed,
            free,
            download.problem if download is not None else self._problems.get(name, ""),
            download,
            bool(info and info.has_adapter),
            info.precision if info else "",
            info.adapter_base if info else "",
            info.adapter_precision if info else "",
            Path(name).parent == adapters_folder(),
        )

    def recommended(self) -> list[tuple[Recommended, ModelRow]]:
        """Models worth downloading that are not here yet, each with how it would fit."""
        here, free = {row.name for row in self.rows()}, _usable(self.memory())
        found = []
        for each in RECOMMENDED:
            if each.hub_id not in here:
                needed, precision = each.needed(free)
                row = ModelRow(
                    *(each.hub_id, each.hub_id, each.n_parameters, each.download_bytes, _fit(needed, free), needed),
                    *(free, "", None, False, precision),
                )
                found.append((each, row))
        return found

    def _on_described(self, request: DescribeModel, event: Event) -> None:
        name, asked, now = request.choice.model, request.choice, self._settings()
        if (asked.device, asked.precision) != (now.device, now.precision):
            return  # requested before the settings changed; it is being requested again
        if isinstance(event, ModelInfoDone):
            self._info[name] = event.info
        elif isinstance(event, Error):
            self._problems[name] = event.message
        self.changed.emit()

    def has_room_for_a_run(self) -> bool:
        """Whether a training run fits beside the chosen model running on a CPU; False if unknown."""
        info = self.loaded or self._info.get(self._settings().model)
        if info is None or info.device != "cpu":
            return False
        return needed_bytes(info) + _RUN_BYTES + _RUN_TIMES * info.weight_bytes <= _usable(self.memory())

    # memory

    def memory(self) -> Memory:
        """Live figures: of the card if the loaded model, or else the chosen one, runs there."""
        info = self.loaded
        chosen = info or self._info.get(self._settings().model)
        figures = _card_bytes() if chosen is not None and chosen.device == "cuda" else None
        if figures is None:
            import psutil  # not needed to draw the window

            virtual = psutil.virtual_memory()
            total, free, source = int(virtual.total), int(virtual.available), "RAM"
        else:
            (total, free), source = figures, "VRAM"
        model = weights_in_memory(info) if info else 0
        gist = self.context_slots * info.kv_bytes_per_slot if info else 0
        used = total - free
        model, gist = min(model, used), min(gist, used)
        reserve = self._settings().memory_reserve_bytes
        return Memory(total, free, model, gist, max(0, used - model - gist), reserve, source)


def _usable(memory: Memory) -> int:
    """What a model may take: memory that is free or held by the loaded model, less the reserve."""
    return max(0, memory.free + memory.model + memory.gist - memory.reserve)


def _fit(needed: int, free: int) -> str:
    return "fits" if needed <= _TIGHT * free else "tight" if needed <= free else "too large"


def weights_in_memory(info: ModelInfo) -> int:
    """A small model with plain weights is held twice: for answers, and with the adapter merged in for compressing."""
    is_twice = info.has_adapter and info.weight_bytes <= _MERGE_BYTES and info.precision in ("bf16", "fp32")
    return info.weight_bytes * (2 if is_twice else 1)


def needed_bytes(info: ModelInfo, n_slots: int = _CONTEXT_SLOTS) -> int:
    """Memory for a running model: its weights, the program, and a context of `n_slots` slots."""
    return weights_in_memory(info) + PROGRAM_BYTES + n_slots * info.kv_bytes_per_slot


def _card_bytes() -> tuple[int, int] | None:
    """(total, free) bytes of the first card by NVML, counting all processes; None without NVML."""
    import pynvml

    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        found: Any = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0))
        return int(found.total), int(found.free)
    return None
