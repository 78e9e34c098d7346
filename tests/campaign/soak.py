"""Long use of one process: `python -m tests.campaign.soak --documents 300 --questions 2000`.

Documents are read and compressed, and questions asked of their gists, with the starter; memory, open files and the time
of an answer are told for the first and the last tenth. Level is what they are to be.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from gistdesk.cli.jobs import compress_file
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.gist_file import read_gist
from gistdesk.core.load import load_model
from gistdesk.core.prompt import Turn
from gistdesk.folders import resource

_MOST_GROWTH = 1.15


def main() -> None:
    """Exit code 1: memory or open files grew."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--documents", type=int, default=300)
    told.add_argument("--questions", type=int, default=2000)
    asked = told.parse_args()
    process = psutil.Process()
    model = load_model("starter", device="cpu")
    figures: dict[str, list[tuple[float, int, int]]] = {"documents": [], "questions": []}
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        text = (resource("samples") / "alice-with-a-note.txt").read_text("utf-8")
        for number in range(asked.documents):
            path, target = Path(place, "a.txt"), Path(place, "a.gistkv")
            path.write_text(f"Document {number}.\n{text[:4000]}", "utf-8")
            begun = time.process_time()
            for _ in compress_file(model, path, target, ratio=100.0):
                pass
            figures["documents"].append((time.process_time() - begun, process.memory_info().rss, process.num_fds()))
        context, sampling = Context(model, [read_gist(target).gist]), Sampling(max_tokens=12)
        for number in range(asked.questions):
            begun = time.process_time()
            for _ in context.answer([Turn(f"What is the passkey of number {number}?")], sampling):
                pass
            figures["questions"].append((time.process_time() - begun, process.memory_info().rss, process.num_fds()))
    level = [_tell(name, rows) for name, rows in figures.items() if rows]
    sys.exit(not all(level))


def _tell(name: str, rows: list[tuple[float, int, int]]) -> bool:
    """Print the figures of a kind; whether they are level."""
    tenth = max(1, len(rows) // 10)
    first, last = rows[tenth : 2 * tenth] or rows, rows[-tenth:]
    medians = [[statistics.median(column) for column in zip(*part, strict=True)] for part in (first, last)]
    for when, (seconds, memory, files) in zip(("at the start", "at the end"), medians, strict=True):
        print(f"{len(rows)} {name}, {when}: {seconds * 1000:.0f} ms, {memory / 2**20:.0f} MiB, {files:.0f} files")
    (_, memory, files), (_, memory_end, files_end) = medians
    return memory_end <= memory * _MOST_GROWTH and files_end <= files + 2


if __name__ == "__main__":
    main()
