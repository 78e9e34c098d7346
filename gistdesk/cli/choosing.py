"""Which model a command uses if none was named: for a document by its language, for a gist the one that made it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from gistdesk.adapters import kept_adapters
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import adapter_fingerprint, model_fingerprint, of_files
from gistdesk.core.gist_file import GistRecord
from gistdesk.core.load import choose_device, find_model, is_hub_id, load_model, plain_precision
from gistdesk.core.model import GistModel, ModelIdentity
from gistdesk.models import NAMED, default_model, has_smollm2


class DocumentModels:
    """The model for each of several documents; the last one stays loaded."""

    def __init__(self, wanted: str | None, *, device: str, precision: str) -> None:
        """`wanted`: for all of them; None: by the language of each."""
        self._wanted, self._device, self._precision = wanted, device, precision
        self._name = ""
        self._model: GistModel | None = None

    @property
    def same_for_all(self) -> bool:
        """Whether the model is the same whatever the documents' languages are."""
        return self._wanted is not None or not has_smollm2()

    def of(self, text: str) -> GistModel:
        """Raises UserError: see `load_model`."""
        name = self._wanted or default_model(text)
        if self._model is None or name != self._name:
            self._model = None  # freed before the next one is loaded
            self._model = load_model(name, device=self._device, precision=self._precision, need_adapter=False)
            self._name = name
        return self._model


def load_model_of(
    record: GistRecord, model: str | None, device: str, precision: str, known: Sequence[str]
) -> GistModel:
    """The named model, or the one that made the gist; with "auto" at the precision it had then."""
    if precision == "auto":
        precision = precision_of_gist(record.identity, device)
    name = model or model_of_gist(record.identity, known)
    return load_model(name, device=device, precision=precision, need_adapter=False)


def precision_of_gist(identity: ModelIdentity, device: str) -> str:
    """That of the model's weights when it made the gist."""
    return of_files(identity.model_fingerprint)[1] or plain_precision(choose_device(device)[0])


def model_of_gist(identity: ModelIdentity, known: Sequence[str]) -> str:
    """The model on this computer that made a gist, by its name.

    Args:
        known: names of models that were added here, besides the named ones and kept adapters.

    Raises:
        UserError: it is not here. The sentence names it.
    """
    base_alone = ""
    for name in dict.fromkeys(_candidates(identity.model_id, known)):
        with suppress(UserError, OSError, ValueError):
            found = find_model(name)
            if model_fingerprint(found.base) != of_files(identity.model_fingerprint)[0]:
                continue
            adapter = adapter_fingerprint(found.adapter) if found.adapter else ""
            if identity.adapter_fingerprint in ("", adapter):
                return name
            base_alone = base_alone or name
    if base_alone:  # checking the gist against it reports what is missing
        return base_alone
    raise UserError(
        'The gist was made by the model "{model}", which is not on this computer.',
        "Fetch it with gistdesk models fetch, or name its folder with --model.",
        model=identity.model_id,
    )


def _candidates(model_id: str, known: Sequence[str]) -> Iterator[str]:
    """Names that a gist's model may have here. The gist's own name for it is not a path: it may come from anywhere."""
    if model_id in NAMED or is_hub_id(model_id):
        yield model_id
    yield from NAMED
    yield from known
    yield from map(str, kept_adapters())
