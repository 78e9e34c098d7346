#!/usr/bin/env python3
"""Builds everything that is given to people, from a checkout, with one command.

    python packaging/build.py                  wheel, frozen program, smoke test, archives, SHA-256 sums
    python packaging/build.py wheel            wheel and sdist alone
    python packaging/build.py frozen           the frozen program, its licences and sizes
    python packaging/build.py smoke            the smoke test of the frozen program that is there
    python packaging/build.py archives         from the frozen program that is there: tarball, AppDir, AppImage
    python packaging/build.py lock             write anew which versions are built with
    python packaging/build.py cuda             write anew what a set-up of CUDA consists of, on this system (3 GB)

Results are in dist/, everything between in build/. Needs Python 3.11 or newer; the first build fetches the packages of
packaging/lock-*.txt into build/env, later ones need no network. Knows nothing of what gistdesk does.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE, BUILD, DIST = ROOT / "packaging", ROOT / "build", ROOT / "dist"
FROZEN = BUILD / "frozen" / "gistdesk"
MACHINE = f"{sys.platform}-{platform.machine().lower()}"
LOCK = HERE / f"lock-{MACHINE}-py{sys.version_info.major}{sys.version_info.minor}.txt"
TOOLS = ["pyinstaller>=6.16", "hatchling>=1.26"]
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA, CUDA_INDEX = "13.0", "https://download.pytorch.org/whl/cu130"
LEAST_DRIVER, LEAST_CAPABILITY = 580, 7.5
"""What CUDA 13.0 asks of driver and card, by NVIDIA's release notes."""
RELEASES = re.compile(r" *<!-- Releases:.*?-->\n")


def version() -> str:
    """The one place where the version is written."""
    found = re.search(r'__version__ = "(.+)"', (ROOT / "gistdesk" / "__init__.py").read_text("utf-8"))
    assert found is not None
    return found[1]


def run(*words: str | Path, cwd: Path = ROOT, **variables: str) -> None:
    print("$", *words, flush=True)
    subprocess.run([str(word) for word in words], cwd=cwd, check=True, env=os.environ | variables)


