"""Whether a model fits is said of the precision that is chosen; nobody has to load it for that."""

from pathlib import Path

from pytestqt.qtbot import QtBot

from gistdesk.library import Library
from gistdesk.settings import Settings
from gistdesk.ui.desk import Desk
from gistdesk.ui.desk_models import ModelRow, needed_bytes, weights_in_memory
from tests.core.tiny_models import write_model

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


def test_what_is_asked_of_the_engine_names_the_precision(qtbot: QtBot, tmp_path: Path) -> None:
    folder = str(write_model(tmp_path / "model"))
    settings = Settings(first_run=False, model=folder, models=(folder,), precision="nf4", threads=1)
    desk = Desk(Library(tmp_path / "library"), settings, tmp_path / "settings.toml")
    try:
        (tmp_path / "tale.txt").write_text("The harbour was quiet. A grey cat slept on the wall.", encoding="utf-8")
        [entry_id] = desk.add_documents([tmp_path / "tale.txt"], 6.0)
        qtbot.waitUntil(lambda: desk.library.entry(entry_id).state in ("ready", "failed"), timeout=WAIT_MS)
        gist = desk.library.entry(entry_id).gist
        assert gist is not None and gist.model_fingerprint.endswith("-nf4")
        assert _answer_of(qtbot, desk, entry_id) == "complete"
        desk.change_settings(precision="int8")  # now the model makes other gists: this one is not asked silently
        desk.load_model(folder)
        qtbot.waitUntil(lambda: desk.library.entry(entry_id).state == "outdated", timeout=WAIT_MS)
        assert _answer_of(qtbot, desk, entry_id) == "failed"
        desk.change_settings(precision="nf4")
        desk.load_model(folder)
        qtbot.waitUntil(lambda: desk.library.entry(entry_id).state == "ready", timeout=WAIT_MS)
    finally:
        desk.close()


def _row(desk: Desk, name: str) -> ModelRow:
    return next(row for row in desk.models() if row.name == name)


def _answer_of(qtbot: QtBot, desk: Desk, entry_id: int) -> str:
    message = desk.ask(desk.new_chat([entry_id]), "Who slept?")
    qtbot.waitUntil(lambda: desk.library.message(message).state != "writing", timeout=WAIT_MS)
    return desk.library.message(message).state
