"""Sentences for people that remember their parts, so that they can be rebuilt in another language.

Knows no language but English, and nothing of who reads a sentence or where.
"""

import math
import re
import string
from collections.abc import Mapping, Sequence
from json import JSONDecodeError
from typing import Any

_MOST_CHARACTERS = 1000
_FIELD = re.compile(r"\{\w+(:[,.\w]{0,5})?\}")

Value = str | int | float


class Sentence(str):
    """A finished English sentence, or a phrase within one, with its template and the values put into it.

    It is a string like any other; translation looks up the template (see
    `gistdesk.language.i18n.tr`). The template follows `str.format`: `Sentence("{n} of {of} pages", n=3, of=7)`.
    Without values it is taken literally, braces included.

    Attributes:
        template: the key for translations.
        values: numbers, strings and further sentences, by their names in the template. An exception given as a value
            becomes its reason, anything else its `str`.
    """

    template: str
    values: Mapping[str, Value]

    def __new__(cls, template: str, /, **values: object) -> "Sentence":
        """A sentence that carries its own values is returned unchanged."""
        if isinstance(template, Sentence) and (template.values or not values):
            return template
        fields = {name for _, name, _, _ in string.Formatter().parse(template)} if values else ()
        used = {name: _value(value) for name, value in values.items() if name in fields}
        sentence = super().__new__(cls, shortened(template.format(**used) if used else template))
        sentence.template, sentence.values = shortened(template), used
        return sentence

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Value]]:
        return (self.template,), dict(self.values)


def listed(parts: Sequence[str]) -> Sentence:
    """Several phrases as one, with semicolons between them."""
    values = {f"part_{number}": part for number, part in enumerate(parts)}
    return Sentence("; ".join(f"{{{name}}}" for name in values), **values)


def packed(value: Any) -> Any:
    """`value`, of dictionaries, lists and plain values, in a form JSON can hold: each sentence as its parts."""
    if isinstance(value, Sentence):
        return _packed_sentence(value) if value.values else str(value)
    if isinstance(value, dict):
        return {name: packed(each) for name, each in value.items()}
    return [packed(each) for each in value] if isinstance(value, list | tuple) else value


def _packed_sentence(sentence: Sentence) -> dict[str, Any] | str:
    if any(isinstance(each, float) and not math.isfinite(each) for each in sentence.values.values()):
        return str(sentence)
    values = {
        name: _packed_sentence(each) if isinstance(each, Sentence) else each for name, each in sentence.values.items()
    }
    return {"template": sentence.template, "values": values}


def unpacked(value: Any) -> Any:
    """Inverse of `packed`, except that tuples become lists. Anything that does not encode a sentence stays as it is."""
    try:
        if isinstance(value, list):
            return [unpacked(each) for each in value]
        if not isinstance(value, dict):
            return value
        found = {name: unpacked(each) for name, each in value.items()}
    except RecursionError:
        return value
    template, values = found.get("template"), found.get("values")
    if found.keys() != {"template", "values"} or not isinstance(template, str) or not isinstance(values, dict):
        return found
    if any(sign in _FIELD.sub("", template) for sign in "{}"):  # not one of this program's
        return shortened(template)
    try:
        return Sentence(template, **{name: each for name, each in values.items() if isinstance(each, Value)})
    except (LookupError, ValueError, TypeError):  # made by another version
        return shortened(template)


def reason_of(error: BaseException) -> str:
    """An exception's message, without error numbers and class names that mean nothing to a person."""
    if error.args and isinstance(error.args[0], Sentence):
        return error.args[0]
    match error:
        case JSONDecodeError():
            return Sentence(
                "line {line}, column {column}: {reason}", line=error.lineno, column=error.colno, reason=error.msg
            )
        case UnicodeDecodeError():
            return Sentence(
                "byte {n} is no {encoding}: {reason}", n=error.start, encoding=error.encoding, reason=error.reason
            )
        case OSError(strerror=str(reason), filename=None):
            return reason
        case OSError(strerror=str(reason), filename=filename):
            return Sentence("{reason}: {path}", reason=reason, path=filename)
    return str(error)


def shortened(text: str) -> str:
    """Without its middle if it is too long to read: a file may name something of 100,000 letters."""
    half = _MOST_CHARACTERS // 2
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:half]}…{text[-half:]}"


def _value(value: object) -> Value:
    if isinstance(value, BaseException):
        value = reason_of(value)
    if isinstance(value, Sentence | int | float):
        return value
    return shortened(str(value))
