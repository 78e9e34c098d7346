"""What nobody caught is shown and logged, and the window goes on."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.core.errors import UserError
from gistdesk.library import Library
from gistdesk.session.desk import Desk
from gistdesk.session.notices import Notice
from gistdesk.settings import Settings
from gistdesk.ui.app.failures import catch


@pytest.fixture
def notices(qtbot: QtBot, tmp_path: Path) -> Iterator[list[Notice]]:
    desk = Desk(Library(tmp_path / "library"), Settings(), tmp_path / "settings.toml")
    found: list[Notice] = []
    desk.notice.connect(found.append)
    before = sys.excepthook
    catch(desk, tmp_path / "log")
    yield found
    sys.excepthook = before
    desk.close()


def raise_into_the_hook(error: BaseException) -> None:
    try:
        raise error
    except BaseException:
        kind, value, trace = sys.exc_info()
        assert kind is not None
        assert value is not None
        sys.excepthook(kind, value, trace)


def test_the_users_world_is_told_in_one_sentence(notices: list[Notice], tmp_path: Path) -> None:
    raise_into_the_hook(UserError("The disk is full.", "Free some space."))
    assert [(n.message, n.hint, n.details) for n in notices] == [("The disk is full.", "Free some space.", "")]
    assert not (tmp_path / "log").exists()


def test_a_bug_is_logged_and_its_details_can_be_copied(
    notices: list[Notice], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raise_into_the_hook(ZeroDivisionError("by nothing"))
    [notice] = notices
    assert "ZeroDivisionError: by nothing" in notice.details
    assert "ZeroDivisionError" in (tmp_path / "log" / "window.log").read_text("utf-8")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_large_log_is_begun_anew_and_an_unwritable_one_stops_nothing(
    notices: list[Notice], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log" / "window.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * 2**21)
    raise_into_the_hook(ValueError("one"))
    assert log.stat().st_size < 10_000
    log.unlink()
    log.mkdir()
    raise_into_the_hook(ValueError("two"))
    assert len(notices) == 2
    assert "two" in capsys.readouterr().err
