"""The starter's model card: what it is, what it was made from, and its measurements, from benchmark results.

Writes text; measures nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import write_atomically
from trainer.benchmark.config import BenchConfig
from trainer.benchmark.figures import table
from trainer.training.checkpoint import read_state

_HEAD = """---
license: mit
language: [en, ko]
---
# The gistdesk starter model

A Llama of 7.2 million parameters and a gist adapter (LoRA of rank 64 and 64 gist tokens), trained from nothing by
`python -m trainer starter`. It ships with gistdesk so that the program and its tests run for real without a network
and without a graphics card.

It finds a number that is stated in a text again, in English and Korean, from the text's gist. Other facts (names,
dates, places ...) it gets right less often, and mixes up when several of a kind are in one text, as the table shows. It
is not a language model to talk to: it has read seven books and half a megabyte of Korean sentences, cannot reason or
write a summary, and answers a question that the text does not answer with something made up.

## Measured

On the starter itself, {device} in {dtype}, greedy. The texts to hide facts in (Sherlock Holmes; the GSD Korean
treebank), the sentences that state a fact and the questions are in no training sample: tests/trainer/data/test_facts.py
and test_samples.py check it. "The passkey is ..." and the like, with other names, are among the sentences of training.
How documents are cut was chosen on seed 1 with an earlier starter; these figures are of other seeds.
"""

_TAIL = """
`full` is the base model with the whole text in front of it; `none` sees no text; `wrong-gist` sees the gist of another
document; `truncate` sees as many tokens of the text's beginning as the gist has slots. `passkey` is a five-digit
number; `landmark` and `sandwich` are two needles of the literature; `fact` is one of 18 kinds of general facts (names,
dates, places, amounts, codes ...), `facts-4` and `facts-8` the same among 4 and 8 facts.

## Made from

Recipe: `trainer/starter/config.py`, seed {seed}, {steps} steps, {hours:.1f} hours on {device}.
Text: public-domain English books and Korean sentences of the KLUE benchmark and the KAIST Korean Universal
Dependencies treebank (both CC BY-SA 4.0); see `resources/text/NOTICE.md`. Facts are generated
(`trainer/data/facts.py`).
Training began with short segments and passkeys and went on to 512-token segments, up to 40 of them, and general facts.
That words of running text are copied from step 2,600 on and long texts come from step 5,800 on was decided while this
run was under way, on its training figures alone; it was taken up again from its checkpoint before those steps, and the
command makes the changes at the same steps.
"""


def write_card(folder: Path, runs: Sequence[Path], work: Path) -> None:
    """Write `README.md` in the model's folder and the measured rows into its adapter's `gist.json`.

    Args:
        folder: of the exported starter.
        runs: folders of `gistdesk niah` runs on it.
        work: of its training, with the last checkpoint.

    Raises:
        UserError: a file is missing or was measured on another model.
    """
    gist_path = folder / "adapter" / "gist.json"
    gist = _read(gist_path)
    results = [_read(run / "results.json") for run in runs]
    for run, result in zip(runs, results, strict=True):
        if result["model"]["model_fingerprint"] != gist["base_model_fingerprint"]:
            raise UserError("{run} was measured on another model.", "Measure this one again.", run=run)
    trained = read_state(work / "checkpoints")
    if trained is None:
        raise UserError("There is no checkpoint in {work}.", "Give the folder of the starter's training.", work=work)
    text = _HEAD.format(device=results[0]["device"].upper(), dtype=results[0]["dtype"])
    for result in results:
        text += f"\n`{command_of(result['config'])}`\n\n{table(result['cells'])}\n"
    run, config = trained["run"], trained["run"]["config"]
    text += _TAIL.format(
        seed=config["seed"],
        steps=run["step"],
        hours=trained["loop"]["seconds"] / 3600,
        device=config["device"].upper(),
    )
    gist["measured"] = [_row(cell) for result in results for cell in result["cells"] if cell["method"] == "gist"]
    write_atomically(gist_path, (json.dumps(gist, indent=1) + "\n").encode())
    write_atomically(folder / "README.md", text.encode())


def command_of(config: dict[str, Any]) -> str:
    """The command that repeats a run on the bundled texts; `config` as in results.json."""
    words = ["gistdesk niah -o FOLDER"]
    for field in fields(BenchConfig):
        value, default = (_listed(given) for given in (config[field.name], field.default))
        if value != default and field.name != "haystack":
            words.append(f"--{field.name.replace('_', '-')} {value}")
    return " ".join(words)


def _listed(value: Any) -> str:
    values = value if isinstance(value, (list, tuple)) else [value]
    return ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in values)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            "{path} cannot be read.", "Export the starter and run gistdesk niah on it first.", path=path
        ) from error
    return found


def _row(cell: dict[str, Any]) -> dict[str, Any]:
    names = ("language", "needle_kind", "context_tokens", "depth_percent", "ratio", "n", "accuracy")
    return {name: cell[name] for name in names}
