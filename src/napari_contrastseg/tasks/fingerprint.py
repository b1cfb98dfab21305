"""Fingerprint of a training request: everything that decides the weights, no device."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.json import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.plan.stage import Stage
    from napari_contrastseg.tasks.requests import TrainRequest

#: Slices of each image that are part of the fingerprint.
SLICES = 8
#: Pixels of a large slice, and those of any that are read at once.
LARGE = 2**22
#: Longest side of a patch where a request had it; it is one of the settings now.
LARGEST = 256


def _axes(request: TrainRequest) -> int | list[int]:
    """Give the slice axes; one number where all volumes have one, as it always was."""
    axes = [entry.volume.axis for entry in request.volumes]
    return axes[0] if len(set(axes)) == 1 else axes


def _budget(request: TrainRequest) -> Any:
    """Give the lengths; of a stage its epochs only where they were asked for."""
    budget = to_plain(request.budget)
    for stage in budget["stages"]:
        if stage["epochs"] is None:
            del stage["epochs"]
    return budget


def fingerprint(request: TrainRequest, settings: Any, stages: Sequence[Stage]) -> str:
    """Hash a request, with the settings and stages as they were asked for.

    Checkpoints carry it: a run goes on from one with the same fingerprint alone, so
    that what is hashed, and in which order, stays as it is.
    """
    digest = hashlib.blake2b(digest_size=16)
    about = [
        request.recipe,
        str(to_plain(settings)),
        [stage.name for stage in stages],
        [c.id for c in request.classes],
        [_axes(request), request.seed, LARGEST],
        _budget(request),
    ]
    digest.update(json.dumps(about, default=str).encode())
    if request.start is not None:
        for tensor in request.start.network.state_dict().values():
            digest.update(tensor.cpu().numpy().tobytes())
    for entry in request.volumes:
        volume = entry.volume
        shapes = [(c.shape, str(c.dtype)) for c in volume.data]
        digest.update(f"{volume.id!a} {shapes} {volume.affine.tolist()}".encode())
        for index in _looked_at(volume):
            for part in _parts(volume, index):
                digest.update(np.ascontiguousarray(part).data)
        for array in (entry.target, entry.weight):
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _looked_at(volume: Volume) -> list[int]:
    """Give the slices of an image that are hashed.

    Those of a few large ones are hashed once each; of a few small ones some twice, as
    they always were.
    """
    count, rows, columns = volume.shape
    looked = np.linspace(0, count - 1, SLICES).astype(int).tolist()
    return sorted(set(looked)) if rows * columns > LARGE else looked


def _parts(volume: Volume, index: int) -> Iterator[NDArray[np.float64]]:
    """Read a slice along the first axis, channel by channel, some rows at a time."""
    _, rows, columns = volume.shape
    several = max(1, LARGE // columns)
    for channel in range(len(volume.data)):
        for row in range(0, rows, several):
            key = (index, slice(row, row + several), slice(None))
            yield volume.part(channel, key, np.float64)
