"""What compressing would cost, from the model's figures and from earlier measurements here; nothing is run.

Knows the library's rows and models' figures; knows nothing of engines and widgets.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gistdesk.core.methods import (
    LEAST_SLOTS,
    WORKING_BYTES,
    chosen_method,
    starting_method,
    usual_ratio,
    within_trained,
)
from gistdesk.library import Library
from gistdesk.models import SMOLLM2, shipped_adapter
from gistdesk.protocol import ModelInfo
from gistdesk.session.models import needed_bytes
from gistdesk.settings import Settings

_GIST_OVERHEAD_BYTES = 8192
_NEARLY = 1.1
"""Ratios no further apart than this count as equal: segments have whole slots."""
OWN = "own"
"""Kind of rows measured in this library: facts from documents, asked back from their gists."""
_TRAINED_WEIGHT_BYTES = 2**30
"""For larger models nobody has measured what training on a document takes."""


@dataclass(frozen=True)
class Prediction:
    """What compressing would yield and cost. Seconds are None until something has been measured on this computer."""

    n_slots: int
    file_bytes: int
    memory_bytes: int
    seconds: float | None


@dataclass(frozen=True)
class MeasuredRecall:
    """Of `n` questions of a kind, in the benchmark's terms or `OWN`, `n_right` were answered right from gists."""

    kind: str
    n: int
    n_right: int


class Estimates:
    """Estimates for the chosen model, or for one given by name."""

    def __init__(
        self, library: Library, info: Callable[[str], ModelInfo | None], settings: Callable[[], Settings]
    ) -> None:
        """`info` gives what is known about a model, by its name."""
        self._library, self._info, self._settings = library, info, settings

    @property
    def ratio(self) -> float:
        """Tokens per slot to start from: the settings' ratio if the adapter was trained at it, else the nearest one.

        Without an adapter, no more than still keeps facts.
        """
        settings = self._settings()
        model = settings.model
        info = self._info(model)
        # SmolLM2's figures are known before the engine has looked at it
        bare = not info.has_adapter if info is not None else model == SMOLLM2 and shipped_adapter(model) is None
        if bare:
            return min(settings.ratio, usual_ratio("matched"))
        return within_trained(settings.ratio, info.trained_ratios if info else None)

    def predict(
        self, n_tokens: int, ratio: float, n_files: int = 1, *, method: str = "auto", model: str = ""
    ) -> Prediction:
        """What compressing documents of `n_tokens` in all would cost with a method.

        Args:
            method: see `gistdesk.core.methods`; "auto" is the model's usual one.
            model: its name; "" is the chosen one.
        """
        model = model or self._settings().model
        info = self._info(model)
        n_slots = max(LEAST_SLOTS * n_files, round(n_tokens / ratio))
        per_slot = info.kv_bytes_per_slot if info else 0
        way = _way(method, info)
        is_known = info is not None and (way != "refined" or info.weight_bytes <= _TRAINED_WEIGHT_BYTES)
        memory = needed_bytes(info, n_slots) + WORKING_BYTES[way] if info and is_known else 0
        speed = self._measured_speed(model, way)
        seconds = n_tokens / speed if speed else None
        stored = per_slot // 2 if info and info.dtype == "float32" else per_slot  # files hold those as float16
        stored = stored * self._settings().kv_bits // 16
        return Prediction(n_slots, n_slots * stored + n_files * _GIST_OVERHEAD_BYTES, memory, seconds)

    def measured_at(self, ratio: float, *, method: str = "auto", model: str = "") -> list[MeasuredRecall]:
        """What was measured on a model's gists made with a method at about this ratio; arguments as in `predict`.

        Includes both what is stored with the adapter and what this library has measured.
        """
        info = self._info(model or self._settings().model)
        if info is None:
            return []
        method = _way(method, info)
        by_adapter = starting_method(method, info.has_adapter) == "adapter"
        adapter = info.adapter_fingerprint if by_adapter else ""
        own = self._library.recalls.by_ratio(info.model_fingerprint, adapter, method)
        kept = info.measured if method == "adapter" else ()
        found: dict[str, list[int]] = {}
        stored = [(row.kind, row.ratio, row.n, row.n_right) for row in kept]
        for kind, at, n, n_right in (*stored, *((OWN, *each) for each in own)):
            if ratio / _NEARLY < at < ratio * _NEARLY:
                counts = found.setdefault(kind, [0, 0])
                counts[0] += n
                counts[1] += n_right
        return [MeasuredRecall(kind, n, n_right) for kind, (n, n_right) in found.items()]

    def _measured_speed(self, model: str, method: str) -> float | None:
        """Tokens per second of the newest gist this model made here with this method."""
        gists = [e.gist for e in self._library.entries.all() if e.gist is not None and e.gist_model == model]
        same = [gist for gist in gists if gist.method == method]
        speeds = [(gist.created, gist.tokens_per_second) for gist in same if gist.tokens_per_second]
        return max(speeds)[1] if speeds else None


def _way(method: str, info: ModelInfo | None) -> str:
    """The method a gist is made with, even if nobody chose one; "auto" while nothing is known about the model."""
    return chosen_method(method, has_adapter=info.has_adapter) if info is not None else method
