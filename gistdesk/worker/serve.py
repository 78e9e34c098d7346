"""Serves one request after another: finds who handles it, and tells the window how it ended.

A request's imports happen when the first of its kind arrives. Knows nothing of how anything is done.
"""

from gistdesk.protocol import (
    Answer,
    Cancelled,
    Compress,
    Describe,
    DescribeModel,
    Download,
    DropDownload,
    Error,
    Event,
    ExportAdapter,
    Extract,
    ImportAdapter,
    Index,
    Load,
    LookAtSources,
    ModelLoadDone,
    ProtocolError,
    Recall,
    Request,
)
from gistdesk.worker.failures import error_of, release_memory
from gistdesk.worker.keeper import Keeper
from gistdesk.worker.pipes import Inbox, Outlet
from gistdesk.worker.pulse import Pulse, Stopped


def serve(inbox: Inbox, outlet: Outlet) -> None:
    """Handle requests until the inbox ends."""
    pulse = Pulse(inbox, outlet)
    keeper = Keeper(pulse)
    while (request := inbox.take()) is not None:
        pulse.begin(request)
        event = _result(request, keeper, pulse)
        pulse.tell(event)
        if isinstance(event, Error) and event.kind == "out_of_memory":
            keeper.forget_context()
            release_memory()


def _result(request: Request, keeper: Keeper, pulse: Pulse) -> Event:
    """The event that ends a request."""
    try:
        return _perform(request, keeper, pulse)
    except Stopped:
        return Cancelled()
    except BaseException as error:
        return error_of(error, pulse.stage, pulse.device)


def _perform(request: Request, keeper: Keeper, pulse: Pulse) -> Event:
    match request:
        case Load():
            loaded = keeper.load(request.choice, is_all=True)
            return ModelLoadDone(loaded.info)
        case Extract():
            from gistdesk.worker.texts import keep_text

            return keep_text(request, keeper.tokenizer(request.model), pulse)
        case Compress():
            from gistdesk.worker.compressing import compress

            return compress(request, keeper, pulse)
        case Answer():
            from gistdesk.worker.answering import answer

            return answer(request, keeper, pulse)
        case Recall():
            from gistdesk.worker.recalling import recall

            return recall(request, keeper, pulse)
        case Describe():
            from gistdesk.worker.gists import describe

            return describe(request)
        case DescribeModel():
            return keeper.describe(request.choice)
        case Download():
            from gistdesk.worker.downloading import download

            return download(request, pulse)
        case DropDownload():
            from gistdesk.worker.downloading import drop

            return drop(request)
        case Index():
            from gistdesk.worker.indexing import index

            return index(request, pulse)
        case LookAtSources():
            from gistdesk.worker.sources import look_at_sources

            return look_at_sources(request, pulse)
        case ImportAdapter():
            from gistdesk.worker.adapters import bring_in

            return bring_in(request)
        case ExportAdapter():
            from gistdesk.worker.adapters import take_out

            return take_out(request)
    raise ProtocolError(f"nobody does {request.name}")
