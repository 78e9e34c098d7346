"""The one exception a person is meant to read. Everything else that is raised is our bug.

Does not know how or where the message is shown.
"""

_MOST_CHARACTERS = 1000


class UserError(Exception):
    """Something in the user's world is wrong: a file, a disk, an argument, a model.

    Attributes:
        message: one sentence that says what happened, with its numbers.
        hint: one sentence that says what to do about it.
    """

    def __init__(self, message: str, hint: str) -> None:
        self.message, self.hint = _short(message), _short(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


def _short(sentence: str) -> str:
    """Without its middle where it is longer than anybody reads: a file may name something of 100,000 letters."""
    half = _MOST_CHARACTERS // 2
    return sentence if len(sentence) <= _MOST_CHARACTERS else f"{sentence[:half]}…{sentence[-half:]}"
