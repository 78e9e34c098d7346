"""What the window knows of models: whether they fit in the chosen precision, and the adapters that are kept here."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.adapters import adapters_folder, kept_adapters
from gistdesk.core.adapter_folder import import_adapter
from gistdesk.library import Library
from gistdesk.session import models as desk_models
from gistdesk.session.desk import Desk
from gistdesk.session.models import ModelRow, needed_bytes, weights_in_memory
from gistdesk.session.notices import Notice
from gistdesk.settings import Settings
from tests.core.tiny_models import PLAIN, tiny_base, write_model

pytestmark = pytest.mark.release

WAIT_MS = 60_000


def test_fit_and_figures_follow_the_precision(qtbot: QtBot, tmp_path: Path) -> None:
    folder = str(write_model(tmp_path / "model"))
    desk = Desk(Library(tmp_path / "library"), Settings(first_run=False, models=(folder,)), tmp_path / "settings.toml")
    try:
        rows: dict[str, ModelRow] = {}
        for precision in ("fp32", "bf16", "int8", "nf4"):
            desk.change_settings(precision=precision)
            row = _row(desk, folder)
            assert row.precision in ("", precision)  # never the figures of the choice before
            qtbot.waitUntil(lambda: _row(desk, folder).precision != "", timeout=WAIT_MS)
            rows[precision] = _row(desk, folder)
            assert (rows[precision].precision, rows[precision].fit) == (precision, "fits")
        needed = [row.needed_bytes or 0 for row in rows.values()]
        assert needed == sorted(set(needed), reverse=True)
        assert len({row.file_bytes for row in rows.values()}) == 1
        info = desk._models.info(folder)
        assert info is not None and weights_in_memory(info) == info.weight_bytes  # it is never merged
        assert needed_bytes(info) == rows["nf4"].needed_bytes
    finally:
        desk.close()


def test_fit_goes_by_the_memory_of_the_device_before_a_model_is_loaded(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The welcome page says by it whether there is a card."""
    monkeypatch.setattr(desk_models, "_card_bytes", lambda: (8 * 2**30, 6 * 2**30))  # where tests run there is no card
    settings = Settings(first_run=False, device="cpu", memory_reserve_bytes=2**30)
    desk = Desk(Library(tmp_path / "library"), settings, tmp_path / "settings.toml")
    try:
        qtbot.waitUntil(lambda: desk.model_info() is not None, timeout=WAIT_MS)
        info = desk.model_info()
        assert info is not None and desk.memory.source == "RAM"
        desk._models._info["starter"] = replace(info, device="cuda")
        memory, row = desk.memory, _row(desk, "starter")
        assert (memory.source, memory.total, memory.model, memory.gist) == ("VRAM", 8 * 2**30, 0, 0)
        assert (row.free_bytes, row.fit) == (5 * 2**30, "fits")
    finally:
        desk.close()


def test_what_is_asked_of_the_engine_names_the_precision(qtbot: QtBot, tmp_path: Path) -> None:
    folder = str(write_model(tmp_path / "model"))
    settings = Settings(first_run=False, model=folder, models=(folder,), precision="nf4", threads=1)
    desk = Desk(Library(tmp_path / "library"), settings, tmp_path / "settings.toml")
    try:
        (tmp_path / "tale.txt").write_text("The harbour was quiet. A grey cat slept on the wall.", encoding="utf-8")
        [entry_id] = desk.documents.add([tmp_path / "tale.txt"], 6.0)
        qtbot.waitUntil(lambda: desk.library.entries.get(entry_id).state in ("ready", "failed"), timeout=WAIT_MS)
        gist = desk.library.entries.get(entry_id).gist
        assert gist is not None and gist.model_fingerprint.endswith("-nf4")
        assert _answer_of(qtbot, desk, entry_id) == "complete"
        desk.change_settings(precision="int8")  # now the model makes other gists: this one is not asked silently
        desk.load_model(folder)
        qtbot.waitUntil(lambda: desk.library.entries.get(entry_id).state == "outdated", timeout=WAIT_MS)
        assert _answer_of(qtbot, desk, entry_id) == "failed"
        desk.change_settings(precision="nf4")
        desk.load_model(folder)
        qtbot.waitUntil(lambda: desk.library.entries.get(entry_id).state == "ready", timeout=WAIT_MS)
    finally:
        desk.close()


