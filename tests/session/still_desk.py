"""The real desk on a real library, with no engine behind it: nothing moves unless a test moves it.

For widgets: entries in every state, figures of a computer that is always the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gistdesk.library import Entry, GistFigures, Library, Problem, TextFigures
from gistdesk.protocol import ModelInfo
from gistdesk.session.desk import Desk, EngineState, Memory, ModelRow
from gistdesk.session.downloads import DownloadState
from gistdesk.session.dropped import Measured
from gistdesk.session.estimates import Estimates, Prediction
from gistdesk.session.found_models import FoundModels
from gistdesk.session.recommended import RECOMMENDED, Recommended
from gistdesk.settings import Settings

GB = 2**30
STARTER = ModelRow("starter", "starter", 7_900_000, 31_700_000, "fits", 480 * 2**20, 9 * GB, "", None, True)
LARGE = ModelRow(
    "acme/Llama-3.1-8B", "acme/Llama-3.1-8B", 8 * 10**9, 16 * GB, "too large", 18 * GB, 9 * GB, "", None, True
)
DOWNLOADING = ModelRow(
    "acme/Qwen3-1.7B", "acme/Qwen3-1.7B", None, None, "unknown", None, 9 * GB, "", DownloadState(0.42), False
)
ADAPTER = ModelRow(
    "/data/adapters/contracts", "contracts", 8 * 10**9, 16 * GB, "fits", 6 * GB, 9 * GB, "", None, True,
    "nf4", "Llama-3.1-8B", "nf4", True,
)  # fmt: skip
OFFERS = [
    (
        each,
        ModelRow(
            *(each.hub_id, each.hub_id, each.n_parameters, each.download_bytes, fit, each.download_bytes),
            *(9 * GB, "", None, False, "bf16"),
        ),
    )
    for each, fit in zip(RECOMMENDED, ["fits", "fits", "fits", "tight", "too large", "too large"], strict=True)
]
TIGHT = ModelRow("/models/Mistral-7B", "Mistral-7B", 7 * 10**9, 8 * GB, "tight", 8.6 * GB, 9 * GB, "", None, False)


class StillFound(FoundModels):
    """Nobody looks."""

    def look(self) -> None:
        self.changed.emit()


class StillEstimates(Estimates):
    """The same on every computer."""

    def predict(
        self, n_tokens: int, ratio: float, n_files: int = 1, *, method: str = "auto", model: str = ""
    ) -> Prediction:
        n_slots, speed = max(n_files, round(n_tokens / ratio)), 2400 if method in ("auto", "adapter") else 300
        return Prediction(n_slots, n_slots * 12_288, 600 * 2**20 + n_slots * 12_288, n_tokens / speed)


class StillDesk(Desk):
    """Attributes: asked, what methods were called with, as (name, arguments); n_looks, how often at source files."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        super().__init__(Library(folder / "library"), settings or Settings(first_run=False), folder / "settings.toml")
        self._queue.pause(True)
        self.found_models = StillFound(self)
        self.estimates = StillEstimates(self.library, self._info_of, self._current_settings)
        self.offers: list[tuple[Recommended, ModelRow]] = []
        self.asked: list[tuple[str, object]] = []
        self.rows = [STARTER]
        self.working = False
        self.etas: dict[int, float] = {}
        self.documents.eta_s = self.etas.get  # type: ignore[method-assign]
        self.n_looks = 0
        self.documents.look_at_sources = self._count_look  # type: ignore[method-assign]
        self.documents.measure = self._measure  # type: ignore[method-assign]
        self.documents.import_gist = lambda path: self.asked.append(("import_gist", path))  # type: ignore[method-assign]
        self.figures = Memory(16 * GB, 9 * GB, 2 * GB, GB // 2, 4 * GB, GB // 2, "RAM")
        self.engine_state = EngineState(
            "ready", None, "cpu", "PyTorch has CUDA support but sees no NVIDIA card or driver.", "starter"
        )

    def _on_started(self) -> None:
        """No engine."""

    def _on_models(self) -> None:
        """Nobody is asked what a model is like."""
        self.models_changed.emit()

    def _share_engine(self) -> None:
        """Its queue stands still."""

    @property
    def memory(self) -> Memory:
        return self.figures

    def recommended_models(self) -> list[tuple[Recommended, ModelRow]]:
        return list(self.offers)

    def model_info(self) -> ModelInfo | None:
        """No engine is asked."""
        return None

    def models(self) -> list[ModelRow]:
        return list(self.rows)

    def idle(self) -> bool:
        return not self.working

    def _count_look(self) -> None:
        self.n_looks += 1

    def _measure(self, paths: Sequence[Path], passwords: Mapping[Path, str] = {}) -> None:
        self.asked.append(("measure", (list(paths), dict(passwords))))

    def load_model(self, name: str, *, recompress: bool = False) -> None:
        self.asked.append(("load_model", (name, "recompress") if recompress else name))

    def download(self, hub_id: str) -> None:
        self.asked.append(("download", hub_id))

    def pause_download(self, hub_id: str) -> None:
        self.asked.append(("pause_download", hub_id))

    def give_up_download(self, hub_id: str) -> None:
        self.asked.append(("give_up_download", hub_id))

    def import_adapter(self, path: Path) -> None:
        self.asked.append(("import_adapter", path))

    def export_adapter(self, model: str, target: Path) -> None:
        self.asked.append(("export_adapter", (model, target)))

    def rename_adapter(self, name: str, title: str) -> None:
        self.asked.append(("rename_adapter", (name, title)))

    def remove_adapter(self, name: str) -> None:
        self.asked.append(("remove_adapter", name))

    def unload(self) -> None:
        self.asked.append(("unload", None))

    def set_engine(self, state: EngineState) -> None:
        self.engine_state = state
        self.engine_changed.emit()

    def count_documents(self, path: Path, n_tokens: int, n_pages: int = 1) -> None:
        """As if the reader had read a dropped document."""
        self.documents.measured.emit(str(path), Measured(path.stem, n_tokens, n_pages, n_tokens * 4))


def add_entry(
    desk: StillDesk,
    name: str,
    state: str = "ready",
    *,
    pages: Sequence[str] = (),
    page_label: str | None = "page",
    n_tokens: int = 48_210,
    ratio: float = 40.0,
    model: str = "starter",
    done: int = 0,
    total: int = 0,
    problem: Problem | None = None,
    **made: object,
) -> Entry:
    """An entry as the engine would leave it in this state; `name` is its file's, `made` more of `GistFigures`."""
    library = desk.library
    source = library.store.folder.parent / "documents" / name
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(b"x" * 100)
    entry = library.entries.add(source_path=source, model=model, ratio=ratio)
    texts = list(pages) or [f"{name}\n\nThe text of this document.", "And its second page."]
    if state not in ("queued", "extracting", "failed"):
        _extract(library, entry, texts, page_label, n_tokens)
    if state in ("ready", "outdated", "source changed"):
        path = library.gists.incoming_path(entry.id)
        path.write_bytes(name.encode())
        n_slots = round(n_tokens / ratio)
        fingerprints = (hashlib.sha256(part.encode()).hexdigest() for part in (model, "tokenizer", "adapter"))
        figures = GistFigures(
            model, *fingerprints, n_tokens, n_slots, n_slots * 12_288, n_slots * 12_288 + 2048, 20.1, 2398.0, "cpu"
        )
        library.gists.adopt(entry.id, path, replace(figures, **made))  # type: ignore[arg-type]
    if state != "ready":
        library.entries.set_state(entry.id, state, problem=problem)  # type: ignore[arg-type]
    if total:
        library.entries.set_progress(entry.id, done, total)
    desk.documents.changed.emit()
    return library.entries.get(entry.id)


def _extract(library: Library, entry: Entry, pages: list[str], page_label: str | None, n_tokens: int) -> None:
    data = "\f".join(pages).encode()
    sha256 = hashlib.sha256(data).hexdigest()
    (library.store.texts_folder / f"{sha256}.txt").write_bytes(data)
    text = TextFigures(
        title=entry.title,
        text_sha256=sha256,
        source_sha256=hashlib.sha256(data + b"source").hexdigest(),
        source_bytes=100,
        n_chars=sum(map(len, pages)),
        n_pages=len(pages),
        page_label=page_label,
        n_tokens=n_tokens,
    )
    library.entries.set_extracted(entry.id, text)


def fill(desk: StillDesk) -> dict[str, Entry]:
    """Entries in every state, by state."""
    scan = "scan-1987.pdf has no text: its pages are only pictures, as in a scan."
    hint = "Run OCR on it and add the result."
    locked = Problem("password", "Salaries.pdf is protected with a password.", "Enter the password to open it.")
    found = {
        "ready": add_entry(desk, "Lease agreement, Harbour Street 14.pdf", pages=PAGES),
        "korean": add_entry(desk, "임대차 계약서 (서울 마포구).docx", n_tokens=12_480, ratio=32.0, page_label=None),
        "book": add_entry(desk, "Middlemarch.epub", n_tokens=421_077, ratio=100.0, page_label="section"),
        "extracting": add_entry(desk, "Annual report 2025.pdf", "extracting", done=12, total=300),
        "compressing": add_entry(desk, "Walden.txt", "compressing", done=41, total=100, n_tokens=152_300, ratio=100.0),
        "queued": add_entry(desk, "Minutes of the meeting of 3 March.md", "queued"),
        "failed": add_entry(desk, "scan-1987.pdf", "failed", problem=Problem("user", scan, hint)),
        "locked": add_entry(desk, "Salaries.pdf", "failed", problem=locked),
        "outdated": add_entry(desk, "Handbook.html", "outdated", n_tokens=20_944, ratio=8.0, page_label=None),
        "source changed": add_entry(desk, "Price list.pdf", "source changed", n_tokens=3_301, ratio=8.0),
        "cancelled": add_entry(desk, "Federalist papers.txt", "cancelled", n_tokens=250_113, done=12, total=90),
    }
    desk.etas[found["compressing"].id] = 130.0
    return found


PAGES = [
    "LEASE AGREEMENT\n\nThis agreement is made on 3 March 2026 between Harbour Estates Ltd, called the landlord, and "
    "Ms Ada Park, called the tenant.\n\n1. The premises. The landlord lets to the tenant the flat on the second floor "
    "of Harbour Street 14, with the use of the cellar and of the yard.\n\n2. The term. The lease begins on 1 April "
    "2026 and ends on 31 March 2028 unless it is renewed in writing three months before.\n\n3. The rent is 1,250, "
    "due on the third working day. The door code is 58203.",
    "4. Repairs. Small repairs up to 120 in each case are the tenant's. Everything else is the landlord's.\n\n"
    "5. Keys. The tenant receives three keys, numbered 11 to 13, and returns them at the end of the lease.\n\n"
    "6. 이 계약서의 한국어 번역본은 참고용이며, 분쟁이 있을 때에는 영어 원문을 따릅니다.",
]
