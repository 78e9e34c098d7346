"""What widgets may not do with the session: emit its signals, or write the library past it."""

import re
from pathlib import Path

import gistdesk.ui
from gistdesk.library import Library

WRITING = re.compile(r"^(add|set|trash|restore|delete|rename|pin|adopt|choose|empty|move|branch|claim|clean)(_|$)")


def test_no_widget_emits_the_sessions_signals_or_writes_the_library() -> None:
    writers = [name for name in dir(Library) if WRITING.match(name)]
    assert {"set_chat", "trash_chat", "pin_chat", "choose_version"} <= set(writers)
    emits = re.compile(r"\b_?desk\.[\w.]+\.emit\(")
    writes = re.compile(rf"\bdesk\.library\.({'|'.join(writers)})\(|\blibrary\.({'|'.join(writers)})\(")
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in Path(gistdesk.ui.__file__).parent.rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if emits.search(line) or writes.search(line)
    ]
    assert found == []
