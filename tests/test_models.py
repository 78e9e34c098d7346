"""Models by name: where they are, and which reads a document."""

import json
import shutil
import unicodedata
from pathlib import Path

import pytest

from gistdesk import models
from gistdesk.core.errors import UserError
from gistdesk.core.load import find_model
from gistdesk.folders import HOME_VARIABLE, MODELS_VARIABLE
from gistdesk.models import default_model, has_smollm2, is_korean, models_folder


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


def put_smollm2(kept: Path) -> Path:
    """Something in its place; nothing here loads it."""
    folder = kept / "smollm2"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_models_are_in_the_data_folder_or_where_a_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert models_folder() == tmp_path / "data" / "models"
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "large"))
    assert models_folder() == tmp_path / "large"
    assert not any(tmp_path.iterdir())


def test_smollm2_is_found_once_it_is_there(kept: Path) -> None:
    with pytest.raises(UserError, match='"smollm2" is not on this computer') as caught:
        find_model("smollm2")
    assert "gistdesk models fetch smollm2" in caught.value.hint
    folder = put_smollm2(kept)
    found = find_model("smollm2")
    assert (found.model_id, found.base, found.adapter_alone) == ("smollm2", folder, False)


def test_smollm2_comes_with_the_adapter_that_ships_for_it(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_smollm2(kept)
    monkeypatch.setattr(models, "resource", lambda name: tmp_path / "resources" / name)
    assert find_model("smollm2").adapter is None
    shipped = tmp_path / "resources" / "adapters" / "smollm2"
    shipped.mkdir(parents=True)
    (shipped / "gist.json").write_text("{}")
    assert find_model("smollm2").adapter == shipped


def test_an_adapter_may_name_smollm2_as_its_base(kept: Path, tmp_path: Path) -> None:
    folder = put_smollm2(kept)
    (tmp_path / "gist.json").write_text("{}")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "smollm2"}))
    found = find_model(str(tmp_path))
    assert (found.base, found.adapter, found.adapter_alone) == (folder, tmp_path, True)


def test_a_frozen_programs_own_copy_is_used_until_one_is_fetched(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "resource", lambda name: tmp_path / "resources" / name)
    shipped = put_smollm2(tmp_path / "resources" / "models")
    assert has_smollm2()
    assert find_model("smollm2").base == shipped
    own = put_smollm2(kept)
    assert find_model("smollm2").base == own


@pytest.mark.parametrize(
    ("text", "korean"),
    [
        ("The auditor is Hall & Sons.", False),
        ("감사인은 한일회계법인이다.", True),
        ("삼성전자(Samsung Electronics)의 2025년 매출은 300조 원이다.", True),
        ("In Korean, the word for book is 책, and the word for house is 집.", False),
        ("12345 67890", False),
        ("", False),
    ],
)
def test_which_texts_are_korean(text: str, korean: bool) -> None:
    assert is_korean(text) == korean
    assert is_korean(unicodedata.normalize("NFD", text)) == korean


def test_the_documents_language_chooses_the_model(kept: Path) -> None:
    english, korean = "The meeting was opened at nine.", "회의는 아홉 시에 시작되었다."
    assert [default_model(text) for text in (english, korean)] == ["starter", "starter"]
    folder = put_smollm2(kept)
    assert [default_model(text) for text in (english, korean, "")] == ["smollm2", "starter", "smollm2"]
    shutil.rmtree(folder)
    assert default_model(english) == "starter"
