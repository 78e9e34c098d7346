"""Compressing in pieces, interrupted or not, gives one and the same gist."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from gistdesk.core import compress as compress_module
from gistdesk.core import partial
from gistdesk.core.answer import Context, Sampling
from gistdesk.core.compress import batch_tokens_for, compress, compress_document
from gistdesk.core.context import assemble
from gistdesk.core.documents import Document
from gistdesk.core.gist_file import read_gist, write_gist
from gistdesk.core.layout import encoder_rows
from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from gistdesk.core.partial import PARTIAL_SUFFIX
from gistdesk.core.plan import plan, plan_tokens
from gistdesk.core.prompt import Turn
from tests.core.tiny_models import SEGMENT_TOKENS, TEXT, Kind, every_kind, tiny_model, write_model


def document(*pages: str) -> Document:
    return Document("A tale", pages or (TEXT * 3,), None, Path("tale.txt"), "ab" * 32)


@cache
def shared_model() -> GistModel:
    """For hypothesis, whose examples cannot take a fixture."""
    return tiny_model()


@pytest.fixture
def model() -> GistModel:
    return shared_model()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two or three segments in each."""
    monkeypatch.setattr(compress_module, "BATCH_TOKENS", 3 * SEGMENT_TOKENS)


def stored(path: Path) -> tuple[Tensor, dict[str, object]]:
    """The file's tensor and its header, without what may differ: when it was made, and the checksum of that."""
    with safe_open(path, "pt") as opened:
        header = json.loads(opened.metadata()["gistkv"])
        return opened.get_tensor("kv"), {k: v for k, v in header.items() if k not in ("created", "sha256")}


def assert_same_file(left: Path, right: Path) -> None:
    (kv, header), (other_kv, other_header) = stored(left), stored(right)
    assert header == other_header
    assert torch.equal(kv, other_kv)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("small_batches")
def test_a_compression_stopped_anywhere_goes_on_to_the_same_file(model: GistModel, tmp_path: Path) -> None:
    book, cut = document(), plan(model, document(), ratio=5.0)
    steps = list(compress_document(model, book, cut, tmp_path / "whole.gistkv"))
    assert [s.n_segments_done for s in steps] == sorted({s.n_segments_done for s in steps})
    assert (steps[0].n_segments_done, steps[-1].n_segments_done) == (0, len(cut.segments))
    assert len(steps) > 8
    for n_steps in range(1, len(steps)):
        folder = tmp_path / str(n_steps)
        folder.mkdir()
        target = folder / "tale.gistkv"
        running = compress_document(model, book, cut, target)
        for _ in range(n_steps):
            before = next(running)
        running.close()
        assert names(folder) == ({target.name + PARTIAL_SUFFIX} if before.n_segments_done else set())
        again = list(compress_document(model, book, cut, target))
        assert again[0].n_segments_done == before.n_segments_done
        assert again[-1].file_bytes == target.stat().st_size
        assert names(folder) == {target.name}
        assert_same_file(target, tmp_path / "whole.gistkv")


@pytest.mark.usefixtures("small_batches")
def test_what_a_killed_process_left_is_gone_on_from(model: GistModel, tmp_path: Path) -> None:
    """No clean-up runs here: the partial file as it lies on the disk at every step is what the next run finds."""
    book, cut = document(), plan(model, document(), ratio=5.0)
    part = tmp_path / ("tale.gistkv" + PARTIAL_SUFFIX)
    for step in compress_document(model, book, cut, tmp_path / "tale.gistkv", checkpoint_s=0):
        if 0 < step.n_segments_done < step.n_segments:
            (tmp_path / f"{step.n_segments_done}.gistkv{PARTIAL_SUFFIX}").write_bytes(part.read_bytes())
    for left in list(tmp_path.glob("*" + PARTIAL_SUFFIX)):
        n_done, target = int(left.name.split(".")[0]), left.with_suffix("")
        first, *_ = compress_document(model, book, cut, target)
        assert first.n_segments_done == n_done
        assert_same_file(target, tmp_path / "tale.gistkv")


