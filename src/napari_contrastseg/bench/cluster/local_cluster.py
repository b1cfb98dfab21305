"""Cluster of this computer in processes of its own, whose parts can be killed.

Run as a module it is the scheduler with its workers, until its caller is gone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psutil

from napari_contrastseg.bench.measure.subprocess_runner import end_with_caller
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.cluster.connection import connected
from napari_contrastseg.tasks.cluster.serve import Offer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE: Final = "napari_contrastseg.bench.cluster.local_cluster"


class LocalCluster:
    """A cluster that runs.

    Parameters
    ----------
    address : str
        Of its scheduler.
    process : subprocess.Popen
        In which the scheduler runs; the workers are its children.
    """

    def __init__(self, address: str, process: subprocess.Popen[str]) -> None:
        self.address, self._process = address, process

    def kill_worker(self, task: str) -> bool:
        """Kill the worker of a task whose name begins so; returns whether there is one.

        Another process takes its place.
        """
        with connected(self.address) as client:
            for worker, keys in client.processing().items():
                if any(key.startswith(task) for key in keys):
                    pid = client.run(os.getpid, workers=[worker])[worker]
                    psutil.Process(pid).kill()
                    return True
        return False

    def kill(self) -> None:
        """Kill all of it at once, the scheduler first."""
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()
        for child in children:
            try:
                child.kill()
            except psutil.NoSuchProcess:  # it has seen that its parent is gone
                continue


@contextmanager
def local_cluster(workers: int) -> Iterator[LocalCluster]:
    """Run a cluster whose workers compute with one core each.

    Raises
    ------
    InputError
        It does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    order = [sys.executable, "-W", "ignore", "-m", MODULE, address, str(workers)]
    pipe = subprocess.PIPE
    with subprocess.Popen(order, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise InputError("The cluster did not start; see the lines above.")
            yield LocalCluster(address, process)
        finally:
            process.terminate()


def main(address: str, workers: str) -> None:
    """Be a cluster until the caller is gone."""
    end_with_caller()
    number = int(workers)
    offer = Offer(listen=address, workers=number, cores=number)
    serve(offer, lambda line: print(line, flush=True))  # noqa: T201  for the caller


if __name__ == "__main__":
    main(*sys.argv[1:])
