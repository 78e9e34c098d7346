"""The starter and its training texts, read once for all tests of the trainer. Plumbing: any starter will do."""

import pytest

from gistdesk.core.load import load_model
from gistdesk.core.model import GistModel
from trainer.data.samples import Samples


@pytest.fixture(scope="session")
def starter() -> GistModel:
    """In float32, so that two ways of computing one thing can be compared closely."""
    return load_model("starter", device="cpu", precision="fp32")


@pytest.fixture(scope="session")
def training_samples(starter: GistModel) -> Samples:
    return Samples(starter)


@pytest.fixture(scope="session")
def evaluation_samples(starter: GistModel) -> Samples:
    return Samples(starter, evaluation=True)
