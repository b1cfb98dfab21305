"""Preparation of a training of minutes: weak labels, and what joining will cost."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from napari_contrastseg.tasks.interpolation import interpolated
from napari_contrastseg.tasks.time_plan import Preparation
from napari_contrastseg.tasks.weak_labels import teach_ahead

if TYPE_CHECKING:
    from napari_contrastseg.tasks.requests import TrainRequest


def prepared(request: TrainRequest, began: float) -> Preparation:
    """Work out what training begins with, and time how predictions are joined.

    Parameters
    ----------
    request : TrainRequest
        What is worked out goes with it: training finds it there.
    began : float
        When its minutes began, by `time.perf_counter`.
    """
    teach_ahead(request)
    joining = _joining(request) if request.proposes else 0.0
    return Preparation(time.perf_counter() - began, joining)


def _joining(request: TrainRequest) -> float:
    """Seconds to join interpolation with a prediction, from one of the volumes."""
    helped = interpolated(request)
    if not helped:
        return 0.0
    sizes = [math.prod(found.known.truth.shape) for found in helped]
    return helped[0].seconds_to_join() * sum(sizes) / sizes[0]
