"""Scheduler and workers of this computer, for it alone unless TLS is used."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import signal
import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.optional import need
from napari_contrastseg.io.plural import plural
from napari_contrastseg.learning.runtime.cores import all_cores
from napari_contrastseg.tasks.cluster.address import (
    PORT,
    Address,
    read_address,
)
from napari_contrastseg.tasks.cluster.connection import (
    need_scheduler,
    quiet,
    security_for,
)
from napari_contrastseg.tasks.cluster.place import GPU

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Loaded before there is a task: with it comes torch.
_AHEAD: Final = "napari_contrastseg.learning.training.runner"
#: Dask's pages about a cluster are not encrypted: none are served, and to nobody.
_NO_PAGES: Final = "127.0.0.1:0"
_CONFIGURATION: Final[dict[str, Any]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # a worker may start processes: a training on several devices
    "distributed.worker.daemon": False,
}
_VISIBLE: Final = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Offer:
    """What a computer does for others.

    Attributes
    ----------
    join : str or None
        Address of the scheduler to join; None to start one.
    listen : str or None
        Address at which the one that is started listens.
    workers : int
        Processes.
    cores : int or None
        Of all processes; None for all that there are.
    gpu : int or None
        Number of the only GPU that is used.
    """

    join: str | None = None
    listen: str | None = None
    workers: int = 1
    cores: int | None = None
    gpu: int | None = None


def serve(offer: Offer, say: Callable[[str], None]) -> None:
    """Work for others until interrupted.

    Raises
    ------
    InputError
        The address may not be used, or nobody listens there; the port is taken.
    """
    given = offer.listen if offer.join is None else offer.join
    where = read_address(
        f"tcp://localhost:{PORT}" if given is None else given,
        listening=offer.join is None,
    )
    distributed = need("distributed", "Workers", "cluster")
    import dask  # noqa: PLC0415

    security = security_for(distributed, where)
    cores = offer.cores or all_cores()
    for name in _THREADS:  # else Dask gives each worker a single one
        os.environ[name] = str(max(1, cores // offer.workers))
    if offer.gpu is not None:
        if _VISIBLE not in os.environ:  # else some are hidden, and it means any
            _need_gpu(offer.gpu)
        os.environ[_VISIBLE] = str(offer.gpu)
    if offer.join is None:
        _need_free(where)
    with quiet(), dask.config.set(_CONFIGURATION):
        if offer.join is not None:
            need_scheduler(where, security)
        asyncio.run(_serve(offer, where, security, say))


def _need_gpu(number: int) -> None:
    """See that there is such a GPU."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= count:
        raise InputError(
            f"--gpu {number}: {plural(count, 'CUDA GPU')} can be used here, numbered "
            "from 0 (contrastseg doctor says more); leave --gpu out, or give another."
        )


def _need_free(where: Address) -> None:
    """See that nobody listens there yet, before anything is started."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            if os.name == "posix":  # as a server does it
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_host(where), where.port))
    except OSError as error:
        raise InputError(
            f"{where}: cannot be listened at ({error.strerror or error}); perhaps a "
            "scheduler runs there already, so give --listen with another port."
        ) from error


async def _serve(
    offer: Offer, where: Address, security: Any, say: Callable[[str], None]
) -> None:
    from distributed import Nanny  # noqa: PLC0415

    gpus, stopped = _gpus(), _wish_to_end()
    async with AsyncExitStack() as stack:
        scheduler = str(where)
        if offer.join is None:
            scheduler = await _scheduler(stack, where, security)
        nannies = [
            await stack.enter_async_context(
                Nanny(
                    scheduler,
                    nthreads=1,
                    memory_limit=0,
                    resources={GPU: 1} if number < len(gpus) else None,
                    env=_environment(gpus, number, offer.workers),
                    # of a plain scheduler it is for this computer alone, too
                    host=None if where.encrypted else "127.0.0.1",
                    protocol=where.protocol,
                    security=security,
                    preload=[_AHEAD],
                    silence_logs=logging.CRITICAL,
                    dashboard=False,
                    dashboard_address=_NO_PAGES,
                )
            )
            for number in range(offer.workers)
        ]
        for line in _lines(offer, where, scheduler, len(gpus)):
            say(line)
        await _until_stopped(nannies, scheduler, stopped)


def _environment(gpus: list[str], number: int, workers: int) -> dict[str, str]:
    """Give each of several workers a GPU of its own."""
    if workers == 1 or not gpus:
        return {}
    return {_VISIBLE: gpus[number] if number < len(gpus) else ""}


def _lines(offer: Offer, where: Address, scheduler: str, gpus: int) -> list[str]:
    """Say what is offered, and how others reach it."""
    cores = offer.cores or all_cores()
    have = [plural(offer.workers, "worker"), plural(cores, "core")]
    have.append(plural(min(gpus, offer.workers), "GPU") if gpus else "no GPU")
    if offer.join is not None:
        return [f"{', '.join(have)}, for {scheduler}; Ctrl+C ends."]
    lines = [f"{scheduler}: {', '.join(have)}; Ctrl+C ends."]
    if not where.encrypted:
        port = scheduler.rpartition(":")[2]
        here = "[::1]" if ":" in where.host else "localhost"
        lines += [
            f"Here: contrastseg predict ... --cluster tcp://{here}:{port}",
            f"From another computer: ssh -N -L {port}:{here}:{port} "
            f"{getpass.getuser()}@{socket.gethostname()}, and there the same.",
        ]
    return lines


async def _scheduler(stack: AsyncExitStack, where: Address, security: Any) -> str:
    """Start a scheduler; returns its address."""
    from distributed import Scheduler  # noqa: PLC0415

    scheduler = await stack.enter_async_context(
        Scheduler(
            host=f"[{where.host}]" if ":" in where.host else _host(where),
            port=where.port,
            protocol=where.protocol,
            security=security,
            dashboard=False,
            dashboard_address=_NO_PAGES,
        )
    )
    return str(scheduler.address)


def _host(where: Address) -> str:
    return "127.0.0.1" if where.host == "localhost" else where.host


def _wish_to_end() -> asyncio.Event:
    """Take note when the system wants this process to end, from now on."""
    stopped = asyncio.Event()
    with suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    return stopped


async def _until_stopped(
    nannies: list[Any], scheduler: str, stopped: asyncio.Event
) -> None:
    """Wait for Ctrl+C, the system's wish to end, or the scheduler's end.

    Raises
    ------
    InputError
        The scheduler has ended.
    """
    ends = [asyncio.ensure_future(nanny.finished()) for nanny in nannies]
    wish = asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([wish, *ends], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in (wish, *ends):
            one.cancel()
    if not stopped.is_set():
        raise InputError(f"{scheduler}: the scheduler has ended, and so does the work.")


def _gpus() -> list[str]:
    """List the GPUs that may be used, as CUDA names them."""
    import torch

    named = os.environ.get(_VISIBLE)
    numbers = range(torch.cuda.device_count())
    return named.split(",")[: len(numbers)] if named else [str(n) for n in numbers]
