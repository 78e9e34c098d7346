"""`python -m trainer COMMAND`: trains adapters and the starter model, makes data, draws. Knows no window."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from gistdesk.cuda.place import use
from gistdesk.terminal import run
from trainer.starter.config import StarterConfig

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def _trainer() -> None:
    """Train and measure gist adapters."""


@app.command()
def starter(
    work: Annotated[
        Path,
        typer.Option("--work", help="Folder for all it writes, the finished model too; goes on if there is a run."),
    ] = Path("runs/starter"),
    steps: Annotated[int, typer.Option(help="Optimizer steps.", min=1)] = StarterConfig.steps,
    seed: Annotated[int, typer.Option(help="Of weights and data.")] = StarterConfig.seed,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = StarterConfig.device,
    threads: Annotated[
        int, typer.Option(help="CPU threads; two on a busy two-core machine are slower than one.", min=1)
    ] = StarterConfig.threads,
) -> None:
    """Rebuild the starter model from the texts in resources/text and generated facts.

    Stop it with Ctrl+C: a checkpoint is written, and the same command goes on from there.
    """
    from trainer.command import run_starter

    run_starter(work, StarterConfig(steps=steps, seed=seed, device=device, threads=threads))


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
    from trainer.training.config import PRESETS, preset, to_yaml

    print(to_yaml(preset(name)) if name else "\n".join(PRESETS))


@app.command()
def attention(
    document: Annotated[Path, typer.Argument(help="Any document that can be compressed.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The PNG to write.")] = Path("attention.png"),
    model: Annotated[
        str, typer.Option("--model", "-m", help="starter, or the folder of a model or adapter.")
    ] = "starter",
    ratio: Annotated[float, typer.Option(help="Document tokens per gist slot.")] = 100.0,
    segment: Annotated[int, typer.Option(help="Which segment of the document, from 0.")] = 0,
    layer: Annotated[int, typer.Option(help="Which layer, from 0.")] = 0,
    head: Annotated[int, typer.Option(help="Which head, from 0.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    title: Annotated[str, typer.Option(help="What the document is called; its file's name otherwise.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Draw what lines of JSON on stdin ask for, for programs.")
    ] = False,
) -> None:
    """Draw the gist mask, and what the gist slots of a segment looked at in one layer and head."""
    from gistdesk.core.documents import read_document
    from gistdesk.core.gist_file import write_atomically
    from gistdesk.core.load import load_model
    from gistdesk.core.plan import plan
    from trainer.report.attention import draw_attention, slot_attention
    from trainer.report.attention import follow as drawn

    loaded = load_model(model, device=device)
    cut = plan(loaded, read_document(document), ratio=ratio)
    found = slot_attention(loaded, cut, segment=segment)
    names = title or document.name, loaded.identity.model_id
    del loaded  # while a person looks, its memory is for others
    if follow:
        for event in drawn(found, cut, *names, sys.stdin):
            print(json.dumps(event, ensure_ascii=False), flush=True)
        return
    write_atomically(output, draw_attention(found, cut, *names, layer=layer, head=head))
    print(output)


data = typer.Typer(no_args_is_help=True, help="Make, import and check training data (JSON lines).")
app.add_typer(data, name="data")
OutputOption = Annotated[Path, typer.Option("-o", "--output", help="The JSONL file to write.")]
CountOption = Annotated[int, typer.Option("-n", help="How many samples.", min=1)]
SeedOption = Annotated[int, typer.Option(help="Same seed, same samples.")]
ModelOption = Annotated[str, typer.Option("--model", "-m", help="Whose tokens are counted.")]


@data.command()
def needles(
    output: OutputOption,
    n: CountOption = 100,
    language: Annotated[str, typer.Option(help="en or ko.")] = "en",
    tokens: Annotated[int, typer.Option(help="Tokens per document.", min=64)] = 1000,
    seed: SeedOption = 1,
    model: ModelOption = "starter",
) -> None:
    """Generated facts in running text, as question/answer records."""
    from gistdesk.core.errors import UserError
    from trainer.data.needles import needle_records
    from trainer.training.base import load_base

    if language not in ("en", "ko"):
        raise UserError('There are no needles in "{language}".', "Choose en or ko.", language=language)
    base = load_base(model, device="cpu", precision="auto")
    _write_lines(output, needle_records(base, n=n, language=language, n_tokens=tokens, seed=seed))


@data.command()
def passages(
    folder: Annotated[Path, typer.Argument(help="A folder of documents.")],
    output: OutputOption,
    part: Annotated[str, typer.Option(help="reconstruction or continuation.")] = "reconstruction",
    n: CountOption = 100,
    tokens: Annotated[int, typer.Option(help="Longest text to repeat or continue, in tokens.", min=16)] = 128,
    seed: SeedOption = 1,
    model: ModelOption = "starter",
) -> None:
    """Passages of your own documents to repeat or to continue, as question/answer records."""
    from gistdesk.core.errors import UserError
    from trainer.data.folder import folder_records
    from trainer.training.base import load_base

    if part not in ("reconstruction", "continuation"):
        raise UserError('There is no part "{part}".', "Choose reconstruction or continuation.", part=part)
    base = load_base(model, device="cpu", precision="auto")
    _write_lines(output, folder_records(base, folder, part, n=n, target_tokens=tokens, seed=seed))


@app.command("self-study")
def self_study(
    documents: Annotated[Path, typer.Option("--documents", help="A folder of documents.")],
    output: Annotated[Path, typer.Option("--out", help="The JSONL file to write.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Who reads, asks and answers.")],
    n: CountOption = 200,
    tokens: Annotated[int, typer.Option(help="Most that is read at a time, in tokens.", min=16)] = 384,
    answer_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.", min=1)] = 64,
    seed: SeedOption = 1,
) -> None:
    """Let a model study documents: it asks itself and answers, summarises, goes on and quotes."""
    from trainer.data.folder import read_blocks
    from trainer.data.self_study import self_study_lines
    from trainer.training.base import load_base

    blocks = read_blocks(documents)
    base = load_base(model, device="auto", precision="auto")
    lines = self_study_lines(base, blocks, n=n, passage_tokens=tokens, answer_tokens=answer_tokens, seed=seed)
    _write_lines(output, _counted(lines, n))


def _counted(lines: Iterable[str], n: int) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        print(f"{number} of {n}", file=sys.stderr, flush=True)
        yield line


@app.command()
def measure(
    model: Annotated[str, typer.Argument(help="The folder of an adapter, or a model that has one.")],
    ratio: Annotated[list[float], typer.Option(help="Document tokens per gist slot; may be given several times.")],
    n: CountOption = 40,
    tokens: Annotated[int, typer.Option(help="Longest document, in tokens.", min=64)] = 768,
    stories: Annotated[
        Path | None, typer.Option(help="FairytaleQA's val.jsonl.gz; generated reports are measured without it.")
    ] = None,
    seed: SeedOption = 1,
) -> None:
    """Loss and right answers on unseen reports or stories: own gist, a wrong one, none, whole text."""
    from gistdesk.core.load import load_model
    from trainer.training.measure import measure_adapter

    loaded = load_model(model)
    for row in measure_adapter(loaded, ratio, n=n, document_tokens=tokens, stories=stories, seed=seed):
        print(json.dumps(row), flush=True)


@data.command("import")
def import_records(
    file: Annotated[Path, typer.Argument(help="A JSONL file.")],
    output: OutputOption,
    form: Annotated[str, typer.Option(help="questions, alpaca or longbench.")] = "questions",
) -> None:
    """Check a file of one of the published forms and write it as question/answer records."""
    from gistdesk.core.errors import UserError
    from trainer.data.forms import FORMS, check_file, line_of, read_records

    if form not in FORMS:
        raise UserError('There is no form "{form}".', "Choose from {names}.", form=form, names=", ".join(FORMS))
    _write_lines(output, (line_of(r.context, r.question, r.answers) for r in read_records(file, form)))
    print("\n".join(check_file(output, "questions")))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    from gistdesk.core.gist_file import write_atomically

    write_atomically(path, "".join(line + "\n" for line in lines).encode())
    print(path)


@app.command()
def card(
    folder: Annotated[Path, typer.Argument(help="The exported starter.")],
    runs: Annotated[list[Path], typer.Argument(help="Folders of gistdesk niah runs on it.")],
    work: Annotated[Path, typer.Option(help="Folder of its training.")] = Path("runs/starter"),
) -> None:
    """Write the starter's model card from benchmark results."""
    from trainer.starter.card import write_card

    write_card(folder, runs, work)


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders that gistdesk niah wrote; the first is compared against.")
    ],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this Markdown file.")] = None,
) -> None:
    """Report a benchmark run, or compare several: what differs, accuracy with intervals, times and memory.

    A run that was interrupted is reported as far as it came; nothing is written to its folder.
    """
    from gistdesk.core.gist_file import write_atomically
    from trainer.benchmark.compare import comparison, named
    from trainer.report.folder import read_results

    text = comparison(named(runs, [read_results(run) for run in runs]))
    if output is None:
        print(text)
    else:
        write_atomically(output, (text + "\n").encode())


@app.command()
def table(
    run: Annotated[Path, typer.Argument(help="Folder that gistdesk niah wrote, full among its methods.")],
) -> None:
    """Print a run as the README's main table: every method beside the earlier prototype and its targets."""
    from trainer.report.folder import read_results
    from trainer.report.main_table import main_table

    print(main_table(read_results(run)))


def main(name: str = "python -m trainer") -> None:
    """Entry point; `name` is what the program is called in its messages."""
    use()
    run(app, name)


if __name__ == "__main__":
    main()
