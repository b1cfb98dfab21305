"""Processes of a run on several devices: started, watched, and ended together.

::

    this process, rank 0 --+-- sums over the ranks, through this computer alone
    rank 1 ... ------------+
       |  'ready', or why it ended
       v
    this process: ends them all, and says it in one sentence
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    import torch

    from napari_contrastseg.learning.runtime.ranks import Ranks

#: How long a rank waits for another that still runs: a person may pause training.
PATIENCE: Final = timedelta(minutes=30)
#: Seconds in which a rank that was lost is found, and one that is done has ended.
SOON: Final = 5.0
#: The network interface that ends at this computer, by system.
_LOOPBACK: Final = {"linux": "lo", "darwin": "lo0"}
_INTERFACE: Final = "GLOO_SOCKET_IFNAME"


@dataclass(frozen=True)
class _Meeting:
    """Where the ranks find each other, and with how many threads each computes."""

    store: str
    threads: int


@contextmanager
def other_ranks(
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    devices: Sequence[torch.device],
) -> Iterator[Ranks]:
    """Let processes work beside this one, one a device; this one has the first device.

    Parameters
    ----------
    work : callable
        Called there with that rank, its device and the arguments, all of which are
        pickled.
    arguments : tuple
    devices : sequence of torch.device

    Yields
    ------
    The rank of this process. When it leaves, the others are ended.

    Raises
    ------
    InputError
        Another rank failed or was killed; one that it raised there is raised here. Or
        this is a process that may start none.
    """
    import torch

    from napari_contrastseg.learning.runtime.ranks import RankLostError, Ranks  # noqa: PLC0415

    if multiprocessing.current_process().daemon:
        raise InputError(
            f"{len(devices)} devices are asked for, and this worker may start no "
            "processes; start it by contrastseg worker, or ask for one device."
        )
    before = torch.get_num_threads()
    cpu = devices[0].type == "cpu"
    threads = max(1, before // len(devices)) if cpu else before
    with tempfile.TemporaryDirectory(
        prefix="contrastseg-ranks-", ignore_cleanup_errors=True
    ) as folder:
        meeting = _Meeting(str(Path(folder) / "store"), threads)
        others = _Others(work, arguments, devices, meeting)
        clean = False
        try:
            others.wait_until_ready()
            torch.set_num_threads(threads)
            _join(Ranks(0, len(devices)), devices[0], meeting)
            others.watch()
            try:
                yield Ranks(0, len(devices))
            except RankLostError as error:
                raise others.reason() from error
            clean = True
        finally:
            others.end(at_once=not clean)
            _leave(at_once=not clean)
            torch.set_num_threads(before)


class _Others:
    """The processes of ranks 1 and above."""

    def __init__(
        self,
        work: Callable[..., None],
        arguments: tuple[Any, ...],
        devices: Sequence[torch.device],
        meeting: _Meeting,
    ) -> None:
        self._devices, self._ending = devices, False
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        context = multiprocessing.get_context("spawn")
        for rank in range(1, len(devices)):
            here, there = context.Pipe(duplex=False)
            process = context.Process(
                target=_rank,
                args=(there, rank, devices, meeting, work, arguments),
                daemon=True,
                name=f"rank {rank}",
            )
            process.start()
            there.close()
            self._processes.append(process)
            self._pipes.append(here)

    def wait_until_ready(self) -> None:
        """Wait until all have loaded what they need."""
        for pipe in self._pipes:
            try:
                failed = pipe.recv()
            except EOFError:
                raise self.reason() from None
            if failed is not None:
                raise failed

    def reason(self) -> InputError:
        """Find which one was lost, and why."""
        sentinels = [process.sentinel for process in self._processes]
        connection.wait(sentinels, SOON)
        for pipe in self._pipes:
            with suppress(EOFError, OSError):
                if pipe.poll(0.1):
                    failed = pipe.recv()
                    if isinstance(failed, InputError):
                        return failed
        for rank, process in enumerate(self._processes, start=1):
            process.join(0.1)
            if process.exitcode:
                return InputError(_killed(rank, self._devices, process.exitcode))
        return InputError(
            f"Training on {len(self._devices)} devices ended: they lost each other; "
            "begin it again, and it goes on from its last checkpoint."
        )

    def watch(self) -> None:
        """Free this process from an exchange on GPUs with one that was lost.

        Between CPUs the connection's end is an error at once; a GPU would wait.
        """
        if self._devices[0].type == "cuda":
            threading.Thread(target=self._free, daemon=True).start()

    def _free(self) -> None:
        connection.wait([process.sentinel for process in self._processes])
        if not self._ending:
            _abort()

    def end(self, *, at_once: bool) -> None:
        """End them, those that are done after a moment."""
        self._ending = True
        for process in self._processes:
            if not at_once:
                process.join(SOON)
            process.kill()
            process.join()
            process.close()
        for pipe in self._pipes:
            pipe.close()


def _killed(rank: int, devices: Sequence[torch.device], status: int) -> str:
    why = f"was killed (signal {-status})" if status < 0 else f"ended (status {status})"
    return (
        f"Training on {len(devices)} devices ended, for its process {rank + 1}, on "
        f"{devices[rank]}, {why}; begin it again, and it goes on from its last "
        "checkpoint."
    )


# -- in the other processes ----------------------------------------------------


def _rank(
    pipe: Connection,
    rank: int,
    devices: Sequence[torch.device],
    meeting: _Meeting,
    work: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    """Do a rank's work; say why where it fails."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 is interrupted, and ends this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    from napari_contrastseg.learning.runtime.device import memory_error  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.ranks import RankLostError, Ranks  # noqa: PLC0415

    ranks = Ranks(rank, len(devices))
    try:
        torch.set_num_threads(meeting.threads)
        torch.zeros(1, device=devices[rank])  # a GPU that cannot be used says so here
        pipe.send(None)
        _join(ranks, devices[rank], meeting)
        work(ranks, devices[rank], *arguments)
        _leave(at_once=False)
    except RankLostError:
        sys.exit(0)  # the one that was lost is the reason
    except InputError as error:
        pipe.send(error)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  whatever it is, rank 0 says it
        short = memory_error(error, devices[rank])
        pipe.send(short or _failed(error, rank, devices))
        sys.exit(1)


