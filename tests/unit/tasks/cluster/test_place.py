"""Places on a cluster: why a task failed there."""

from __future__ import annotations

from typing import Any

from distributed.scheduler import KilledWorker

from napari_contrastseg.tasks.cluster.place import why_failed


def test_a_task_that_ends_each_worker_is_said_to_lack_memory() -> None:
    worker: Any = None
    said = why_failed(KilledWorker("train", worker, 3))
    assert said == "each worker that had it ended; their memory may be too small."
