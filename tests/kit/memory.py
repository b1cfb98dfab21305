"""How much anonymous memory a few lines take at most, in a process of their own."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from textwrap import dedent
from typing import Any

#: Loaded once by the process that all others are copies of: to import it takes longer
#: than most programs.
LOADED = (
    "napari_contrastseg.bench.faults.fork_preload",
    "napari_contrastseg.io.images",
    "napari_contrastseg.session.storage.load",
    "napari_contrastseg.tasks.exported_masks",
    "napari_contrastseg.tasks.instances",
    "napari_contrastseg.tasks.train",
)


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise AssertionError("this system does not say how much memory is anonymous")


def _measure(before: str, measured: str, memory: str) -> int:
    os.environ["CONTRASTSEG_MEMORY"] = memory
    names: dict[str, Any] = {}
    exec(dedent(before), names)
    start = _anonymous()
    found, over = [start], threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            found.append(_anonymous())

    watching = threading.Thread(target=watch)
    watching.start()
    exec(dedent(measured), names)
    found.append(_anonymous())
    over.set()
    watching.join()
    return max(found) - start


def anonymous_growth(before: str, measured: str, *, memory: str) -> int:
    """Bytes by which anonymous memory grows at most while `measured` runs."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    with ProcessPoolExecutor(1, context) as pool:  # a Pool waits for ever for the dead
        return pool.submit(_measure, before, measured, memory).result()
