"""Training in the real window with the real starter: from Start over pause and continue to an adapter in use."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from gistdesk.folders import folders
from gistdesk.session.run import Run, is_alive
from gistdesk.settings import Settings, write_settings
from gistdesk.ui.lab.place import TRAIN
from gistdesk.ui.lab.train import loss_points
from gistdesk.ui.window.main import LAB
from tests.end2end.person import Person, at_window

STEPS = 30
SMALL = "report_steps=1 document_tokens=128 distill_weight=0 slots=4 korean_share=0 "
SMALL += "evaluate_lengths=[64] evaluate_samples=1"
"""Further fields: a step is a fraction of a second, and the whole test less than a minute of one core."""


@pytest.fixture
def person(qtbot: QtBot, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    write_settings(folders().config / "settings.toml", Settings(first_run=False, threads=1, language="en"))
    with at_window(qtbot, qapp) as person:
        yield person


def end(run: Run | None) -> None:
    """No process outlives its test."""
    if run is not None and is_alive(run.start):
        process = psutil.Process(run.start.pid)
        process.kill()
        process.wait(10)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_adapter_is_trained_and_put_to_use(person: Person) -> None:
    lab = person.window.lab
    person.window.show_place(LAB)
    lab.main_widget.setCurrentIndex(TRAIN)
    form, header = lab.train.form, lab.train.header
    form.choose_check()
    form.steps.setValue(STEPS)
    form.further.setText(SMALL)
    person.wait(lambda: form.preflight.fits is not None)
    assert form.preflight.fits, form.preflight._verdict.text()
    assert f"--set steps={STEPS}" in form.command.field.toPlainText()
    person.click(form.start)
    run = lab.train.run
    assert run is not None
    try:
        person.wait(lambda: person.desk.device_holder == "Check · Starter")
        person.wait(lambda: loss_points(run.events) or run.state in ("failed", "stopped", "finished"))
        assert run.state == "running", run.problem
        person.click(header.pause)
        person.wait(lambda: run.state == "paused")
        paused_at = run.step
        assert 0 < paused_at < STEPS and header._words.text() == f"Paused at step {paused_at} of {STEPS}"
        assert lab.runs.run(run.name).resume_step == paused_at  # type: ignore[union-attr]
        assert header.resume.text() == "Continue" and not header.pause.isVisible()
        person.click(header.resume)
        person.wait(lambda: not run.is_live)
        assert (run.state, run.step) == ("finished", STEPS), run.problem
    finally:
        end(run)
    assert [step for step, _ in loss_points(run.events)] == list(range(1, STEPS + 1))
    raw, smoothed = lab.train.loss._lines
    assert len(raw.points) == len(smoothed.points) == STEPS
    assert all(line.points for line in lab.train.accuracy._lines)  # the gist's, and its controls'
    assert header._words.text() == "Finished" and person.desk.device_holder == ""
    person.click(lab.train.use)
    kept = str(folders().data / "adapters" / run.name)
    assert person.desk.settings.model == kept and kept in person.desk.settings.models
    person.wait(lambda: person.desk.engine_state.model == kept)
