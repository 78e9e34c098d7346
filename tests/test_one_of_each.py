"""A needle kind, a benchmark method, a way of making a gist, a Lab tab, a document format and a family of models are
added to a copy of the program, each as one module and one row of one table; then a program that knows none of it runs.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Added:
    """One thing. Attributes: module (path and contents, none for what needs no code), table (path, the line behind
    which the row goes, the row), and the line that imports it there, if any."""

    module: tuple[str, str]
    table: tuple[str, str, str]
    imported: str = ""


THINGS = {
    "needle kind": Added(
        (
            "trainer/benchmark/needle_colours.py",
            """
from random import Random
from trainer.benchmark.needles import Needle

def colour(random: Random, language: str) -> Needle:
    value = random.choice(("red", "green", "blue"))
    return Needle((f"The door was painted {value}.",), "Which colour has the door?", value, False)
""",
        ),
        (
            "gistdesk/benchmark_names.py",
            "NEEDLE_KINDS = (",
            'NeedleKind("colour", "Colour", "trainer.benchmark.needle_colours:colour", in_english_only=True),',
        ),
    ),
    "benchmark method": Added(
        (
            "trainer/benchmark/reading_twice.py",
            """
import torch
from gistdesk.core.answer import Context
from trainer.benchmark.readings import Reader, Reading
from trainer.benchmark.samples import Sample

def twice(reader: Reader, sample: Sample, method: str, ratio: float | None) -> Reading:
    ids = torch.cat([sample.source.token_ids] * 2)
    return reader.reading(lambda: (Context(reader.model, text_ids=ids, prompt=sample.prompt), ()), "twice")
""",
        ),
        (
            "gistdesk/benchmark_names.py",
            "BENCH_METHODS = (",
            'BenchMethod("twice", "Twice", "The whole text, two times.", "trainer.benchmark.reading_twice:twice", '
            "by_passages=True, n_readings=2.0, saves=True, keeps_kv=True),",
        ),
    ),
    "way of making a gist": Added(
        (
            "gistdesk/core/selected.py",
            """
from gistdesk.core.matched import compress_matched
from gistdesk.core.matching import unfitted

def selected(model, plan, done, batch_tokens):
    yield from compress_matched(model, plan.token_ids, plan.segments, done, fitting=unfitted)
""",
        ),
        (
            "gistdesk/core/methods.py",
            "GIST_METHODS = (",
            'GistMethod("selected", "Selected", "chosen", "Selection", 8.0, 6.0, "gistdesk.core.selected:selected", '
            "2**30),",
        ),
    ),
    "Lab tab": Added(
        (
            "gistdesk/ui/lab/notes.py",
            """
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

class NotesTab(QWidget):
    told = Signal(object)

    def __init__(self, desk, runs, parent=None):
        super().__init__(parent)
""",
        ),
        (
            "gistdesk/ui/lab/place.py",
            '    (later("Adapters"), "compress", AdaptersTab),',
            '("Notes", "lab", NotesTab),',
        ),
        "from gistdesk.ui.lab.notes import NotesTab",
    ),
    "document format": Added(
        (
            "gistdesk/core/document_shouted.py",
            """
from gistdesk.core.document_formats import Opened

def open_shouted(name, data, password):
    return Opened("A shout", "section", 1, iter([data.decode().lower()]), None)
""",
        ),
        (
            "gistdesk/formats.py",
            "FORMATS = (",
            'Format("Shout", (".shout",), "gistdesk.core.document_shouted:open_shouted", b"SHOUT "),',
        ),
    ),
    "family of models": Added(
        ("", ""),
        (
            "gistdesk/core/families.py",
            "FAMILIES = {",
            '"seed_oss": Family("Seed-OSS", biased=("q_proj", "k_proj", "v_proj")),',
        ),
    ),
}

USE = """
import json, sys
from dataclasses import asdict, replace
from pathlib import Path
from PySide6.QtWidgets import QApplication

from gistdesk.cli.jobs import compress_file
from gistdesk.core.answer import Context
from gistdesk.core.documents import read_document
from gistdesk.core.gist_file import read_gist
from gistdesk.core.load import load_model
from gistdesk.core.prompt import Turn
from gistdesk.protocol import ModelInfo
from gistdesk.session.files import find_documents
from gistdesk.session.notices import Notice
from gistdesk.session.estimates import Estimates
from gistdesk.session.run import trial_seconds
from gistdesk.ui.lab.commands import BenchChoice
from gistdesk.ui.lab import words
from gistdesk.ui.widgets.ratio_chooser import METHODS as OFFERED
from gistdesk.ui.window.main import MainWindow
from tests.core.tiny_models import Kind, write_model
from tests.session.still_desk import StillDesk
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.evaluate import Benchmark
from trainer.benchmark.figures import by_length
from trainer.report.main_table import main_table
from trainer.report.page import cautions

