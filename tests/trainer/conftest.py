"""The starter's training texts, read once for all tests of the trainer. Plumbing: any starter will do."""

import pytest

from gistdesk.core.model import GistModel
from trainer.data.samples import Samples


@pytest.fixture(scope="session")
def training_samples(starter: GistModel) -> Samples:
    return Samples(starter)


@pytest.fixture(scope="session")
def evaluation_samples(starter: GistModel) -> Samples:
    return Samples(starter, evaluation=True)
