"""What the user has chosen, kept in a TOML file that may be edited by hand.

Knows nothing of what the choices do.
"""

import errno
import os
import stat
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence, listed, reason_of
from gistdesk.folders import make_private, write_private
from gistdesk.language.catalogs import languages

_CHOICES = {
    "language": ("auto", *languages()),
    "theme": ("system", "light", "dark"),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "nf4", "int8", "bf16", "fp32"),
}


@dataclass(frozen=True)
class Settings:
    """Every choice, with its default.

    Attributes:
        language: "auto" (the system's), or one of the available ones.
        theme: "system", "light" or "dark".
        model: "starter", a folder or a hub id.
        device: "auto", "cpu" or "cuda".
        precision: of a model's weights: "auto", "nf4", "int8", "bf16" or "fp32".
        threads: of the processor; 0: as many as there are cores.
        memory_reserve_bytes: of the device's memory, left to other programs.
        idle_unload_s: seconds without work after which the model is unloaded; 0: never.
        ratio: tokens per gist token.
        remember_ratio: take `ratio` without asking again.
        kv_bits: bits in which new gists store each number of keys and values: 16, or 8 for about half the file.
        advanced_figures: show all figures of an answer.
        first_run: nothing has been set up yet.
        server: other programs on this computer may send requests.
        server_port: of 127.0.0.1, if they may.
        models: folders and hub ids that the user added.
        downloads: models whose download was begun, and neither finished nor abandoned.
        prompts: questions that the user keeps to ask again.
        window: the window's position and size; "" before it was ever closed.
        columns: the column widths of each place; "" for one that was never opened. Both as Qt packs them.
        notice: not stored; what was wrong with the file that was read.
    """

    language: str = "auto"
    theme: str = "system"
    model: str = "starter"
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    memory_reserve_bytes: int = 512 * 2**20
    idle_unload_s: int = 0
    ratio: float = 100.0
    remember_ratio: bool = False
    kv_bits: int = 16
    advanced_figures: bool = False
    first_run: bool = True
    server: bool = False
    server_port: int = 8765
    models: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    window: str = ""
    columns: tuple[str, ...] = ()
    notice: UserError | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ValueError: a value is not one of those listed above."""
        for name in _names():
            value, kind = getattr(self, name), type(_DEFAULTS[name])
            if type(value) is not kind:
                raise ValueError(
                    Sentence(
                        "{name} must be of type {type}, not {value}",
                        name=name,
                        type=kind.__name__,
                        value=_short(value),
                    )
                )
            if name in _CHOICES and value not in _CHOICES[name]:
                raise ValueError(
                    Sentence(
                        "{name} must be one of {names}, not {value}",
                        name=name,
                        names=", ".join(_CHOICES[name]),
                        value=_short(value),
                    )
                )
            if kind is int and value < 0:
                raise ValueError(Sentence("{name} cannot be negative", name=name))
            if kind is int and value > _MOST:
                raise ValueError(Sentence("{name} is too large", name=name))
        if not 1024 <= self.server_port <= 65535:
            raise ValueError(Sentence("server_port must be from 1024 to 65535, not {value}", value=self.server_port))
        if self.kv_bits not in (8, 16):
            raise ValueError(Sentence("kv_bits must be 16 or 8, not {value}", value=self.kv_bits))
        if not 1.0 <= self.ratio < float("inf"):
            raise ValueError(Sentence("ratio must be at least 1, not {value}", value=self.ratio))
        if not all(isinstance(model, str) for model in self.models):
            raise ValueError("models must be a list of names")
        if not all(isinstance(name, str) for name in self.downloads):
            raise ValueError("downloads must be a list of names")
        if not all(isinstance(prompt, str) for prompt in self.prompts):
            raise ValueError("prompts must be a list of questions")
        if not all(isinstance(widths, str) for widths in self.columns):
            raise ValueError("columns must be a list of texts")


_MOST = 2**53
_SHOWN_CHARS = 200
_MOST_BYTES = 2**20


def _short(value: object) -> str:
    """A value fit for a message. Raises ValueError: a number of thousands of digits cannot be written out."""
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARS // 2 else shown[: _SHOWN_CHARS // 2] + "…"


_DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Settings) if f.name != "notice"}


def _names() -> list[str]:
    return list(_DEFAULTS)


def read_settings(path: Path) -> Settings:
    """The stored settings; without a file, the defaults.

    Unusable values become their defaults, a copy of the file is set aside, and `notice` says so.

    Raises:
        UserError: the file exists but may not be read.
    """
    try:
        data = _data(path)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise UserError(
            "The settings {path} cannot be read ({reason}).",
            "Change the file's permissions, or move it away.",
            path=path,
            reason=error.strerror,
        ) from error
    try:
        found = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError
        reason = _toml_reason(data) if isinstance(error, tomllib.TOMLDecodeError) else _reason(error)
        message = Sentence("The settings file was damaged ({reason}); all settings were reset.", reason=reason)
        return Settings(notice=UserError(message, "See {path}.", path=_keep_aside(path, data)))
    settings, wrong = Settings(), []
    for name, value in found.items():
        if name not in _DEFAULTS:
            continue  # from a newer version
        try:
            settings = replace(settings, **{name: _typed(name, value)})
        except (ValueError, OverflowError) as error:
            wrong.append(_reason(error))
    if wrong:
        aside = _keep_aside(path, data)
        notice = UserError(
            "Some settings could not be used: {reason}.",
            "They were reset to their defaults. See {path}.",
            reason=listed(wrong),
            path=aside,
        )
        return replace(settings, notice=notice)
    return settings


def _toml_reason(data: bytes) -> Sentence:
    """Where it stops being TOML, which tomllib only says in words."""
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        tomlkit.parse(data)
    except ParseError as error:
        return Sentence("line {line} is not valid TOML", line=error.line)
    except (TOMLKitError, ValueError, RecursionError):
        pass
    return Sentence("it is not valid TOML")


def _reason(error: Exception) -> str:
    reason = reason_of(error)
    return reason if isinstance(reason, Sentence) else reason[:_SHOWN_CHARS]


def write_settings(path: Path, settings: Settings) -> None:
    """Replace the file in one step. Its comments, and settings of other versions, stay.

    Raises:
        UserError: it cannot be written.
    """
    import tomlkit  # not needed to draw the window
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(_data(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError, TOMLKitError):
        document = tomlkit.document()
    for name in _names():
        value = getattr(settings, name)
        document[name] = list(value) if isinstance(value, tuple) else value
    try:
        make_private(path.parent)
        write_private(path, tomlkit.dumps(document).encode("utf-8"))
    except OSError as error:
        raise UserError(
            "The settings {path} cannot be written ({reason}).",
            "Check that its folder may be written to.",
            path=path,
            reason=error.strerror,
        ) from error


def _data(path: Path) -> bytes:
    """The whole file; more than a megabyte, or a pipe, which would block, is an OSError."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    if status.st_size > _MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return path.read_bytes()


def _typed(name: str, value: Any) -> Any:
    """As `Settings` stores it: TOML has arrays, and people write 100 for 100.0."""
    if isinstance(_DEFAULTS[name], tuple) and isinstance(value, list):
        return tuple(value)
    if isinstance(_DEFAULTS[name], float) and type(value) is int:
        return float(value)
    return value


def _keep_aside(path: Path, data: bytes) -> Path:
    """Copy an unusable file to the next free name."""
    try:
        n = 1
        while (aside := path.with_name(f"{path.stem}.damaged-{n}{path.suffix}")).exists():
            if _data(aside) == data:
                return aside
            n += 1
        write_private(aside, data)
    except OSError:
        return path
    return aside
