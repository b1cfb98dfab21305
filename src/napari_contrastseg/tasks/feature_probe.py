"""Read features of sampled voxels while a network trains, for the live map."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.tasks.drive import always
from napari_contrastseg.tasks.events import Progress, TrainingBegan, saying

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.requests import TrainRequest

_LOG = logging.getLogger(__name__)
#: Pixels of the slices that a look reads: a second or so; and labelled slices that it
#: reads in any case.
PIXELS_ON_CPU, PIXELS_ON_GPU, LEAST_SLICES = 2**19, 2**24, 4
#: Part of the training's time that looking may take.
MOST_OF_TIME = 0.04


@dataclass(frozen=True)
class FeatureProbe:
    """How to look.

    Attributes
    ----------
    count : int
        Voxels.
    seconds : float
        At least between two looks; more where a look takes long.
    tap : str, optional
        The network's map; the decoder's last by default.
    seed : int
        Equal seeds give equal voxels, as far as the labels are the same.
    guesses : mapping of volume id to class ids
        The last round's predictions, see `sample_voxels`.
    wanted : callable
        Whether to look at all; asked in the training's thread.
    """

    count: int = 2000
    seconds: float = 4.0
    tap: str | None = None
    seed: int = 0
    guesses: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    wanted: Callable[[], bool] = always

    def voxels(
        self, volumes: Sequence[TrainingVolume], axis: int, *, on_cpu: bool
    ) -> FeatureTable:
        """Choose the voxels, with no features yet."""
        from napari_contrastseg.insight.feature_table import sample_voxels  # noqa: PLC0415

        pixels = PIXELS_ON_CPU if on_cpu else PIXELS_ON_GPU
        how = (self.count, pixels, self.seed, self.guesses, LEAST_SLICES)
        return sample_voxels(volumes, axis, *how)

    def tap_of(self, model: Model) -> str:
        """Name the network's map that is read."""
        return self.tap or model.card.network.last_tap


@dataclass(frozen=True, eq=False)
class Probed:
    """One look: the same voxels as in the look before.

    Attributes
    ----------
    table : FeatureTable
        With features.
    number : int
        Of the look, from 1.
    stage : str
    """

    table: FeatureTable
    number: int
    stage: str


def watching(
    events: Generator[Any, None, None],
    request: TrainRequest,
    probe: FeatureProbe,
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[Any, None, None]:
    """Pass on the events of training, and look between its steps.

    The network is left as it was, so its weights do not depend on being watched.
    """
    if probe.wanted():
        from napari_contrastseg.insight.tsne import load  # noqa: PLC0415

        load()  # together with torch, not in the middle of the first look
    model: Model | None = None
    look: _Reading | None = None
    due, number = 0.0, 0
    try:
        for event in events:
            yield event
            if isinstance(event, TrainingBegan):
                model, due = event.model, clock() + probe.seconds
            if not isinstance(event, Progress) or clock() < due or not probe.wanted():
                continue
            if model is None or not model.network.training:
                continue  # a network that is not training any more has been seen
            begun, number = clock(), number + 1
            try:
                look = look or _Reading(request, model, probe)
                here = Progress(event.stage, event.fraction, event.eta)
                table = yield from saying(look.table(), here)
            except Exception:  # noqa: BLE001  nobody's training ends for a look
                _LOG.exception("the network could not be looked at")
                yield from events
                return
            spent = clock() - begun
            due = clock() + max(probe.seconds, spent / MOST_OF_TIME)
            yield Probed(table, number, event.stage)
    finally:
        events.close()


class _Reading:
    """Reads the features of the same voxels again and again."""

    def __init__(
        self, request: TrainRequest, model: Model, probe: FeatureProbe
    ) -> None:
        from napari_contrastseg.insight.features import Extractor  # noqa: PLC0415

        device = next(model.network.parameters()).device
        volumes, spec = request.volumes, model.card.input
        voxels = probe.voxels(volumes, spec.axis, on_cpu=device.type == "cpu")
        self._tap = probe.tap_of(model)
        self._network = model.network
        self._extractor = Extractor(volumes, voxels, spec, device)

    def table(self) -> Generator[None, None, FeatureTable]:
        """Look now; yields between the network's passes."""
        found = yield from self._extractor.reading(self._network, self._tap)
        return replace(self._extractor.table, features=found)
