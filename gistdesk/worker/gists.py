"""What a gist file holds, and whether a model on this computer made it. No weights are loaded for either."""

from pathlib import Path

from gistdesk.cli.jobs import describe_gist
from gistdesk.core.errors import UserError
from gistdesk.core.gist_file import check_identity, read_gist
from gistdesk.core.load import choose_device, choose_precision, find_model
from gistdesk.protocol import Check, CheckDone, Describe, DescribeDone, GistDescription
from gistdesk.worker.model_figures import model_identity
from gistdesk.worker.network import use_network


def describe(request: Describe) -> DescribeDone:
    """What a gist file says of itself, or what is wrong with it."""
    try:
        return DescribeDone(GistDescription(**describe_gist(Path(request.path))), None)
    except UserError as error:
        return DescribeDone(None, error.both)


def check(request: Check) -> CheckDone:
    """Whether a gist file belongs to a model.

    Raises:
        UserError: the model is not there or damaged.
    """
    use_network(False)
    folders = find_model(request.model)
    try:
        device, _ = choose_device(request.device)
        identity = model_identity(folders, choose_precision(request.precision, device, folders))
    except (OSError, LookupError, ValueError) as error:
        raise UserError(
            "The files of {name} cannot be read ({reason}).", "Download it again.", name=request.model, reason=error
        ) from error
    try:
        check_identity(read_gist(Path(request.path)), identity)
    except UserError as error:
        return CheckDone(False, error.both)
    return CheckDone(True, "")
