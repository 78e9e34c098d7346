"""The card of a trained adapter says what its run measured, step by step, and no more."""

import json
from pathlib import Path
from typing import Any

import torch

from tests.trainer.tiny_runs import tiny_config, tiny_gist_base
from trainer.training.adapter_card import adapter_card, write_adapter_card
from trainer.training.config import TrainConfig
from trainer.training.train import train_adapter


def evaluation(step: int, accuracy: float, *, is_best: bool) -> list[dict[str, Any]]:
    row = {"needle_kind": "passkey", "context_tokens": 512, "depth_percent": 0, "ratio": 128.0, "n": 20}
    shares = {"gist accuracy": accuracy, "none accuracy": 0.0, "wrong-gist accuracy": 0.05, "full accuracy": 1.0}
    conditions = {"gist right": 19, "wrong-gist right": 1, "none right": 0, "full right": 20}
    rows = [row | {"language": language, "accuracy": accuracy} for language in ("en", "ko")]
    return [
        {"event": "check", "step": step, "part": "passkeys", "n": 20, **conditions},
        {"event": "needles", "step": step, **shares},
        {"event": "evaluation", "step": step, "is_best": is_best, "rows": rows},
    ]


def test_accuracy_over_steps_beside_its_controls() -> None:
    events = [*evaluation(0, 0.0, is_best=False), *evaluation(200, 0.95, is_best=True)]
    text = adapter_card(
        TrainConfig(), [*events, {"event": "warning", "step": 200, "message": "Look out."}], "a machine"
    )
    assert "| step | passkey, English | passkey, Korean | wrong-gist | none | full |" in text
    assert "| 200 | 95% of 20 (76-99%) | 95% of 20 (76-99%) | 5% | 0% | 100% |" in text
    assert "| 200 | passkeys | 20 | 19 | 1 | 0 | 20 |" in text
    assert "- Look out." in text and "minutes on a machine" in text
    assert "that of step 200" in text


def test_the_ends_of_the_trained_ratios_stand_apart() -> None:
    """Of the step that was kept; what was aimed at does not mix with them."""
    events = [*evaluation(0, 0.0, is_best=False), *evaluation(200, 0.95, is_best=True)]
    events += evaluation(400, 0.9, is_best=False)
    for event in events:
        for row in list(event.get("rows", ())):
            for asked, accuracy in ((32.0, 1.0), (512.0, 0.4 if event["step"] == 200 else 0.2)):
                event["rows"].append({**row, "ratio_asked": asked, "ratio": asked / 2, "n": 10, "accuracy": accuracy})
            row["ratio_asked"] = 128.0
    text = adapter_card(TrainConfig(), events, "a machine")
    assert "| 200 | 95% of 20 (76-99%) | 95% of 20 (76-99%) | 5% | 0% | 100% |" in text
    assert "| 32x | passkey, English | 100% of 10 (72-100%) |" in text
    assert "| 512x | passkey, Korean | 40% of 10 (17-69%) |" in text
    assert text.count("| 512x | passkey, ") == 2
    assert "512x" not in adapter_card(TrainConfig(), evaluation(200, 0.95, is_best=True), "a machine")


def test_every_run_leaves_one(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    found = list(train_adapter(folder, tiny_config(tmp_path), model=tiny_gist_base()))
    text = (folder / "adapter" / "README.md").read_text(encoding="utf-8")
    check = [event for event in found if event["event"] == "check" and event["part"] == "questions"][-1]
    assert f"| 6 | questions | {check['n']} | {check['gist right']} | {check['wrong-gist right']}" in text
    assert "Needles" not in text  # it measured none
    assert "rank: 4" in text
    assert "model.resize_token_embeddings(" in text


def test_what_was_done_twice_is_told_once(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    list(train_adapter(folder, tiny_config(tmp_path), model=tiny_gist_base()))
    lines = (folder / "run.jsonl").read_text(encoding="utf-8").splitlines()
    changed = json.dumps({**json.loads(lines[1]), "n": 999})
    (folder / "run.jsonl").write_text("\n".join([*lines[:1], changed, *lines[1:], lines[-1][:20]]), encoding="utf-8")
    before = (folder / "adapter" / "README.md").read_text(encoding="utf-8")
    write_adapter_card(folder, torch.device("cpu"))
    assert (folder / "adapter" / "README.md").read_text(encoding="utf-8") == before
