"""Whether a window can be shown at all: if not, Qt would abort the process. Imports no Qt."""

import ctypes
import os
import sys


def has_display() -> bool:
    """Whether a Qt platform was chosen, or there is a desktop to show windows on."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    if os.environ.get("WAYLAND_DISPLAY"):
        return True
    return bool(os.environ.get("DISPLAY")) and _x_libraries()


def _x_libraries() -> bool:
    """Whether the library is there without which Qt's X11 plug-in aborts the process."""
    try:
        ctypes.CDLL("libxcb-cursor.so.0")
    except OSError:
        print("Qt needs a library for windows: apt-get install libxcb-cursor0", file=sys.stderr)
        return False
    return True
