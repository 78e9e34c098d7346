"""The Lab's wording: names of methods, tasks and states, scores with their intervals. Knows no widgets."""

from gistdesk.benchmark_names import BENCH_METHODS, NEEDLE_KINDS
from gistdesk.core.interval import wilson
from gistdesk.language.figures import count_text, duration_text
from gistdesk.language.i18n import later, tr
from gistdesk.session.run import Run

METHODS = {method.name: method.title for method in BENCH_METHODS}
METHOD_NOTES = {method.name: method.note for method in BENCH_METHODS}
TASKS = {
    **{kind.name: kind.title for kind in NEEDLE_KINDS},
    "ruler-single-1": later("RULER single 1"),
    "ruler-single-2": later("RULER single 2"),
    "ruler-single-3": later("RULER single 3"),
    "ruler-multikey-1": later("RULER multi-key 1"),
    "ruler-multikey-2": later("RULER multi-key 2"),
    "ruler-multikey-3": later("RULER multi-key 3"),
    "ruler-multivalue": later("RULER multi-value"),
    "ruler-multiquery": later("RULER multi-query"),
    "ruler-vt": later("RULER variables"),
    "ruler-cwe": later("RULER common words"),
    "ruler-fwe": later("RULER frequent words"),
    "ruler-qa": later("RULER questions (English)"),
    "documents": later("Reports and the like (English)"),
}
OTHER_TASKS = {
    "reading": later("Stories"),
    "summary": later("What stories are about"),
    "documents-absent": later("Not in the report"),
}
"""Cannot be ticked: stories need a file."""
LANGUAGES = {"en": later("English"), "ko": later("Korean")}

STATE_ICONS = {
    "queued": ("queued", "muted"),
    "starting": ("working", "accent"),
    "running": ("working", "accent"),
    "paused": ("pause", "warning"),
    "stopping": ("working", "warning"),
    "stopped": ("stop", "warning"),
    "finished": ("ready", "good"),
    "failed": ("error", "bad"),
}


def method_name(method: str, ratio: float | None = None) -> str:
    """A method's readable name, with its ratio if there are several."""
    name = tr(METHODS[method]) if method in METHODS else method
    return f"{name} {ratio:g}x" if ratio is not None else name


def task_name(task: str) -> str:
    """A task's readable name; the name of a user's own file is left as it is."""
    names = TASKS | OTHER_TASKS
    return tr(names[task]) if task in names else task


def language_name(language: str) -> str:
    return tr(LANGUAGES[language]) if language in LANGUAGES else language


def share_text(points: float, n: int) -> str:
    """ "75%"."""
    return f"{100 * points / n:.0f}%" if n else "–"


def interval_text(points: float, n: int) -> str:
    """ "53-89%", the 95% interval of Wilson."""
    low, high = wilson(points, n)
    return f"{100 * low:.0f}–{100 * high:.0f}%"


def state_text(run: Run) -> str:
    """What a run is doing, with its progress."""
    done, total = count_text(run.step), count_text(run.steps)
    if run.state == "running":
        words = tr("Step {done} of {total}", done=done, total=total)
        if not run.is_training:
            words = tr("Sample {done} of {total}", done=done, total=total)
        if run.evaluating is not None:
            measured, of = (count_text(n) for n in run.evaluating)
            return f"{words}  ·  {tr('Evaluating: {done} of {total}', done=measured, total=of)}"
        left = run.left_s
        return words if left is None else f"{words}  ·  {tr('{time} left', time=duration_text(left))}"
    if run.state == "stopped":
        step = count_text(run.resume_step)
        if run.is_training:
            return tr("Stopped; can resume from step {step}", step=step)
        return tr("Stopped; can resume after sample {step}", step=step)
    if run.state == "failed":
        return tr("Failed: {reason}", reason=bug_text(run.problem) if run.is_bug else tr(run.problem))
    return {
        "queued": tr("Waiting for the device"),
        "starting": tr("Loading the model"),
        "paused": tr("Paused at step {done} of {total}", done=done, total=total),
        "stopping": tr("Stopping, with a checkpoint") if run.is_training else tr("Stopping"),
        "finished": tr("Finished"),
    }.get(run.state, run.state)


def bug_text(line: str) -> str:
    """The sentence for a program that ended with a bug: the last line of its traceback, as it is."""
    return tr("an error in the program ({line})", line=line)


def resume_text(run: Run) -> str:
    """The text of the button that resumes a run."""
    if run.state == "paused":
        return tr("Continue")
    if not run.resume_step:
        return tr("Start again")
    step = count_text(run.resume_step)
    if run.is_training:
        return tr("Resume from step {step}", step=step)
    return tr("Resume from sample {step}", step=step)


def kind_text(run: Run) -> str:
    return tr("Training") if run.is_training else tr("Benchmark")
