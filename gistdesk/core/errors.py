"""The one exception a person is meant to read. Everything else that is raised is our bug.

Does not know how or where the message is shown.
"""


class UserError(Exception):
    """Something in the user's world is wrong: a file, a disk, an argument, a model.

    Attributes:
        message: one sentence that says what happened, with its numbers.
        hint: one sentence that says what to do about it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"
