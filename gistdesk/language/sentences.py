"""Finished English sentences in another language: errors and notices, made where no language is known.

A sentence is recognised by the words of the template that it was made from, and its values are put into the
translation. Knows no sentence and no language's grammar but one thing: Korean particles, which follow the last sound of
the word in front of them.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

PHRASES = ("reason", "what")
"""Places of a template that hold words which may have a translation themselves, such as a system's reason."""

_PLACE = re.compile(r"\{(\w+)\}")
_PARTICLES = {
    "은(는)": ("은", "는"),
    "이(가)": ("이", "가"),
    "을(를)": ("을", "를"),
    "과(와)": ("과", "와"),
    "(으)로": ("으로", "로"),
}
_WITH_PARTICLE = re.compile(r"(\{(\w+)\}[”’\"')」]*)(" + "|".join(map(re.escape, _PARTICLES)) + ")")
_MAX_CHARS = 2000
"""Longer texts are no sentences of ours, but somebody's log."""

_MAX_STOPS = 8
"""Full stops, those of titles and paths included, among which the end of the first sentence is looked for."""


class Sentences:
    """Templates and their translations.

    A template that ends with a full stop is a sentence; any other is a phrase, which is only known inside of one.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        rated = sorted(texts, key=lambda english: -len(_PLACE.sub("", english)))  # many own words say more than few
        forms = [(_form(english), texts[english], english.endswith(".")) for english in rated if "{" in english]
        self._sentence_forms = [(form, text) for form, text, is_sentence in forms if is_sentence]
        self._phrase_forms = [(form, text) for form, text, is_sentence in forms if not is_sentence]
        self._translated = lru_cache(maxsize=1024)(self._translate)

    def translated(self, text: str) -> str | None:
        """One sentence or several, each with its values; None if it is not known."""
        return self._translated(text) if len(text) <= _MAX_CHARS else None

    def _translate(self, text: str) -> str | None:
        for end in (found.start() for found in islice(re.finditer(r"(?<=\.) ", text), _MAX_STOPS)):
            first = self._one(text[:end], self._sentence_forms)
            if first is not None and (rest := self.translated(text[end + 1 :])) is not None:
                return f"{first} {rest}"
        return self._one(text, self._sentence_forms)

    def _one(self, text: str, forms: list[tuple[re.Pattern[str], str]]) -> str | None:
        if (known := self._texts.get(text)) is not None:
            return known
        for form, translation in forms:
            if (found := form.fullmatch(text)) is not None:
                values = {
                    name: self.phrases(value) if name in PHRASES else value for name, value in found.groupdict().items()
                }
                return filled(translation, values)
        return None

    def phrases(self, text: str) -> str:
        """One phrase, or several with semicolons between them; what is not known, say a library's own words, stays."""
        parts = [self._one(part, self._phrase_forms) for part in text.split("; ")]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            return "; ".join(known)
        return self._one(text, self._phrase_forms) or text


def filled(text: str, values: Mapping[str, object]) -> str:
    """`text` with `values` in its {places}, and of two forms of a particle the one that fits."""

    def fitting(found: re.Match[str]) -> str:
        place, name, particle = found.groups()
        return place + _particle(str(values.get(name, "")), particle)

    return _WITH_PARTICLE.sub(fitting, text).format(**values)


def _form(english: str) -> re.Pattern[str]:
    """What a sentence made from a template looks like; a place that comes twice holds the same twice."""
    pattern, names = "", set()
    for index, part in enumerate(_PLACE.split(english)):
        if index % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in names else f"(?P<{part}>.*)"
            names.add(part)
    return re.compile(pattern, re.DOTALL)


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

    None where one cannot know. Latin words are guessed: as Koreans write them, or letter by letter.
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
