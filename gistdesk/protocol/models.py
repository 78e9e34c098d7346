"""Models and their adapters: load, look at, fetch, bring in and copy out. Knows nothing of documents."""

from dataclasses import dataclass

from gistdesk.protocol.messages import Event, Request, Words, message


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and how it is to run.

    Attributes:
        model: "starter", "smollm2", a folder, or a hub id that was downloaded.
        device: "auto", "cpu" or "cuda".
        threads: of the processor; 0: as many as torch likes.
        precision: of its weights: "auto", "nf4", "int8", "bf16" or "fp32"; what "auto" comes to depends on the adapter
            and the device alone.
    """

    model: str = "starter"
    device: str = "auto"
    threads: int = 0
    precision: str = "auto"


@dataclass(frozen=True)
class MeasuredRatio:
    """Answers from gists at a ratio: of `n` questions of a kind, as the benchmark calls it, `n_right` were right."""

    kind: str
    ratio: float
    n: int
    n_right: int


@dataclass(frozen=True)
class ModelInfo:
    """A model as it would run on this computer.

    Attributes:
        model: the name it was asked for by; `model_id` is what its gists say.
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
        adapter_base: name of the base where an adapter's own folder was asked for, else "".
        adapter_precision: what the adapter was trained on, "" where that is not known.
        measured: what is kept with the adapter of how well it works.
        trained_ratios: the lowest and the highest that the adapter was trained at; None where that is not known.
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
    """A model was loaded. Ends `load`; in the middle of a request that needed another model, it goes on."""

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
    """Give a model's figures without loading its weights; the threads do not matter."""

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
    """A model lies in `folder`, `n_bytes` of files; from now on it can be loaded by its hub id."""

    name = "download.done"
    hub_id: str
    folder: str
    n_bytes: int


@message
class Download(Request):
    """Fetch a model of the hub, going on where an earlier try stopped, and check what came. Uses the network."""

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
    """Delete what came of a model whose download was given up; one that is here whole stays."""

    name = "drop_download"
    done = DownloadDropped
    hub_id: str


@message
class ImportAdapterDone(Event):
    """An adapter lies in `folder`, by which it can be loaded."""

    name = "import_adapter.done"
    folder: str


@message
class ImportAdapter(Request):
    """Copy the adapter in the folder `path` to a new folder in `into`; its base is the one it names, or of `models`."""

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