def test_an_adapter_is_imported_listed_exported_and_removed(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    base, wrong = write_model(tmp_path / "base"), write_model(tmp_path / "wrong", seed=5)
    (base / "adapter").rename(tmp_path / "contracts")
    (wrong / "adapter").rename(tmp_path / "stranger")
    shutil.rmtree(wrong)
    settings = Settings(first_run=False, models=(str(base),), precision="nf4")
    desk = Desk(Library(tmp_path / "library"), settings, tmp_path / "settings.toml")
    notices: list[Notice] = []
    desk.notice.connect(notices.append)
    try:
        desk.import_adapter(tmp_path / "stranger")
        qtbot.waitUntil(lambda: len(notices) == 1, timeout=WAIT_MS)
        assert "is not among the models on this computer" in notices[0].message
        assert kept_adapters() == []
        desk.import_adapter(tmp_path / "contracts")
        qtbot.waitUntil(lambda: len(notices) == 2, timeout=WAIT_MS)
        [kept] = kept_adapters()
        assert notices[1].message == "The adapter “contracts” can be used now."
        qtbot.waitUntil(lambda: _row(desk, str(kept)).adapter_base != "", timeout=WAIT_MS)
        row = _row(desk, str(kept))
        assert (row.title, row.adapter_base, row.is_kept, row.has_adapter) == ("contracts", "base", True, True)
        entry = desk.library.entries.add(source_path=tmp_path / "a.txt", model=str(kept), ratio=8.0)
        desk.rename_adapter(str(kept), "Leases/2026")
        [renamed] = kept_adapters()
        assert renamed.name == "Leases_2026" and desk.library.entries.get(entry.id).model == str(renamed)
        desk.rename_adapter(str(renamed), "Leases/2026")
        assert notices.pop().message == "There is already an adapter called Leases_2026."
        kept = renamed
        desk.export_adapter(str(kept), tmp_path / "out")
        qtbot.waitUntil(lambda: len(notices) == 3, timeout=WAIT_MS)
        assert (tmp_path / "out" / "gist.json").is_file()
        desk.remove_adapter(str(kept))
        assert str(kept) not in [each.name for each in desk.models()]
        assert not kept.exists()
        desk.remove_adapter(str(tmp_path / "out"))
        assert "is not one of the adapters" in notices[-1].message
        assert (tmp_path / "out").is_dir()
    finally:
        desk.close()


def test_an_adapter_whose_base_has_changed_says_so_on_its_card(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path / "home"))
    base = write_model(tmp_path / "base")
    kept = import_adapter(base / "adapter", adapters_folder(), [])
    shutil.rmtree(base / "adapter")
    tiny_base(PLAIN, seed=5).save_pretrained(base)
    desk = Desk(Library(tmp_path / "library"), Settings(first_run=False), tmp_path / "settings.toml")
    try:
        qtbot.waitUntil(lambda: _row(desk, str(kept)).problem != "", timeout=WAIT_MS)
        assert _row(desk, str(kept)).problem.endswith("was trained for another base model.")
    finally:
        desk.close()


def _row(desk: Desk, name: str) -> ModelRow:
    return next(row for row in desk.models() if row.name == name)


def _answer_of(qtbot: QtBot, desk: Desk, entry_id: int) -> str:
    chat = desk.library.chats.add([entry_id], sampling={"max_tokens": 2})
    message = desk.chats.ask(chat.id, "Who slept?")
    qtbot.waitUntil(lambda: desk.library.chats.message(message).state != "writing", timeout=WAIT_MS)
    return desk.library.chats.message(message).state
