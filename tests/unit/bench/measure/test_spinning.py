"""Programs that spin beside a measurement end with it, whatever happens."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from napari_contrastseg.bench.measure.spinning import spinning


def test_so_many_processes_spin_until_the_end() -> None:
    with spinning(2) as pids:
        assert len(set(pids)) == 2
        assert all(psutil.Process(pid).is_running() for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_they_end_where_the_measurement_fails() -> None:
    held: list[int] = []

    def interrupted() -> None:
        with spinning(1) as pids:
            held.extend(pids)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert held
    assert not psutil.pid_exists(held[0])


def test_they_end_with_a_caller_that_is_killed() -> None:
    code = (
        "from napari_contrastseg.bench.measure.spinning import spinning\n"
        "import os, signal\n"
        "with spinning(1) as pids:\n"
        "    print(pids[0], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=60)
    assert not psutil.pid_exists(pid)
