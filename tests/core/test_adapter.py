"""Merged and branched are one encoder, peft reads the same adapter, and a folder that does not fit is refused."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from gistdesk.core.adapter import Adapter, branched_encoder, check_base, merged_encoder, read_adapter, write_adapter
from gistdesk.core.errors import UserError
from gistdesk.core.layout import LAYOUT_VERSION, encoder_rows
from gistdesk.core.load import find_model
from gistdesk.core.model import GistModel, cached_kv
from gistdesk.core.precision import trained_precision
from tests.core.tiny_models import (
    N_GIST,
    PLAIN,
    SEGMENT_TOKENS,
    Kind,
    every_kind,
    gist_ids_of,
    random_ids,
    tensors_of,
    tiny_adapter,
    tiny_base,
)

GIST_ROWS = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"
UP_PROJ = "base_model.model.model.layers.0.mlp.up_proj"


def rows_of(adapter: Adapter, n_segments: int = 3) -> Tensor:
    """(n_segments, width) ids as the encoder gets them, gist tokens included."""
    random = torch.Generator().manual_seed(4)
    texts = [random_ids(random, 4 + 6 * i) for i in range(n_segments)]
    return encoder_rows(texts, [N_GIST] * n_segments, bos_ids=[0], gist_ids=adapter.gist_ids).input_ids


@every_kind
def test_merged_equals_branched(kind: Kind) -> None:
    base = tiny_base(kind)
    adapter = tiny_adapter(base.model, gist_ids_of(kind))
    ids = rows_of(adapter)
    with torch.no_grad():
        merged = cached_kv(merged_encoder(base.model, adapter)(ids))
        branched = cached_kv(branched_encoder(base.model, adapter)(ids))
        plain = cached_kv(base.model(inputs_embeds=adapter.embed(base.model, ids), use_cache=True).past_key_values)
    assert torch.allclose(merged, branched, rtol=1e-4, atol=1e-4)
    assert (merged - plain).abs().max() > 0.5  # the adapter does something


@every_kind
def test_neither_changes_the_base_even_when_it_fails(kind: Kind) -> None:
    base, untouched = tiny_base(kind), tiny_base(kind)
    adapter = tiny_adapter(base.model, gist_ids_of(kind))
    for wrap in (merged_encoder, branched_encoder):
        encode = wrap(base.model, adapter)
        with torch.no_grad():
            encode(rows_of(adapter))
            with pytest.raises((IndexError, RuntimeError)):
                encode(rows_of(adapter) - 10**6)
        for (name, now), (_, then) in zip(tensors_of(base), tensors_of(untouched), strict=True):
            assert torch.equal(now, then), name
        assert not any(module._forward_hooks for module in base.modules())


@every_kind
def test_gist_ids_are_embedded_as_the_adapters_own_rows(kind: Kind) -> None:
    base = tiny_base(kind)
    adapter = tiny_adapter(base.model, gist_ids_of(kind))
    ids = torch.tensor([[adapter.gist_ids[0] - 1, *adapter.gist_ids, 5]])
    embedded = adapter.embed(base.model, ids)[0]
    table = base.model.embed_tokens.weight
    assert torch.equal(embedded[1:-1], adapter.gist_rows)
    assert torch.equal(embedded[[0, -1]], table[[adapter.gist_ids[0] - 1, 5]])


@every_kind
def test_gradients_reach_every_part_of_the_adapter_and_not_the_base(kind: Kind) -> None:
    base = tiny_base(kind)
    frozen = tiny_adapter(base.model, gist_ids_of(kind))
    for wrap in (merged_encoder, branched_encoder):
        lora = {name: (a.clone().requires_grad_(), b.clone().requires_grad_()) for name, (a, b) in frozen.lora.items()}
        rows = frozen.gist_rows.clone().requires_grad_()
        adapter = Adapter(lora, frozen.scaling, rows, frozen.gist_ids, frozen.segment_tokens)
        cached_kv(wrap(base.model, adapter)(rows_of(adapter))).square().mean().backward()
        gradients = [rows.grad, *(t.grad for name, pair in lora.items() for t in pair if "layers.0" in name)]
        assert all(gradient is not None and gradient.abs().max() > 1e-6 for gradient in gradients)
        assert all(weight.grad is None for weight in base.parameters())


def written(folder: Path, kind: Kind = PLAIN) -> tuple[Any, Adapter]:
    """A base in memory and its adapter in `folder`."""
    base = tiny_base(kind)
    adapter = tiny_adapter(base.model, gist_ids_of(kind))
    write_adapter(folder, adapter, base_model="tiny", base_fingerprint="own", measured=[{"accuracy": 0.5}])
    return base, adapter


@every_kind
def test_an_adapter_comes_back_from_its_folder(tmp_path: Path, kind: Kind) -> None:
    base, adapter = written(tmp_path / "new" / "folder", kind)
    found = read_adapter(tmp_path / "new" / "folder", base.model, "own")
    assert (found.scaling, found.gist_ids, found.segment_tokens) == (2.0, adapter.gist_ids, SEGMENT_TOKENS)
    assert found.max_slots == N_GIST
    assert found.lora.keys() == adapter.lora.keys()
    assert len(found.lora) == 7 * base.config.num_hidden_layers
    for name, (a, b) in adapter.lora.items():
        assert torch.equal(found.lora[name][0].float(), a)
        assert torch.equal(found.lora[name][1].float(), b)
    assert torch.equal(found.gist_rows.float(), adapter.gist_rows)


def test_the_ratios_of_training_come_back_and_impossible_ones_are_refused(tmp_path: Path) -> None:
    base, adapter = written(tmp_path)
    assert read_adapter(tmp_path, base.model, "own").ratios is None  # adapters of before do not say
    write_adapter(
        tmp_path, replace(adapter, ratios=(8.0, 64.0)), base_model="tiny", base_fingerprint="own", measured=[]
    )
    assert read_adapter(tmp_path, base.model, "own").ratios == (8.0, 64.0)
    gist = json.loads((tmp_path / "gist.json").read_text(encoding="utf-8"))
    for ratios in ([64, 8], [0.5, 8], [8], "many", [8, float("inf")], None):
        (tmp_path / "gist.json").write_text(json.dumps(gist | {"ratios": ratios}), encoding="utf-8")
        with pytest.raises(UserError, match="cannot be read"):
            read_adapter(tmp_path, base.model, "own")


@every_kind
def test_peft_reads_the_folder_and_makes_the_same_gist(tmp_path: Path, kind: Kind) -> None:
    base, adapter = written(tmp_path, kind)
    model = GistModel(base, None, None, adapter, merged_encoder(base.model, adapter))  # type: ignore[arg-type]
    rows = encoder_rows([random_ids(torch.Generator(), 20)], [N_GIST], bos_ids=[0], gist_ids=adapter.gist_ids)
    with torch.no_grad():
        ours = model.encode(rows, rows.slot_columns)
    theirs = tiny_base(kind)
    theirs.resize_token_embeddings(adapter.gist_ids[-1] + 1, mean_resizing=False)
    theirs = PeftModel.from_pretrained(theirs, str(tmp_path))
    with torch.no_grad():
        cache = theirs(input_ids=rows.input_ids, use_cache=True).past_key_values
    assert torch.allclose(cached_kv(cache)[:, :, 0, :, -N_GIST:], ours, rtol=1e-4, atol=1e-4)


@every_kind
def test_the_steps_that_the_folder_names_are_enough_for_peft(tmp_path: Path, kind: Kind) -> None:
    """Where the base's table is exactly as large as its tokenizer, too, and so has no rows for gist tokens."""
    written(tmp_path, kind)
    [first, *_, last] = json.loads((tmp_path / "gist.json").read_text("utf-8"))["gist_ids"]
    places = {"model": tiny_base(kind), "folder": str(tmp_path)}
    n_rows = places["model"].get_input_embeddings().num_embeddings
    assert (first == n_rows) == (not kind.reserved)
    exec("\n".join(json.loads((tmp_path / "gist.json").read_text("utf-8"))["to_load_with_peft"]), places)
    embedding = places["model"].get_input_embeddings()
    given = embedding(torch.tensor([[first, last]]))
    stored = load_file(tmp_path / "adapter_model.safetensors")[GIST_ROWS][[0, -1]]
    assert torch.equal(given[0].half(), stored)


