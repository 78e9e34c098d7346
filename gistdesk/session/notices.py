"""What the session has to say in a banner. Knows nothing of banners."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """Something to say in a banner: what happened, what to do, details to copy, and up to two actions."""

    message: str
    hint: str = ""
    details: str = ""
    actions: tuple[tuple[str, Callable[[], object]], ...] = ()
