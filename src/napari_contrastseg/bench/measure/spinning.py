"""Programs that spin beside a measurement, as on a computer that is busy.

Run as a module it is one of them: it spins until its caller is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from napari_contrastseg.bench.measure.subprocess_runner import end_with_caller

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def spinning(count: int) -> Iterator[list[int]]:
    """Let so many processes spin at the usual priority; they end with the context.

    Yields
    ------
    list of int
        Their process ids.
    """
    order = [sys.executable, "-m", "napari_contrastseg.bench.measure.spinning"]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(order, stdin=pipe, stdout=pipe))
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()  # it spins from now on
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
        for process in started:
            with process:
                process.wait()


def main() -> None:
    """Spin until the caller is gone."""
    end_with_caller()
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)
    print("spinning", flush=True)  # noqa: T201  the caller waits for it
    while True:
        pass


if __name__ == "__main__":
    main()
