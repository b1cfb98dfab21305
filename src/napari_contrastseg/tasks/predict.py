"""Prediction as a task, in the window and for files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.models.predict import Prediction


@dataclass(frozen=True, eq=False)
class PredictRequest:
    """A model and the volumes it shall predict."""

    model: Model
    volumes: tuple[Volume, ...]
    device: str = "auto"
    spare_core: bool = False


@dataclass(frozen=True, eq=False)
class Predicted:
    """One volume is predicted."""

    volume_id: str
    prediction: Prediction


def predict(request: PredictRequest) -> Generator[Progress | Predicted, None, None]:
    """Predict volumes one after the other.

    Raises
    ------
    InputError
        A volume does not fit the model.
    """
    from napari_contrastseg.learning.models.predict import predict_volume  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        leave_a_core,
        memory_may_end,
        pick_device,
        prepare,
        release,
    )

    for volume in request.volumes:
        request.model.check_fits(volume)
    device = pick_device(request.device)
    if request.spare_core:
        leave_a_core()
    start = time.perf_counter()
    networks = [m.network for m in (request.model, *request.model.others)]
    try:
        with memory_may_end(device):
            for network in networks:
                prepare(network, device)
            for index, volume in enumerate(request.volumes):
                for event in predict_volume(request.model, volume, device):
                    if not isinstance(event, float):
                        yield Predicted(volume.id, event)
                        continue
                    fraction = (index + event) / len(request.volumes)
                    eta = (time.perf_counter() - start) * (1 / fraction - 1)
                    yield Progress("predict", fraction, eta)
    finally:
        for network in networks:
            network.cpu()
        release(device)