def edit_json(name: str, **changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps({**content, **changes}), "utf-8")

    return edit


def edit_tensors(**changes: Tensor | None) -> Callable[[Path], None]:
    """`up_A`, `up_B` and `rows` stand for the long names; None removes."""
    names = {"up_A": f"{UP_PROJ}.lora_A.weight", "up_B": f"{UP_PROJ}.lora_B.weight", "rows": GIST_ROWS}

    def edit(folder: Path) -> None:
        tensors = load_file(folder / "adapter_model.safetensors")
        for short, tensor in changes.items():
            tensors.pop(names[short])
            if tensor is not None:
                tensors[names[short]] = tensor
        save_file(tensors, folder / "adapter_model.safetensors")

    return edit


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def pipe(name: str) -> Callable[[Path], None]:
    """Whoever opened it would wait for ever."""

    def edit(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return edit


UNREADABLE = {
    "no gist.json": lambda folder: (folder / "gist.json").unlink(),
    "no config": lambda folder: (folder / "adapter_config.json").unlink(),
    "no weights": lambda folder: (folder / "adapter_model.safetensors").unlink(),
    "damaged weights": write("adapter_model.safetensors", b"\x10" + bytes(100)),
    "damaged json": write("gist.json", b'{"gist_ids": ['),
    "json of another kind": write("gist.json", b"[]"),
    "config of another kind": write("adapter_config.json", b"[]"),
    "deep json": write("gist.json", b"[" * 10**5),
    "binary json": write("gist.json", b"\xff\xfe\x00"),
    "no field": write("gist.json", b"{}"),
    "no rank": edit_json("adapter_config.json", r=0),
    "no number": edit_json("adapter_config.json", lora_alpha=float("nan")),
    "rslora": edit_json("adapter_config.json", use_rslora=True),
    "dora": edit_json("adapter_config.json", use_dora=True),
    "ranks": edit_json("adapter_config.json", rank_pattern={"q_proj": 4}),
    "no ids": edit_json("gist.json", gist_ids=[]),
    "ids of text": edit_json("gist.json", gist_ids=["a", "b"]),
    "ids with gaps": edit_json("gist.json", gist_ids=[300, 302, 304, 306, 308, 310, 312, 314]),
    "negative ids": edit_json("gist.json", gist_ids=list(range(-4, 4))),
    "more ids than rows": edit_json("gist.json", gist_ids=list(range(324, 324 + N_GIST + 1))),
    "empty segments": edit_json("gist.json", segment_tokens=0),
    "no B": edit_tensors(up_B=None),
    "no rows": edit_tensors(rows=None),
    "a vector": edit_tensors(up_A=torch.zeros(3)),
    "no rank of its factors": edit_json("adapter_config.json", r=7),
    "half a rank": edit_json("adapter_config.json", r=3.5),
    "endless segments": write("gist.json", b'{"gist_ids": [1], "segment_tokens": 1e999, "layout_version": 1}'),
    "huge segments": edit_json("gist.json", segment_tokens=10**30),
    "half an id": edit_json("gist.json", gist_ids=[300.5 + i for i in range(N_GIST)]),
    "huge ids": edit_json("gist.json", gist_ids=[10**30 + i for i in range(N_GIST)]),
    "endless json": write("gist.json", b'{"gist_ids": [' + b"1," * (3 * 2**20) + b"1]}"),
    "a pipe": pipe("gist.json"),
    "a piped configuration": pipe("adapter_config.json"),
    "piped weights": pipe("adapter_model.safetensors"),
    "a folder": lambda folder: (folder / "gist.json").rename(folder / "old") and (folder / "gist.json").mkdir(),
    "weights of 8 bits": edit_tensors(up_A=torch.zeros(3, 32, dtype=torch.float8_e4m3fn)),
    "integers": edit_tensors(up_A=torch.zeros(3, 32, dtype=torch.int32)),
    "not finite": edit_tensors(rows=torch.full((N_GIST, 32), float("inf"))),
}


@pytest.mark.parametrize("edit", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_folder_is_refused(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    base, _ = written(tmp_path)
    edit(tmp_path)
    with pytest.raises(UserError, match=r"gist adapter in .* cannot be read \(.+\)\. Train or import"):
        read_adapter(tmp_path, base.model, "own")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edit_json("gist.json", base_model_fingerprint="other"), "trained for another base model"),
        (edit_json("gist.json", layout_version=LAYOUT_VERSION + 1), f"uses token layout {LAYOUT_VERSION + 1}; this"),
        (edit_tensors(rows=torch.zeros(N_GIST, 31)), "does not fit the base model's embedding"),
        (edit_tensors(up_A=torch.zeros(3, 31)), r"does not fit the base model's layer layers\.0\.mlp\.up_proj"),
        (edit_tensors(up_A=torch.zeros(4, 32)), r"does not fit the base model's layer layers\.0\.mlp\.up_proj"),
        (edit_tensors(up_B=torch.zeros(47, 3)), r"does not fit the base model's layer layers\.0\.mlp\.up_proj"),
    ],
)
def test_an_adapter_of_another_base_is_refused(tmp_path: Path, edit: Callable[[Path], None], message: str) -> None:
    base, _ = written(tmp_path)
    edit(tmp_path)
    with pytest.raises(UserError, match=message):
        read_adapter(tmp_path, base.model, "own")


@pytest.mark.parametrize("said", [[], {}, 7, None, True, ["nf4"]], ids=str)
def test_a_precision_of_another_kind_is_none(tmp_path: Path, said: object) -> None:
    written(tmp_path)
    edit_json("gist.json", precision=said)(tmp_path)
    assert trained_precision(tmp_path) == ""


def test_what_is_said_of_a_hostile_folder_is_short(tmp_path: Path) -> None:
    written(tmp_path)
    edit_json("gist.json", layout_version="x" * 10**5)(tmp_path)
    with pytest.raises(UserError) as caught:
        check_base(tmp_path, "own")
    assert len(str(caught.value)) < 2000
    edit_json("adapter_config.json", base_model_name_or_path="x" * 10**5)(tmp_path)
    with pytest.raises(UserError) as caught:
        find_model(str(tmp_path))
    assert len(str(caught.value)) < 2000


def test_a_folder_of_a_deeper_base_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(UserError, match=r"layer layers\.1"):
        read_adapter(tmp_path, tiny_base(PLAIN, num_hidden_layers=1).model, "own")
