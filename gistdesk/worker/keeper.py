"""The one model that stays loaded between requests, with its last context, and figures for any model.

Imports torch only when the first model is needed. Knows nothing of documents or questions.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gistdesk.core.errors import UserError
from gistdesk.protocol import ModelChoice, ModelInfo, ModelInfoDone, ModelLoadDone, ModelLoadProgress
from gistdesk.worker.failures import release_memory
from gistdesk.worker.network import use_network
from gistdesk.worker.pulse import Pulse

if TYPE_CHECKING:
    from gistdesk.core.answer import Context
    from gistdesk.core.load import ModelFolders
    from gistdesk.core.model import GistModel, TextTokenizer
    from gistdesk.core.passages import PassageIndex
    from gistdesk.core.recitation import Recited


@dataclass(frozen=True)
class Front:
    """A context and what it was made from.

    Attributes:
        n_tokens: of the documents it stands for.
        n_slots: gist slots that are read, or were to recite the documents.
        is_recited: it holds what gists recite, or passages of that.
    """

    context: "Context"
    n_tokens: int
    n_slots: int
    is_recited: bool = False


@dataclass
class Loaded:
    """A loaded model.

    Attributes:
        key: what it was loaded from and onto; a different key is a different model.
        front: what was last put in front of it, None at first; `front_key` identifies its sources.
        passages: of the kept texts last searched, None at first; `passages_key` identifies these.
        recited: what the gists last asked recite, None at first and if they recite nothing; `recited_key` identifies
            these gists.
    """

    key: tuple[Any, ...]
    model: "GistModel"
    info: ModelInfo
    front: Front | None = None
    front_key: tuple[Any, ...] = ()
    passages: "PassageIndex | None" = None
    passages_key: tuple[Any, ...] = ()
    recited: "Recited | None" = None
    recited_key: tuple[Any, ...] = ()


class Keeper:
    """Loads a model when a request names a different one from the last, and keeps it."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._loaded: Loaded | None = None
        self._n_default_threads = 0
        self._tokenizers: dict[str, TextTokenizer | None] = {}

    @property
    def model(self) -> "GistModel | None":
        return self._loaded.model if self._loaded else None

    def tokenizer(self, name: str | None) -> "GistModel | TextTokenizer | None":
        """Counts tokens as a model does, the loaded one if none is named; None if unavailable."""
        if name is None or (self._loaded and self._loaded.info.model == name):
            return self.model
        if name not in self._tokenizers:
            self._import()
            from gistdesk.core.load import load_tokenizer

            self._tokenizers[name] = None
            with suppress(UserError):  # it will be reported when the model itself is needed
                self._tokenizers[name] = load_tokenizer(name)
        return self._tokenizers[name]

    def forget_context(self) -> None:
        """Free the memory of the last context."""
        if self._loaded:
            self._loaded.front, self._loaded.front_key = None, ()
            if self._loaded.recited:
                self._loaded.recited.forget_whole()

    def load(self, choice: ModelChoice, *, is_all: bool = False) -> Loaded:
        """The model, loaded now if another one is loaded, or if its files have changed.

        Args:
            is_all: nothing else was requested, so the caller reports to the window that it is done.

        Raises:
            UserError: see `gistdesk.core.load.load_model`.
        """
        self._import()
        import torch

        from gistdesk.core.load import choose_device, choose_precision, find_model, path_of
        from gistdesk.core.prepared import prepare

        name = choice.model
        torch.set_num_threads(choice.threads if choice.threads > 0 else self._n_default_threads)
        for share in prepare(path_of(name)):
            self._pulse(ModelLoadProgress("preparing", share))
        folders, (device, reason) = find_model(name), choose_device(choice.device)
        precision = choose_precision(choice.precision, device, folders)
        key = (name, device, precision, folders, *_stamps(folders))
        if self._loaded is None or self._loaded.key != key:
            self._loaded, self._pulse.device = None, ""
            release_memory()
            self._loaded = self._load(name, device, precision, reason, folders, key)
            if not is_all:
                self._pulse(ModelLoadDone(self._loaded.info))
        return self._loaded

    def _load(
        self, name: str, device: str, precision: str, reason: str, folders: "ModelFolders", key: tuple[Any, ...]
    ) -> Loaded:
        from gistdesk.core.load import load_from
        from gistdesk.worker.model_figures import model_info

        model = load_from(folders, device, precision, lambda share: self._pulse(ModelLoadProgress("weights", share)))
        self._pulse.device = device
        return Loaded(key, model, model_info(name, folders, device, reason, precision, model.identity))

    def describe(self, choice: ModelChoice) -> ModelInfoDone:
        """A model's figures from its files alone.

        Raises:
            UserError: it is missing, or cannot be used.
        """
        self._import()
        from gistdesk.core.load import choose_device, find_model
        from gistdesk.worker.model_figures import model_info

        folders, device = find_model(choice.model), choose_device(choice.device)
        return ModelInfoDone(model_info(choice.model, folders, *device, choice.precision))

    def _import(self) -> None:
        """Import the libraries, which takes longer than loading a small model, and report progress."""
        if self._n_default_threads:
            return
        use_network(False)
        self._pulse(ModelLoadProgress("program", 0.0))
        import torch

        self._pulse(ModelLoadProgress("program", 0.4))
        import gistdesk.core.load  # noqa: F401  (includes transformers)

        self._pulse(ModelLoadProgress("program", 1.0))
        self._n_default_threads = torch.get_num_threads()


def _stamps(folders: "ModelFolders") -> Iterator[tuple[str, int, int]]:
    """Name, size and time of a model's files: the same folder may contain another adapter tomorrow."""
    for folder in filter(None, (folders.base, folders.adapter)):
        for path in sorted(folder.iterdir()):
            status = path.stat()
            yield path.name, status.st_size, status.st_mtime_ns
