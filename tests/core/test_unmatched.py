"""Words of a question that a text does not have are named; what the text only words or spells differently is not."""

import time

import pytest

from gistdesk.core.unmatched import unmatched_share, unmatched_words
from trainer.benchmark.texts import documents

NOTICE = (
    "The mill sells wheat flour at 420 pounds per tonne and employs twelve people. Section 4 of the agreement was\n"
    "signed in 2031. The baker's deliveries are insured by Norrland Mutual. Code E4: the motor is blocked."
)
KOREAN = "창고는 대전에 있으며 예산은 45,000원이다. 오류 E4는 없다. Bank of Korea."


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What is the price of oat flour?", ("price", "oat")),
        ("What does the code E7 mean?", ("E7",)),
        ("Is the error E 7 in the agreement?", ("E 7",)),
        ("What was signed in 2030, and what in 2031?", ("2030",)),
        ("Are there twelve or fifteen people?", ("fifteen",)),
        ("Is there a Captain? Who is the captain of the mill?", ("Captain",)),
        ("Who insures the windmill's oats?", ("windmill's", "oats")),
    ],
)
def test_words_that_are_nowhere_in_the_text_are_named(question: str, words: tuple[str, ...]) -> None:
    assert unmatched_words(question, NOTICE) == words


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What does the code E4 mean?", NOTICE),
        ("How many people does the mill employ?", NOTICE),
        ("Who insures the baker’s delivery?", NOTICE),
        ("Summarise what the text says about oats.", NOTICE),
        ("", NOTICE),
        ("?!", NOTICE),
        # numbers that a question brings along
        ("How many of the 36 people does the mill employ?", NOTICE),
        ("Is it 2000 pounds for a tonne of flour?", NOTICE),
        ("Tell me in 2 sentences who insures the baker.", NOTICE),
        ("What are the 3 main deliveries of the mill?", NOTICE),
        ("Which part of 9 tonnes is insured?", NOTICE),
        ("Is section a 2 of the agreement signed?", NOTICE),
        # codes in another spelling
        ("What does error E-4 mean?", "Error E4: the motor of the mill is blocked. The rest of it is fine."),
        ("What does error E07 mean?", "Error E 7: the motor of the mill is blocked. The rest of it is fine."),
        ("What is part VA7731?", "The filter is part VA‑7731 of the list. It is in the box of the cabinet."),
        ("What happened in 2019?", "In the years 2018–2020 the mill was closed, and in ２０１９ the roof fell in."),
        # endings, and irregular forms
        ("Which companies insure the vessel?", "The company of the owner insures the vessel and the crew."),
        ("Which taxes are on the price?", "The tax on the price is due to the owner of the mill."),
        (
            "When was the ferry stopped?",
            "They had to stop the ferry in the night, and the pier was closed to the public.",
        ),
        ("Who wrote to the owner?", "Ann writes to the owner of the mill, and the owner to Ann."),
        ("Who keeps the keys?", "The keys of the shed are kept by Mr Pell, and the skip is to stand at the gate."),
        (
            "Who is keeping or giving out the keys?",
            "The keys of the shed were given to Mr Pell, who kept them to the end.",
        ),
        ("Why did the girl cry?", "The girl cried in the wood, and the wolf heard her."),
        # spelling
        ("Who's the treasurer of the trust?", "The treasurer of the trust is Peter. The trust is rich."),
        ("Who is Mr. O'Brien?", "The clerk of the firm is Mr O’Brien, and the firm is in the town."),
        ("Where is José's café?", "Jose has a cafe in the centre of the town, and a house in the hills."),
        ("What colour is the theater?", "The color of the theatre is red, and the town is proud of it."),
        ("What is the e-mail of the clerk?", "The email of the clerk is in the list of the firm."),
        ("Is there part-time work?", "Work is part time in the mill, and the pay is that of the town."),
        ("Where in the USA is the plant?", "The plant is in the U.S.A., in the state of Ohio, and the town is old."),
        ("What do the finances say?", "The ﬁnances of the mill are in order, and the rest is to come."),
        # other languages
        ("Was kostet das Hafermehl der Mühle?", NOTICE),
        ("Was ist in der Box?", "In the box of the softener are hoses, and the rest of it is salt."),
        ("Where is the warehouse?", KOREAN),
        ("Where is the warehouse?", ""),
    ],
)
def test_what_is_there_in_other_words_or_spelling_is_not_called_missing(question: str, text: str) -> None:
    assert unmatched_words(question, text) == ()


def test_codes_and_years_are_looked_for_in_any_language() -> None:
    assert unmatched_words("오류 E4는 무엇입니까?", KOREAN) == ()
    assert unmatched_words("오류 E7은 무엇입니까?", KOREAN) == ("E7",)
    assert unmatched_words("Was geschah im Jahr 2031?", "Abschnitt 12 nennt das Jahr 2030.") == ("2031",)


def test_a_page_in_place_of_a_question_takes_no_time() -> None:
    text = NOTICE * 3_000
    page = " ".join(f"What of the zebra{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600))
    begun = time.process_time()
    assert 0 < len(unmatched_words(page, text)) <= 32
    assert time.process_time() - begun < 3.0


def test_of_the_bundled_documents_few_answered_questions_have_such_words_and_most_others_do() -> None:
    found: dict[bool, list[bool]] = {True: [], False: []}
    for document in documents():
        for asked in document.questions:
            found[bool(asked.answers)].append(bool(unmatched_words(asked.question, document.text)))
    assert (len(found[True]), len(found[False])) == (60, 12)
    assert sum(found[True]) <= 3 and sum(found[False]) >= 6


def test_the_share_is_of_the_words_that_say_what_is_asked() -> None:
    question = "What is the price of 7 tonnes of oat flour?"
    assert unmatched_share(question, ()) == 0.0
    assert unmatched_share(question, ("oat",)) == pytest.approx(1 / 4)  # price, tonnes, oat, flour
    assert unmatched_share("Who?", ()) == 0.0
    assert unmatched_share("What does E7 mean?", ("E7", "E8")) == 1.0
