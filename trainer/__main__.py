"""`python -m trainer COMMAND`: trains adapters and the starter model, makes data, draws. Knows no window."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gistdesk.terminal import run
from trainer.starter import StarterConfig, StarterRun, train_starter

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def _trainer() -> None:
    """Train and measure gist adapters."""


@app.command()
def starter(
    work: Annotated[
        Path, typer.Option("--work", help="Folder for checkpoints and events; goes on if there are any.")
    ] = Path("runs/starter"),
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the finished model goes.")] = Path(
        "runs/starter/model"
    ),
    steps: Annotated[int, typer.Option(help="Optimizer steps.")] = StarterConfig.steps,
    seed: Annotated[int, typer.Option(help="Of weights and data.")] = StarterConfig.seed,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; two on a busy two-core machine are slower than one.")] = 2,
) -> None:
    """Rebuild the starter model from the texts in resources/text and generated facts.

    Stop it with Ctrl+C; the same command goes on from the last checkpoint.
    """
    import torch

    from trainer.starter_export import export_starter

    torch.set_num_threads(threads)
    config = StarterConfig(steps=steps, seed=seed, device=device)
    work.mkdir(parents=True, exist_ok=True)
    with (work / "run.jsonl").open("a", encoding="utf-8") as log:
        for event in train_starter(work, config):
            line = json.dumps(event, ensure_ascii=False)
            print(line, flush=True)
            log.write(line + "\n")
            log.flush()
    run = StarterRun(work, config)
    run.load_checkpoint()
    export_starter(run, output, [])
    print(json.dumps({"event": "exported", "folder": str(output)}))


@app.command("train")
def train_command(
    preset: Annotated[str, typer.Option(help="check, quick, standard or full.")] = "",
    config: Annotated[Path | None, typer.Option(help="A YAML file; see python -m trainer presets.")] = None,
    work: Annotated[
        Path | None, typer.Option("--work", help="Folder for everything the run writes; goes on if there is a run.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One field, for example --set steps=100 --set mix.facts=0.5.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the memory and time it will need, and stop.")
    ] = False,
) -> None:
    """Train a gist adapter for a model of yours.

    Stop it with Ctrl+C: a checkpoint is written, and the same command goes on from there.
    """
    from trainer.command import run_training

    run_training(preset=preset, config=config, work=work, settings=settings or [], dry_run=dry_run)


@app.command()
def presets(name: Annotated[str, typer.Argument(help="Of one preset; none lists all.")] = "") -> None:
    """Print a preset as YAML, to start a configuration of your own from."""
    from trainer.config import PRESETS, preset

    print(preset(name).to_yaml() if name else "\n".join(PRESETS))


@app.command()
def card(
    folder: Annotated[Path, typer.Argument(help="The exported starter.")],
    runs: Annotated[list[Path], typer.Argument(help="Folders of gistdesk niah runs on it.")],
    work: Annotated[Path, typer.Option(help="Folder of its training.")] = Path("runs/starter"),
) -> None:
    """Write the starter's model card from benchmark results."""
    from trainer.card import write_card

    write_card(folder, runs, work)


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders that gistdesk niah wrote; the first is compared against.")
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this Markdown file.")] = None,
) -> None:
    """Report a benchmark run, or compare several: what differs, accuracy with intervals, times and memory.

    A run that was interrupted is reported as far as it came, and its report.html is written.
    """
    from gistdesk.core.gist_file import write_atomically
    from trainer.compare import comparison, named
    from trainer.report import read_results

    text = comparison(named(runs, [read_results(run) for run in runs]))
    if output is None:
        print(text)
    else:
        write_atomically(output, (text + "\n").encode())


if __name__ == "__main__":
    run(app, "python -m trainer")
