"""What a gist file holds. No weights are loaded for it."""

from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.core.gist_description import describe_gist
from gistdesk.protocol import Describe, DescribeDone, GistDescription


def describe(request: Describe) -> DescribeDone:
    """What a gist file says of itself, or what is wrong with it."""
    try:
        return DescribeDone(GistDescription(**describe_gist(Path(request.path))), None)
    except UserError as error:
        return DescribeDone(None, error.both)
