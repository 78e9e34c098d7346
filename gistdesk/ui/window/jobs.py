"""All long-running work as rows to show: compressing, measuring, downloads, copies, and the Lab's runs.

Knows the desk and the runs; knows no widgets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gistdesk.core.errors import UserError
from gistdesk.language.figures import duration_text
from gistdesk.language.i18n import tr
from gistdesk.library import Entry
from gistdesk.session.desk import Desk
from gistdesk.session.run import WAITING, Run
from gistdesk.session.runs import Runs
from gistdesk.ui.library.states import WORKING, fraction, state_words


@dataclass(frozen=True)
class Job:
    """Attributes:
    share: from 0 to 1.
    is_open: running, with the total unknown.
    left_s: seconds, where known.
    """

    key: str
    title: str
    words: str
    share: float | None
    cancel: Callable[[], object]
    is_open: bool = False
    left_s: float | None = None


def all_jobs(desk: Desk, runs: Runs) -> list[Job]:
    """Running jobs first, then waiting ones in queue order."""
    entries = desk.library.entries.all(states=WORKING)
    turns = {entry_id: turn for turn, entry_id in enumerate(desk.library.queue.waiting(), 1)}
    entries.sort(key=lambda entry: (turns.get(entry.id, 0), entry.id))
    jobs = [_run_job(runs, run) for run in reversed(runs.all()) if run.is_live or run.state == WAITING]
    jobs += [entry_job(desk, entry) for entry in entries]
    jobs += _measuring(desk)
    for row in desk.models():
        if row.download is not None and not row.download.is_paused:
            share = row.download.share or 0.0
            words = tr("Downloading {percent}%", percent=round(100 * share))
            cancel = partial(desk.pause_download, row.name)
            jobs.append(Job(f"model {row.name}", row.title, words, share, cancel))
    for number, job in enumerate(desk.file_jobs.jobs):
        is_first = number == 0
        words = tr(job.words) if is_first else tr("Waiting")
        if is_first and job.share is not None:
            words = f"{words} {round(100 * job.share)}%"
        cancel = partial(desk.file_jobs.cancel, job.id)
        jobs.append(Job(f"files {job.id}", job.title, words, job.share, cancel, is_first and job.share is None))
    return jobs


def entry_job(desk: Desk, entry: Entry) -> Job:
    """The job of a document that is being compressed or waiting."""
    left_s = desk.documents.eta_s(entry.id)
    title = entry.title or entry.source_path.name
    cancel = partial(desk.documents.cancel, entry.id)
    return Job(f"entry {entry.id}", title, state_words(entry, left_s), fraction(entry), cancel, left_s=left_s)


def _measuring(desk: Desk) -> list[Job]:
    found = []
    for check in desk.recall_checks.checks:
        try:
            title = desk.library.entries.get(check.entry_id).title
        except UserError:  # deleted in another window
            continue
        words = tr("Measuring: {done} of {total} facts", done=check.done, total=check.total)
        share = check.done / check.total if check.total else None
        cancel = partial(desk.recall_checks.stop, check.entry_id)
        found.append(Job(f"check {check.entry_id}", title, words if check.total else tr("Measuring"), share, cancel))
    return found


def _run_job(runs: Runs, run: Run) -> Job:
    from gistdesk.ui.lab.words import state_text

    share = run.step / run.steps if run.steps else None
    is_open = run.state in ("starting", "stopping")
    return Job(f"run {run.name}", run.start.title, state_text(run), share, partial(runs.stop, run), is_open, run.left_s)


def left_words(jobs: list[Job]) -> str:
    """How many jobs there are, and how long the running ones will take, as far as known."""
    known = [job.left_s for job in jobs if job.left_s is not None]
    if not known:
        return tr("Not finished: {n}.", n=len(jobs))
    return tr(
        "Not finished: {n}. What is running needs about {time} more.", n=len(jobs), time=duration_text(sum(known))
    )
