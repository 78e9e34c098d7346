"""The Hardware page finds a card, offers CUDA, sets it up by the real command, shows how far it is, and stops."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from gistdesk.cuda import place
from gistdesk.cuda.lock import python_tag
from gistdesk.folders import HOME_VARIABLE
from gistdesk.language import i18n
from gistdesk.ui.settings.pages import HardwarePage
from tests.cuda.index import Index, local_index, put_card
from tests.session.still_desk import StillDesk

PATIENCE_MS = 60_000


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that has nothing, a card, and an empty data folder."""
    with local_index() as index:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.setenv("PATH", f"{put_card(tmp_path / 'bin')}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
        yield index


@pytest.fixture
def page(index: Index, tmp_path: Path, qtbot: QtBot) -> Iterator[HardwarePage]:
    desk = StillDesk(tmp_path)
    page = HardwarePage(desk)
    qtbot.addWidget(page)
    page.resize(620, 700)
    page.show()
    qtbot.waitUntil(lambda: bool(desk.cuda.facts), timeout=PATIENCE_MS)
    yield page
    desk.close()


def is_offered() -> bool:
    """Whether this system has a lock, and PyTorch here has no CUDA."""
    return sys.platform == "linux" and python_tag() == "py311" and not place.has_own_cuda()


@pytest.mark.skipif(not is_offered(), reason="nothing to offer on this system")
def test_a_card_is_offered_cuda_and_what_stops_it_is_said(page: HardwarePage, index: Index, qtbot: QtBot) -> None:
    offer = page.cuda
    assert "NVIDIA GeForce RTX 4070 is not used" in offer.said.text()
    assert "3.8 GB of disk space" in offer.said.text()
    assert offer.install.text() == "Download 2.4 GB and set up"
    assert not offer.remove.isVisible()
    assert index.requests == [], "nothing is fetched unasked"
    cuda = page._desk.cuda
    offer.install.click()
    assert cuda.busy
    assert offer.cancel.isVisible()
    assert not offer.install.isVisible()
    qtbot.waitUntil(lambda: not cuda.busy and not cuda.phase, timeout=PATIENCE_MS)
    assert "The package index does not have what is needed" in cuda.problem
    assert offer.install.text() == "Resume"
    i18n.set_language("ko")
    try:
        shown = offer.findChildren(type(offer.said))
        assert any("패키지 저장소에 필요한 것이 없습니다" in label.text() for label in shown)
    finally:
        i18n.set_language("en")
    offer.remove.click()
    qtbot.waitUntil(lambda: not cuda.busy and not cuda.facts["unfinished"], timeout=PATIENCE_MS)
    assert not cuda.problem
    assert not place.root().exists()


@pytest.mark.skipif(not is_offered(), reason="nothing to offer on this system")
def test_a_set_up_is_cancelled(page: HardwarePage, qtbot: QtBot) -> None:
    cuda = page._desk.cuda
    qtbot.waitUntil(lambda: not cuda.phase, timeout=PATIENCE_MS)
    page.cuda.install.click()
    qtbot.waitUntil(lambda: (place.root()).exists(), timeout=PATIENCE_MS)
    page.cuda.cancel.click()
    qtbot.waitUntil(lambda: not cuda.busy, timeout=PATIENCE_MS)
    assert cuda.problem == ""
    page.cuda.install.click()
    page._desk.close()
    assert not cuda.busy


def test_without_a_card_it_says_so(page: HardwarePage, tmp_path: Path, qtbot: QtBot) -> None:
    cuda = page._desk.cuda
    qtbot.waitUntil(lambda: not cuda.phase, timeout=PATIENCE_MS)
    put_card(tmp_path / "bin", "No devices were found")
    cuda.look()
    qtbot.waitUntil(lambda: cuda.facts["card"] is None, timeout=PATIENCE_MS)
    assert not page.cuda.install.isVisible()
    if is_offered():
        assert page.cuda.said.text().startswith("There is no NVIDIA card here")
