"""What a GGUF file declares: its metadata and its table of tensors, checked before anything is read from them.

The file may be hostile: every count and length is first checked against the file's size and fixed bounds, so that
inspecting one takes little time and memory, whatever it declares. Reads no weights; knows no model families.
The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gistdesk.core.errors import UserError
from gistdesk.core.families import FAMILIES, OTHER_FAMILY, titles
from gistdesk.core.sentences import Sentence

SUFFIX = ".gguf"
KINDS = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
}
"""Readable tensor types: name, values in a block, bytes of a block. A test checks them against the library's."""

_MAX_HEADER_BYTES = 64 * 2**20
"""Ten times what the largest vocabularies need."""
_READ_BYTES = 2**20
_MAX_KEYS, _MAX_TENSORS, _MAX_ITEMS = 4096, 2**16, 2**22
_MAX_VALUES = 2**40
"""In one tensor."""
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True)
class GgufTensor:
    """One entry of the table.

    Attributes:
        shape: as in torch, slowest dimension first.
        kind: one of `KINDS`.
        start: offset of its data from the file's beginning; `n_bytes` of it are inside the file.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int
    n_bytes: int


@dataclass(frozen=True)
class GgufHeader:
    """Metadata and table of a file.

    Attributes:
        values: numbers, booleans and strings by key; for an array, its number of items.
        tensors: by name.
        file_bytes: size of the whole file.
    """

    values: dict[str, Any]
    tensors: dict[str, GgufTensor]
    file_bytes: int

    @property
    def family(self) -> str:
        return str(self.values["general.architecture"])

    @property
    def n_weights(self) -> int:
        return sum(math.prod(tensor.shape) for tensor in self.tensors.values())

    @property
    def main_kind(self) -> str:
        """The type that most of the weights have, for example "Q4_K"."""
        counts: dict[str, int] = {}
        for tensor in self.tensors.values():
            name = KINDS[tensor.kind][0]
            counts[name] = counts.get(name, 0) + math.prod(tensor.shape)
        return max(counts, key=lambda name: counts[name])


def is_gguf(path: Path) -> bool:
    """Whether a file is meant to be GGUF: by its name or, if named otherwise as Ollama's are, by its first bytes."""
    if path.suffix.lower() == SUFFIX:
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"GGUF"
    except OSError:
        return False


