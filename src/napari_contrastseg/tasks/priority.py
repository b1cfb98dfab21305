"""Lower the priority of a background thread, so that the window comes first."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Final

#: Niceness of threads that run tasks, and of the map's thread, behind them.
TASK_NICENESS: Final = 10
MAP_NICENESS: Final = 15


def lower_priority(niceness: int) -> None:
    """Lower this thread's priority; only Linux lets a thread have its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
