"""Unpacks a wheel into a folder. Knows nothing of where wheels come from; their hashes have already been checked."""

import zipfile
from collections.abc import Iterator
from pathlib import Path


def unpack(wheel: Path, folder: Path) -> Iterator[int]:
    """Extract a wheel, overwriting existing files; yields the bytes written so far."""
    done = 0
    with zipfile.ZipFile(wheel) as archive:
        for member in needed_members(archive):
            written = Path(archive.extract(member, folder))
            if (member.external_attr >> 16) & 0o111:
                written.chmod(0o755)
            done += member.file_size
            yield done


def needed_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """All but C++ headers: Windows rejects their long paths, and nothing here compiles with them."""
    files = [member for member in archive.infolist() if not member.is_dir()]
    return [member for member in files if "include" not in member.filename.split("/")]
