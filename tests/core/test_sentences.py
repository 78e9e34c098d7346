import copy
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence, listed, packed, reason_of, shortened, unpacked

JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)
)
WHOLE = Sentence("{n:,} of {of} in {where}", n=1200, of=Sentence("{k} things", k=3), where="{a} 책")


def test_a_sentence_is_its_english_and_knows_its_template() -> None:
    assert WHOLE == "1,200 of 3 things in {a} 책"
    assert (WHOLE.template, WHOLE.values["n"]) == ("{n:,} of {of} in {where}", 1200)


def test_only_the_values_that_are_used_are_kept() -> None:
    error = UserError("There is no {name}.", "Choose from {names}.", name="a", names="b, c")
    assert (str(error), error.hint.values) == ("There is no a. Choose from b, c.", {"names": "b, c"})


def test_without_values_braces_are_braces() -> None:
    assert Sentence("Write mix: {passkeys: 0.5}.") == "Write mix: {passkeys: 0.5}."


def test_a_finished_sentence_stays() -> None:
    assert Sentence(WHOLE) is WHOLE
    again = UserError(WHOLE, "Give {least} or more.", least=4)
    assert again.message is WHOLE and again.hint == "Give 4 or more."


def test_an_exception_as_a_value_is_its_reason() -> None:
    inner = ValueError(Sentence("{name} is there twice", name="x"))
    told = UserError("It cannot be loaded ({reason}).", "", reason=inner)
    assert told.message == "It cannot be loaded (x is there twice)."
    assert isinstance(told.message.values["reason"], Sentence)
    assert reason_of(OSError(28, "No space left on device")) == "No space left on device"
    assert reason_of(OSError(28, "No space left on device", "a.txt")) == "No space left on device: a.txt"
    with pytest.raises(ValueError) as raised:
        json.loads("[1 2]")
    assert reason_of(raised.value) == "line 1, column 4: Expecting ',' delimiter"


def test_a_list_of_phrases() -> None:
    several = listed([Sentence("{name} is too large", name="a"), "b; {c}"])
    assert several == "a is too large; b; {c}"


def test_what_nobody_reads_is_left_out() -> None:
    assert len(Sentence("{name} is empty.", name="x" * 10**6)) < 1100
    assert shortened("x" * 1000) == "x" * 1000


@pytest.mark.parametrize("there_and_back", [copy.copy, copy.deepcopy])
def test_copies(there_and_back) -> None:  # type: ignore[no-untyped-def]
    found = there_and_back(WHOLE)
    assert (found, found.template, found.values) == (WHOLE, WHOLE.template, WHOLE.values)


def test_through_json_and_back() -> None:
    row = {"event": "failure", "message": WHOLE, "n": [1, {"a": Sentence("bare")}]}
    found = unpacked(json.loads(json.dumps(packed(row))))
    assert found == row
    assert found["message"].template == WHOLE.template
    assert isinstance(found["message"].values["of"], Sentence)


def test_a_phrase_inside_of_a_sentence_is_still_one() -> None:
    error = UserError("It is gone.", "Try again.")
    found = unpacked(packed(error.both))
    assert all(isinstance(value, Sentence) for value in found.values.values())


def test_numbers_that_json_has_not_are_words() -> None:
    assert packed(Sentence("{x:g} cannot be", x=math.nan)) == "nan cannot be"


@pytest.mark.parametrize(
    "template",
    ["{a.__class__}", "{a[0]}", "{a:1000000000d}", "{", "}{", "{0!r}", "{missing}", "{a:d}", "x" * 10**5, "{{a}"],
)
def test_what_another_program_wrote_is_no_template(template: str) -> None:
    found = unpacked({"template": template, "values": {"a": "words"}})
    assert isinstance(found, str) and len(found) < 1100


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each))
)
def test_any_json_is_taken(value: object) -> None:
    assert unpacked(packed(value)) == value or "template" in str(value)
