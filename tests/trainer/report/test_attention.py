"""The picture shows the mask that the program's two passes amount to, and the weights that the model computes."""

import json
import struct
from pathlib import Path

import pytest
import torch

from gistdesk.core.errors import UserError
from gistdesk.core.model import GistModel
from gistdesk.core.plan import plan_tokens
from gistdesk.core.sentences import unpacked
from tests.core.tiny_models import Kind, every_kind, random_ids, tiny_model
from trainer.report.attention import draw_attention, follow, gist_mask, slot_attention


def test_text_is_seen_by_its_own_gist_alone() -> None:
    sees, kinds = gist_mask([(3, 2), (4, 1)], 2, 2)
    assert kinds == ["prefix"] * 2 + ["text"] * 3 + ["gist"] * 2 + ["text"] * 4 + ["gist"] + ["question"] * 2
    question, second_gist, first_gist = 12, 11, 6
    assert sees[question].tolist() == [kind != "text" for kind in kinds[:13]] + [False]
    assert sees[second_gist].nonzero()[:, 0].tolist() == [7, 8, 9, 10, 11]
    assert sees[first_gist].nonzero()[:, 0].tolist() == [2, 3, 4, 5, 6]
    assert not sees.triu(1).any()


@every_kind
@pytest.mark.parametrize("branched", [False, True])
def test_weights_are_those_of_the_encoding_pass(kind: Kind, branched: bool) -> None:
    model = tiny_model(kind, branched=branched)
    ids = random_ids(torch.Generator().manual_seed(1), 40, kind)
    plan = plan_tokens(model, ids, ratio=6)
    before = model.causal_lm.config._attn_implementation
    found = slot_attention(model, plan, segment=1)
    assert model.causal_lm.config._attn_implementation == before
    config = model.causal_lm.config
    shape = (config.num_hidden_layers, config.num_attention_heads, plan.segments[1].n_slots, len(found.columns))
    assert found.weights.shape == shape
    assert torch.allclose(found.weights.sum(-1), torch.ones(shape[:3]), atol=1e-4)
    assert not found.of(1, 3)[:, -found.n_slots :].triu(1).any()
    assert not torch.allclose(found.of(0, 3), found.of(1, 3))


def test_what_is_not_there_is_said() -> None:
    model = tiny_model()
    plan = plan_tokens(model, random_ids(torch.Generator().manual_seed(1), 40), ratio=6)
    with pytest.raises(UserError, match="no segment 9"):
        slot_attention(model, plan, segment=9)
    found = slot_attention(model, plan, segment=0)
    with pytest.raises(UserError, match="no layer 2"):
        found.of(2, 0)
    with pytest.raises(UserError, match="no head -1"):
        found.of(0, -1)


def test_the_picture_is_drawn_as_it_is_wished_for(starter: GistModel, tmp_path: Path) -> None:
    model = starter
    ids = torch.tensor(model.token_ids("The passkey is 71432. 암호는 12345이다. It costs $5. " * 20))
    plan = plan_tokens(model, ids, ratio=100)
    found = slot_attention(model, plan, segment=0)
    assert draw_attention(found, plan, "$a$.txt", "starter", layer=3, head=1).startswith(b"\x89PNG")
    path = tmp_path / "a.png"
    wish = {"path": str(path), "layer": 1, "head": 2, "width": 400, "height": 500, "scale": 2.0}
    wish |= {"dark": True, "language": "ko"}
    elsewhere = {**wish, "path": str(tmp_path / "nowhere" / "a.png"), "width": 600}
    events = follow(found, plan, "문서", "starter", [json.dumps(each) + "\n" for each in (elsewhere, wish)])
    assert "암" in "".join(found.columns) and "\ufffd" not in "".join(found.columns)
    ready = next(events)
    assert (ready["event"], ready["n_layers"], ready["n_segments"]) == ("ready", 6, len(plan.segments))
    refused, drawn = (unpacked(event) for event in events)
    assert refused["event"] == "failure" and "cannot be written" in refused["message"] and drawn["event"] == "drawn"
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (800, 1000)
