"""RULER's tasks from their published definition (Hsieh et al., 2024): eight kinds of needles, variables, questions.

| kind | haystack | keys | values | asked for |
|---|---|---|---|---|
| single-1, -2, -3 | noise, essays, essays | 1 word | number, number, UUID | 1 |
| multikey-1 | essays | 4 words | numbers | 1 of them |
| multikey-2, -3 | other needles, nothing else | words, UUIDs | numbers, UUIDs | 1 |
| multivalue | essays | 1 word | 4 numbers | all 4 |
| multiquery | essays | 4 words | numbers | all 4 |

**ruler-vt**, variable tracking: one chain of four assignments in noise; all five names are asked for. **ruler-qa**: a
paragraph that holds an answer and two from other documents, from the bundled ones and not from SQuAD, in essays.
Common and frequent words are in `ruler_words`.

Numbers have seven digits; a word is an adjective and a noun. An answer scores the share of the right values it
contains. Unlike the publication, the question is in the model's own chat template, without the beginning of the
answer, since that is how a user asks; and the first needle asked for is at the grid's depth. Korean is translated.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from trainer.benchmark.needles import Needle
from trainer.benchmark.texts import documents

NOISE = {
    "en": "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ",
    "ko": "잔디는 푸르다. 하늘은 파랗다. 해는 노랗다. 이제 간다. 갔다가 다시 온다. ",
}

_ADJECTIVES = {
    "en": "able absurd alert amber ancient bitter bold brave brisk calm careful cheerful clever cloudy cold "
    "curious dapper dizzy eager early earnest elegant faint famous fancy fierce flat fluffy fragile "
    "frosty gentle giant glossy grand handy happy hasty hollow honest humble icy jolly keen lazy light "
    "lively lonely loud lucky mellow mighty misty modern narrow nimble noble odd patient plain polite "
    "proud quick quiet rapid rare rough round rusty salty shiny silent simple slim smooth steady stormy "
    "strange sturdy sudden swift tame tender tidy tiny vast vivid warm wild wise witty young zesty".split(),
    "ko": "푸른 붉은 하얀 검은 작은 커다란 조용한 시끄러운 오래된 새로운 따뜻한 차가운 가벼운 무거운 둥근 "
    "네모난 낡은 반짝이는 부드러운 거친 빠른 느린 깊은 얕은 높은 낮은 용감한 영리한 친절한 게으른 "
    "부지런한 신비한 평범한 화려한 소박한 튼튼한 달콤한 매운 쓸쓸한 즐거운".split(),
}
_NOUNS = {
    "en": "actor apple arrow badge bakery balcony barrel beach beetle blanket boulder bucket cabin camel canal "
    "canyon carpet castle cellar cereal chimney circus cliff clock cloud comet compass cottage cradle "
    "crayon curtain dancer desk dolphin drum eagle easel elbow falcon farm fiddle fossil fountain galaxy "
    "garage garlic ginger glove harbor harvest helmet hill hotel igloo insect jewel judge jungle kite "
    "ladle lagoon lemon library lobster map marble meadow mirror mitten monkey mosaic napkin nest oven "
    "owl paddle palace parcel pencil piano pillow planet pocket pond quilt radish raft ring robin scarf "
    "shovel spoon statue stove tiger tunnel turnip vase violin wagon whistle willow window yacht zebra".split(),
    "ko": "사과 화살 담요 바위 오두막 낙타 운하 양탄자 성 굴뚝 절벽 시계 구름 혜성 나침반 요람 커튼 책상 "
    "돌고래 북 독수리 화석 분수 은하 마늘 장갑 항구 투구 언덕 보석 정글 연 석호 레몬 바닷가재 지도 "
    "대리석 거울 원숭이 둥지 올빼미 궁전 소포 연필 피아노 베개 행성 연못 뗏목 반지 숟가락 동상 난로 "
    "호랑이 터널 꽃병 바이올린 마차 호루라기 창문 얼룩말".split(),
}
_VALUE_NAMES = {
    ("en", "number"): ("number", "numbers"),
    ("en", "uuid"): ("uuid", "uuids"),
    ("ko", "number"): ("숫자", "숫자"),
    ("ko", "uuid"): ("고유 번호", "고유 번호"),
}


@dataclass(frozen=True)
class _Kind:
    """haystack: "noise", "text" or "needles"."""

    haystack: str = "text"
    key: str = "word"
    value: str = "number"
    n_keys: int = 1
    n_values: int = 1
    n_asked: int = 1


_KINDS = {
    "ruler-single-1": _Kind(haystack="noise"),
    "ruler-single-2": _Kind(),
    "ruler-single-3": _Kind(value="uuid"),
    "ruler-multikey-1": _Kind(n_keys=4),
    "ruler-multikey-2": _Kind(haystack="needles"),
    "ruler-multikey-3": _Kind(haystack="needles", key="uuid", value="uuid"),
    "ruler-multivalue": _Kind(n_values=4),
    "ruler-multiquery": _Kind(n_keys=4, n_asked=4),
}


def ruler_haystack(name: str) -> str:
    """ "noise", "text" or "needles"; "text" for kinds that are not RULER's."""
    if name == "ruler-vt":
        return "noise"
    return _KINDS[name].haystack if name in _KINDS else "text"


