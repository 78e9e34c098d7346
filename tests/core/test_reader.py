"""A reader: on while looked-up text is read, off for everything else, and its folder is read back or refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gistdesk.core.answer import Context, Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.fingerprint import of_files
from gistdesk.core.model import GistModel
from gistdesk.core.prompt import Turn
from gistdesk.core.reader import find_reader, read_reader, write_reader
from tests.core.tiny_models import PLAIN, tiny_base
from trainer.training.adapter import TrainableAdapter

QUESTION = Turn("What is the passkey?")


def random_reader(model: GistModel, folder: Path) -> Path:
    """Written, with factors that change every answer."""
    module = TrainableAdapter(model.causal_lm.model, gist_ids=(), segment_tokens=0, rank=4, seed=3)
    random = torch.Generator().manual_seed(1)
    for b in module.b:
        b.data = torch.randn(b.shape, generator=random)
    base = of_files(model.identity.model_fingerprint)[0]
    write_reader(folder, module.adapter(), base_model="starter", base_fingerprint=base, measured=[])
    return folder


def answer(context: Context) -> str:
    return "".join(context.answer([QUESTION], Sampling(max_tokens=8)))


@pytest.fixture
def with_reader(starter: GistModel, tmp_path: Path) -> GistModel:
    folder = random_reader(starter, tmp_path / "reader")
    return replace(starter, reader=read_reader(folder, starter.causal_lm.model))


def test_it_reads_what_was_looked_up_and_nothing_else(starter: GistModel, with_reader: GistModel) -> None:
    ids = torch.tensor(starter.token_ids("The passkey is 71432. The harbour was built of stone."))
    plain = answer(Context(starter, text_ids=ids))
    read = answer(Context(with_reader, text_ids=ids, with_reader=True))
    assert read != plain
    assert answer(Context(with_reader, text_ids=ids)) == plain, "off unless it is asked for, and off again afterwards"
    context = Context(with_reader, text_ids=ids, with_reader=True)
    assert context.answer_loss(QUESTION.question, "71432") != Context(starter, text_ids=ids).answer_loss(
        QUESTION.question, "71432"
    )
    assert answer(context) == read, "every turn is read with it"


def test_a_model_without_one_reads_as_ever(starter: GistModel) -> None:
    ids = torch.tensor(starter.token_ids("The passkey is 71432."))
    bare = replace(starter, reader=None)
    assert answer(Context(bare, text_ids=ids, with_reader=True)) == answer(Context(bare, text_ids=ids))


def test_a_folder_is_read_back_to_half_precision(starter: GistModel, tmp_path: Path) -> None:
    reader = read_reader(random_reader(starter, tmp_path), starter.causal_lm.model)
    assert reader.scaling == 1.0 and reader.gist_ids == () and reader.max_slots == 0
    assert all(a.dtype == torch.float16 and a.shape[0] == 4 for a, _ in reader.lora.values())


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1" * 2000])
def test_a_damaged_folder_is_a_sentence(starter: GistModel, tmp_path: Path, name: str, content: bytes | None) -> None:
    folder = random_reader(starter, tmp_path)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        read_reader(folder, starter.causal_lm.model)


def test_one_that_fits_another_model_is_refused(starter: GistModel, tmp_path: Path) -> None:
    folder = random_reader(starter, tmp_path)
    with pytest.raises(UserError, match="does not fit"):
        read_reader(folder, tiny_base(PLAIN).model)


def test_it_is_found_by_its_base(starter: GistModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gistdesk.core.reader.resource", lambda name: tmp_path / name)
    assert find_reader("any") is None, "none ships"
    folder = random_reader(starter, tmp_path / "readers" / "mine")
    base = json.loads((folder / "reader.json").read_text())["base_model_fingerprint"]
    assert find_reader(base) == folder
    assert find_reader("0" * len(base)) is None
    (folder / "reader.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        find_reader(base)
