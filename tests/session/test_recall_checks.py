"""A gist is measured by itself after compressing, by the engine that is loaded, and gives way to whoever asks."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.session.desk import Desk
from gistdesk.session.recall_checks import LONG, SHORT
from tests.session.test_desk import WAIT_MS, desk, new_desk, ready, wait_for_answer

pytestmark = pytest.mark.release

__all__ = ["desk", "new_desk"]


def report(folder: Path, name: str = "report") -> Path:
    path = folder / f"{name}.txt"
    lines = [f"In the year {1800 + n} the harbour of {name} saw {347 + 13 * n} ships of all kinds." for n in range(60)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def n_measured(desk: Desk, entry_id: int) -> int | None:
    gist = desk.library.entries.get(entry_id).gist
    return gist.recall_n if gist is not None else None


def test_a_gist_is_measured_after_compressing_and_answers_come_first(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    processes: list[object] = []
    desk._engine.state_changed.connect(lambda state: processes.append(state) if state == "starting" else None)
    one, two = ready(qtbot, desk, report(tmp_path, "Riga"), report(tmp_path, "Oslo"))
    checks = desk.recall_checks
    qtbot.waitUntil(lambda: any(c is not None and c.done for c in map(checks.check, (one, two))), timeout=WAIT_MS)
    answer = desk.chats.ask(desk.chats.new([one]), "What was in 1805?")
    assert all(checks.check(each) is None or not checks.check(each).done for each in (one, two))  # type: ignore[union-attr]
    wait_for_answer(qtbot, desk, answer)
    assert desk.library.chats.message(answer).state == "complete"
    qtbot.waitUntil(lambda: n_measured(desk, one) == n_measured(desk, two) == SHORT, timeout=WAIT_MS)
    assert desk.library.entries.get(one).gist.verdict is not None  # type: ignore[union-attr]
    assert processes == ["starting"] and desk.idle()

    checks.start(one)
    assert checks.check(one) is not None
    checks.stop(one)
    assert checks.check(one) is None
    checks.start(one)
    qtbot.waitUntil(lambda: n_measured(desk, one) == LONG, timeout=WAIT_MS)
    assert len(desk.library.recalls.of(desk.library.entries.get(one).gist.id)["by_depth"]) == 5  # type: ignore[union-attr,index]


def test_what_cannot_be_measured_says_why(qtbot: QtBot, desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("the rain it raineth every day " * 30, encoding="utf-8")
    (entry_id,) = ready(qtbot, desk, path)
    qtbot.waitUntil(lambda: bool(desk.recall_checks.problem(entry_id)), timeout=WAIT_MS)
    assert "No numbers" in desk.recall_checks.problem(entry_id) and n_measured(desk, entry_id) is None