def _failed(error: Exception, rank: int, devices: Sequence[torch.device]) -> InputError:
    """Put an error that was not expected into a sentence, with its traceback."""
    said = InputError(
        f"Training on {len(devices)} devices ended, for its process {rank + 1}, on "
        f"{devices[rank]}, failed: {type(error).__name__}: {error}"
    )
    said.add_note(traceback.format_exc())
    return said


def _end_with_parent() -> None:
    """End where rank 0 has ended without a word."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


# -- the group of ranks --------------------------------------------------------


def _join(ranks: Ranks, device: torch.device, meeting: _Meeting) -> None:
    """Connect to the other ranks, at addresses of this computer alone."""
    import torch
    from torch import distributed

    backend = "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
        if distributed.is_nccl_available():
            backend = "cpu:gloo,cuda:nccl"
    before = os.environ.get(_INTERFACE)
    if before is None and sys.platform in _LOOPBACK:
        os.environ[_INTERFACE] = _LOOPBACK[sys.platform]
    try:
        distributed.init_process_group(
            backend,
            store=distributed.FileStore(meeting.store, ranks.count),  # type: ignore[attr-defined]
            rank=ranks.rank,
            world_size=ranks.count,
            timeout=PATIENCE,
        )
    finally:
        if before is None:
            os.environ.pop(_INTERFACE, None)


def _leave(*, at_once: bool) -> None:
    """Disconnect, without waiting for others where they have ended."""
    from torch import distributed

    if not distributed.is_initialized():
        return
    if at_once:
        _abort()
    with suppress(RuntimeError):
        distributed.destroy_process_group()


def _abort() -> None:
    """Give up what GPUs still exchange."""
    from torch import distributed

    group = distributed.group.WORLD
    if group is not None and "nccl" in distributed.get_backend_config(group):
        group.abort()
