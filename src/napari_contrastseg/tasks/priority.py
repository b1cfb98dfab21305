"""Lower the priority of a background thread, so that the window comes first."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Final

#: Niceness of threads that run tasks, and of the map's thread, behind them. On a core
#: that a busy program wants too, 10 leaves a tenth of the time and 1 nearly half.
TASK_NICENESS: Final = 1
MAP_NICENESS: Final = 5
#: Niceness of the process in which rounds run. In a thread of the window a round also
#: waits for the interpreter, so that it takes little where the window has work to do;
#: in a process nothing but this keeps it from taking half of a core that the drawing of
#: the window wants. Beside another program it keeps a quarter of a core.
ROUND_NICENESS: Final = 5


def lower_priority(niceness: int) -> None:
    """Let this thread, and those it starts, give way to the window.

    As a batch job it never interrupts a thread that waits for a person, and beside
    other programs it still gets its share. Only Linux lets a thread have a priority of
    its own that does not starve it.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with suppress(OSError):  # a container may forbid it
        os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
    with suppress(OSError):
        before = os.getpriority(os.PRIO_PROCESS, thread)  # root could take it back
        os.setpriority(os.PRIO_PROCESS, thread, max(before, niceness))