def python() -> Path:
    """The Python of build/env, which has the locked packages and nothing else; made when it is not there."""
    env = BUILD / "env"
    path = env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, wanted = env / "lock.txt", LOCK.read_text("utf-8") if LOCK.exists() else ""
    if not wanted:
        sys.exit(f"{LOCK} is not there: make it with `python packaging/build.py lock`.")
    if not stamp.exists() or stamp.read_text("utf-8") != wanted:
        run(sys.executable, "-m", "venv", "--clear", env)
        torch = [line for line in wanted.splitlines() if line.startswith("torch==")]
        (BUILD / "torch.txt").write_text("\n".join(torch), "utf-8")
        pip = [path, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r"]
        run(*pip, BUILD / "torch.txt", "--extra-index-url", TORCH_INDEX)
        run(*pip, LOCK)  # torch is there already
        stamp.write_text(wanted, "utf-8")
    return path


# ---- jobs


def lock() -> None:
    """Resolve what gistdesk and the build need, with torch for the CPU, and write it down with hashes."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    report = BUILD / "lock.json"
    BUILD.mkdir(exist_ok=True)
    run(
        sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", report,
        "--retries", "0", "--extra-index-url", TORCH_INDEX, *wanted, *TOOLS,
        f"torch=={torch_version()}" + ("" if sys.platform == "darwin" else "+cpu"),
    )  # fmt: skip
    lines = ["# Written by `python packaging/build.py lock`.\n"]
    for item in sorted(json.loads(report.read_text("utf-8"))["install"], key=lambda i: i["metadata"]["name"].lower()):
        sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{item['metadata']['name']}=={item['metadata']['version']} --hash=sha256:{sha256}\n")
    LOCK.write_text("".join(lines), "utf-8")
    print(f"{LOCK}: {len(lines) - 1} packages")


def torch_version() -> str:
    """The version of PyTorch, which is written in start.py."""
    found = re.search(r'^TORCH = "(.+)"', (HERE / "start.py").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def cuda() -> None:
    """Resolve PyTorch with CUDA for this system, fetch it, and write files, sizes and hashes to resources/cuda.

    Only what the program does not hold itself: torch, NVIDIA's libraries, and bitsandbytes with its CUDA part. Triton
    is for torch.compile, which is not used.
    """
    sys.path.insert(0, str(ROOT))
    from gistdesk.cuda.lock import system_tag
    from gistdesk.cuda.unpack import needed_members

    torch, index = torch_version(), "" if sys.platform == "linux" else CUDA_INDEX  # PyPI's has CUDA on Linux alone
    wanted = [f"torch==={torch}" + ("+cu" + CUDA.replace(".", "") if index else "")]
    wanted += [line.partition(" ")[0] for line in LOCK.read_text("utf-8").splitlines() if "bitsandbytes==" in line]
    report, folder = BUILD / "cuda.json", BUILD / "cuda"
    pip, options = [sys.executable, "-m", "pip"], ["--only-binary=:all:", "--quiet", "--isolated"]
    options += ["--extra-index-url", index] if index else []
    run(*pip, "install", "--dry-run", "--ignore-installed", *options, "--report", report, *wanted)
    found = [item["metadata"] for item in json.loads(report.read_text("utf-8"))["install"]]
    found = [item for item in found if re.match(r"(torch|bitsandbytes|nvidia[-_].+)$", item["name"])]
    pinned = [f"{item['name']}==={item['version']}" for item in found]
    shutil.rmtree(folder, ignore_errors=True)
    run(*pip, "download", "--no-deps", *options, "--dest", folder, *pinned)
    lines = ["# Written by `python packaging/build.py cuda`.\n"]
    lines += [f'cuda = "{CUDA}"\n', f"driver = {LEAST_DRIVER}\n", f"capability = {LEAST_CAPABILITY}\n"]
    lines += [f'index = "{index}"\n'] if index else []
    for path in sorted(folder.glob("*.whl")):
        name, version, *_ = path.name.split("-")
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            assert not any(".data/" in member.filename for member in needed_members(archive)), path
            unpacked = sum(member.file_size for member in needed_members(archive))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        lines += [f'\n[[wheel]]\nname = "{name.lower().replace("_", "-")}"\nversion = "{version}"\n']
        lines += [f'file = "{path.name}"\nn_bytes = {path.stat().st_size}\nunpacked_bytes = {unpacked}\n']
        lines += [f'sha256 = "{sha256}"\n']
    target = ROOT / "resources" / "cuda" / f"{system_tag()}.toml"
    target.parent.mkdir(exist_ok=True)
    target.write_text("".join(lines), "utf-8")
    print(f"{target}: {len(found)} packages")


def wheel() -> None:
    for kind in ("wheel", "sdist"):
        run(python(), "-m", "hatchling", "build", "-t", kind, "-d", DIST)


def frozen() -> None:
    """The program as one folder, made from the wheel, with licences; its size by part is printed and kept."""
    with_pip = [python(), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall"]
    run(*with_pip, DIST / f"gistdesk-{version()}-py3-none-any.whl")
    run(python(), HERE / "icons.py", BUILD / "icons")
    folders = ("--distpath", FROZEN.parent, "--workpath", BUILD / "pyinstaller")
    run(
        python(), "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", *folders, HERE / "gistdesk.spec", cwd=BUILD
    )
    carry_model(FROZEN / "_internal" / "gistdesk" / "resources" / "models")
    run(python(), HERE / "licences.py", FROZEN)
    shutil.copy(HERE / "CHANGELOG.md", FROZEN)
    text = sizes(FROZEN)
    (BUILD / "sizes.txt").write_text(text, "utf-8")
    print(text)


def carry_model(folder: Path) -> None:
    """SmolLM2, fetched once into build/models and prepared, goes along: the program reads English without a network."""
    run(python(), "-P", "-m", "gistdesk", "models", "fetch", "smollm2", GISTDESK_MODELS=str(BUILD / "models"))
    shutil.copytree(BUILD / "models" / "smollm2", folder / "smollm2", dirs_exist_ok=True)


def sizes(folder: Path) -> str:
    """MB by part, largest first; a symbolic link counts nothing."""
    found: Counter[str] = Counter()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            parts = path.relative_to(folder).parts
            part = parts[min(1, len(parts) - 1)] if parts[0] == "_internal" else parts[0]
            is_library = len(parts) == 2 and ".so" in part
            found["system libraries" if is_library else part.removesuffix(".libs")] += path.stat().st_size
    lines = [f"{size / 1e6:8.1f} MB  {part}" for part, size in found.most_common(24)]
    return "\n".join([f"{found.total() / 1e6:8.1f} MB  in all", *lines])


def smoke() -> None:
    run(sys.executable, HERE / "smoke.py", FROZEN)


def archives() -> None:
    """What a person downloads: on Linux a tarball and, where appimagetool is, an AppImage; elsewhere see README.md."""
    if sys.platform != "linux":
        return
    name = f"gistdesk-{version()}-linux-{platform.machine()}"
    tree = BUILD / name
    shutil.rmtree(tree, ignore_errors=True)
    share(tree / "share")
    shutil.copy(HERE / "linux" / "install.sh", tree)
    shutil.copytree(FROZEN, tree / "gistdesk", symlinks=True)
    DIST.mkdir(exist_ok=True)
    with tarfile.open(DIST / f"{name}.tar.gz", "w:gz", compresslevel=6) as archive:
        archive.add(tree, name)
    run("sh", HERE / "linux" / "appimage.sh", tree, BUILD / "AppDir", DIST / f"{name}.AppImage")


def share(folder: Path) -> None:
    """The share/ of a Unix prefix: desktop entry, icons, MIME type, AppStream metadata with this version."""
    shutil.copytree(BUILD / "icons" / "hicolor", folder / "icons" / "hicolor")
    for source, part in {
        "gistdesk.desktop": "applications",
        "gistdesk-mime.xml": "mime/packages",
        "io.github.gistdesk.gistdesk.metainfo.xml": "metainfo",
    }.items():
        (folder / part).mkdir(parents=True)
        text = (HERE / "linux" / source).read_text("utf-8")
        day = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
        release = f'  <releases>\n    <release version="{version()}" date="{day}"/>\n  </releases>\n'
        (folder / part / source).write_text(RELEASES.sub(release, text), "utf-8")


def sums() -> None:
    lines = []
    for path in sorted(p for p in DIST.iterdir() if p.is_file() and p.name != "SHA256SUMS"):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    (DIST / "SHA256SUMS").write_text("".join(lines), "utf-8")
    print("".join(lines))


JOBS = {job.__name__: job for job in (wheel, frozen, smoke, archives, sums, lock, cuda)}


def main(words: Sequence[str]) -> int:
    unknown = [word for word in words if word not in JOBS]
    if unknown:
        print(__doc__)
        return 0 if unknown[0] in ("-h", "--help") else 2
    try:
        for name in words or ("wheel", "frozen", "smoke", "archives", "sums"):
            JOBS[name]()
    except subprocess.CalledProcessError as error:
        print(f"Failed: {' '.join(error.cmd)} (exit code {error.returncode})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
