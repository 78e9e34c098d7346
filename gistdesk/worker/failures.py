"""From an exception to what the window receives: the user's world, out of memory, or our bug.

Knows how each library reports that memory ran out; does not decide what to do then.
"""

import errno
import gc
import re
import sys
import traceback
from collections.abc import Iterator

import psutil

from gistdesk.core.document_formats import PasswordError
from gistdesk.core.errors import UserError, of_system
from gistdesk.core.sentences import Sentence
from gistdesk.protocol import Error, ProtocolError

_WORDS = re.compile(r"DefaultCPUAllocator|not enough memory|CUDA out of memory|std::bad_alloc|Cannot allocate memory")
_NEEDED = re.compile(r"ried to allocate (\d+(?:\.\d+)?) (bytes|KiB|MiB|GiB)")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def error_of(error: BaseException, stage: str, device: str) -> Error:
    """The event for `error`, raised during `stage` on `device`."""
    if is_out_of_memory(error):
        needed, free = _needed_bytes(error), free_bytes(device)
        message = Sentence("There was not enough memory.")
        if needed is not None:
            message = Sentence(
                "There was not enough memory: {needed:,.0f} MiB more were needed, and {free:,.0f} MiB were free.",
                needed=needed / 2**20,
                free=free / 2**20,
            )
        return Error(
            "out_of_memory",
            stage,
            message,
            "Close other programs, or use a higher ratio, fewer documents or a smaller model.",
            needed,
            free,
        )
    if known := of_system(error):
        error = known
    if isinstance(error, UserError):
        return Error("password" if isinstance(error, PasswordError) else "user", stage, error.message, error.hint)
    if isinstance(error, ProtocolError):
        return Error(
            "protocol",
            stage,
            Sentence("The engine was asked for something impossible: {reason}.", reason=error),
            "Report this.",
        )
    details = "".join(traceback.format_exception(error))
    message = Sentence("Something went wrong inside the engine ({kind}).", kind=type(error).__name__)
    return Error(
        "bug", stage, message, "Try again; if it happens again, copy the details and report them.", None, None, details
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on GPU or computer, however it was reported or wrapped."""
    return any(_says_so(each) for each in _chain(error))


def _says_so(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and bool(_WORDS.search(str(error)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _needed_bytes(error: BaseException) -> int | None:
    for each in _chain(error):
        if found := _NEEDED.search(str(each)):
            return int(float(found[1]) * _UNITS[found[2]])
    return None


def free_bytes(device: str) -> int:
    """Memory of GPU or computer that this process could still get."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    free = int(psutil.virtual_memory().available)
    if sys.platform != "win32":
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            free = min(free, max(0, limit - int(psutil.Process().memory_info().vms)))
    return free


def release_memory() -> None:
    """Free unreferenced memory."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
