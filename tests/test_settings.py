"""Settings: what was chosen comes back, whatever happened to the file."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gistdesk.core.errors import UserError
from gistdesk.folders import folders
from gistdesk.settings import Settings, read_settings, write_settings

CHOSEN = Settings(
    language="ko",
    theme="dark",
    model="/models/내 모델",
    device="cpu",
    precision="nf4",
    threads=2,
    memory_reserve_bytes=2**31,
    idle_unload_s=600,
    ratio=40.0,
    remember_ratio=True,
    advanced_figures=True,
    first_run=False,
    models=("/models/내 모델", 'a/"quoted"', "C:\\models"),
)


def test_what_is_written_is_read(tmp_path: Path):
    path = tmp_path / "config" / "settings.toml"
    assert read_settings(path) == Settings()
    write_settings(path, CHOSEN)
    assert read_settings(path) == CHOSEN
    assert read_settings(path).notice is None
    write_settings(path, Settings())
    assert read_settings(path) == Settings()
    assert [found.name for found in path.parent.iterdir()] == ["settings.toml"]


def test_every_setting_is_written(tmp_path: Path):
    write_settings(tmp_path / "settings.toml", CHOSEN)
    text = (tmp_path / "settings.toml").read_text(encoding="utf-8")
    assert 'theme = "dark"' in text and "notice" not in text
    assert len(text.splitlines()) == 20


def test_comments_and_settings_of_other_versions_stay(tmp_path: Path):
    path = tmp_path / "settings.toml"
    path.write_text('# mine\ntheme = "dark" # at night\nwarp = 9\nratio = 50\n', encoding="utf-8")
    settings = read_settings(path)
    assert (settings.theme, settings.ratio, settings.notice) == ("dark", 50.0, None)
    write_settings(path, replace(settings, theme="light"))
    text = path.read_text(encoding="utf-8")
    assert text.startswith('# mine\ntheme = "light" # at night\nwarp = 9\nratio = 50.0\n')


@pytest.mark.parametrize(
    "damaged", [b"\xff\xfe rubbish", b"theme = ", b"\x00" * 50, b'theme = "dark"\ntheme = "light"']
)
def test_a_damaged_file_is_kept_aside(tmp_path: Path, damaged: bytes):
    path = tmp_path / "settings.toml"
    path.write_bytes(damaged)
    settings = read_settings(path)
    assert settings == Settings()
    assert settings.notice is not None and "damaged" in settings.notice.message
    assert (tmp_path / "settings.damaged-1.toml").read_bytes() == damaged
    read_settings(path)
    write_settings(path, CHOSEN)
    assert read_settings(path) == CHOSEN
    path.write_bytes(damaged + b"\n")
    read_settings(path)
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "settings.damaged-1.toml",
        "settings.damaged-2.toml",
        "settings.toml",
    ]


@pytest.mark.parametrize(
    "line",
    [
        'theme = "blue"',
        "language = 3",
        "ratio = 0.5",
        "ratio = nan",
        "ratio = inf",
        "threads = -1",
        "threads = true",
        "threads = 1.5",
        "first_run = 1",
        "models = [1]",
        'models = "starter"',
        "theme = [1, 2]",
    ],
)
def test_a_wrong_value_costs_only_itself(tmp_path: Path, line: str):
    path = tmp_path / "settings.toml"
    path.write_text(f'model = "mine"\n{line}\n')
    settings = read_settings(path)
    assert settings == Settings(model="mine")
    assert settings.notice is not None and line.split()[0] in settings.notice.message
    assert (tmp_path / "settings.damaged-1.toml").exists()


def test_a_wrong_choice_in_the_program_is_a_bug():
    with pytest.raises(ValueError, match="theme must be one of"):
        Settings(theme="blue")
    with pytest.raises(ValueError, match="ratio must be of type float"):
        replace(Settings(), ratio=50)


def test_settings_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_settings(tmp_path / "file" / "settings.toml", Settings())
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_settings(tmp_path / "folder.toml", Settings())
    with pytest.raises(UserError, match="cannot be read"):
        read_settings(tmp_path / "folder.toml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.toml"]


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GISTDESK_HOME", str(tmp_path))
    assert folders().data == tmp_path / "data"
    assert {folders().config.parent, folders().log.parent} == {tmp_path}
    monkeypatch.delenv("GISTDESK_HOME")
    found = folders()
    assert all("gistdesk" in path.parts and path.is_absolute() for path in (found.data, found.config, found.log))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 900 + "]" * 900,
        "threads = " + "9" * 5000,
        "threads = 0x" + "f" * 5000,
        "ratio = 0x" + "f" * 5000,
        "threads = 99999999999999999999",
        "memory_reserve_bytes = 9223372036854775807",
        'theme = "' + "x" * 100_000 + '"',
        "theme = " + "{a=" * 500 + "1" + "}" * 500,
        "ratio = nan",
        "ratio = 1e999",
        "models = [[[[1]]]]",
        "threads = true",
        "[threads]",
        "[[ratio]]",
        '"ratio" = 1979-05-27T07:32:00Z',
    ],
)
def test_no_text_keeps_the_window_from_opening(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    found = read_settings(path)
    assert found == Settings()
    assert found.notice is not None or text.startswith("a = ")
    assert found.notice is None or len(found.notice.message) < 1000
    write_settings(path, found)
    assert read_settings(path).notice is None


@pytest.mark.timeout(20)
def test_a_pipe_is_no_file_of_settings(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    os.mkfifo(path)
    with pytest.raises(UserError, match="Invalid argument"):
        read_settings(path)
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="Invalid argument"):
        read_settings(tmp_path / "zero.toml")


def test_a_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(UserError, match="File too large"):
        read_settings(path)
