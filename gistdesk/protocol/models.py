"""Models and their adapters: load, inspect, fetch, import and export. Knows nothing of documents."""

from dataclasses import dataclass

from gistdesk.protocol.messages import Event, Request, Words, message


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and how to run it.

    Attributes:
        model: "starter", "smollm2", a folder, or a downloaded hub id.
        device: "auto", "cpu" or "cuda".
        threads: of the processor; 0: torch's default.
        precision: of its weights: "auto", "nf4", "int8", "bf16" or "fp32"; "auto" depends only on the adapter
            and the device.
    """

    model: str = "starter"
    device: str = "auto"
    threads: int = 0
    precision: str = "auto"


@dataclass(frozen=True)
class MeasuredRatio:
    """Answers from gists at a ratio: of `n` questions of a kind, in the benchmark's terms, `n_right` were right."""

    kind: str
    ratio: float
    n: int
    n_right: int


@dataclass(frozen=True)
class ModelInfo:
    """A model as it would run on this computer.

    Attributes:
        model: the name it was requested by; `model_id` is the one in its gists.
        family: the architecture, for example "llama".
        n_parameters: of the base model.
        file_bytes: of the base model's weights on disk.
        weight_bytes: of the base model's weights once loaded.
        kv_bytes_per_slot: memory of one gist slot, or of one token of text in front of a question.
        segment_tokens: the longest segment of the adapter, and so its highest ratio; 0 without an adapter.
        max_slots: most slots per segment; 0 without an adapter.
        max_positions: tokens that fit into its window.
        has_adapter: it can compress.
        adapter_fingerprint: "" without an adapter.
        device: "cpu" or "cuda"; `device_reason` is a sentence that says why.
        dtype: of KV, for example "bfloat16".
        precision: of weights: "nf4", "int8", "bf16" or "fp32".
        adapter_base: name of the base if an adapter's own folder was requested, else "".
        adapter_precision: what the adapter was trained on, "" if unknown.
        measured: the accuracies stored with the adapter.
        trained_ratios: the lowest and highest that the adapter was trained at; None if unknown.
    """

    model: str
    model_id: str
    family: str
    n_parameters: int
    file_bytes: int
    weight_bytes: int
    kv_bytes_per_slot: int
    segment_tokens: int
    max_slots: int
    max_positions: int
    has_adapter: bool
    model_fingerprint: str
    tokenizer_fingerprint: str
    adapter_fingerprint: str
    device: str
    device_reason: Words
    dtype: str
    precision: str
    adapter_base: str
    adapter_precision: str
    measured: tuple[MeasuredRatio, ...] = ()
    trained_ratios: tuple[float, float] | None = None


@message
class ModelLoadProgress(Event):
    """`phase` is "program" (libraries), then "weights"; `fraction` of the phase, 0 to 1."""

    name = "model_load.progress"
    phase: str
    fraction: float


@message
class ModelLoadDone(Event):
    """A model was loaded. Ends `load`; within a request that needed another model, that request continues."""

    name = "model_load.done"
    info: ModelInfo


@message
class Load(Request):
    """Load a model."""

    name = "load"
    done = ModelLoadDone
    choice: ModelChoice


@message
class ModelInfoDone(Event):
    """A model's figures, without loading it."""

    name = "model_info.done"
    info: ModelInfo


@message
class DescribeModel(Request):
    """Report a model's figures without loading its weights; the threads do not matter."""

    name = "model_info"
    done = ModelInfoDone
    choice: ModelChoice


@message
class DownloadProgress(Event):
    """`file` is the one being fetched or checked; bytes are those of all files together."""

    name = "download.progress"
    file: str
    done_bytes: int
    total_bytes: int


@message
class DownloadDone(Event):
    """A model is in `folder`, `n_bytes` of files; from now on it can be loaded by its hub id."""

    name = "download.done"
    hub_id: str
    folder: str
    n_bytes: int


@message
class Download(Request):
    """Fetch a model from the hub, resuming an earlier attempt, and check the result. Uses the network."""

    name = "download"
    done = DownloadDone
    hub_id: str


@message
class DownloadDropped(Event):
    """Nothing of an unfinished download is left."""

    name = "drop_download.done"
    hub_id: str


@message
class DropDownload(Request):
    """Delete what an abandoned download left; a complete model stays."""

    name = "drop_download"
    done = DownloadDropped
    hub_id: str


@message
class ImportAdapterDone(Event):
    """An adapter is in `folder`, by which it can be loaded."""

    name = "import_adapter.done"
    folder: str


@message
class ImportAdapter(Request):
    """Copy the adapter in the folder `path` to a new folder in `into`; its base is the one it names, or in `models`."""

    name = "import_adapter"
    done = ImportAdapterDone
    path: str
    into: str
    models: tuple[str, ...] = ()


@message
class ExportAdapterDone(Event):
    """A model's adapter was copied to `target`."""

    name = "export_adapter.done"
    target: str


@message
class ExportAdapter(Request):
    """Copy a model's adapter to the new folder `target`."""

    name = "export_adapter"
    done = ExportAdapterDone
    model: str
    target: str
