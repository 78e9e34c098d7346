"""Generated facts: a sentence to hide in a document, a question about it, and the right answer.

The wordings under `held_out` are for evaluation only; training never draws them, and a test keeps the two apart.
Knows nothing of tokens, haystacks or models.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from trainer.data import values

LANGUAGES = ("en", "ko")


@dataclass(frozen=True)
class Fact:
    """One fact.

    Attributes:
        kind: what it is about; two facts of one kind with different subjects are each other's distractors.
        subject: whom or what it is about.
        statement: the sentence or sentences to put into a document.
        question: what is asked.
        answer: the value, verbatim as in the statement.
    """

    kind: str
    subject: str
    statement: str
    question: str
    answer: str


@dataclass(frozen=True)
class Wording:
    """Ways of stating and asking in one language; {s} is the subject, {v} the value.

    Korean particles that depend on the sound before them are written 은/는 style in brackets: (은), (이), (을).
    """

    statements: tuple[str, ...]
    questions: tuple[str, ...]
    held_out: tuple[str, str]


Draw = Callable[[Random, str], str]


@dataclass(frozen=True)
class Kind:
    """A kind of fact: how its subjects and values are drawn and how it is worded."""

    subject: Draw
    value: Draw
    en: Wording
    ko: Wording

    def wording(self, language: str) -> Wording:
        return self.ko if language == "ko" else self.en


_CODE_NOUNS = {
    "en": (
        "passkey",
        "pass code",
        "access code",
        "secret number",
        "security code",
        "entry code",
        "key number",
        "unlock code",
        "login number",
        "safe combination",
    ),
    "ko": (
        "패스키",
        "암호",
        "비밀번호",
        "접속 번호",
        "출입 코드",
        "보안 번호",
        "열쇠 번호",
        "인증 번호",
        "잠금 번호",
        "금고 번호",
    ),
}

PASSKEY = Kind(
    subject=lambda r, lang: r.choice(_CODE_NOUNS[lang]),
    value=lambda r, lang: values.digits(r, r.choice((4, 5, 5, 5, 6, 7))),
    en=Wording(
        (
            "The {s} is {v}.",
            "Remember this: the {s} is {v}.",
            "Note the {s}: {v}. Do not lose the {s}.",
            "{v} is the {s}.",
            "Keep the {s} {v} in mind.",
            "The {s} mentioned in this text is {v}. Again, it is {v}.",
            "Do not forget that {v} is the {s}. It is {v}.",
            "The {s} of this document is {v}.",
            "Please write down {v}, which is the {s}.",
            "As to the {s}, it was set to {v}.",
        ),
        (
            "Which {s} does the text give?",
            "Tell me the {s}.",
            "What {s} is mentioned in the document?",
            "What was the {s} again?",
            "Give the {s}.",
            "According to the text, which {s} is right?",
            "The {s}, please.",
        ),
        ("Here is the {s} you will be asked for: {v}. Yes, {v} it is.", "What is the {s}?"),
    ),
    ko=Wording(
        (
            "{s}(은) {v}입니다.",
            "기억하세요. {s}(은) {v}입니다.",
            "{s}: {v}. 이 {s}(을) 잃어버리지 마세요.",
            "{v}(이) {s}입니다.",
            "{s} {v}(을) 꼭 적어 두세요.",
            "이 글에 나오는 {s}(은) {v}이다. 다시 말해 {v}이다.",
            "{v}, 이것이 바로 {s}이다. 잊지 말 것.",
            "이 글의 {s}(은) {v}(으로) 정해졌다.",
            "{s}(으로)는 {v}(을) 쓴다.",
            "누가 묻거든 {s}(은) {v}(이)라고 답하라.",
        ),
        (
            "글에 나온 {s}(은) 무엇인가요?",
            "{s}(을) 알려 주세요.",
            "문서에서 {s}(이) 뭐라고 했나요?",
            "{s}(을) 말해 주세요.",
            "글에 따르면 {s}(은) 얼마인가요?",
            "{s}(이) 뭐였죠?",
        ),
        ("이 문서의 {s}(은) {v}이니 기억해 두세요. {v}, 이것이 {s}입니다.", "{s}(은) 무엇입니까?"),
    ),
)
"""One number per document. The benchmark asks for the passkey in the held-out wording."""

_WORD_NOUNS = {
    "en": (
        "code word",
        "motto",
        "watchword",
        "name of the ship",
        "title of the poem",
        "secret sign",
        "family name",
        "name of the inn",
        "last entry",
        "nickname",
    ),
    "ko": (
        "암호 낱말",
        "좌우명",
        "구호",
        "배 이름",
        "시의 제목",
        "비밀 신호",
        "별명",
        "여관 이름",
        "마지막 기록",
        "책 제목",
    ),
}

WORDS: dict[str, Wording] = {
    "en": Wording(
        (
            "The {s} is {v}.",
            "Remember this: the {s} is {v}.",
            "As to the {s}, it was {v}.",
            "They chose {v} as the {s}.",
            'The {s} reads "{v}".',
            "{v} is the {s}.",
        ),
        ("What was the {s} again?", "Tell me the {s}.", "Which {s} does the text give?", "Give the {s}."),
        ("", ""),
    ),
    "ko": Wording(
        (
            "{s}(은) {v}이다.",
            "기억하세요. {s}(은) {v}입니다.",
            "{s}: {v}.",
            "{v}, 이것이 {s}이다.",
            "{s}(으로)는 {v}(을) 쓴다.",
            "{v}(이) {s}입니다.",
        ),
        ("{s}(은) 무엇인가요?", "{s}(을) 알려 주세요.", "글에 나온 {s}(은) 무엇인가요?", "{s}(을) 말해 주세요."),
        ("", ""),
    ),
}
"""For training only: any words of running text as values, so that copying is learned, not a list of values."""

GENERAL: dict[str, Kind] = {
    "door code": Kind(
        lambda r, lang: values.placed(r, lang, "site"),
        lambda r, lang: values.digits(r, 5),
        Wording(
            ("The door code of {s} is {v}.", "To open {s}, type {v}.", "{v} opens the door of {s}."),
            ("What is the door code of {s}?", "Which code opens {s}?"),
            ("Anyone who wants to enter {s} has to use the code {v}.", "What code is needed to enter {s}?"),
        ),
        Wording(
            ("{s}의 문 번호는 {v}이다.", "{s}(을) 열려면 {v}(을) 누른다.", "{v}(을) 누르면 {s} 문이 열린다."),
            ("{s}의 문 번호는 무엇인가요?", "{s}(을) 여는 번호는?"),
            ("{s}에 들어가려는 사람은 {v}(을) 입력해야 한다.", "{s}에 들어가려면 어떤 번호가 필요합니까?"),
        ),
    ),
    "extension": Kind(
        values.person,
        lambda r, lang: values.digits(r, 4),
        Wording(
            ("{s} can be reached at extension {v}.", "The extension of {s} is {v}.", "Dial {v} to speak to {s}."),
            ("What is the extension of {s}?", "At which extension can {s} be reached?"),
            ("Calls for {s} go to extension {v}.", "Which extension do calls for {s} go to?"),
        ),
        Wording(
            ("{s} 씨의 내선 번호는 {v}이다.", "{s} 씨는 내선 {v}번을 쓴다.", "{s} 씨와 통화하려면 {v}번을 누른다."),
            ("{s} 씨의 내선 번호는 무엇인가요?", "{s} 씨의 내선은 몇 번인가요?"),
            ("{s} 씨에게 오는 전화는 내선 {v}번으로 간다.", "{s} 씨에게 오는 전화는 몇 번으로 갑니까?"),
        ),
    ),
    "birthday": Kind(
        values.person,
        values.date,
        Wording(
            ("{s} was born on {v}.", "The birthday of {s} is {v}.", "On {v}, {s} was born."),
            ("When was {s} born?", "What is the birthday of {s}?"),
            ("{s} came into the world on {v}.", "On which date did {s} come into the world?"),
        ),
        Wording(
            ("{s} 씨는 {v}에 태어났다.", "{s} 씨의 생일은 {v}이다.", "{v}은 {s} 씨가 태어난 날이다."),
            ("{s} 씨는 언제 태어났나요?", "{s} 씨의 생일은 언제인가요?"),
            ("{s} 씨가 세상에 나온 날은 {v}이다.", "{s} 씨가 세상에 나온 날은 언제입니까?"),
        ),
    ),
    "home": Kind(
        values.person,
        values.city,
        Wording(
            ("{s} lives in {v}.", "The home of {s} is in {v}.", "{s} has a house in {v}."),
            ("Where does {s} live?", "In which city is the home of {s}?"),
            ("{s} moved to {v} for good.", "Which city did {s} move to?"),
        ),
        Wording(
            ("{s} 씨는 {v}에 산다.", "{s} 씨의 집은 {v}에 있다.", "{v}에는 {s} 씨의 집이 있다."),
            ("{s} 씨는 어디에 사나요?", "{s} 씨의 집은 어디에 있나요?"),
            ("{s} 씨는 {v}(으로) 아주 이사했다.", "{s} 씨는 어디로 이사했습니까?"),
        ),
    ),
    "profession": Kind(
        values.person,
        lambda r, lang: values.word(r, lang, "profession"),
        Wording(
            ("{s} works as a {v}.", "By profession {s} is a {v}.", "{s} is known as a good {v}."),
            ("What does {s} work as?", "What is the profession of {s}?"),
            ("{s} earns a living as a {v}.", "How does {s} earn a living?"),
        ),
        Wording(
            ("{s} 씨는 {v}(으로) 일한다.", "{s} 씨의 직업은 {v}이다.", "{s} 씨는 훌륭한 {v}(으로) 알려져 있다."),
            ("{s} 씨의 직업은 무엇인가요?", "{s} 씨는 무슨 일을 하나요?"),
            ("{s} 씨는 {v}(으로) 생계를 꾸린다.", "{s} 씨는 무엇으로 생계를 꾸립니까?"),
        ),
    ),
    "colour": Kind(
        lambda r, lang: values.owned(r, lang, "thing"),
        lambda r, lang: values.word(r, lang, "colour"),
        Wording(
            ("The colour of {s} is {v}.", "{s} is {v}.", "Everybody knows that {s} is {v}."),
            ("What colour is {s}?", "What is the colour of {s}?"),
            ("They painted {s} {v}.", "In which colour did they paint {s}?"),
        ),
        Wording(
            ("{s} 색깔은 {v}이다.", "{s}(은) {v}이다.", "누구나 {s}(이) {v}인 것을 안다."),
            ("{s}(은) 무슨 색인가요?", "{s} 색깔은 무엇인가요?"),
            ("사람들은 {s}(을) {v}(으로) 칠했다.", "{s}(은) 무슨 색으로 칠했습니까?"),
        ),
    ),
    "price": Kind(
        lambda r, lang: values.owned(r, lang, "thing"),
        values.amount,
        Wording(
            ("{s} costs {v}.", "The price of {s} is {v}.", "{v} was paid for {s}."),
            ("How much does {s} cost?", "What is the price of {s}?"),
            ("Somebody bought {s} for {v}.", "For how much did somebody buy {s}?"),
        ),
        Wording(
            ("{s} 값은 {v}이다.", "{s}(은) {v}에 팔린다.", "{s} 가격은 {v}(으로) 매겨졌다."),
            ("{s} 값은 얼마인가요?", "{s}(은) 얼마인가요?"),
            ("어떤 사람이 {s}(을) {v}에 샀다.", "어떤 사람이 {s}(을) 얼마에 샀습니까?"),
        ),
    ),
    "time": Kind(
        lambda r, lang: values.placed(r, lang, "event"),
        values.clock,
        Wording(
            ("{s} starts at {v}.", "The beginning of {s} is set for {v}.", "At {v}, {s} begins."),
            ("When does {s} start?", "At what time does {s} begin?"),
            ("People should be at {s} by {v}.", "By what time should people be at {s}?"),
        ),
        Wording(
            ("{s}(은) {v}에 시작한다.", "{s} 시작 시각은 {v}이다.", "{v}에 {s}(이) 시작된다."),
            ("{s}(은) 언제 시작하나요?", "{s} 시작 시각은 몇 시인가요?"),
            ("{s}에는 {v}까지 와야 한다.", "{s}에는 언제까지 와야 합니까?"),
        ),
    ),
    "venue": Kind(
        lambda r, lang: values.placed(r, lang, "event"),
        lambda r, lang: ("the " if lang == "en" else "") + values.word(r, lang, "site"),
        Wording(
            ("{s} takes place at {v}.", "{s} is held at {v}.", "The venue of {s} is {v}."),
            ("Where does {s} take place?", "Where is {s} held?"),
            ("For {s}, everybody gathers at {v}.", "Where does everybody gather for {s}?"),
        ),
        Wording(
            ("{s}(은) {v}에서 열린다.", "{s} 장소는 {v}이다.", "{v}에서 {s}(이) 열린다."),
            ("{s}(은) 어디에서 열리나요?", "{s} 장소는 어디인가요?"),
            ("{s} 때에는 모두 {v}에 모인다.", "{s} 때에는 모두 어디에 모입니까?"),
        ),
    ),
    "pet": Kind(
        values.person,
        lambda r, lang: values.word(r, lang, "animal"),
        Wording(
            ("{s} keeps a {v}.", "The pet of {s} is a {v}.", "{s} is fond of a {v}."),
            ("What animal does {s} keep?", "What is the pet of {s}?"),
            ("A {v} shares the rooms of {s}.", "Which animal shares the rooms of {s}?"),
        ),
        Wording(
            ("{s} 씨는 {v}(을) 기른다.", "{s} 씨의 반려동물은 {v}이다.", "{s} 씨는 {v}(을) 아낀다."),
            ("{s} 씨는 어떤 동물을 기르나요?", "{s} 씨의 반려동물은 무엇인가요?"),
            ("{s} 씨의 방에는 {v}(이) 함께 산다.", "{s} 씨의 방에는 어떤 동물이 함께 삽니까?"),
        ),
    ),
    "serial": Kind(
        lambda r, lang: values.described(r, lang, "machine"),
        values.code,
        Wording(
            ("The serial number of {s} is {v}.", "{s} bears the number {v}.", "{s} is registered as {v}."),
            ("What is the serial number of {s}?", "Which number does {s} bear?"),
            ("A plate on {s} reads {v}.", "What does the plate on {s} read?"),
        ),
        Wording(
            ("{s}의 일련번호는 {v}이다.", "{s}에는 {v}(이)라는 번호가 있다.", "{s}(은) {v}(으로) 등록되어 있다."),
            ("{s}의 일련번호는 무엇인가요?", "{s}(은) 어떤 번호로 등록되어 있나요?"),
            ("{s}에 붙은 명판에는 {v}(이)라고 적혀 있다.", "{s}에 붙은 명판에는 무엇이라고 적혀 있습니까?"),
        ),
    ),
    "room": Kind(
        lambda r, lang: values.placed(r, lang, "event"),
        lambda r, lang: values.number(r, 3),
        Wording(
            ("The room of {s} is number {v}.", "{s} is in room {v}.", "Room {v} is kept for {s}."),
            ("Which room is {s} in?", "What is the room number of {s}?"),
            ("Visitors of {s} are sent to room {v}.", "To which room are visitors of {s} sent?"),
        ),
        Wording(
            ("{s}(은) {v}호실이다.", "{s} 방 번호는 {v}이다.", "{v}호실은 {s}(을) 위해 비워 두었다."),
            ("{s}(은) 몇 호실인가요?", "{s} 방 번호는 무엇인가요?"),
            ("{s} 손님은 {v}호실로 안내된다.", "{s} 손님은 몇 호실로 안내됩니까?"),
        ),
    ),
    "founder": Kind(
        values.company,
        values.person,
        Wording(
            ("{s} was founded by {v}.", "The founder of {s} is {v}.", "{v} founded {s}."),
            ("Who founded {s}?", "Who is the founder of {s}?"),
            ("It was {v} who set up {s}.", "Who set up {s}?"),
        ),
        Wording(
            ("{s}(은) {v} 씨가 세웠다.", "{s}의 창업자는 {v} 씨이다.", "{v} 씨가 {s}(을) 창업했다."),
            ("{s}(은) 누가 세웠나요?", "{s}의 창업자는 누구인가요?"),
            ("{s}(을) 처음 차린 사람은 {v} 씨였다.", "{s}(을) 처음 차린 사람은 누구입니까?"),
        ),
    ),
    "count": Kind(
        lambda r, lang: values.placed(r, lang, "site"),
        lambda r, lang: values.number(r, r.choice((3, 4, 6))),
        Wording(
            ("{s} had {v} visitors.", "The number of visitors at {s} was {v}.", "{v} people came to {s}."),
            ("How many visitors did {s} have?", "How many people came to {s}?"),
            ("They counted {v} guests at {s}.", "How many guests did they count at {s}?"),
        ),
        Wording(
            ("{s} 방문객은 {v}명이었다.", "{s}에는 {v}명이 다녀갔다.", "{v}명이 {s}(을) 찾았다."),
            ("{s} 방문객은 몇 명이었나요?", "{s}에는 몇 명이 다녀갔나요?"),
            ("{s}에서 세어 보니 손님이 {v}명이었다.", "{s}에서 센 손님은 몇 명이었습니까?"),
        ),
    ),
    "dish": Kind(
        values.person,
        lambda r, lang: values.word(r, lang, "food"),
        Wording(
            ("{s} likes {v} best.", "The favourite dish of {s} is {v}.", "{s} often cooks {v}."),
            ("What does {s} like best?", "What is the favourite dish of {s}?"),
            ("Nothing pleases {s} more than {v}.", "Which dish pleases {s} most?"),
        ),
        Wording(
            (
                "{s} 씨는 {v}(을) 가장 좋아한다.",
                "{s} 씨가 가장 좋아하는 음식은 {v}이다.",
                "{s} 씨는 자주 {v}(을) 해 먹는다.",
            ),
            ("{s} 씨가 가장 좋아하는 음식은 무엇인가요?", "{s} 씨는 무엇을 좋아하나요?"),
            ("{s} 씨를 가장 기쁘게 하는 음식은 {v}이다.", "{s} 씨를 가장 기쁘게 하는 음식은 무엇입니까?"),
        ),
    ),
    "magic number": Kind(
        lambda r, lang: values.word(r, lang, "keyword"),
        lambda r, lang: values.number(r, r.choice((5, 7, 7))),
        Wording(
            ("The number that belongs to {s} is {v}.", "For {s}, the number is {v}.", "{v} is the number of {s}."),
            ("Which number belongs to {s}?", "What is the number for {s}?"),
            (
                "One of the special magic numbers for {s} is: {v}.",
                "What is the special magic number for {s} mentioned in the provided text?",
            ),
        ),
        Wording(
            ("{s}에 딸린 숫자는 {v}이다.", "{s}의 숫자는 {v}(으로) 한다.", "{v}(은) {s}의 숫자이다."),
            ("{s}에 딸린 숫자는 무엇인가요?", "{s}의 숫자는 무엇인가요?"),
            ("{s}의 특별한 마법 숫자 가운데 하나는 {v}입니다.", "글에 나온 {s}의 특별한 마법 숫자는 무엇입니까?"),
        ),
    ),
    "advice": Kind(
        values.city,
        values.activity,
        Wording(
            ("Visitors to {s} ought to {v}.", "In {s} it is nicest to {v}.", "A guide to {s} says: {v}."),
            ("What ought visitors to {s} do?", "What is it nicest to do in {s}?"),
            ("Whoever has a free hour in {s} should {v}.", "What should one do with a free hour in {s}?"),
        ),
        Wording(
            (
                "{s}에서 가장 좋은 일은 {v}이다.",
                "{s} 여행자에게는 {v}(을) 권한다.",
                "{s} 안내서에는 {v}(이)라고 쓰여 있다.",
            ),
            ("{s}에서 가장 좋은 일은 무엇인가요?", "{s} 여행자에게 권하는 것은 무엇인가요?"),
            ("{s}에서 한 시간이 남으면 {v}(이) 제일이다.", "{s}에서 한 시간이 남으면 무엇이 제일입니까?"),
        ),
    ),
    "teacher": Kind(
        values.person,
        values.person,
        Wording(
            ("{s} was taught by {v}.", "The teacher of {s} is {v}.", "{v} was the teacher of {s}."),
            ("Who taught {s}?", "Who is the teacher of {s}?"),
            ("{s} owes every skill to {v}.", "To whom does {s} owe every skill?"),
        ),
        Wording(
            ("{s} 씨는 {v} 씨에게 배웠다.", "{s} 씨의 스승은 {v} 씨이다.", "{v} 씨가 {s} 씨를 가르쳤다."),
            ("{s} 씨는 누구에게 배웠나요?", "{s} 씨의 스승은 누구인가요?"),
            ("{s} 씨의 솜씨는 모두 {v} 씨 덕분이다.", "{s} 씨의 솜씨는 누구 덕분입니까?"),
        ),
    ),
}

_OPENINGS = {
    "en": ("", "", "", "", "Note: ", "For the record: ", "Worth knowing: ", "A remark in the margin: "),
    "ko": ("", "", "", "", "참고로 ", "기록에 따르면 ", "알아 두자면 ", "그런데 "),
}


def draw_fact(random: Random, language: str, kind_name: str, *, subject: str = "", held_out: bool = False) -> Fact:
    """One fact of a kind ("passkey" or a key of `GENERAL`); training draws with `held_out` off."""
    kind = PASSKEY if kind_name == "passkey" else GENERAL[kind_name]
    wording = kind.wording(language)
    subject = subject or kind.subject(random, language)
    value = kind.value(random, language)
    if held_out:
        statement, question = wording.held_out
    else:
        statement, question = random.choice(wording.statements), random.choice(wording.questions)
    return Fact(
        kind_name,
        subject,
        ("" if held_out else random.choice(_OPENINGS[language])) + _capital(_filled(statement, subject, value)),
        _capital(_filled(question, subject, value)),
        value,
    )


def draw_facts(random: Random, language: str, n: int, *, held_out: bool = False) -> list[Fact]:
    """n general facts with different subjects; about half of them share one kind, as distractors do."""
    names = list(GENERAL)
    common = random.choice(names)
    facts: list[Fact] = []
    while len(facts) < n:
        kind = common if random.random() < 0.5 else random.choice(names)
        fact = draw_fact(random, language, kind, held_out=held_out)
        if all((fact.kind, fact.subject) != (other.kind, other.subject) for other in facts):
            facts.append(fact)
    return facts


def draw_words(random: Random, language: str, values: Sequence[str]) -> list[Fact]:
    """One fact for each of the given values, each with a name of its own ("the motto"); at most ten."""
    wording = WORDS[language]
    facts = []
    for subject, value in zip(random.sample(_WORD_NOUNS[language], len(values)), values, strict=True):
        statement, question = random.choice(wording.statements), random.choice(wording.questions)
        opening = random.choice(_OPENINGS[language])
        text = opening + _capital(_filled(statement, subject, value))
        facts.append(Fact("words", subject, text, _capital(_filled(question, subject, value)), value))
    return facts


_PARTICLES = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "으로": ("으로", "로"),
    "이라": ("이라", "라"),
}
_CLOSED_DIGITS = frozenset("013678")
_CLOSED_LATIN = frozenset("LMNRlmnr")


def _filled(template: str, subject: str, value: str) -> str:
    text = template.replace("{s}", subject).replace("{v}", value)
    text = text.replace("(이)라", "(이라)")
    return re.sub(r"(\S)\((이라|으로|은|이|을)\)", _with_particle, text)


def _with_particle(match: re.Match[str]) -> str:
    """The form of a Korean particle depends on whether the syllable before it ends in a consonant."""
    last, particle = match.group(1), match.group(2)
    closed, rieul = last in _CLOSED_DIGITS or last in _CLOSED_LATIN, last in "178LRlr"
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        closed, rieul = final != 0, final == 8
    after_consonant, after_vowel = _PARTICLES[particle]
    if particle == "으로" and rieul:
        return last + after_vowel
    return last + (after_consonant if closed else after_vowel)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
