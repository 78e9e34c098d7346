"""A command line becomes a configuration, or one sentence that says what is missing."""

from dataclasses import asdict
from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from trainer.command import chosen_config
from trainer.training.config import preset, to_yaml


def test_a_run_goes_on_with_its_own_configuration(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Neither a preset nor"):
        chosen_config("", None, tmp_path, [])
    with pytest.raises(UserError, match="Both a preset and a configuration"):
        chosen_config("quick", tmp_path / "x.yaml", None, [])
    with pytest.raises(UserError, match='no preset "best"'):
        chosen_config("best", None, None, [])
    (tmp_path / "config.yaml").write_text(to_yaml(preset("check")), encoding="utf-8")
    assert chosen_config("", None, tmp_path, []) == preset("check")
    assert asdict(chosen_config("", None, tmp_path, ["threads=3"]))["threads"] == 3
