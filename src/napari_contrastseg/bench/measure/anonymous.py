"""Peak anonymous memory of this process, and of those that it started."""

from __future__ import annotations

import gc
import math
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds between two looks at this process, and at those that it started.
EVERY, EVERY_CHILD = 0.005, 0.1


def anonymous(pid: int | None = None) -> int:
    """Bytes of anonymous memory, on Linux; elsewhere of memory of a process alone.

    Pages of memory maps are the files': the system drops them where memory is short.
    """
    status = Path(f"/proc/{pid or 'self'}/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return int(psutil.Process(pid).memory_full_info().uss)


def anonymous_of_children() -> int:
    """Bytes of anonymous memory of the processes that this one started."""
    found = 0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, OSError):  # it may have ended
            found += anonymous(child.pid)
    return found


class Peak:
    """The most that was seen of this process, of its children, and of both at once."""

    def __init__(self, before: int) -> None:
        self.before, self.most, self.children, self._both = before, before, 0, before
        self._last, self._now = -math.inf, 0

    def look(self) -> None:
        """Look once."""
        own = anonymous()
        if time.monotonic() - self._last > EVERY_CHILD:
            self._now = anonymous_of_children()
            self._last = time.monotonic()
        self.most, self.children = max(self.most, own), max(self.children, self._now)
        self._both = max(self._both, own + self._now)

    @property
    def over(self) -> int:
        """Bytes over what there was before, of this process alone."""
        return self.most - self.before

    @property
    def together(self) -> int:
        """Bytes over what there was before, with all of its children."""
        return self._both - self.before


@contextmanager
def peak(before: int) -> Iterator[Peak]:
    """Look again and again while something is done, from a thread."""
    gc.collect()
    found, over = Peak(before), threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            found.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.look()
        over.set()
        thread.join()