def other_needle(name: str, random: Random, language: str) -> str:
    """A sentence of the haystack in multikey-2 and -3: a needle that nobody asks for."""
    kind = _KINDS[name]
    return _statement(kind, language, _drawn(kind.key, random, language), _drawn(kind.value, random, language))


def _drawer(kind: _Kind) -> Callable[[Random, str], Needle]:
    def draw(random: Random, language: str) -> Needle:
        keys: list[str] = []
        while len(keys) < kind.n_keys:
            key = _drawn(kind.key, random, language)
            if key not in keys:
                keys.append(key)
        values = {key: [_drawn(kind.value, random, language) for _ in range(kind.n_values)] for key in keys}
        asked = keys[: kind.n_asked]
        right = tuple(value for key in asked for value in values[key])
        statements = tuple(_statement(kind, language, key, value) for key in keys for value in values[key])
        return Needle(statements, _question(kind, language, asked), ", ".join(right), False, values=right)

    return draw


def _drawn(what: str, random: Random, language: str) -> str:
    if what == "number":
        return str(random.randint(10**6, 10**7 - 1))
    if what == "uuid":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    return f"{random.choice(_ADJECTIVES[language])}-{random.choice(_NOUNS[language])}"


def _statement(kind: _Kind, language: str, key: str, value: str) -> str:
    noun = _VALUE_NAMES[language, kind.value][1]
    if language == "ko":
        return f"{key}의 특별한 마법 {noun} 가운데 하나는 {value}입니다."
    return f"One of the special magic {noun} for {key} is: {value}."


def _question(kind: _Kind, language: str, asked: list[str]) -> str:
    one, many = _VALUE_NAMES[language, kind.value]
    is_one = kind.n_values * kind.n_asked == 1
    if language == "ko":
        return f"글에 나온 {', '.join(asked)}의 특별한 마법 {many}는 {'' if is_one else '모두 '}무엇입니까?"
    keys = asked[0] if len(asked) == 1 else f"{', '.join(asked[:-1])}, and {asked[-1]}"
    opening = f"What is the special magic {one}" if is_one else f"What are all the special magic {many}"
    return f"{opening} for {keys} mentioned in the provided text?"


_N_HOPS = 4
_VARIABLE_LETTERS = 5


def _variables(random: Random, language: str) -> Needle:
    names: list[str] = []
    while len(names) < _N_HOPS + 1:
        name = "".join(random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(_VARIABLE_LETTERS))
        if name not in names:
            names.append(name)
    value = str(random.randint(10_000, 99_999))
    statements = [f"VAR {names[0]} = {value}."]
    statements += [f"VAR {name} = VAR {before}." for before, name in pairwise(names)]
    question = (
        f"위 글에서 값 {value}이(가) 대입된 변수를 모두 찾으세요."
        if language == "ko"
        else f"Find all variables that are assigned the value {value} in the text above."
    )
    right = tuple(names)
    return Needle(tuple(statements), question, ", ".join(right), False, values=right, in_order=True)


_N_DISTRACTING = 2


def _question_of_a_document(random: Random, language: str) -> Needle:
    texts = documents()
    text = random.choice(texts)
    asked = random.choice([question for question in text.questions if question.answers])
    others = [part for other in texts if other is not text for part in other.sections if len(part) > 200]
    statements = (text.section_text(asked), *random.sample(others, _N_DISTRACTING))
    return Needle(statements, asked.question, asked.answers[0], False, accepted=asked.answers)


def word_list(language: str) -> list[str]:
    """Words for lists."""
    return [*_NOUNS[language], *_ADJECTIVES[language]]


RULER_KINDS: dict[str, Callable[[Random, str], Needle]] = {
    **{name: _drawer(kind) for name, kind in _KINDS.items()},
    "ruler-vt": _variables,
    "ruler-qa": _question_of_a_document,
}
"""How needles are drawn; `WORD_KINDS` are whole documents and therefore not listed."""
