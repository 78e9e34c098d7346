"""Parses option values: texts, and lists with commas. Knows no command."""

from typing import Any

from gistdesk.core.errors import UserError


def unicode_of(text: Any) -> Any:
    """An argument may contain invalid UTF-8; no tokenizer accepts what Python makes of it."""
    return text if text is None else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def words(text: str) -> tuple[str, ...]:
    """A list of words; duplicates are dropped."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def numbers(text: str, option: str) -> tuple[int, ...]:
    """A list of whole numbers.

    Raises:
        UserError: it is not one; `option` is named in the hint.
    """
    try:
        return tuple(dict.fromkeys(int(part) for part in words(text)))
    except ValueError as error:
        raise UserError(
            '"{text}" is not a list of whole numbers.', "Write {option} 512,2048.", text=text, option=option
        ) from error


def ratios_of(text: str) -> tuple[float, ...]:
    """A list of ratios.

    Raises:
        UserError: it is not one.
    """
    try:
        return tuple(dict.fromkeys(float(part) for part in words(text)))
    except ValueError as error:
        raise UserError('"{text}" is not a ratio.', "Write --ratio 100, or --ratio 32,100.", text=text) from error
