"""A unit of training work is cut as the same text is cut for a user."""

import torch

from gistdesk.core.plan import plan_tokens
from gistdesk.core.prompt import Turn
from tests.core.tiny_models import SEGMENT_TOKENS, tiny_model
from trainer.data.samples import Sample
from trainer.data.units import unit_of


def test_training_cuts_a_document_as_compressing_does() -> None:
    """At the same places, sentence ends among them, and with as many slots."""
    model = tiny_model()
    ids = torch.tensor(model.token_ids("I am here. You are there, too. Who is it? " * 30))
    unit = unit_of(model, "own", Sample(ids, (Turn("Who?", "I"),), "en"), n_slots=4)
    cut = plan_tokens(model, ids, ratio=SEGMENT_TOKENS / 4)
    assert len(cut.segments) > 5
    assert unit.n_slots == [s.n_slots for s in cut.segments]
    assert [text.tolist() for text in unit.texts] == [
        ids[s.start : s.start + s.n_tokens].tolist() for s in cut.segments
    ]
