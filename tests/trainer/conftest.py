"""The starter's training texts, read once for all tests of the trainer. Plumbing: any starter will do."""

from collections.abc import Iterator

import pytest
from torch import Tensor

from gistdesk.core.model import GistModel
from trainer.data import samples
from trainer.data.samples import Samples


@pytest.fixture(scope="session", autouse=True)
def haystacks_are_tokenized_once() -> Iterator[None]:
    """By every tokenizer: it takes ten seconds, and any run with needles needs them."""
    tokenize = samples._tokenized
    known: dict[tuple[object, str], tuple[Tensor, Tensor]] = {}

    def tokenized(model: GistModel, name: str) -> tuple[Tensor, Tensor]:
        key = (model.tokenizer, name)
        if key not in known:
            known[key] = tokenize(model, name)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "_tokenized", tokenized)
        yield


@pytest.fixture(scope="session")
def training_samples(starter: GistModel) -> Samples:
    return Samples(starter)


@pytest.fixture(scope="session")
def evaluation_samples(starter: GistModel) -> Samples:
    return Samples(starter, evaluation=True)
