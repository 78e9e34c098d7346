"""The contents of a gist file. No weights are loaded for it."""

from pathlib import Path

from gistdesk.core.errors import UserError
from gistdesk.core.gist_description import describe_gist
from gistdesk.protocol import Describe, DescribeDone, GistDescription


def describe(request: Describe) -> DescribeDone:
    """A gist file's description of itself, or what is wrong with it."""
    try:
        return DescribeDone(GistDescription(**describe_gist(Path(request.path))), None)
    except UserError as error:
        return DescribeDone(None, error.both)
