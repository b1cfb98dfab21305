"""A round as a task: train, predict, embed; the session makes proposals of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict
from napari_contrastseg.tasks.train import (
    Note,
    Progress,
    StageReport,
    TrainingBegan,
    TrainRequest,
    train,
)
from napari_contrastseg.tasks.watch import Watch, Watched, watching

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_contrastseg.insight.silhouettes import Silhouettes
    from napari_contrastseg.insight.table import FeatureTable
    from napari_contrastseg.learning.labels import TrainingVolume
    from napari_contrastseg.learning.model import Model

#: Part of a round's progress bar that training takes.
TRAINING_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Embedded:
    """The embedding of a round.

    Attributes
    ----------
    table : FeatureTable
    silhouettes : Silhouettes, of the voxels whose label is truth
    """

    table: FeatureTable
    silhouettes: Silhouettes


@dataclass(frozen=True, eq=False)
class EmbedRequest:
    """A model and the voxels to embed."""

    model: Model
    volumes: tuple[TrainingVolume, ...]
    watch: Watch = field(default_factory=Watch)
    device: str = "auto"


@dataclass(frozen=True)
class Trained:
    """Training is over; from now on the model's weights stay as they are."""

    model: Model


RoundEvent = (
    TrainingBegan
    | Note
    | StageReport
    | Progress
    | Watched
    | Trained
    | Predicted
    | Embedded
)


def run_round(
    request: TrainRequest, *, propose: bool = True, watch: Watch | None = None
) -> Generator[RoundEvent, None, None]:
    """Train; then predict every volume of the request and embed a sample of it.

    Parameters
    ----------
    request : TrainRequest
    propose : bool
        Whether to predict and embed afterwards.
    watch : Watch, optional
        Tell what the network makes of some voxels while it learns.

    Raises
    ------
    InputError
        As `train` does.
    """
    model = None
    share = TRAINING_SHARE if propose else 1.0
    events: Generator[RoundEvent, None, None] = train(request)
    if watch is not None:
        events = watching(events, request, watch)
    for event in events:
        if isinstance(event, TrainingBegan):
            model = event.model
        if isinstance(event, Progress):
            yield Progress(
                event.stage,
                share * event.fraction,
                event.eta,
                event.loss,
                event.dice,
            )
        else:
            yield event
    assert model is not None
    yield Trained(model)
    if propose:
        yield from propose_from(model, request, watch)


def propose_from(
    model: Model, request: TrainRequest, watch: Watch | None = None
) -> Generator[Progress | Predicted | Embedded, None, None]:
    """Predict and embed with a trained model: the second half of a round."""
    asked = PredictRequest(
        model,
        tuple(v.volume for v in request.volumes),
        request.device,
        request.spare_core,
    )
    guesses: dict[str, NDArray[Any]] = {}
    for event in predict(asked):
        if isinstance(event, Predicted):
            guesses[event.volume_id] = event.prediction.labels
            yield event
        else:
            done = TRAINING_SHARE + 0.07 * event.fraction
            yield Progress("predict", done, event.eta)
    yield Progress("embed", 0.98)
    watch = replace(watch or Watch(), guesses=guesses)
    yield from embed(EmbedRequest(model, request.volumes, watch, request.device))


def embed(request: EmbedRequest) -> Generator[Embedded, None, None]:
    """Read the features of the voxels that the map shows."""
    from napari_contrastseg.insight.features import extract  # noqa: PLC0415
    from napari_contrastseg.insight.silhouettes import silhouettes  # noqa: PLC0415
    from napari_contrastseg.learning.device import (  # noqa: PLC0415
        pick_device,
        release,
    )

    model, watch = request.model, request.watch
    device = pick_device(request.device)
    axis, on_cpu = model.card.input.axis, device.type == "cpu"
    voxels = watch.voxels(request.volumes, axis, on_cpu=on_cpu)
    try:
        table = extract(model, request.volumes, voxels, watch.tap_of(model), device)
    finally:
        model.network.cpu()
        release(device)
    known = table.known
    yield Embedded(table, silhouettes(table.features[known], table.label[known]))
