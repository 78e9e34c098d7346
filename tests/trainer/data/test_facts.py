"""Facts read well in Korean, can be answered from their statement, and evaluation wordings stay out of training."""

import re
from collections.abc import Iterator
from random import Random

import pytest

from trainer.benchmark.config import DRAWN
from trainer.benchmark.needles import LANDMARK_FILLER
from trainer.data.facts import (
    _OPENINGS,
    GENERAL,
    LANGUAGES,
    PASSKEY,
    WORDS,
    Fact,
    Kind,
    _filled,
    draw_fact,
    draw_facts,
    draw_words,
)
from trainer.data.haystack import haystack_names, haystack_text

KINDS = {"passkey": PASSKEY, **GENERAL}
N_DRAWS = 60


def drawn(*, held_out: bool, n: int = N_DRAWS) -> Iterator[tuple[str, Fact]]:
    for language in LANGUAGES:
        for kind in KINDS:
            for i in range(n):
                yield language, draw_fact(Random(f"{kind}:{language}:{i}"), language, kind, held_out=held_out)


# --- Korean


@pytest.mark.parametrize(
    ("word", "topic", "subject", "object_", "direction", "quotation"),
    [
        ("사과", "는", "가", "를", "로", "라"),  # a vowel
        ("책", "은", "이", "을", "으로", "이라"),  # a consonant
        ("서울", "은", "이", "을", "로", "이라"),  # ㄹ, after which 으로 loses its 으
        ("120", "은", "이", "을", "으로", "이라"),  # 영
        ("21", "은", "이", "을", "로", "이라"),  # 일
        ("32", "는", "가", "를", "로", "라"),  # 이
        ("13", "은", "이", "을", "으로", "이라"),  # 삼
        ("4", "는", "가", "를", "로", "라"),  # 사
        ("5", "는", "가", "를", "로", "라"),  # 오
        ("6", "은", "이", "을", "으로", "이라"),  # 육
        ("7", "은", "이", "을", "로", "이라"),  # 칠
        ("8", "은", "이", "을", "로", "이라"),  # 팔
        ("9", "는", "가", "를", "로", "라"),  # 구
        ("KA", "는", "가", "를", "로", "라"),  # 에이
        ("KL", "은", "이", "을", "로", "이라"),  # 엘
        ("KM", "은", "이", "을", "으로", "이라"),  # 엠
        ("KN", "은", "이", "을", "으로", "이라"),  # 엔
        ("KR", "은", "이", "을", "로", "이라"),  # 알
        ("KX", "는", "가", "를", "로", "라"),  # 엑스
    ],
)
def test_particles_follow_the_sound_before_them(
    word: str, topic: str, subject: str, object_: str, direction: str, quotation: str
) -> None:
    for template, particle in (
        ("{v}(은) 좋다", topic),
        ("{v}(이) 좋다", subject),
        ("{v}(을) 쓴다", object_),
        ("{v}(으로) 간다", direction),
        ("{v}(이)라고 한다", quotation),
    ):
        assert _filled(template, "", word).startswith(word + particle)


def test_no_marks_are_left_in_any_wording() -> None:
    for _, fact in [*drawn(held_out=False), *drawn(held_out=True)]:
        assert not re.search(r"[{}]|\((은|이|을|으로|이라)\)", fact.statement + fact.question), fact


# --- Questions and answers


@pytest.mark.parametrize("held_out", [False, True])
def test_the_statement_holds_the_answer_and_the_question_does_not(held_out: bool) -> None:
    for _, fact in drawn(held_out=held_out):
        assert fact.answer in fact.statement, fact
        assert fact.answer not in fact.question, fact
        assert fact.subject.casefold() in fact.statement.casefold(), fact
        assert fact.subject.casefold() in fact.question.casefold(), fact


def test_every_kind_has_both_languages_and_enough_values_that_guessing_fails() -> None:
    for language in LANGUAGES:
        for name, kind in KINDS.items():
            random = Random(f"{name}:{language}")
            assert len({kind.value(random, language) for _ in range(400)}) >= 12, (name, language)
            assert len({kind.subject(random, language) for _ in range(400)}) >= 10, (name, language)


def test_a_draw_is_a_function_of_its_generator() -> None:
    for language in LANGUAGES:
        assert draw_facts(Random(7), language, 8) == draw_facts(Random(7), language, 8)
        assert draw_facts(Random(7), language, 8) != draw_facts(Random(8), language, 8)


def test_facts_of_one_document_can_be_told_apart_and_distract_from_each_other() -> None:
    n_alike = 0
    for i in range(50):
        facts = draw_facts(Random(i), "en", 8)
        assert len({(fact.kind, fact.subject) for fact in facts}) == 8
        n_alike += max(sum(fact.kind == name for fact in facts) for name in GENERAL)
    assert 3.5 <= n_alike / 50 <= 6.5  # of 8, about half are of one kind


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_become_facts_with_names_of_their_own(language: str) -> None:
    for seed in range(30):
        facts = draw_words(Random(seed), language, ["Pequod", "사람들은 그것을", "hollow tree"])
        assert len({fact.subject for fact in facts}) == 3
        for fact in facts:
            # a value that opens its sentence has a capital there, as the starter was trained
            assert fact.answer.casefold() in fact.statement.casefold()
            assert fact.answer not in fact.question
            assert fact.subject.casefold() in fact.question.casefold()
            assert not re.search(r"[{}]|\((은|이|을|으로|이라)\)", fact.statement + fact.question), fact