@pytest.mark.usefixtures("small_batches")
def test_a_partial_file_of_something_else_is_not_gone_on_from(
    model: GistModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, cut = document(), plan(model, document(), ratio=5.0)
    target = tmp_path / "tale.gistkv"
    part = target.with_name(target.name + PARTIAL_SUFFIX)
    running = compress_document(model, book, cut, target)
    next(running), next(running)
    running.close()
    left = part.read_bytes()

    def start(model: GistModel = model, book: Document = book, ratio: float = 5.0) -> int:
        part.write_bytes(left)
        running = compress_document(model, book, plan(model, book, ratio=ratio), target)
        return next(running).n_segments_done

    assert start() > 0
    assert start(ratio=5.5) == 0
    assert start(book=replace(book, source_sha256="cd" * 32)) == 0
    assert start(model=replace(model, identity=replace(model.identity, adapter_fingerprint="other"))) == 0
    with monkeypatch.context() as newer:
        newer.setattr(partial, "_GENERATION", b"another")
        assert start() == 0
    left = left[: len(left) // 2]
    assert start() == 0


def test_a_run_may_go_on_with_batches_of_another_size(model: GistModel) -> None:
    """Begun on a card, ended on a CPU: what is done may end in the middle of a batch."""
    cut = plan(model, document(), ratio=5.0)
    *_, whole = compress(model, cut)
    for done in compress(model, cut, batch_tokens=40):
        if len(done.segments) < len(cut.segments):
            *_, resumed = compress(model, cut, done=done, batch_tokens=100)
            assert resumed.segments == whole.segments
            assert torch.allclose(resumed.kv, whole.kv, rtol=1e-4, atol=1e-5)


def test_every_step_is_a_gist_of_the_beginning(model: GistModel) -> None:
    cut = plan(model, document(), ratio=5.0)
    steps = list(compress(model, cut, batch_tokens=40))
    assert steps[-1].segments == cut.segments
    assert [s.n_slots for s in steps] == sorted({s.n_slots for s in steps})
    for step in steps:
        assert step.segments == cut.segments[: len(step.segments)]
        assert step.n_slots == sum(s.n_slots for s in step.segments)
        assert torch.equal(step.kv, steps[-1].kv[:, :, :, : step.n_slots])


def test_a_large_model_on_a_cpu_takes_a_segment_at_a_time(model: GistModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch_tokens_for(model) == compress_module.BATCH_TOKENS
    monkeypatch.setattr(compress_module, "_LARGE_MODEL", 100)
    assert batch_tokens_for(model) == 1
    cut = plan(model, document(), ratio=5.0)
    assert len(list(compress(model, cut, batch_tokens=1))) == len(cut.segments)


def test_rows_padded_to_a_round_width_are_no_different_from_rows_that_are_not(model: GistModel) -> None:
    token_ids = torch.arange(3 * SEGMENT_TOKENS + 5) % 7 + 40
    cut = plan_tokens(model, token_ids, ratio=5.0)
    [gist] = compress(model, cut, batch_tokens=9999)
    assert model.adapter is not None
    rows = encoder_rows(
        [token_ids[s.start : s.start + s.n_tokens] for s in cut.segments],
        [s.n_slots for s in cut.segments],
        bos_ids=model.bos_ids,
        gist_ids=model.adapter.gist_ids,
    )
    assert rows.input_ids.shape[1] % 8
    with torch.no_grad():
        at_once = model.encode(rows, torch.arange(cut.n_slots))
    assert torch.allclose(gist.kv, at_once, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_that_cannot_be_written_ends_nothing(model: GistModel, tmp_path: Path) -> None:
    """A name that is as long as names can be has no room for the ending of a partial file."""
    path = tmp_path / ("a" * 248 + ".gistkv")
    cut = plan(model, document(), ratio=5.0)
    *_, last = compress_document(model, document(), cut, path, checkpoint_s=0.0, batch_tokens=1)
    assert last.record is not None
    assert names(tmp_path) == {path.name}


def test_a_partial_file_that_was_slipped_in_is_not_gone_on_from(model: GistModel, tmp_path: Path) -> None:
    """Whoever makes one can work out every checksum, and would put words into the gist."""
    book, cut, target = document(), plan(model, document(), ratio=5.0), tmp_path / "tale.gistkv"
    running = compress_document(model, book, cut, target, batch_tokens=1)
    next(running), next(running)
    running.close()
    part = target.with_name(target.name + PARTIAL_SUFFIX)
    content = part.read_bytes()
    part.write_bytes(content[:-32])
    found = read_gist(part)
    write_gist(part, replace(found, gist=replace(found.gist, kv=torch.zeros_like(found.gist.kv))))
    for forged in (part.read_bytes(), part.read_bytes() + bytes(32), content[:20], b""):
        part.write_bytes(forged)
        assert next(compress_document(model, book, cut, target)).n_segments_done == 0
    part.write_bytes(content)
    assert next(compress_document(model, book, cut, target)).n_segments_done == 1


def test_what_a_killed_program_was_writing_is_removed(model: GistModel, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".{ended.pid}.gistkv.tmp").write_bytes(b"half")
    (tmp_path / ".notes.gistkv.tmp").write_bytes(b"whose?")
    list(compress_document(model, document(), plan(model, document(), ratio=5.0), tmp_path / "a.gistkv"))
    assert names(tmp_path) == {"a.gistkv", ".notes.gistkv.tmp"}


def logits(model: GistModel, gist: Tensor) -> Tensor:
    with torch.no_grad():
        start = assemble(model, [20, 30], [gist])
        return model.logits(model.decode(torch.tensor([[40, 50, 60]]), start.cache, start.position))


@every_kind
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gist_from_a_file_answers_as_the_one_in_memory(tmp_path: Path, kind: Kind, precision: str) -> None:
    model = load_model(str(write_model(tmp_path / "model", kind)), device="cpu", precision=precision)
    *_, last = compress_document(model, document(TEXT), plan(model, document(TEXT), ratio=6.0), tmp_path / "a.gistkv")
    assert last.record is not None
    made, read = last.record.gist.kv, read_gist(tmp_path / "a.gistkv").gist.kv
    expected = logits(model, made)
    if precision == "bf16":
        assert torch.equal(made, read)
        assert torch.equal(logits(model, read), expected)
    else:
        assert read.dtype == torch.float16
        assert (logits(model, read) - expected).abs().max() < 5e-3 * (expected.max() - expected.min())


def test_gists_from_files_can_be_asked_together(model: GistModel, tmp_path: Path) -> None:
    records = []
    for name, text in (("a", TEXT), ("b", "Another tale. " * 9)):
        target = tmp_path / f"{name}.gistkv"
        list(compress_document(model, document(text), plan(model, document(text), ratio=6.0), target))
        records.append(read_gist(target))
    context = Context(model, [record.gist for record in records])
    assert context.n_slots == sum(record.gist.n_slots for record in records)
    assert "".join(context.answer([Turn("Who?")], Sampling(max_tokens=4)))
