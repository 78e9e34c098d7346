"""The picture shows the mask that the program's two passes amount to, and the weights that the model computes."""

from pathlib import Path

import pytest
import torch

from gistdesk.core.compress import plan_tokens
from gistdesk.core.errors import UserError
from gistdesk.core.load import load_model
from tests.core.tiny_models import Kind, every_kind, random_ids, tiny_model
from trainer.attention import draw_attention, gist_mask, slot_attention


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
    found = slot_attention(model, plan, segment=1, layer=1, head=3)
    assert model.causal_lm.config._attn_implementation == before
    assert found.weights.shape == (plan.segments[1].n_slots, len(found.columns))
    assert torch.allclose(found.weights.sum(1), torch.ones(found.n_slots), atol=1e-4)
    own = found.weights[:, -found.n_slots :]
    assert not own.triu(1).any()
    other = slot_attention(model, plan, segment=1, layer=0, head=3).weights
    assert not torch.allclose(other, found.weights)


def test_what_is_not_there_is_said() -> None:
    model = tiny_model()
    plan = plan_tokens(model, random_ids(torch.Generator().manual_seed(1), 40), ratio=6)
    for wrong, message in (
        ({"segment": 9}, "no segment 9"),
        ({"layer": 2}, "no layer 2"),
        ({"head": -1}, "no head -1"),
    ):
        with pytest.raises(UserError, match=message):
            slot_attention(model, plan, **{"segment": 0, "layer": 0, "head": 0, **wrong})


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    model = load_model("starter", device="cpu", precision="fp32")
    ids = torch.tensor(model.token_ids("The passkey is 71432. 암호는 12345이다. It costs $5. " * 20))
    plan = plan_tokens(model, ids, ratio=100)
    found = slot_attention(model, plan, segment=0, layer=3, head=1)
    data = draw_attention(found, plan, "starter, layer 3, head 1")
    assert data.startswith(b"\x89PNG")
    assert len(data) > 20_000
