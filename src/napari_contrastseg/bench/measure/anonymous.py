"""Peak anonymous memory of this process: what no file stands behind."""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUS: Final = Path("/proc/self/status")
#: Seconds between two looks.
EVERY: Final = 0.005


def anonymous() -> int:
    """Bytes of anonymous memory, on Linux; elsewhere of memory of this process alone.

    Pages of memory maps are the files': the system drops them where memory is short.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return int(psutil.Process().memory_full_info().uss)


class Peak:
    """The most that was seen."""

    def __init__(self, before: int) -> None:
        self.before, self.most = before, before

    def look(self) -> None:
        """Look once."""
        self.most = max(self.most, anonymous())

    @property
    def over(self) -> int:
        """Bytes over what there was before."""
        return self.most - self.before


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
