"""Tasks on a cluster: where they may go, why they failed, lost connections."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.events import Note
from napari_contrastseg.tasks.failed_cases import in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Name of a worker's resource: one for each GPU that it has.
GPU: Final = "GPU"
#: Seconds between two looks at whether there are workers.
LOOK_SECONDS: Final = 10.0


def resources(client: Any, device: str) -> dict[str, float] | None:
    """Ask for a GPU where the device is one, or may be one and a worker has one.

    Raises
    ------
    InputError
        A GPU is asked for, and no worker has one.
    """
    if device == "cpu":
        return None
    if any(worker["resources"].get(GPU) for worker in _workers(client)):
        return {GPU: 1}
    if device == "cuda":
        raise InputError(
            "No worker of the cluster has a CUDA GPU; choose the device auto or cpu, "
            "or start a worker on a computer that has one."
        )
    return None


def _workers(client: Any) -> list[Any]:
    return list(client.scheduler_info(n_workers=-1)["workers"].values())


def submit(
    client: Any, function: Callable[..., Any], *arguments: Any, **how: Any
) -> Any:
    """Send a task, whatever its size; returns its future."""
    import dask  # noqa: PLC0415

    # files are meant to travel with their task
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        return client.submit(function, *arguments, pure=False, **how)


class LostConnectionError(InputError):
    """The scheduler does not answer any more."""


class Connection:
    """A connected client, and what to say where the connection is lost.

    Parameters
    ----------
    client : distributed.Client
    address : str
        The scheduler's.

    Attributes
    ----------
    workers : int
        How many there were lately; 1 at least.
    """

    def __init__(self, client: Any, address: str) -> None:
        self.client, self.address = client, address
        self._looked = time.monotonic()
        self._alone = False
        self.workers = max(1, len(_workers(client)))

    def check(self, advice: str) -> None:
        """See that the scheduler is still there.

        Raises
        ------
        LostConnectionError
        """
        if self.client.status != "running":
            raise self.lost(advice)

    def lost(self, advice: str) -> LostConnectionError:
        """Say that the connection is lost, and what to do."""
        return LostConnectionError(
            f"{self.address}: the connection to the scheduler is lost; {advice}"
        )

    def notes(self) -> Iterator[Note]:
        """Say once that no workers are left, looking every now and then."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        try:
            there = len(_workers(self.client))
        except OSError:
            return  # the next look at the connection says it
        alone, self.workers = not there, max(1, there)
        if alone and not self._alone:
            yield Note(f"{self.address}: has no worker now; waiting for one.")
        self._alone = alone


def why_failed(error: BaseException) -> str:
    """Say in one sentence why a task failed."""
    from distributed.scheduler import KilledWorker  # noqa: PLC0415

    if isinstance(error, KilledWorker):
        return "each worker that had it ended; their memory may be too small."
    return in_one_line(error)
