"""Prediction as a task, in the window and for files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.predict import Prediction


@dataclass(frozen=True)
class ShownSlice:
    """The slice that a person looks at.

    Attributes
    ----------
    volume_id : str
    axis : int
        Of the volume's array, along which slices are shown.
    index : int
    """

    volume_id: str
    axis: int
    index: int


#: What a person looks at, asked for when prediction begins; None where nobody does.
Look = Callable[[], ShownSlice | None]


def nobody_looks() -> None:
    """Nobody waits for a certain slice."""


class KnownElsewhere(Protocol):
    """What else is known of a volume, to be joined with a network's answer."""

    def asked_first(self) -> Sequence[int]:
        """List slices on which the network is compared with what is known."""
        ...

    def beside(self, said: Mapping[int, NDArray[np.float32]]) -> KnownElsewhere:
        """Weigh it by what the network says of these, (1 + classes, y, x) each."""
        ...

    def join(self, index: int, probability: NDArray[np.float32]) -> NDArray[np.float32]:
        """Join it with the network's probabilities of a slice."""
        ...


@dataclass(frozen=True, eq=False)
class PredictRequest:
    """A model and the volumes it shall predict; what a person looks at comes first.

    Attributes
    ----------
    model : Model
    volumes : tuple of Volume
    look : callable
    joins : mapping of volume id to KnownElsewhere
        What else is known of the slices of some volumes, joined with the model's
        probabilities of each (see `learning.models.predict.predict_volume`).
    """

    model: Model
    volumes: tuple[Volume, ...]
    device: str = "auto"
    spare_core: bool = False
    look: Look = nobody_looks
    joins: Mapping[str, KnownElsewhere] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Predicted:
    """One volume is predicted.

    Attributes
    ----------
    volume_id : str
    prediction : Prediction
    joined : bool
        Whether what was known from elsewhere is joined with the network's answer.
    """

    volume_id: str
    prediction: Prediction
    joined: bool = False


@dataclass(frozen=True, eq=False)
class PredictedSlices:
    """Some slices of a volume are predicted; `Predicted` of the whole comes later.

    They come from the shown one outward, and only of the volume that is shown. Where
    networks of other axes follow, the whole volume's prediction differs a little.

    Attributes
    ----------
    volume_id : str
    axis : int
        Of the volume's array, along which the slices lie.
    slices : (n,) int
    labels : (n, rows, columns) uint8
    confidence : (n, rows, columns) float16
    """

    volume_id: str
    axis: int
    slices: NDArray[np.intp]
    labels: NDArray[np.uint8]
    confidence: NDArray[np.float16]


def predict(
    request: PredictRequest,
) -> Generator[Progress | PredictedSlices | Predicted, None, None]:
    """Predict volumes one after the other, the one that is shown first.

    Yields
    ------
    PredictedSlices of the shown volume as they are ready, Predicted once a volume.

    Raises
    ------
    InputError
        A volume does not fit the model.
    """
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        memory_may_end,
        pick_device,
        prepare,
        release,
        share_cores,
    )

    for volume in request.volumes:
        request.model.check_fits(volume)
    device = pick_device(request.device)
    if request.spare_core:
        share_cores()
    start = time.perf_counter()
    networks = [m.network for m in (request.model, *request.model.others)]
    try:
        with memory_may_end(device):
            for network in networks:
                prepare(network, device)
            shown = request.look()
            for index, volume in enumerate(_shown_first(request.volumes, shown)):
                for event in _predicted(request, volume, device, shown):
                    if request.spare_core:
                        share_cores()
                    if not isinstance(event, float):
                        yield event
                        continue
                    fraction = (index + event) / len(request.volumes)
                    spent = time.perf_counter() - start
                    eta = spent * (1 / fraction - 1) if fraction else None
                    yield Progress("predict", fraction, eta)
    finally:
        for network in networks:
            network.cpu()
        release(device)


def predict_slices(
    request: PredictRequest, part: tuple[int, int]
) -> Generator[float | PredictedSlices, None, None]:
    """Predict some slices of the one volume of a request.

    Parameters
    ----------
    request : PredictRequest
        Of one volume, for which `is_of_one_network`.
    part : (int, int)
        Which part of the slices, and of how many.

    Raises
    ------
    InputError
        The volume does not fit the model.
    """
    from napari_contrastseg.learning.models.predict import predict_part  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        memory_may_end,
        pick_device,
        prepare,
        release,
    )

    (volume,) = request.volumes
    device, network = pick_device(request.device), request.model.network
    try:
        with memory_may_end(device):
            prepare(network, device)
            for event in predict_part(request.model, volume, device, part):
                if isinstance(event, float):
                    yield event
                    continue
                found = event.slices, event.labels, event.confidence
                yield PredictedSlices(volume.id, event.axis, *found)
    finally:
        network.cpu()
        release(device)


def _shown_first(volumes: tuple[Volume, ...], shown: ShownSlice | None) -> list[Volume]:
    """Put the volume that is shown before the others."""
    return sorted(volumes, key=lambda v: shown is None or v.id != shown.volume_id)


def _predicted(
    request: PredictRequest,
    volume: Volume,
    device: torch.device,
    shown: ShownSlice | None,
) -> Iterator[float | PredictedSlices | Predicted]:
    """Predict a volume; the shown slice comes first where it is the model's to see."""
    from napari_contrastseg.learning.models.predict import (  # noqa: PLC0415
        Prediction,
        predict_some,
        predict_volume,
    )

    model, first = request.model, None
    if shown is not None and shown.volume_id == volume.id:
        along_slices = shown.axis == volume.axis_of(model.card.input.axis)
        first = shown.index if along_slices else None
    known, join = request.joins.get(volume.id), None
    if known is not None:
        said = {}
        for event in predict_some(model, volume, device, known.asked_first()):
            if isinstance(event, float):
                yield 0.0
            else:
                said[event[0]] = event[1]
        join = known.beside(said).join
    for found in predict_volume(model, volume, device, first, join):
        if isinstance(found, float):
            yield found
        elif isinstance(found, Prediction):
            yield Predicted(volume.id, found, joined=join is not None)
        else:
            yield PredictedSlices(
                volume.id, found.axis, found.slices, found.labels, found.confidence
            )
