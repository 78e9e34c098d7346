"""Folders of runs as trainer and benchmark leave them, in every state, with no process behind them."""

import json
import math
import os
from pathlib import Path
from random import Random
from typing import Any

import psutil
import yaml

from gistdesk.core.sentences import packed
from gistdesk.session.run import BENCHMARK, TRAIN, Start, write_start

METHODS = ("gist", "full", "none", "wrong-gist", "truncate")
LENGTHS, DEPTHS = (512, 2048, 8192), (0, 25, 50, 75, 100)


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(packed(row), ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _start(folder: Path, kind: str, title: str, created: str, *, live: bool, queued: bool = False) -> None:
    me = psutil.Process(os.getpid())
    words = ("niah", "-o", str(folder)) if kind == BENCHMARK else ("train", "--preset", "quick", "--work", str(folder))
    pid, born = (me.pid, me.create_time()) if live else (0, 0.0)
    write_start(folder, Start(kind, title, words, created, queued=queued, pid=pid, pid_created=born))


def trial(method: str, language: str, length: int, depth: int, number: int, random: Random) -> dict[str, Any]:
    """One sample, as samples.jsonl has it."""
    chance = {"gist": 1.05 - math.log2(length / 256) * 0.11, "full": 0.98, "none": 0.0, "wrong-gist": 0.02}
    right = random.random() < chance.get(method, 0.9 if depth == 0 else 0.05)
    value = str(random.randrange(10_000, 99_999))
    return {
        "method": method,
        "language": language,
        "needle_kind": "passkey",
        "context_tokens": length,
        "depth_percent": depth,
        "correct": right,
        "expected": value,
        "given": value if right else str(random.randrange(10_000, 99_999)),
        "prompt_tail": "What is the passkey?" if language == "en" else "암호 숫자는 무엇입니까?",
        "prompt": "It was a bright cold day in April.\n[... 12,840 characters ...]\nNobody spoke."
        if method == "full"
        else f"[the gist of {length:,} tokens in {length // 100} slots]",
        "ratio": 102.4 if method in ("gist", "wrong-gist", "truncate") else None,
        "ratio_asked": 100.0 if method in ("gist", "wrong-gist", "truncate") else None,
        "kv_bytes": 98_304,
        "ttft_s": 0.05 + (length / 2400 if method == "full" else 0),
        "peak_memory_bytes": 540_000_000 + 9000 * length * (method == "full"),
        "kept_bytes": 6144 * (length if method == "full" else length // 100),
        "sample": f"passkey:{language}:{length}:{depth}:{number}",
        "score": None,
        "prepare_s": length / 4000,
        "tokens_per_second": 31.0,
        "n_answer_tokens": 6,
        "places": [],
    }


def make_benchmark(
    runs: Path,
    name: str,
    title: str,
    created: str,
    *,
    share: float = 1.0,
    live: bool = False,
    queued: bool = False,
    seed: int = 1,
    error: str = "",
) -> Path:
    """A benchmark of which `share` is measured."""
    folder = runs / name
    _start(folder, BENCHMARK, title, created, live=live, queued=queued)
    if queued:
        return folder
    random = Random(seed)
    trials = [
        trial(method, language, length, depth, number, random)
        for language in ("en", "ko")
        for length in LENGTHS
        for depth in DEPTHS
        for number in range(4)
        for method in METHODS
    ]
    config = {"lengths": list(LENGTHS), "depths": list(DEPTHS), "samples": 4, "languages": ["en", "ko"]}
    config |= {"methods": list(METHODS), "kinds": ["passkey"], "ratio": 100.0, "seed": seed}
    described = {"config": config, "model": {"model_id": "starter"}, "started": created, "n_trials": len(trials)}
    if share == 1.0:
        described["finished"] = created
    (folder / "run.json").write_text(json.dumps(described), encoding="utf-8")
    kept = trials[: round(share * len(trials))]
    _lines(folder / "samples.jsonl", kept)
    _lines(folder / "stdout.log", [{"done": len(kept), "total": len(trials), "eta_s": 74.0}])
    (folder / "stderr.log").write_text(error, encoding="utf-8")
    return folder


def make_training(
    runs: Path,
    name: str,
    title: str,
    created: str,
    *,
    steps_done: int = 600,
    live: bool = False,
    last: str = "finished",
    warning: str = "",
    seed: int = 20261121,
    error: str = "",
) -> Path:
    """A training run of 600 steps."""
    folder = runs / name
    _start(folder, TRAIN, title, created, live=live)
    config = {"base": "starter", "rank": 64, "slots": 16, "ratio": 128.0, "steps": 600, "seed": seed}
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "learning_rate": 1e-3}), encoding="utf-8")
    random, events = Random(seed), [{"event": "started", "step": 0, "steps": 600, "time": 1_795_226_317.0}]
    for step in range(0, steps_done + 1, 10):
        clock = 1_795_226_317.0 + 2 * step
        if step % 200 == 0 or step == steps_done:
            gist = max(0.0, 1 - math.exp(-step / 260) + 0.04 * random.random())
            shares = {"gist accuracy": min(gist, 1.0), "full accuracy": 1.0, "none accuracy": 0.0}
            events.append(
                {"step": step, "event": "needles", "n": 40, "time": clock, "wrong-gist accuracy": 0.02, **shares}
            )
            best = {"score": gist, "best": min(gist, 1.0)}
            events.append({"event": "evaluation", "step": step, "is_best": True, "rows": [], "time": clock, **best})
        if step:
            loss = 2.2 * math.exp(-step / 240) + 0.18 + 0.16 * random.random()
            memory = 1_010_000_000 + 200_000 * step
            events.append(
                {
                    "event": "progress",
                    "step": step,
                    "steps": 600,
                    "seconds": 1.9 * step,
                    "left_s": 1.9 * (600 - step),
                    "learning_rate": 0.001,
                    "tokens_per_s": 1040.0 + 60 * random.random(),
                    "allocated_bytes": memory,
                    "reserved_bytes": memory + 180_000_000,
                    "passkeys loss": loss,
                    "passkeys accuracy": min(1.0, 0.2 + step / 900),
                    "time": clock,
                }
            )
        if step % 100 == 0 and step:
            events.append({"event": "checkpoint", "step": step, "path": "", "bytes": 21_573_236, "time": clock})
    if warning:
        events.append({"event": "warning", "step": steps_done, "message": warning, "time": clock})
    if last:
        events.append({"event": last, "step": steps_done, "seconds": 1.9 * steps_done, "time": clock})
    _lines(folder / "run.jsonl", events)
    (folder / "stderr.log").write_text(error, encoding="utf-8")
    if steps_done:
        (folder / "adapter").mkdir()
        (folder / "adapter" / "gist.json").write_text("{}", encoding="utf-8")
    return folder
