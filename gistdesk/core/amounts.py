"""Whether a question asks for an amount, and whether a sentence names one that the question does not.

"How much is paid?" is not answered by a sentence without any number, however many of the question's words it shares
(answer typing: Li and Roth, Learning Question Classifiers, COLING 2002). English alone: any other question asks for
nothing that is looked for here. Knows no models.
"""

import re

_THINGS = (
    "price|cost|fee|rent|salary|wage|amount|sum|number|percentage|rate|age|length|width|height|weight|distance"
    "|temperature|budget|deficit|surplus"
)
_ASKS = re.compile(
    r"(?<!no matter )\bhow (?:much|many|long|far|old|often|high|deep|wide|tall|heavy|large|big|fast)\b"
    rf"|\bwhat (?:is|was|are|were|will be) (?:(?!of )[\w'’-]+ ){{0,3}}(?:{_THINGS})\b",
    re.IGNORECASE,
)
_IN_WORDS = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty"
    r"|seventy|eighty|ninety|hundreds?|thousands?|millions?|half|dozen|couple|pair|both|single|once|twice|no|none"
    r"|nothing|free|all|several|many|few|every|until|till|always|forever|never|(?:hour|day|night|week|month|year)s?"
    r"|(?:dai|week|month|year)ly)\b",
    re.IGNORECASE,
)
"""Whatever may answer: a question is better answered wrongly than a right answer withheld."""
_NUMBER = re.compile(r"\d[\d,.]*")
_LIST_NUMBER = re.compile(r"^\W*\d+(?:\.\d+)*[.)]?\s")


def asks_for_an_amount(question: str) -> bool:
    return bool(_ASKS.search(question))


def names_an_amount(sentence: str, question: str) -> bool:
    """Numbers of the question, and a number before the sentence, as of a clause, do not count."""
    asked = {number.rstrip(",.") for number in _NUMBER.findall(question)}
    said = _LIST_NUMBER.sub("", sentence)
    return any(number.rstrip(",.") not in asked for number in _NUMBER.findall(said)) or bool(_IN_WORDS.search(said))