def read_gguf_header(path: Path) -> GgufHeader:
    """Read and check everything before the weights.

    Raises:
        UserError: it cannot be read, is damaged or one of several parts, or holds what this program cannot load.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            header = _parsed(_Reader(stream, size))
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            "{path} cannot be read ({reason}).", "Check the file, or copy it again.", path=path, reason=reason
        ) from error
    except ValueError as error:
        raise UserError(
            "The model file {path} is damaged ({reason}).", "Download or copy it again.", path=path, reason=error
        ) from error
    if header.values.get("split.count", 0) > 1 or _PART.search(path.name):
        raise UserError(
            "{path} is one part of a model that is split into several files.",
            "Get the model as one file, or join the parts first.",
            path=path,
        )
    if header.family not in FAMILIES:
        raise UserError(
            'Models of type "{family}" are not supported.',
            OTHER_FAMILY,
            family=header.family,
            families=titles(),
        )
    if unknown := {tensor.kind for tensor in header.tensors.values()} - set(KINDS):
        raise UserError(
            "The weights in {path} are quantized in a way that cannot be read (number {number}).",
            "Get the model in another quantization, for example Q4_K_M, Q5_K_M or Q8_0.",
            path=path,
            number=min(unknown),
        )
    return header


class _Reader:
    """The beginning of a file, read as far as needed; never past the file's end or the bound."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self.size = stream, size
        self._data, self.position = b"", 0

    def take(self, n_bytes: int) -> bytes:
        begin, self.position = self.position, self.position + n_bytes
        return self._up_to(self.position)[begin : self.position]

    def number(self, code: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def text(self) -> str:
        try:
            return self.take(self.number("<Q")).decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("its header holds text that is not UTF-8") from None

    def skip_texts(self, n_texts: int) -> None:
        """As `text`, n times, but fast: a vocabulary has hundreds of thousands."""
        position, data = self.position, self._data
        for _ in range(n_texts):
            if position + 8 > len(data):
                data = self._up_to(position + 8)
            position += 8 + int.from_bytes(data[position : position + 8], "little")
        self._up_to(position)
        self.position = position

    def _up_to(self, end: int) -> bytes:
        """At least the first `end` bytes of the file."""
        if end > min(self.size, _MAX_HEADER_BYTES):
            raise ValueError("its header does not end" if end <= self.size else "it is cut off")
        if end > len(self._data):
            self._data += self._stream.read(max(_READ_BYTES, len(self._data), end - len(self._data)))
            if end > len(self._data):  # it has shrunk since
                raise ValueError("it is cut off")
        return self._data


def _parsed(reader: _Reader) -> GgufHeader:
    if reader.size < 4 or bytes(reader.take(4)) != b"GGUF":
        raise ValueError("it does not begin like a GGUF file")
    version = reader.number("<I")
    if version not in (2, 3):
        raise ValueError(Sentence("its format has version {version}", version=version))
    n_tensors, n_keys = reader.number("<Q"), reader.number("<Q")
    if n_tensors > _MAX_TENSORS or n_keys > _MAX_KEYS:
        raise ValueError("its header states impossible counts")
    values: dict[str, Any] = {}
    for _ in range(n_keys):
        key = reader.text()
        values[key] = _value(reader, reader.number("<I"))
    if not _WORD.fullmatch(str(values.get("general.architecture", ""))):
        raise ValueError("it does not say what kind of model it is")
    table = [_entry(reader) for _ in range(n_tensors)]
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 2**20:
        raise ValueError("its tensors are not where they should be")
    begin = -(-reader.position // alignment) * alignment
    tensors: dict[str, GgufTensor] = {}
    for name, shape, kind, offset in table:
        _, n_values, n_bytes = KINDS.get(kind, ("", 1, 0))
        if math.prod(shape) > _MAX_VALUES or shape[-1] % n_values:
            raise ValueError(Sentence("{name} has an impossible shape", name=name))
        tensor = GgufTensor(name, shape, kind, begin + offset, math.prod(shape) // n_values * n_bytes)
        if name in tensors or tensor.start + tensor.n_bytes > reader.size:
            raise ValueError(Sentence("{name} is incomplete", name=name))
        tensors[name] = tensor
    return GgufHeader(values, tensors, reader.size)


def _value(reader: _Reader, kind: int) -> Any:
    if kind in _SCALARS:
        return reader.number(_SCALARS[kind])
    if kind == _STRING:
        return reader.text()
    if kind != _ARRAY:
        raise ValueError(Sentence("its header holds a value of kind {kind}", kind=kind))
    items, n_items = reader.number("<I"), reader.number("<Q")
    if n_items > _MAX_ITEMS or items not in {*_SCALARS, _STRING}:
        raise ValueError("its header holds an impossible list")
    if items in _SCALARS:
        reader.take(n_items * struct.calcsize(_SCALARS[items]))
    else:
        reader.skip_texts(n_items)
    return n_items


def _entry(reader: _Reader) -> tuple[str, tuple[int, ...], int, int]:
    name, n_dimensions = reader.text(), reader.number("<I")
    if not _WORD.fullmatch(name):
        raise ValueError("one of its tensors has an impossible name")
    if not 1 <= n_dimensions <= 4:
        raise ValueError(Sentence("{name} has an impossible shape", name=name))
    shape = tuple(reader.number("<Q") for _ in range(n_dimensions))[::-1]
    if not all(1 <= size <= _MAX_VALUES for size in shape):
        raise ValueError(Sentence("{name} has an impossible shape", name=name))
    return name, shape, reader.number("<I"), reader.number("<Q")
