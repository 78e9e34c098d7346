"""Collects the licences of everything that the frozen program holds into one file.

Of each Python package that gistdesk needs: the licence it names and the texts it ships; of Python and PyInstaller's
starter; of libraries that came from the system (Debian): their copyright files; of texts and models in resources: their
notices. Runs in the environment that the program is frozen in.
"""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).resolve().parent
TEXTS = re.compile(r"\.dist-info/(.*/)?(licen[sc]es?|copying|notice|copyright|authors)", re.IGNORECASE)
RULE = "=" * 100
QT = """Qt, PySide6 and Shiboken are used under the GNU Lesser General Public License, version 3 (below, with the GNU
General Public License that it builds upon). They are separate shared libraries in the folder PySide6 of this program,
unchanged, and may be replaced by other builds of the same version: put those in place of the files. Their sources are
at https://download.qt.io/official_releases/QtForPython/ and https://download.qt.io/official_releases/qt/ under the
version named above; whoever gave you this program gives you these sources on request. Reverse engineering for debugging
such changes is permitted."""


def needed(name: str, seen: dict[str, Distribution], extra: str = "") -> None:
    """Adds to `seen` the installed packages that a package needs, by what their metadata says."""
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        key = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if key in seen:
            continue
        try:
            seen[key] = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        for wanted in requirement.extras or {""}:
            needed(key, seen, wanted)


def named_licence(package: Distribution) -> str:
    """What the metadata says, in one line."""
    data = package.metadata
    classes = [c.split(" :: ")[-1] for c in data.get_all("Classifier", []) if c.startswith("License")]
    named = data.get("License-Expression") or ", ".join(classes) or data.get("License") or "not stated"
    return " ".join(named.split())[:200]


def package_section(package: Distribution) -> Iterator[str]:
    yield f"{RULE}\n{package.metadata['Name']} {package.version}: {named_licence(package)}"
    home = package.metadata.get("Home-page") or next(iter(package.metadata.get_all("Project-URL", [])), "")
    if home:
        yield home
    texts = [Path(str(file.locate())) for file in package.files or [] if TEXTS.search(file.as_posix())]
    for path in texts:
        yield f"--- {path.name}\n{path.read_text('utf-8', errors='replace')}"
    if parts := list(linked_parts(package)):
        yield "--- libraries compiled into it, as its bill of materials lists them\n" + "\n".join(parts)
    if not texts:
        yield "(The package ships no text of its licence; Apache-2.0 and BSD are to be found at other packages here.)"


def linked_parts(package: Distribution) -> Iterator[str]:
    """What a package was compiled from (Rust's libraries, mostly), where it ships a CycloneDX bill of materials."""
    for file in package.files or []:
        if ".dist-info/sboms/" in file.as_posix() and file.suffix == ".json":
            listed = json.loads(Path(str(file.locate())).read_text("utf-8"))
            for part in listed.get("components", []):
                named = [
                    entry.get("expression") or entry["license"].get("id", "") for entry in part.get("licenses", [])
                ]
                author = f" ({part['author']})" if part.get("author") else ""
                yield f"{part['name']} {part.get('version', '')}: {', '.join(named) or 'not stated'}{author}"


def system_libraries(folder: Path) -> dict[str, str]:
    """Of shared libraries that Debian owns: packages and libraries -> their copyright file. Empty on other systems."""
    names: dict[str, list[str]] = {}
    if shutil.which("dpkg") is None:
        return {}
    for library in sorted((folder / "_internal").glob("lib*.so*")):
        owner = subprocess.run(["dpkg", "-S", f"*/{library.name}"], capture_output=True, text=True).stdout
        package = owner.split(":")[0].split(",")[0].strip()
        copyright_file = Path("/usr/share/doc") / package / "copyright"
        if package and copyright_file.exists():
            text = copyright_file.read_text("utf-8", errors="replace")
            names.setdefault(text, []).append(f"{library.name} (of {package})")
    return {", ".join(libraries): text for text, libraries in names.items()}


def sections(folder: Path) -> Iterator[str]:
    yield "gistdesk is under the MIT licence:\n\n" + (HERE.parent / "LICENSE").read_text("utf-8")
    yield "What it brings with it, in this order: Python, PyInstaller, Python packages, system libraries, texts.\n"
    yield f"{RULE}\nPython {sys.version.split()[0]}: PSF-2.0"
    for name in ("LICENSE.txt", "LICENSE"):
        text = Path(sysconfig.get_path("stdlib")) / name
        if text.exists():
            yield text.read_text("utf-8")
    yield f"{RULE}\nPyInstaller's starter: GPL-2.0-or-later with an exception that permits its use in any program"
    packages: dict[str, Distribution] = {}
    needed("gistdesk", packages)
    for _, package in sorted(packages.items()):
        yield from package_section(package)
        if package.metadata["Name"].lower().startswith(("pyside6", "shiboken6")):
            yield QT
    for name in ("LGPL-3.0", "GPL-3.0"):
        yield f"{RULE}\n{name}\n" + (HERE / "licences" / f"{name}.txt").read_text("utf-8")
    for name, text in system_libraries(folder).items():
        yield f"{RULE}\nFrom the system: {name}\n{text}"
    for notice in sorted((HERE.parent / "resources").glob("*/NOTICE.md")):
        yield f"{RULE}\nresources/{notice.parent.name}\n{notice.read_text('utf-8')}"


def write_licences(folder: Path) -> Path:
    """Write LICENCES.txt into the frozen program's folder."""
    target = folder / "LICENCES.txt"
    target.write_text("\n\n".join(sections(folder)) + "\n", "utf-8")
    return target


if __name__ == "__main__":
    print(write_licences(Path(sys.argv[1])))
