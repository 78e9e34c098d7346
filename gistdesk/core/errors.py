"""The one exception meant for people to read. Everything else that is raised is our bug.

Does not know how or where the message is shown.
"""

import errno

from gistdesk.core.sentences import Sentence


class UserError(Exception):
    """Something in the user's world is wrong: a file, a disk, an argument, a model.

    Attributes:
        message: one sentence that says what happened, with its numbers.
        hint: one sentence that says what to do about it.
    """

    def __init__(self, message: str, hint: str, **values: object) -> None:
        """`message` and `hint` are templates for the same `values`; see `Sentence`."""
        self.message, self.hint = Sentence(message, **values), Sentence(hint, **values)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"

    @property
    def both(self) -> Sentence:
        """Message and hint as one text."""
        return Sentence("{message} {hint}", message=self.message, hint=self.hint)


_OF_THE_SYSTEM = frozenset(
    getattr(errno, name)
    for name in (
        "EACCES EPERM ENAMETOOLONG ELOOP ENOTDIR EISDIR EROFS EIO ENXIO ENODEV ESTALE ENOSPC EDQUOT EFBIG EMFILE "
        "ENFILE ETXTBSY EBUSY ETIMEDOUT"
    ).split()
    if hasattr(errno, name)
)


def of_system(error: BaseException) -> UserError | None:
    """A refusal by the system over a file or folder, as an error a person can read; None for our own bugs."""
    if not isinstance(error, OSError) or error.errno not in _OF_THE_SYSTEM or error.filename is None:
        return None
    return UserError(
        "{path} cannot be used ({reason}).",
        "Check its name, its permissions and the folders it is in.",
        path=error.filename,
        reason=error.strerror,
    )
