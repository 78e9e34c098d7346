"""Faults of the computer around a library: full disks, folders that go, clocks that jump, two programs at once."""

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import torch

from gistdesk.core.errors import UserError
from gistdesk.core.gist import GistKV
from gistdesk.core.gist_file import GistRecord, write_gist
from gistdesk.core.layout import Segment
from gistdesk.core.model import ModelIdentity
from gistdesk.library import Library
from gistdesk.library.backup import back_up_daily
from gistdesk.library.moving import move_to
from gistdesk.settings import Settings, write_settings
from gistdesk.worker.texts import _keep
from tests.campaign.forked import Part
from tests.library.made import add, adopt, extract, ready

REFUSED = (UserError,)
TEXT = "The harbour was quiet.\n\nA grey cat slept on the wall, and the code of the door is 7315.\n" * 20
JUMPS_S = (60.0, 86_400.0, 3_000_000_000.0)


def jumping_clock(random: Random) -> None:
    """From now on, in this process, the time of day is now and then another."""
    true, offset = time.time, [0.0]

    def jumping() -> float:
        if random.random() < 0.1:
            offset[0] = random.choice((-1, 0, 1)) * random.choice(JUMPS_S)
        return max(0.0, true() + offset[0])

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)


def _full_disk(path: Path) -> None:
    """Everything that writes, where files may not grow: an error in a sentence, and what was there stays."""
    random = Random(path.name)
    home = path / "home"
    with closing(Library(home)) as library:
        entry = ready(library, "a", [TEXT[:300]])
    limit = random.choice((0, 100, 4096, 20_000, 60_000, 200_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        for work in random.sample(_WRITERS, len(_WRITERS)):
            with suppress(*REFUSED):
                work(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with closing(Library(home)) as library:
        assert library.texts.pages(entry.id) == [TEXT[:300]]
        assert library.entries.get(entry.id).title == "a"
    left = [each for each in path.rglob(".*") if each.name.endswith(".tmp")]
    assert not left, left


def _write_gist_to(path: Path) -> None:
    gist = GistKV(torch.randn(2, 2, 1, 600, 16), (Segment(0, 40_000, 600),))
    identity = ModelIdentity("m", "1" * 64, "2" * 64, "3" * 64)
    write_gist(
        path / "a.gistkv", GistRecord(gist, identity, "t", "4" * 64, (0,), 80.0, 512, "2026-01-01T00:00:00+00:00")
    )


def _write_library(path: Path) -> None:
    with closing(Library(path / "home")) as library:
        entry = add(library, "b")
        extract(library, entry.id, [TEXT])
        adopt(library, entry.id, data=b"g" * 100_000)
        library.texts.find_passages("grey", [entry.id])
        back_up_daily(library.store.database_path)


_WRITERS: tuple[Callable[[Path], object], ...] = (
    _write_gist_to,
    lambda path: write_settings(path / "settings.toml", Settings(models=("m" * 5000,))),
    lambda path: _keep(path / "home" / "texts" / "0.txt", TEXT.encode() * 50),
    lambda path: _quietly(_write_library, path),
    lambda path: _quietly(_write_library, path),
)


def _quietly(work: Callable[[Path], object], path: Path) -> None:
    """Tests' own helpers write files, too, and may fail as they like."""
    with suppress(OSError):
        work(path)


def _vanishing(path: Path) -> None:
    """Folders that become read-only, or go, while a library is open."""
    random = Random(path.name)
    library = Library(path / "home")
    try:
        entry = ready(library, "a", [TEXT[:300]])
        for _ in range(6):
            victim = random.choice(("texts", "gists", "incoming", "open", ""))
            with suppress(OSError):
                shutil.rmtree(path / "home" / victim) if random.random() < 0.5 else (path / "home" / victim).chmod(
                    0o500
                )
            work = random.choice(
                (
                    lambda: library.entries.all(search="cat"),
                    lambda: library.texts.pages(entry.id),
                    lambda: library.texts.find_passages("cat", [entry.id]),
                    lambda: library.entries.add(source_path=path / "x.txt", model="starter", ratio=8.0),
                    library.disk.storage,
                    library.disk.clean_up,
                    lambda: list(move_to(library, path / "there")),
                    lambda: list(library.gists.export(entry.id, path / "out.gistkv")),
                    library.queue.recover,
                    lambda: library.queue.claim_next("w"),
                )
            )
            with suppress(*REFUSED):
                work()
    finally:
        library.close()


def _clock(path: Path) -> None:
    """A clock that jumps by up to a century, and times of files that lie as far before and after now."""
    random = Random(path.name)
    jumping_clock(random)
    for _ in range(3):
        with closing(Library(path / "home")) as library:
            ready(library, f"a{random.random()}", [TEXT[:300]])
            for each in path.rglob("*"):
                moment = time.time() + random.choice((-1, 1)) * random.choice(JUMPS_S)
                with suppress(OSError):
                    os.utime(each, (max(0.0, moment),) * 2)
            library.disk.clean_up()
            back_up_daily(library.store.database_path)
            for entry in library.entries.all():
                assert library.texts.pages(entry.id)


def _two(path: Path) -> None:
    """Two programs on one library: every message and entry of both is there, and the database is whole."""
    home = path / "home"
    with closing(Library(home)) as library:
        chat = library.chats.add([])
    pids = []
    for number in range(2):
        pid = os.fork()
        if pid == 0:
            code = 1
            with suppress(BaseException), closing(Library(home)) as library:
                parent = None
                for turn in range(15):
                    parent = library.chats.add_message(
                        chat.id, parent_id=parent, role="user", text=f"{number} {turn}"
                    ).id
                    ready(library, f"{number} {turn}", [f"text {number} {turn}"])
                code = 0
            os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    with closing(Library(home)) as library:
        assert len(library.entries.all()) == 30
        rows = library.store.rows("SELECT text FROM messages")
        assert {row[0] for row in rows} == {f"{number} {turn}" for number in range(2) for turn in range(15)}
        assert library.store._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def nothing(folder: Path) -> None:
    return None


def empty(prepared: object, folder: Path, random: Random) -> Path:
    path = folder / str(random.randrange(10**9))
    path.mkdir()
    return path


DISKS = (
    Part("full disk", nothing, empty, _full_disk),
    Part("vanishing folders", nothing, empty, _vanishing),
    Part("clock", nothing, empty, _clock),
    Part("two programs", nothing, empty, _two),
)
