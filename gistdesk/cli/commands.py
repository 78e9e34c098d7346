"""The subcommands: compress, ask, info, serve, recall, niah, train, doctor, demo, adapters, models, cuda.

Reads arguments and prints results; every piece of work is done by core or the trainer, imported when it is needed so
that `--help` answers at once.
"""

import json
import math
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gistdesk import __version__
from gistdesk.cli.adapters import app as adapters
from gistdesk.cli.arguments import numbers, ratios_of, unicode_of, words
from gistdesk.cli.ask import ask
from gistdesk.cli.cuda import app as cuda
from gistdesk.cli.models import app as models
from gistdesk.cli.options import (
    DeviceOption,
    DocumentModelOption,
    GistModelOption,
    JsonOption,
    ModelOption,
    PasswordOption,
    PrecisionOption,
    known_models,
)
from gistdesk.cli.serve import serve
from gistdesk.core.errors import UserError
from gistdesk.core.methods import check_method, chosen_method
from gistdesk.terminal import complain, counted, human_bytes, label_of, readable

if TYPE_CHECKING:
    pass

app = typer.Typer(
    help="Turn long documents into small files of gist KV, and ask questions of those files.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(ask)
app.add_typer(adapters, name="adapters")
app.add_typer(cuda, name="cuda")
app.add_typer(models, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gistdesk {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


@app.command()
def compress(
    files: Annotated[list[Path], typer.Argument(help="PDF, DOCX, EPUB, HTML, Markdown or text files.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The gist file, or a folder for one or several. Default: beside it."),
    ] = None,
    ratio: Annotated[
        float | None, typer.Option(help="Document tokens per gist slot. Default 100, for matched 8, for refined 16.")
    ] = None,
    slots: Annotated[int | None, typer.Option(help="Gist slots for the whole document, in place of a ratio.")] = None,
    method: Annotated[
        str,
        typer.Option(
            help="adapter: by a trained gist adapter. matched: a choice of the text's own keys, for any model, without "
            "training. refined: one of these, then trained for minutes until it recites the document. auto: adapter "
            "where the model has one, else matched."
        ),
    ] = "auto",
    kv_bits: Annotated[
        int, typer.Option(help="Of each stored number of keys and values: 16, or 8 for about half the file.")
    ] = 16,
    model: DocumentModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    password: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compress documents into .gistkv files.

    Interrupt it with Ctrl+C whenever you like: given the same document again, it goes on where it stopped.

    Examples: gistdesk compress book.pdf     gistdesk compress *.txt -o gists --ratio 64
    """
    from gistdesk.cli.jobs import gist_paths
    from gistdesk.core.gist_tensors import check_bits

    check_method(method)
    bits = check_bits(kv_bits)
    if ratio is not None and slots is not None:
        raise UserError("A ratio and a number of slots were given.", "Give one of them.")
    files = list(dict.fromkeys(files))
    targets = gist_paths(files, output)
    from gistdesk.cli.choosing import DocumentModels
    from gistdesk.core.load import choose_device
    from gistdesk.core.plan import check_ratio

    # what is wrong with the device, the ratio or the model is no document's fault, and is said once
    choose_device(device)
    if ratio is not None and not 1.0 <= ratio < math.inf:
        raise UserError(
            "A ratio of {ratio:g} cannot be had with any model.", "Choose a ratio of 1 or more.", ratio=ratio
        )
    models = DocumentModels(model, device=device, precision=precision)
    if model is not None or (ratio is not None and models.same_for_all):
        loaded = models.of("")
        if ratio is not None:
            check_ratio(loaded, ratio, chosen_method(method, has_adapter=loaded.adapter is not None))
    failed = False
    for file, target in zip(files, targets, strict=True):
        try:
            result = _compress_one(models, file, target, ratio, slots, method, bits, password, show=not as_json)
        except UserError as error:  # the documents after it are not to blame
            complain("gistdesk", error)
            failed = True
            continue
        if "warning" in result:
            print(f"gistdesk: {result['warning']}", file=sys.stderr, flush=True)
        if as_json:
            print(json.dumps(result, ensure_ascii=False), flush=True)
        else:
            print(
                f"{result['gist']}: {result['n_tokens']:,} tokens -> {result['n_slots']:,} gist slots "
                f"({result['ratio']:.0f}x), {human_bytes(result['file_bytes'])}, {result['seconds']:.1f} s",
                flush=True,
            )
            if result["n_unfitted"]:
                print(
                    f"  {result['n_unfitted']:,} heads of segments could not be fitted and stay as they stood in the "
                    "text.",
                    flush=True,
                )
    if failed:
        raise typer.Exit(2)


def _compress_one(
    models: Any,
    file: Path,
    target: Path,
    ratio: float | None,
    slots: int | None,
    method: str,
    bits: Any,
    password: str | None,
    *,
    show: bool,
) -> dict[str, Any]:
    from gistdesk.cli.jobs import compress_file
    from gistdesk.cli.opening import open_document

    result: dict[str, Any] = {}
    document = open_document(file, password)
    model = models.of(document.text)
    way = chosen_method(method, has_adapter=model.adapter is not None)
    work = compress_file(model, file, target, ratio=ratio, n_slots=slots, method=way, kv_bits=bits, document=document)
    with closing(work):  # wherever Ctrl+C strikes, it is told to keep what is done
        for event in counted(work, file.name, show=show):
            result = event
    return result


@app.command()
def info(gist: Annotated[Path, typer.Argument(help="A .gistkv file.")], as_json: JsonOption = False) -> None:
    """Show what a gist file holds and which model made it."""
    from gistdesk.core.gist_description import describe_gist

    facts = describe_gist(gist)
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    for name, value in facts.items():
        print(f"{label_of(name):>22}  {readable(name, value)}")


@app.command()
def doctor(model: ModelOption = "starter", precision: PrecisionOption = "auto", as_json: JsonOption = False) -> None:
    """Show Python, packages, devices, memory and the model in use, and why a GPU is not used."""
    from gistdesk.cli.doctor import examine

    findings = examine(model, precision)
    if as_json:
        print(json.dumps(findings, ensure_ascii=False))
        return
    for section, facts in findings.items():
        print(section)
        for name, value in facts.items() if isinstance(facts, dict) else [("", facts)]:
            print(f"  {label_of(name):>18}  {readable(name, value)}")


@app.command()
def demo(device: DeviceOption = "auto") -> None:
    """Compress bundled documents and ask about them, with SmolLM2 if it is here, and with the starter. A minute."""
    from gistdesk.cli.demo import run_demo

    for line in run_demo(device):
        print(line, flush=True)


@app.command()
def niah(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for results, samples, pictures, report.html.")],
    lengths: Annotated[str, typer.Option(help="Document lengths in tokens.")] = "512,2048,8192",
    depths: Annotated[str, typer.Option(help="Where the needle stands, percent.")] = "0,25,50,75,100",
    samples: Annotated[int, typer.Option(help="Per length, depth, language and kind.")] = 4,
    languages: Annotated[str, typer.Option(help="en, ko or both.")] = "en,ko",
    methods: Annotated[
        str,
        typer.Option(
            help="Of gist, full, none, wrong-gist, truncate, truncate-last, truncate-both, rag, rag-budget, hybrid, "
            "section (of documents and reading)."
        ),
    ] = "gist,full,none,wrong-gist,truncate",
    kinds: Annotated[
        str,
        typer.Option(
            help="Of passkey, unseen, landmark, sandwich (English), fact, facts-4, facts-8, absent (not in the "
            "document), "
            "ruler-single-1 to -3, ruler-multikey-1 to -3, ruler-multivalue, ruler-multiquery, ruler-vt, "
            "ruler-cwe, ruler-fwe, ruler-qa (English), documents (bundled "
            "reports and the like), reading, summary (stories of --reading); none with files alone. Default: passkey."
        ),
    ] = "",
    ratio: Annotated[str, typer.Option(help="Document tokens per gist slot; several: 32,100.")] = "100",
    seed: Annotated[int, typer.Option(help="Same seed, same documents and questions.")] = 1,
    haystack: Annotated[
        Path | None, typer.Option(help="A document of your own, or a folder of them, to hide needles in.")
    ] = None,
    password: PasswordOption = None,
    needle: Annotated[str, typer.Option(help='A needle of your own, for example "The code is {value}."')] = "",
    question: Annotated[str, typer.Option(help="What to ask for it.")] = "",
    top_k: Annotated[int, typer.Option(help="Passages that rag and hybrid read.")] = 3,
    chunk_tokens: Annotated[int, typer.Option(help="Most tokens of a passage, whole sentences.")] = 96,
    overlap_tokens: Annotated[int, typer.Option(help="Most tokens of sentences it shares with the next one.")] = 32,
    rank_by: Annotated[
        str,
        typer.Option(
            help="words, bm25, embeddings (the extra rag; English), or auto: words, and meaning where it can be had."
        ),
    ] = "auto",
    longbench: Annotated[Path | None, typer.Option(help="Folder of LongBench's JSONL files.")] = None,
    choices: Annotated[Path | None, typer.Option(help="JSONL file of multiple-choice questions.")] = None,
    instructions: Annotated[Path | None, typer.Option(help="JSONL file in the Alpaca+ form.")] = None,
    reading: Annotated[Path | None, typer.Option(help="Stories with questions, as FairytaleQA's val.jsonl.gz.")] = None,
    records: Annotated[
        int, typer.Option(help="Most records of each file, and questions about stories; 0 takes all.")
    ] = 0,
    model: ModelOption = "starter",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
    events: Annotated[bool, typer.Option("--events", help="Print progress as lines of JSON, for programs.")] = False,
) -> None:
    """Needle in a haystack: hide a fact in a long text, ask for it, count right answers, beside controls.

    gist: answered from the gist alone. full: the whole text in front of the model. none: no text. wrong-gist: the
    gist of another document. truncate: the text's beginning, as many tokens as there are slots; truncate-last: its
    end; truncate-both: both ends. rag: the best passages of the text; rag-budget: of together as many tokens as there
    are slots. hybrid: the gist, and the best passages after it. section: the part of the text that holds the answer.
    matched: from a gist made in that way, for which the model needs no adapter. refined: from what such a gist,
    trained on the document, recites.

    Interrupt it with Ctrl+C whenever you like: the same command goes on where it stopped.
    """
    from gistdesk.cli.jobs import haystack_of
    from gistdesk.core.load import load_model
    from trainer.benchmark.config import BenchConfig
    from trainer.benchmark.figures import scores_table, table
    from trainer.benchmark.run_folder import n_trials
    from trainer.report.folder import measure

    files = {"longbench": longbench, "choices": choices, "instructions": instructions}
    default_kinds = ("reading",) if reading else () if any(files.values()) else ("passkey",)
    ratios = ratios_of(ratio)
    config = BenchConfig(
        lengths=numbers(lengths, "--lengths"),
        depths=numbers(depths, "--depths"),
        samples=samples,
        languages=words(languages),
        methods=words(methods),
        kinds=words(kinds) or default_kinds,
        ratio=ratios[0] if len(ratios) == 1 else ratios,
        seed=seed,
        haystack=haystack_of(haystack, password) if haystack else "",
        needle=unicode_of(needle),
        question=unicode_of(question),
        top_k=top_k,
        chunk_tokens=chunk_tokens,
        overlap_tokens=overlap_tokens,
        rank_by=rank_by,  # type: ignore[arg-type]
        reading=str(reading or ""),
        records=records,
        **{name: str(path) for name, path in files.items() if path},
    )
    loaded = load_model(model, device=device, precision=precision, need_adapter=config.needs_adapter)
    results: dict[str, Any] = {}
    try:
        with closing(measure(loaded, config, output)) as work:
            for event in counted(work, "niah", show=not (as_json or events)):
                results = event
                if events and "total" in event:
                    print(json.dumps({name: event[name] for name in ("done", "total", "eta_s")}), flush=True)
    except KeyboardInterrupt:
        n_kept = n_trials(output)  # counted there: the last one may have been written, and not been told yet
        print(f"gistdesk: {n_kept} samples are kept; the same command goes on.", file=sys.stderr)
        raise
    if not events:
        if as_json:
            print(json.dumps(results, ensure_ascii=False))
        else:
            print(f"{table(results['cells'])}\n\n{scores_table(results['methods'])}")


@app.command()
def recall(
    gist: Annotated[Path, typer.Argument(help="A .gistkv file.")],
    document: Annotated[Path, typer.Argument(help="The document that it was made from.")],
    facts: Annotated[int, typer.Option(help="Most facts that are asked.", min=1)] = 40,
    seed: Annotated[int, typer.Option(help="Same seed, same facts.")] = 0,
    password: PasswordOption = None,
    model: GistModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
    events: Annotated[bool, typer.Option("--events", help="Print progress, too, as lines of JSON.")] = False,
    kept_text: Annotated[bool, typer.Option("--kept-text", hidden=True)] = False,
) -> None:
    """What did this gist keep? Numbers, dates, names and codes of the document are asked back from its gist.

    Each is asked without the document, too: "guessed" counts what is answered right even then.
    """
    from gistdesk.cli.jobs import recall_of

    work = recall_of(
        *(gist, document),
        model=model,
        device=device,
        precision=precision,
        n_facts=facts,
        seed=seed,
        password=password,
        is_kept_text=kept_text,
        known=known_models(),
    )
    result: dict[str, Any] = {}
    for event in counted(work, "recall", show=not (as_json or events)):
        result = event
        if events and "total" in event:
            print(json.dumps(event), flush=True)
    if as_json or events:
        print(json.dumps(result, ensure_ascii=False))
        return
    share = f"{100 * result['recall']:.0f}% ({100 * result['low']:.0f}-{100 * result['high']:.0f}%)"
    print(f"{result['kept']} of {result['n']} facts kept: {share}; guessed without the document: {result['guessed']}")
    for part in result["by_depth"]:
        print(f"  {part['from']:>3}-{part['to']}% of the text: {part['kept']} of {part['n']}")
    for kind, part in result["by_kind"].items():
        print(f"  {kind}s: {part['kept']} of {part['n']}")


@app.command()
def train(
    preset: Annotated[str, typer.Option(help="check, quick, standard or full.")] = "",
    config: Annotated[Path | None, typer.Option(help="A YAML file of your own.")] = None,
    work: Annotated[
        Path | None, typer.Option("--work", help="Folder for everything the run writes; goes on if there is a run.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One field, for example --set base=FOLDER --set steps=100.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the memory and time it needs, and stop.")] = False,
) -> None:
    """Train a gist adapter for a model of yours; python -m trainer has more commands.

    Stop it with Ctrl+C: a checkpoint is written, and the same command goes on from there.
    """
    from trainer.command import run_training

    run_training(preset=preset, config=config, work=work, settings=settings or [], dry_run=dry_run)
