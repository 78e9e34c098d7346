"""Checkpoints are whole or not there, pruned, and a damaged one is passed over for the one before it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gistdesk.core.errors import UserError
from trainer.training.checkpoint import read_checkpoint, read_state, write_checkpoint

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(3, dtype=torch.int64), "c": torch.empty(0)}


def write(folder: Path, step: int, keep: int = 3) -> Path:
    return write_checkpoint(folder, step, TENSORS, {"step": step, "words": "가"}, keep=keep)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    assert read_state(tmp_path) is None
    write(tmp_path, 5)
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.state == {"step": 5, "words": "가"} == read_state(tmp_path)
    assert found.damaged == ()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())


def test_the_newest_few_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10, 9_999_999):
        write(tmp_path, step, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000010.safetensors",
        "step-09999999.safetensors",
    ]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    return data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]


@pytest.mark.parametrize(
    "damage", [cut, flipped, lambda data: b"", lambda data: b"x" * 100], ids=["cut", "flipped", "empty", "other"]
)
def test_a_damaged_one_is_passed_over(tmp_path: Path, damage: object) -> None:
    write(tmp_path, 1)
    newest = write(tmp_path, 2)
    newest.write_bytes(damage(newest.read_bytes()))  # type: ignore[operator]
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found.state["step"] == 1
    assert found.damaged == (newest,)
    (tmp_path / "step-00000001.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"All checkpoints in .* are damaged"):
        read_checkpoint(tmp_path)


def test_one_that_was_being_written_when_the_process_was_killed_is_none(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "step-00000002.safetensors.tmp").write_bytes(b"half")
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert (found.state["step"], found.damaged) == (1, ())


_FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from safetensors import safe_open
from safetensors.torch import save_file

from gistdesk.core.errors import UserError
from trainer.training.checkpoint import write_checkpoint
folder = Path(sys.argv[1])
write_checkpoint(folder, 1, {"a": torch.zeros(10)}, {}, keep=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_checkpoint(folder, 2, {"a": torch.zeros(100_000)}, {}, keep=1)
except UserError as error:
    print(error)
"""


def test_tensors_on_the_same_memory_are_written_and_come_back(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    write_checkpoint(tmp_path, 1, {"a": shared, "b": shared, "c": shared[2:4]}, {}, keep=1)
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert [found.tensors[name].tolist() for name in "abc"] == [shared.tolist(), shared.tolist(), [2.0, 3.0]]


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
def test_a_full_disk_is_one_sentence_and_the_checkpoint_before_is_still_there(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, env=dict(os.environ)
    )
    assert "step-00000002.safetensors cannot be written" in result.stdout, result.stderr
    assert "The previous checkpoint is still there" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.safetensors"]


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut a file with the name of a checkpoint is one."""
    done: list[str] = []
    replace, fsync = Path.replace, os.fsync
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append("named"), replace(self, to))[1])
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("on the disk"), fsync(number))[1])
    write(tmp_path, 1)
    assert done == ["on the disk", "named"]


def test_tensors_under_each_others_names_are_damage(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 1, {"a": torch.zeros(3), "b": torch.zeros(3)}, {}, keep=1)
    with safe_open(path, "pt") as opened:
        header = opened.metadata()
    save_file({"a": torch.zeros(3), "c": torch.zeros(3)}, path, metadata=header)
    with pytest.raises(UserError, match="are damaged"):
        read_checkpoint(tmp_path)
