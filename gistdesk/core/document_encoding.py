"""Decodes bytes of unknown encoding: UTF-8, UTF-16, Korean cp949, then the rest of the world.

Knows nothing of files or formats. Decides on a sample, so that megabytes cost milliseconds.
"""

import codecs
import re

from charset_normalizer import from_bytes

_SAMPLE_BYTES = 65_536
_MAX_DAMAGE = 0.01
"""Share of characters that may fail to decode: one bad byte in a log file does not make it something else."""
_MAX_CONTROLS = 0.05
"""Share of control characters in text. Compressed and compiled files have 10 % and more."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = (["cp1252", "cp1251", "koi8_r", "cp1253", "gb18030", "big5", "cp932", "euc_jp"], ["cp1250"])
"""In two rounds: left to choose freely, charset-normalizer takes French and German for Polish (cp1250)."""
_WIDER = {
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "iso8859-1": "cp1252",
}
"""What browsers read under these names, because pages that declare them use the larger set."""
_DECLARABLE = ("cp", "iso8859", "koi8", "euc", "gb", "big5", "shift_jis", "johab", "mac", "tis")
"""Prefixes of codec names that a page may declare; Python also has codecs such as `unicode_escape`."""

_FREQUENT = frozenset(char.encode("cp949") for char in "이다는에의을가고은를로하한지기도사서리인자어시해대나아그정들")
"""The commonest syllables. In the Chinese encodings their bytes are rare characters."""

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd\ufffe\uffff]")
_ASCII = re.compile("[\t\n\r -~]")
_HIGH_BYTES = re.compile(rb"[\x81-\xfe][\x41-\xfe]|[\x80-\xff]")


def decode_text(data: bytes, declared: str | None = None) -> str | None:
    """The text, with U+FFFD for what cannot be decoded, or None if these bytes are not text.

    Args:
        data: the whole file.
        declared: the encoding that the file itself declares, if any; only used if UTF-8 fails.
    """
    encoding = _encoding_of(data, declared)
    text = data.decode(encoding, errors="replace")
    sample = text[:_SAMPLE_BYTES]
    if len(_CONTROLS.findall(sample)) > _MAX_CONTROLS * len(sample):
        return None
    return text


def _encoding_of(data: bytes, declared: str | None) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    start = data[:_SAMPLE_BYTES]
    if start.count(0) < 0.2 * len(start) and _is_utf8(data):  # English UTF-16 is valid, too
        return "utf-8"
    if wide := _wide_without_mark(start):
        return wide
    codec = _declared_codec(declared) if declared else None
    if codec and codec != "cp1252":  # many programs declare it whatever the page uses
        return codec
    sample = _telling_sample(data)
    if _damage(sample, "utf-8") <= _MAX_DAMAGE:
        return "utf-8"
    pairs = _HIGH_BYTES.findall(sample)
    if _is_korean(pairs):
        return "cp949"
    if codec or _is_sprinkled(sample, pairs):
        return "cp1252"
    for names in _CANDIDATES:
        if best := from_bytes(sample, cp_isolation=names).best():
            return best.encoding
    return "cp1252"


def _wide_without_mark(sample: bytes) -> str | None:
    """UTF-16 without a mark shows at least in its spaces and line ends: ASCII beside zero bytes."""
    if 0 not in sample:
        return None
    encodings = ("utf-16-le", "utf-16-be")
    n_ascii = [len(_ASCII.findall(sample.decode(encoding, errors="ignore"))) for encoding in encodings]
    if max(n_ascii) > 0.01 * len(sample) and min(n_ascii) <= 0.1 * max(n_ascii):
        return encodings[n_ascii.index(max(n_ascii))]
    return None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _declared_codec(declared: str) -> str | None:
    try:
        name = codecs.lookup(declared).name
    except (LookupError, ValueError):
        return None
    return _WIDER.get(name, name) if name.startswith(_DECLARABLE) else None


def _telling_sample(data: bytes) -> bytes:
    """The first lines that are not pure ASCII: those before them say nothing about the encoding."""
    return b"\n".join(line for line in data.splitlines() if not line.isascii())[:_SAMPLE_BYTES]


def _damage(sample: bytes, encoding: str) -> float:
    """Share of the non-ASCII characters that do not decode."""
    text = sample.decode(encoding, errors="replace")
    n_foreign = sum(char > "\x7f" for char in text)
    return text.count("\ufffd") / n_foreign if n_foreign else 0.0


def _is_korean(pairs: list[bytes]) -> bool:
    """Whether these bytes are Korean in cp949, down to a single word.

    Nearly all written Korean uses the 2,350 syllables of KS X 1001, in rows 0xB0 to 0xC8. The Chinese and
    Japanese encodings also fill the rows beyond, so those count as Korean only beside common syllables.
    """
    unpaired = sum(len(pair) == 1 for pair in pairs)
    syllables = kana = others = frequent = 0
    for pair in pairs:
        row, in_standard = pair[0], len(pair) == 2 and pair[1] >= 0xA1
        if in_standard and 0xB0 <= row <= 0xC8:
            syllables += 1
            frequent += pair in _FREQUENT
        elif in_standard and row in (0xA4, 0xA5):  # single Hangul letters, as in laughter; EUC-JP's kana
            kana += 1
        elif len(pair) == 2 and (not in_standard or row > 0xC8):
            others += 1
    plausible = others == 0 or frequent >= 0.05 * (syllables + others)
    return plausible and unpaired <= _MAX_DAMAGE * len(pairs) and 1.5 * syllables > kana


def _is_sprinkled(sample: bytes, pairs: list[bytes]) -> bool:
    """Whether the text is ASCII with a few single accents or signs: too few for statistics, and mostly Western."""
    alone = sum((pair[0] >= 0x91 and pair[-1:].isascii()) or len(pair) == 1 for pair in pairs)
    return len(pairs) < 32 and 2 * alone >= len(pairs) and len(sample) >= 3 * len(pairs)
