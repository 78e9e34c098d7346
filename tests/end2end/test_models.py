"""Which model a command uses where none is named, and that none of them makes it use the network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gistdesk.cli.choosing import model_of_gist
from gistdesk.cli.conversation import conversation
from gistdesk.cli.jobs import compress_file
from gistdesk.core.answer import Sampling
from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import read_gist
from gistdesk.core.load import load_model
from gistdesk.folders import HOME_VARIABLE
from tests.core.tiny_models import write_model
from tests.worker.hub import local_hub

pytestmark = pytest.mark.release

CODE = """
import sys
from gistdesk.core.errors import UserError
from gistdesk.core.load import find_model, load_model, load_tokenizer
for name in sys.argv[1:]:
    for look in (find_model, load_model, load_tokenizer):
        try:
            look(name)
        except UserError as error:
            print(error)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path


def test_a_gist_is_asked_of_the_model_that_made_it(home: Path) -> None:
    folder = write_model(home / "mine")
    (home / "note.txt").write_text("The key is 4711. " * 20)
    list(compress_file(load_model(str(folder)), home / "note.txt", home / "note.gistkv", ratio=8))
    identity = read_gist(home / "note.gistkv").identity
    with pytest.raises(UserError, match='made by the model "mine", which is not on this computer'):
        model_of_gist(identity, ())
    known = (str(home / "gone"), str(folder))
    assert model_of_gist(identity, known) == str(folder)
    talk = conversation(
        [home / "note.gistkv"],
        model=None,
        device="cpu",
        precision="auto",
        system=None,
        sampling=Sampling(max_tokens=3),
        known=known,
    )
    assert isinstance("".join(talk.ask("What is the key?")), str)
    (folder / "adapter" / "gist.json").unlink()  # the base is there: what is missing is said by name
    assert model_of_gist(identity, known) == str(folder)


def test_no_name_makes_anything_use_the_network(home: Path) -> None:
    """A hub id, a mistyped folder, and an adapter whose base is a hub id; the hub is there and has the model."""
    adapter = write_model(home / "m") / "adapter"
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "org/model"}))
    with local_hub(home / "m") as hub:
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf")}
        words = [sys.executable, "-P", "-c", CODE, "org/model", "models/mine", str(adapter)]
        done = subprocess.run(words, env=os.environ | online, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("is not on this computer") == 9
        assert hub.requests == []
