import pytest

from gistdesk.complaints import FOR_A_WINDOW, complaint, is_complaint, said_in
from gistdesk.core.errors import UserError
from gistdesk.core.sentences import Sentence

ERROR = UserError("{name} is empty.", "Add a file that has text in it.", name="a\nb.txt")


def test_a_person_reads_a_line() -> None:
    line = complaint("gistdesk", ERROR)
    assert line == "gistdesk: a b.txt is empty. Add a file that has text in it."
    assert said_in(line) == line.removeprefix("gistdesk: ")


def test_a_window_gets_what_the_sentence_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FOR_A_WINDOW.items():
        monkeypatch.setenv(name, value)
    line = complaint("python -m trainer", ERROR)
    assert is_complaint(line) and len(line.splitlines()) == 1
    said = said_in(line)
    assert isinstance(said, Sentence)
    assert said == str(ERROR)
    assert said.values["message"].template == "{name} is empty."  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "line", ["", "gistdesk: ", "gistdesk: {", 'gistdesk: {"said": 3}', "gistdesk: []", "x: " + "[" * 10**5]
)
def test_any_other_line_is_itself(line: str) -> None:
    assert said_in(line) == line.removeprefix("gistdesk: ")
