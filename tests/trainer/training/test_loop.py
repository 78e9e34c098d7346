"""The loop around a real, tiny run: exact resuming, pausing, stopping, failing, best kept, everything written down."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from gistdesk.core.adapter import read_adapter
from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.sentences import unpacked
from tests.core.tiny_models import PLAIN, tiny_base, write_model
from tests.trainer.tiny_runs import SHORT, tiny_config, tiny_gist_base, tiny_run, write_questions
from trainer.data.samples import Samples
from trainer.training import loop
from trainer.training.config import TrainConfig, read_config
from trainer.training.loop import Evaluation, Event, Measured, Plan, Wish, train
from trainer.training.run import AdapterRun
from trainer.training.train import train_adapter
from trainer.training.work_folder import read_control, recorded, write_control


def plan(folder: Path, **changes: Any) -> Plan:
    return Plan(
        **{
            "folder": folder,
            "artefact": "adapter",
            "evaluate_steps": 3,
            "checkpoint_s": 0.0,
            "keep_checkpoints": 2,
            "report_steps": 1,
            **changes,
        }
    )


def losses(events: list[Event]) -> list[tuple[int, float, float]]:
    return [(e["step"], e["questions loss"], e["gradient norm"]) for e in events if e["event"] == "progress"]


def kinds(events: list[Event]) -> list[str]:
    return [event["event"] for event in events]


def wishing(*wishes: Wish) -> Callable[[], Wish]:
    left: Iterator[Wish] = iter(wishes)
    return lambda: next(left, "go")


def test_a_resumed_run_equals_an_uninterrupted_one_step_by_step(tmp_path: Path) -> None:
    whole = tiny_run(tmp_path)
    expected = list(train(whole, plan(tmp_path / "whole")))
    assert [step for step, _, _ in losses(expected)] == [1, 2, 3, 4, 5, 6]

    found: list[Event] = []
    for wish in (wishing("go", "stop"), wishing("stop"), wishing()):
        run = tiny_run(tmp_path)
        found += list(train(run, plan(tmp_path / "parts"), wish=wish))
    assert kinds(found).count("stopped") == 2
    assert kinds(found).count("resumed") == 2
    assert losses(found) == losses(expected)
    for ours, theirs in zip(run.descent.parameters, whole.descent.parameters, strict=True):
        assert torch.equal(ours, theirs)
    assert found[-1]["event"] == "finished"
    assert list(train(tiny_run(tmp_path), plan(tmp_path / "parts")))[-1]["event"] == "finished"


def test_a_resumed_run_draws_the_samples_of_an_uninterrupted_one(
    starter: GistModel, training_samples: Samples, evaluation_samples: Samples, tmp_path: Path
) -> None:
    """Generated samples depend on curricula, which are part of a checkpoint."""
    config = TrainConfig(steps=4, document_tokens=256, batch=1, warmup_steps=1, goal=0.5, distill_weight=0.5)
    texts = training_samples, evaluation_samples

    def made() -> AdapterRun:
        run = AdapterRun(GistModel(starter.causal_lm, starter.tokenizer, starter.identity), config, texts=texts)
        run.mixture.curricula["passkeys tokens"].accuracy = 0.9  # of a run that has learned to copy
        return run

    def figures(events: list[Event]) -> list[dict[str, float]]:
        names = ("step", "passkeys loss", "passkeys distillation", "passkeys tokens bound", "gradient norm")
        return [{name: event[name] for name in names} for event in events if event["event"] == "progress"]

    expected = figures(list(train(made(), plan(tmp_path / "whole"))))
    found = figures(list(train(made(), plan(tmp_path / "parts"), wish=wishing("go", "stop"))))
    found += figures(list(train(made(), plan(tmp_path / "parts"))))
    assert found == expected
    assert found[-1]["passkeys tokens bound"] > found[0]["passkeys tokens bound"] > 40


def test_a_killed_run_repeats_the_steps_since_its_checkpoint(tmp_path: Path) -> None:
    expected = losses(list(train(tiny_run(tmp_path), plan(tmp_path / "whole"))))
    events = train(tiny_run(tmp_path), plan(tmp_path / "killed"))
    seen = [next(events) for _ in range(6)]  # started, then progress and checkpoint in turn
    assert seen[-1]["event"] == "progress"
    assert seen[-1]["step"] == 3
    events.close()  # type: ignore[attr-defined]
    rest = list(train(tiny_run(tmp_path), plan(tmp_path / "killed")))
    assert (rest[0]["event"], rest[0]["step"]) == ("resumed", 2)
    assert losses(rest) == expected[2:]


def test_a_damaged_checkpoint_is_told_and_the_one_before_used(tmp_path: Path) -> None:
    expected = losses(list(train(tiny_run(tmp_path), plan(tmp_path / "whole"))))
    list(train(tiny_run(tmp_path), plan(tmp_path / "hurt"), wish=wishing("go", "go", "stop")))
    newest = tmp_path / "hurt" / "checkpoints" / "step-00000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-8])
    rest = list(train(tiny_run(tmp_path), plan(tmp_path / "hurt")))
    assert kinds(rest)[:2] == ["warning", "resumed"]
    assert "step-00000003.safetensors is damaged" in rest[0]["message"]
    assert losses(rest) == expected[2:]


def test_a_pause_writes_a_checkpoint_and_waits(tmp_path: Path) -> None:
    events = train(tiny_run(tmp_path), plan(tmp_path, checkpoint_s=1e9), wish=wishing("pause", "pause", "go", "stop"))
    found = list(events)
    assert kinds(found)[:5] == ["started", "progress", "checkpoint", "paused", "continued"]
    assert kinds(found)[-2:] == ["checkpoint", "stopped"]
    assert found[-1]["step"] == 2


def test_progress_tells_what_the_window_shows(tmp_path: Path) -> None:
    found = list(train(tiny_run(tmp_path, distill_weight=0.5), plan(tmp_path)))
    progress = [event for event in found if event["event"] == "progress"]
    for event in progress:
        assert event.keys() >= {
            "step",
            "steps",
            "seconds",
            "left_s",
            "learning_rate",
            "tokens_per_s",
            "allocated_bytes",
            "reserved_bytes",
            "questions loss",
            "questions accuracy",
            "questions distillation",
        }
        assert event["tokens_per_s"] > 0
        assert event["questions distillation"] > 0
    assert [e["learning_rate"] for e in progress] == pytest.approx([0.005, 0.01, 0.01, 0.01, 0.01, 0.00556], rel=0.01)
    assert progress[-1]["left_s"] == 0
    json.dumps(found)


def test_the_best_is_kept(tmp_path: Path) -> None:
    scores = iter([0.9, 0.2, 0.6, 0.4])
    run = tiny_run(tmp_path, steps=3)
    weights: dict[int, torch.Tensor] = {}

    def measured() -> Evaluation:
        yield {"event": "evaluating"}
        weights[run.step] = run.adapter.gist_rows.detach().clone()
        return Measured(next(scores), [{"accuracy": run.step}], [{"event": "check"}])

    found = list(train(run, plan(tmp_path, evaluate_steps=1), evaluate=measured))
    evaluations = [event for event in found if event["event"] == "evaluation"]
    # what stands at the start is no result of this run
    assert [(e["step"], e["is_best"]) for e in evaluations] == [(0, False), (1, True), (2, True), (3, False)]
    assert found[-1]["best"] == 0.6
    kept = read_adapter(tmp_path / "adapter", run.model.causal_lm.model, run.model.identity.model_fingerprint)
    assert torch.equal(kept.gist_rows, weights[2].half())
    assert json.loads((tmp_path / "adapter" / "gist.json").read_text())["measured"] == [{"accuracy": 2}]
    assert {path.name for path in tmp_path.iterdir()} >= {"adapter", "checkpoints"}
    assert not list(tmp_path.glob("adapter.*"))


def giving(measured: Measured) -> Evaluation:
    yield {"event": "evaluating"}
    return measured


def endless(seen: list[int]) -> Evaluation:
    """An evaluation of hours."""
    for done in range(10**6):
        seen.append(done)
        yield {"event": "evaluating", "done": done, "of": 10**6}
        time.sleep(0.001)
    raise AssertionError("it was not stopped")


@pytest.mark.parametrize("at", [0, 3, 6], ids=["first", "middle", "last"])
def test_an_evaluation_is_stopped_at_once_and_made_when_the_run_goes_on(tmp_path: Path, at: int) -> None:
    seen: list[int] = []
    run = tiny_run(tmp_path)
    found = list(
        train(
            run,
            plan(tmp_path, report_steps=9),
            evaluate=lambda: endless(seen) if run.step == at else giving(Measured(0.5, [], [])),
            wish=lambda: "stop" if len(seen) > 2 else "go",
        )
    )
    assert kinds(found)[-1] == "stopped"
    assert "evaluating" in kinds(found)
    assert (found[-1]["step"], len(seen)) == (at, 3)
    assert kinds(found).count("evaluation") == at // 3
    again = list(train(tiny_run(tmp_path), plan(tmp_path), evaluate=lambda: giving(Measured(0.5, [], []))))
    assert kinds(again)[:3] == ["resumed", "evaluating", "evaluation"]
    assert [event["step"] for event in again if event["event"] == "evaluation"] == [0, 3, 6][at // 3 :]
    assert again[-1]["event"] == "finished"


def test_a_long_evaluation_tells_how_far_it_is_and_can_be_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_EVALUATING_S", 0.0)

    def evaluation() -> Evaluation:
        for done in range(3):
            yield {"event": "evaluating", "done": done, "of": 3}
        return Measured(0.5, [], [])

    found = list(
        train(tiny_run(tmp_path), plan(tmp_path), evaluate=evaluation, wish=wishing("go", "pause", "pause", "go"))
    )
    assert kinds(found)[:7] == ["started", *["evaluating"] * 2, "paused", "continued", "evaluating", "evaluation"]
    assert [event["done"] for event in found[:6] if event["event"] == "evaluating"] == [0, 1, 2]
    assert found[6]["evaluation_s"] < 0.15  # the pause of 0.2 s is not of the evaluation


def test_a_checkpoint_that_cannot_be_written_is_a_warning_and_at_the_end_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").write_text("in the way")
    found: list[Event] = []
    with pytest.raises(UserError, match="cannot be written"):
        found.extend(train(tiny_run(tmp_path), plan(tmp_path / "run")))
    assert kinds(found).count("progress") == 6
    assert kinds(found).count("warning") == 5
    assert found[-1]["event"] == "failure"
    assert found[-1]["hint"]


def test_a_best_that_cannot_be_written_is_a_warning_and_at_the_end_an_error(tmp_path: Path) -> None:
    """In the middle, where the disk may be full for checkpoints too, ending the run would lose steps."""
    (tmp_path / "adapter.new").write_text("in the way")
    scores = iter([0.0, 0.9, 0.5])
    run = tiny_run(tmp_path)
    found: list[Event] = []
    with pytest.raises(UserError, match="The trained adapter cannot be written"):
        found.extend(train(run, plan(tmp_path), evaluate=lambda: giving(Measured(next(scores), [], []))))
    warnings = [event for event in found if event["event"] == "warning"]
    assert [event["step"] for event in warnings] == [3]
    assert "The trained adapter cannot be written" in warnings[0]["message"]
    assert (run.step, found[-1]["event"]) == (6, "failure")
    (tmp_path / "adapter.new").unlink()
    rest = list(train(tiny_run(tmp_path), plan(tmp_path), evaluate=lambda: giving(Measured(0.5, [], []))))
    assert kinds(rest)[-1] == "finished"
    assert rest[-1]["best"] == 0.5
    assert (tmp_path / "adapter" / "gist.json").exists()


def test_a_text_that_does_not_fit_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    """It is met when it is drawn, which may be hours after the last checkpoint; the steps until then are not lost."""
    expected = losses(list(train(tiny_run(tmp_path), plan(tmp_path / "whole"))))
    run = tiny_run(tmp_path)
    draw = run.mixture.unit
    long = {"context": "A grey cat slept. " * 20_000, "question": "Who?", "answers": ["cat"]}
    (tmp_path / "long.jsonl").write_text(json.dumps(long) + "\n", encoding="utf-8")
    bad = tiny_run(tmp_path, questions=str(tmp_path / "long.jsonl"), held_out_share=0.0).mixture.unit
    run.mixture.unit = lambda step, place: (bad if step == 3 else draw)(step, place)  # type: ignore[method-assign]
    found: list[Event] = []
    with pytest.raises(UserError, match=r"line 1: .* do not fit into the model's window"):
        found.extend(train(run, plan(tmp_path / "run", checkpoint_s=1e9)))
    assert kinds(found)[-2:] == ["checkpoint", "failure"]
    rest = list(train(tiny_run(tmp_path), plan(tmp_path / "run")))
    assert (rest[0]["event"], rest[0]["step"]) == ("resumed", 3)
    assert losses(rest) == expected[3:]


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: error code 12"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_too_little_memory_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    run = tiny_run(tmp_path)

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(run, "_backward", fails)
    found: list[Event] = []
    with pytest.raises(UserError, match="There was not enough memory at step 0"):
        found.extend(train(run, plan(tmp_path)))
    assert kinds(found) == ["started", "failure"]


def test_other_errors_are_not_taken_for_too_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny_run(tmp_path)

    def fails(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(run, "_backward", fails)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(train(run, plan(tmp_path)))


# --- A run and its folder


def test_a_run_writes_everything_beside_its_artefacts(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    folder = tmp_path / "run"
    found = list(train_adapter(folder, config, model=tiny_gist_base()))
    told = [event for event in found if event["event"] in ("evaluating", "check", "evaluation")]
    said = kinds(told)  # on a busy machine an evaluation says more than once how far it is
    once = [kind for before, kind in zip(["", *said], said, strict=False) if (before, kind) != ("evaluating",) * 2]
    assert once == ["evaluating", "check", "check", "evaluation"] * 3
    # five documents held out and six ordinary texts: a gist, and four conditions each
    assert (told[0]["done"], told[0]["of"]) == (0, 5 * 5 + 6 * 5)
    lines = [json.loads(line) for line in (folder / "run.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [unpacked(line) for line in lines] == found
    assert read_config(folder / "config.yaml") == config
    assert read_config(folder / "adapter" / "config.yaml") == config
    conditions = {key for key in next(e for e in found if e["event"] == "check") if key.endswith("loss")}
    assert conditions == {"gist loss", "wrong-gist loss", "none loss", "full loss"}

    base = tiny_base(PLAIN)
    loaded = PeftModel.from_pretrained(base, str(folder / "adapter"))
    assert any("lora_A" in name for name, _ in loaded.named_parameters())

    with pytest.raises(UserError, match="holds a run with a different rank, seed"):
        list(train_adapter(folder, tiny_config(tmp_path, rank=8, seed=1), model=tiny_gist_base()))
    again = list(train_adapter(folder, tiny_config(tmp_path, report_steps=2), model=tiny_gist_base()))
    assert kinds(again) == ["resumed", "finished"]


def test_a_run_may_go_on_with_less_memory(tmp_path: Path) -> None:
    """Which is what the sentence about too little memory advises."""
    folder = tmp_path / "run"
    list(train_adapter(folder, tiny_config(tmp_path), model=tiny_gist_base()))
    less = tiny_config(tmp_path, micro_tokens=24, checkpoint_activations=True)
    assert kinds(list(train_adapter(folder, less, model=tiny_gist_base()))) == ["resumed", "finished"]
    assert read_config(folder / "config.yaml") == less


def test_an_adapter_can_be_gone_on_from(tmp_path: Path) -> None:
    model = tiny_gist_base()
    list(train_adapter(tmp_path / "run", tiny_config(tmp_path), model=model))
    kept = read_adapter(tmp_path / "run" / "adapter", model.causal_lm.model, model.identity.model_fingerprint)
    run = tiny_run(tmp_path, start_from=str(tmp_path / "run" / "adapter"))
    assert not run.fresh
    assert torch.equal(run.adapter.gist_rows, kept.gist_rows.float())
    with pytest.raises(UserError, match="another rank"):
        tiny_run(tmp_path, start_from=str(tmp_path / "run" / "adapter"), rank=2)
    with pytest.raises(UserError, match="cannot be read"):
        tiny_run(tmp_path, start_from=str(tmp_path / "nothing"))


def test_an_event_does_not_join_the_half_line_of_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"event": "started"}\n{"event": "prog', encoding="utf-8")
    list(recorded(iter([{"event": "resumed"}, {"event": "finished"}]), path))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[1] == '{"event": "prog'
    assert kinds([json.loads(line) for line in lines[2:]]) == ["resumed", "finished"]


def test_control_is_a_word_in_a_file(tmp_path: Path) -> None:
    assert read_control(tmp_path) == "go"
    for wish in ("pause", "stop", "go"):
        write_control(tmp_path, wish)  # type: ignore[arg-type]
        assert read_control(tmp_path) == wish
    (tmp_path / "control").write_bytes(b"\xff\xfe")
    assert read_control(tmp_path) == "go"


def command(tmp_path: Path, **changes: Any) -> list[str]:
    base = tmp_path / "model"
    if not base.exists():
        write_model(base)
        write_questions(tmp_path / "questions.jsonl")
    config = {**SHORT, "base": str(base), "questions": str(tmp_path / "questions.jsonl"), "threads": 1, **changes}
    (tmp_path / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    words = ["train", "--config", str(tmp_path / "config.yaml"), "--work", str(tmp_path / "run")]
    return [sys.executable, "-P", "-m", "trainer", *words]


@pytest.mark.release
def test_the_command_prints_events_stops_on_a_signal_and_goes_on(tmp_path: Path) -> None:
    words = command(tmp_path, steps=2000)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "progress":
                process.send_signal(signal.SIGINT)
                break
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert kinds(rest)[-2:] == ["checkpoint", "stopped"]
    stopped = rest[-1]["step"]

    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        event = json.loads(process.stdout.readline())
        assert (event["event"], event["step"]) == ("resumed", stopped)
        while json.loads(process.stdout.readline())["event"] != "checkpoint":
            pass
        process.kill()
    lines = (tmp_path / "run" / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1])["step"] > stopped
    assert list((tmp_path / "run" / "checkpoints").glob("step-*.safetensors"))


@pytest.mark.release
def test_a_signal_is_heard_in_the_first_evaluation(tmp_path: Path) -> None:
    words = command(tmp_path, mix={"passkeys": 1.0}, questions="", base="starter", segment_tokens=120, ratio=60.0)
    words += ["--set", "evaluate_samples=1000", "--set", "document_tokens=128", "--set", "evaluate_lengths=[64]"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = []
        for line in process.stdout:
            found.append(json.loads(line))
            if found[-1]["event"] == "evaluating" and found[-1]["done"]:
                process.send_signal(signal.SIGTERM)
                begun = time.monotonic()
                break
        found += [json.loads(line) for line in process.stdout]
    assert time.monotonic() - begun < 10
    assert process.returncode == 0
    assert kinds(found)[:2] == ["started", "evaluating"]
    assert kinds(found)[-2:] == ["checkpoint", "stopped"]


@pytest.mark.release
def test_a_run_goes_on_when_whoever_listened_has_gone(tmp_path: Path) -> None:
    words = command(tmp_path, steps=20, evaluate_steps=100)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(100) == 0
    last = (tmp_path / "run" / "run.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    assert (json.loads(last)["event"], json.loads(last)["step"]) == ("finished", 20)
    assert (tmp_path / "run" / "adapter" / "gist.json").exists()


def test_bad_words_are_one_sentence(tmp_path: Path) -> None:
    words = [*command(tmp_path), "--set", "colour=red"]
    result = subprocess.run(words, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert 'no field "colour"' in result.stderr
