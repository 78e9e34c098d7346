"""Fills values into a text, choosing Korean particles by the last sound of the word before them.

Knows no texts. In a language without such particles, a text is filled in as `str.format` does.
"""

import re
from collections.abc import Mapping

_PARTICLES = {
    "은(는)": ("은", "는"),
    "이(가)": ("이", "가"),
    "을(를)": ("을", "를"),
    "과(와)": ("과", "와"),
    "(으)로": ("으로", "로"),
}
_WITH_PARTICLE = re.compile(r"(\{(\w+)(:[^}]*)?\}[”’\"')」]*)(" + "|".join(map(re.escape, _PARTICLES)) + ")")


def filled(text: str, values: Mapping[str, object]) -> str:
    """`text` with `values` in its {places}, and the fitting one of each particle's two forms."""

    def fitting(found: re.Match[str]) -> str:
        place, name, form, particle = found.groups()
        return place + _particle(format(values.get(name, ""), (form or "")[1:]), particle)

    return _WITH_PARTICLE.sub(fitting, text).format(**values)


def _particle(value: str, particle: str) -> str:
    after_consonant, after_vowel = _PARTICLES[particle]
    last = _last_sound(value)
    if last is None:
        return particle
    if particle == "(으)로" and last == "ㄹ":
        return after_vowel
    return after_consonant if last else after_vowel


def _last_sound(text: str) -> str | None:
    """The consonant that `text`, read aloud in Korean, ends with: "ㄹ", "x" for any other, "" for none.

    None if it cannot be known. Latin words are guessed: as Koreans write them, or letter by letter.
    """
    spoken = re.sub(r"[^\w%]+$", "", text)
    if not spoken:
        return None
    last = spoken[-1]
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return "ㄹ" if final == 8 else "x" if final else ""
    if last.isdigit():
        return {"1": "ㄹ", "7": "ㄹ", "8": "ㄹ", "0": "x", "3": "x", "6": "x"}.get(last, "")
    if last == "%":
        return ""
    word = re.search(r"[A-Za-z]+$", spoken)
    return _last_sound_of_latin(word[0]) if word else None


def _last_sound_of_latin(word: str) -> str:
    last, spelled = word[-1].lower(), word.isupper() or not re.search("[aeiouy]", word.lower())
    if spelled:
        return {"l": "ㄹ", "r": "ㄹ", "m": "x", "n": "x"}.get(last, "")
    if re.search(r"(l|[^aeiou]le|ile|ale|ole|ule)$", word.lower()):
        return "ㄹ"
    if re.search(r"([mn]|ng|[mn]e|(?<![aeiou])[aeiou][bpkc]|ck|ook|(?<![aeiou])[aeiou]t)$", word.lower()):
        return "x"
    return ""
