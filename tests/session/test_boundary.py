"""What widgets may not do with the session: emit its signals, or write the library past it."""

import re
from pathlib import Path

import gistdesk.ui
from gistdesk.library import Library

WRITING = re.compile(
    r"^(add|change|set|trash|restore|delete|rename|pin|adopt|choose|empty|move|branch|claim|clean|forget|keep|put|take|use)(_|$)"
)

FILES_OF_THE_LIBRARY = re.compile(r"\blibrary\.store\b|\bgist\.path\b|\btexts\.path\(")
WRITING_FILES = re.compile(
    r"\b(replacing|write_private|make_private)\(|\b(shutil|QSaveFile)\b|\bopen\(\"[wax]|"
    r"\.(write_text|write_bytes|mkdir|touch|unlink|rmdir)\("
)


def test_no_widget_emits_the_sessions_signals_or_writes_the_library(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.close()
    parts = {name: part for name, part in vars(library).items() if not name.startswith("_")}
    writers = [f"{name}.{each}" for name, part in parts.items() for each in dir(part) if WRITING.match(each)]
    assert {"chats.change", "chats.trash", "entries.rename", "collections.add", "disk.clean_up", "pasted.keep"} <= set(
        writers
    )
    emits = re.compile(r"\b_?desk\.[\w.]+\.emit\(")
    writes = re.compile(rf"\blibrary\.({'|'.join(map(re.escape, writers))})\b")
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in Path(gistdesk.ui.__file__).parent.rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if emits.search(line) or writes.search(line)
    ]
    assert found == []


def test_no_widget_that_knows_the_librarys_folder_writes_files() -> None:
    sources = {path: path.read_text("utf-8") for path in Path(gistdesk.ui.__file__).parent.rglob("*.py")}
    knowing = {path for path, source in sources.items() if FILES_OF_THE_LIBRARY.search(source)}
    assert "storage.py" in {path.name for path in knowing}  # which shows the folder
    assert [path for path in knowing if WRITING_FILES.search(sources[path])] == []
