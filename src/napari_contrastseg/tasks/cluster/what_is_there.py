"""What a person hears of a scheduler before anything is sent to it."""

from __future__ import annotations

from napari_contrastseg.io.plural import plural
from napari_contrastseg.tasks.cluster.connection import connected
from napari_contrastseg.tasks.cluster.place import GPU


def what_is_there(address: str) -> str:
    """Say in one sentence which workers and GPUs a scheduler has.

    Raises
    ------
    InputError
        The address may not be used, nobody answers, there are no workers, or their
        versions are others than here.
    """
    with connected(address) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        gpus = int(sum(worker["resources"].get(GPU, 0) for worker in workers))
        busy = sum(bool(tasks) for tasks in client.processing().values())
    have = [plural(len(workers), "worker"), plural(gpus, "GPU") if gpus else "no GPU"]
    if busy:
        have.append(f"{busy} at work now")
    return f"{address} has {', '.join(have)}, all in the versions of this computer."