folder = Path(sys.argv[1])
said = {}

shout = folder / "texts" / "door.shout"
shout.parent.mkdir()
shout.write_bytes(b"SHOUT THE DOOR IS OPEN. " * 60)
read = read_document(shout)
try:
    looked = find_documents([shout.parent])
    while True:
        next(looked)
except StopIteration as ended:
    found = ended.value
said["document format"] = [read.title, read.text[:18], [path.name for path in found.paths]]

model = load_model(str(write_model(folder / "model", Kind("seed_oss"))))
said["family of models"] = model.causal_lm.config.model_type

*_, made = compress_file(model, shout, folder / "door.gistkv", method="selected", ratio=4.0)
record = read_gist(folder / "door.gistkv")
answer = "".join(Context(model, [record.gist]).answer([Turn("What is open?")]))
kept = record.gist.n_slots > 0
said["way of making a gist"] = [record.method, kept, isinstance(answer, str), dict(OFFERED)["selected"]]

config = BenchConfig(lengths=(128,), depths=(0,), samples=1, languages=("en",), kinds=("colour",), methods=("twice",))
starter = load_model("starter")
[trial] = Benchmark(starter, config).run()
said["benchmark method"] = [trial.method, trial.prompt, words.method_name("twice")]

trial = replace(trial, prepare_s=8.0, ttft_s=0.5, kept_bytes=1000, tokens_per_second=0.0)
full = replace(trial, method="full", ttft_s=2.5, prepare_s=0.0)
figures = {"by_length": by_length([trial, full]), "dtype": "float32", "config": asdict(config), "device": "cpu"}
twice = next(line for line in main_table(figures).splitlines() if "twice" in line).split(" | ")
choice = BenchChoice((128,), (0,), 1, ("en",), ("twice",), ("colour",), (8.0,))
said["figures of the method"] = [
    figures["by_length"][0]["break_even_questions"],
    twice[5],
    trial_seconds(asdict(trial)),
    Benchmark(starter, replace(config, chunk_tokens=10, top_k=1, overlap_tokens=0)).costs,
    choice.cost,
    any("“auto”" in text for text in cautions(lambda text, **values: text.format(**values), figures, [trial])),
]
said["needle kind"] = [trial.needle_kind, trial.expected in ("red", "green", "blue"), words.task_name("colour")]

app = QApplication([])
(folder / "home").mkdir()
window = MainWindow(StillDesk(folder / "home"))
heard = []
lab = window.lab
lab.told.connect(heard.append)
tabs = lab.main_widget
titles = [tabs.tabText(i) for i in range(tabs.count())]
tabs.widget(titles.index("Notes")).told.emit(Notice("noted"))
said["Lab tab"] = [titles[-1], heard[0].message]
info = ModelInfo("m", "m", "llama", 1, 2, 3, 4, 5, 6, 7, True, *[""] * 9)
estimates = Estimates(window.desk.library, lambda name: info, lambda: window.desk.settings)
needs = [estimates.predict(1000, 4.0, method=method).memory_bytes for method in ("selected", "adapter")]
said["memory of the way"] = needs[0] - needs[1]
window.end_places()
window.desk.close()

print("SAID " + json.dumps(said))
"""

EXPECTED = {
    "needle kind": ["colour", True, "Colour"],
    "benchmark method": ["twice", "twice", "Twice"],
    "figures of the method": [4, "25.0% / 12.5%", 8.5, [250 + 2 * 128 + 10], 250 + 2 * 128, True],
    "way of making a gist": ["selected", True, True, "Selection"],
    "memory of the way": 2**30 - 128 * 2**20,
    "Lab tab": ["Notes", "noted"],
    "document format": ["A shout", "shout the door is ", ["door.shout"]],
    "family of models": "seed_oss",
}


def add(root: Path, thing: Added) -> None:
    path, code = thing.module
    if path:
        assert not (root / path).exists()
        (root / path).write_text(code, "utf-8")
    path, behind, row = thing.table
    lines = (root / path).read_text("utf-8").split("\n")
    lines.insert(lines.index(behind) + 1, f"    {row}")
    if thing.imported:
        lines.insert(next(i for i, line in enumerate(lines) if line.startswith("from gistdesk")), thing.imported)
    (root / path).write_text("\n".join(lines), "utf-8")


@pytest.mark.release
def test_each_is_one_module_and_one_row(tmp_path: Path) -> None:
    root = tmp_path / "program"
    for name in ("gistdesk", "trainer"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "resources").symlink_to(ROOT / "resources")
    for thing in THINGS.values():
        add(root, thing)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(root), str(ROOT)]),
        "GISTDESK_HOME": str(tmp_path / "kept"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", USE, str(tmp_path)], capture_output=True, text=True, env=environment, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("SAID ")).removeprefix("SAID "))
    assert said == EXPECTED
    assert set(said) - {"figures of the method", "memory of the way"} == set(THINGS)
