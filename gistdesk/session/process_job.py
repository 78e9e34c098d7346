"""On Windows: a process that yields to this one and ends with it, however it ends. Elsewhere the engine sees to it.

A job object that kills its processes when its last handle is closed; Windows closes the handles of a process that dies.
Written from Microsoft's documentation and untested: there was no Windows machine to try it on.
"""

import ctypes
import sys

_JOB_OBJECT_EXTENDED_LIMIT_INFORMATION = 9
_JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 0x2000
_JOB_OBJECT_LIMIT_PRIORITY_CLASS = 0x20
_BELOW_NORMAL_PRIORITY_CLASS = 0x4000
_PROCESS_SET_QUOTA_AND_TERMINATE = 0x0100 | 0x0001


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


_job: int | None = None


def end_with_this_process(process_id: int) -> None:
    """Have Windows kill that process when this one is gone. Failure is ignored: the end of stdin does the same."""
    global _job
    if sys.platform != "win32":
        return
    kernel = ctypes.WinDLL("kernel32")
    for name in ("CreateJobObjectW", "OpenProcess"):
        getattr(kernel, name).restype = ctypes.c_void_p
    if _job is None:
        _job = kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | _JOB_OBJECT_LIMIT_PRIORITY_CLASS
        limits.BasicLimitInformation.PriorityClass = _BELOW_NORMAL_PRIORITY_CLASS
        kernel.SetInformationJobObject(
            ctypes.c_void_p(_job),
            _JOB_OBJECT_EXTENDED_LIMIT_INFORMATION,
            ctypes.byref(limits),
            ctypes.sizeof(limits),
        )
    process = kernel.OpenProcess(_PROCESS_SET_QUOTA_AND_TERMINATE, False, process_id)
    kernel.AssignProcessToJobObject(ctypes.c_void_p(_job), ctypes.c_void_p(process))
    kernel.CloseHandle(ctypes.c_void_p(process))