# --- Held-out wordings

_OPENING = re.compile("|".join(re.escape(text) for texts in _OPENINGS.values() for text in texts if text))


def skeleton(template: str) -> str:
    """A wording without what varies: openings, particles, case, punctuation and spaces."""
    text = _OPENING.sub("", template)
    text = re.sub(r"\((은|이|을|으로|이라)\)", "", text)
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def wordings(kind: Kind) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], tuple[str, str]]]:
    for wording in (kind.en, kind.ko):
        yield wording.statements, wording.questions, wording.held_out


def sentences(template: str) -> list[str]:
    """The sentences of a statement that give the value."""
    return [text for text in re.split(r"(?<=[.!?])\s", template) if "{v}" in text]


def test_no_held_out_skeleton_is_a_training_skeleton_of_any_kind() -> None:
    """Neither as a whole, nor is one of its sentences that gives the value a sentence of training."""
    training: set[str] = set()
    held_out: list[str] = []
    for kind in KINDS.values():
        for statements, questions, (statement, question) in wordings(kind):
            training |= {skeleton(text) for text in (*statements, *questions)}
            training |= {skeleton(part) for text in statements for part in sentences(text)}
            held_out += [statement, question, *sentences(statement)]
    assert len(held_out) >= 6 * len(KINDS)
    for wording in WORDS.values():
        training |= {skeleton(text) for text in (*wording.statements, *wording.questions)}
    assert [text for text in held_out if skeleton(text) in training] == []


def test_no_training_question_contains_a_held_out_one() -> None:
    """ "According to the text, what is the passkey?" once held the benchmark's own "What is the passkey?"."""

    def bare(template: str) -> str:
        return re.sub(r"\s+", " ", re.sub(r"\((은|이|을|으로|이라)\)", "", template)).strip(" .?!").casefold()

    training = {bare(text) for kind in KINDS.values() for _, questions, _ in wordings(kind) for text in questions}
    training |= {bare(text) for wording in WORDS.values() for text in wording.questions}
    held_out = {bare(question) for kind in KINDS.values() for _, _, (_, question) in wordings(kind)}
    assert [(a, b) for a in held_out for b in training if a in b] == []


def test_nothing_that_training_draws_is_a_held_out_wording_of_that_kind() -> None:
    """Filled in: a training sentence may not come out as a held-out one by way of its subject or value."""
    patterns = {}
    for name, kind in KINDS.items():
        for language, wording in (("en", kind.en), ("ko", kind.ko)):
            shapes = []
            for text in wording.held_out:
                escaped = re.sub(r"\\\((은|이|을|으로|이라)\\\)", r"[가-힣]{0,2}", re.escape(text))
                shapes.append(escaped.replace(r"\{s\}", ".+").replace(r"\{v\}", ".+"))
            patterns[name, language] = re.compile("|".join(shapes), re.IGNORECASE)
    for language, fact in drawn(held_out=False):
        pattern = patterns[fact.kind, language]
        assert not pattern.fullmatch(_OPENING.sub("", fact.statement)), fact
        assert not pattern.fullmatch(fact.question), fact
    for language, fact in drawn(held_out=True, n=5):  # the patterns do find what they are made for
        assert patterns[fact.kind, language].fullmatch(fact.statement), fact
        assert patterns[fact.kind, language].fullmatch(fact.question), fact


def test_training_and_evaluation_draw_no_string_in_common() -> None:
    training = {text for _, fact in drawn(held_out=False, n=200) for text in (fact.statement, fact.question)}
    evaluation = {text for _, fact in drawn(held_out=True, n=200) for text in (fact.statement, fact.question)}
    assert not training & evaluation


@pytest.mark.parametrize("kind", ["landmark", "sandwich"])
def test_the_needles_of_the_literature_are_in_no_training_text(kind: str) -> None:
    needle = DRAWN[kind](Random(1), "en")
    key = needle.expected if kind == "landmark" else "\0"
    pieces = [piece for piece in re.split(r"(?<=[.?])\s", f"{needle.statements[0]} {needle.question}") if piece]
    telling = {"landmark": ("pass key",), "sandwich": ("dolores", "sandwich and", "best thing to do in")}[kind]
    texts = [f"{fact.statement} {fact.question}" for _, fact in drawn(held_out=False)]
    texts += [haystack_text(name) for language in LANGUAGES for name in haystack_names(language, evaluation=False)]
    for text in texts:
        lowered = text.casefold()
        for phrase in telling:
            assert phrase not in lowered
        for piece in pieces:
            if len(piece.split()) > 2:
                assert piece.replace(key, "") not in text
    statements = skeleton(needle.statements[0].replace(key, "{v}"))
    assert statements not in {
        skeleton(s.replace("{s}", "pass key")) for k in KINDS.values() for w in wordings(k) for s in w[0]
    }


def test_the_landmark_filler_is_not_what_training_hides_facts_in() -> None:
    for name in haystack_names("en", evaluation=False):
        assert LANDMARK_FILLER.strip() not in haystack_text(name)
