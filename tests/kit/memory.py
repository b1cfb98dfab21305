"""How much anonymous memory a few lines take at most, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

_PROGRAM = """
import threading, time

def _anonymous():
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024

_peak, _over = [0], threading.Event()

def _watch():
    while not _over.wait(0.002):
        _peak[0] = max(_peak[0], _anonymous())

{before}
_start = _anonymous()
_thread = threading.Thread(target=_watch)
_thread.start()
{measured}
_peak[0] = max(_peak[0], _anonymous())
_over.set()
_thread.join()
print(_peak[0] - _start)
"""


def anonymous_growth(before: str, measured: str, *, memory: str) -> int:
    """Bytes by which anonymous memory grows at most while `measured` runs."""
    program = _PROGRAM.format(before=dedent(before), measured=dedent(measured))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"CONTRASTSEG_MEMORY": memory, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])
