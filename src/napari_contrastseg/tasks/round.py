"""A round as a task: train, predict, embed; the session makes proposals of it."""

from __future__ import annotations

from dataclasses import dataclass
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
    from collections.abc import Generator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.insight.features import FeatureTable
    from napari_contrastseg.insight.silhouettes import Silhouettes
    from napari_contrastseg.learning.labels import TrainingVolume
    from napari_contrastseg.learning.model import Model

#: Voxels in the map.
EMBEDDED_VOXELS = 2000
#: Part of a round's progress bar that training takes.
TRAINING_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Embedded:
    """The embedding of a round.

    Attributes
    ----------
    table : FeatureTable
    layout : (n, 2) float32, t-SNE
    silhouettes : Silhouettes, of the voxels whose label is truth
    """

    table: FeatureTable
    layout: NDArray[np.float32]
    silhouettes: Silhouettes


@dataclass(frozen=True, eq=False)
class EmbedRequest:
    """A model and the voxels to embed."""

    model: Model
    volumes: tuple[TrainingVolume, ...]
    predictions: Mapping[int, NDArray[Any]]
    tap: str | None = None
    seed: int = 0
    count: int | None = None


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
        yield from propose_from(model, request)


def propose_from(
    model: Model, request: TrainRequest
) -> Generator[Progress | Predicted | Embedded, None, None]:
    """Predict and embed with a trained model: the second half of a round."""
    asked = PredictRequest(
        model,
        tuple(v.volume for v in request.volumes),
        request.device,
        request.spare_core,
    )
    guesses: dict[int, NDArray[Any]] = {}
    for event in predict(asked):
        if isinstance(event, Predicted):
            guesses[len(guesses)] = event.prediction.labels
            yield event
        else:
            done = TRAINING_SHARE + 0.07 * event.fraction
            yield Progress("predict", done, event.eta)
    yield Progress("t-SNE", 0.98)
    yield from embed(EmbedRequest(model, request.volumes, guesses, seed=request.seed))


def embed(request: EmbedRequest) -> Generator[Embedded, None, None]:
    """Sample voxels, extract their features, lay them out."""
    import numpy as np  # noqa: PLC0415

    from napari_contrastseg.insight.features import (  # noqa: PLC0415
        extract,
        sample_voxels,
    )
    from napari_contrastseg.insight.layout import tsne  # noqa: PLC0415
    from napari_contrastseg.insight.silhouettes import silhouettes  # noqa: PLC0415
    from napari_contrastseg.learning.device import pick_device  # noqa: PLC0415

    count = request.count or EMBEDDED_VOXELS
    table = sample_voxels(request.volumes, request.predictions, count, request.seed)
    tap = request.tap or f"dec{len(request.model.card.network.widths) - 1}"
    filled = extract(request.model, request.volumes, table, tap, pick_device("cpu"))
    known = np.flatnonzero(filled.known)
    scores = silhouettes(filled.features[known], filled.label[known])
    yield Embedded(filled, tsne(filled.features, request.seed), scores)
