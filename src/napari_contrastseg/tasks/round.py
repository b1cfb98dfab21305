"""A round as a task: train, predict, embed; the session makes proposals of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_contrastseg.tasks.events import (
    Note,
    Progress,
    StageReport,
    TrainingBegan,
    preparing,
    saying,
)
from napari_contrastseg.tasks.feature_probe import FeatureProbe, Probed, watching
from napari_contrastseg.tasks.interpolation import joins_of
from napari_contrastseg.tasks.predict import (
    Look,
    Predicted,
    PredictedSlices,
    PredictRequest,
    nobody_looks,
    predict,
)
from napari_contrastseg.tasks.time_left import WithPrediction
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.insight.feature_table import FeatureTable
    from napari_contrastseg.insight.silhouettes import Silhouettes
    from napari_contrastseg.insight.slice_scores import SliceScores
    from napari_contrastseg.learning.data.targets import TrainingVolume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.requests import TrainRequest
    from napari_contrastseg.tasks.resolved import ResolvedTraining

#: Part of a round's progress bar that training takes.
TRAINING_SHARE = 0.9
#: Slices judged between two looks at whether to stop, and how far the bar is then.
SEVERAL, JUDGING = 4, 0.97
#: How far the bar is while features are read.
READING = 0.98


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
    """A model, the voxels to embed, and what it predicted.

    Attributes
    ----------
    predictions : mapping of volume id to class ids and their confidence
    """

    model: Model
    volumes: Sequence[TrainingVolume]
    predictions: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]
    probe: FeatureProbe = field(default_factory=FeatureProbe)
    device: str = "auto"
    spare_core: bool = False


@dataclass(frozen=True, eq=False)
class SlicesScored:
    """What a prediction says of each slice of a volume."""

    volume_id: str
    scores: SliceScores


@dataclass(frozen=True)
class Trained:
    """Training is over; from now on the model's weights stay as they are."""

    model: Model


RoundEvent = (
    TrainingBegan
    | Note
    | StageReport
    | Progress
    | Probed
    | Trained
    | PredictedSlices
    | Predicted
    | SlicesScored
    | Embedded
)


def run_round(
    run: ResolvedTraining,
    *,
    propose: bool = True,
    probe: FeatureProbe | None = None,
    look: Look = nobody_looks,
) -> Generator[RoundEvent, None, None]:
    """Train; then predict every volume of the request and embed a sample of it.

    Parameters
    ----------
    run : ResolvedTraining
    propose : bool
        Whether to predict and embed afterwards.
    probe : FeatureProbe, optional
        How to look at some voxels while the network learns.
    look : callable
        Which slice a person looks at when prediction begins: it is predicted first.

    Raises
    ------
    InputError
        As `train` does.
    """
    model = None
    share = TRAINING_SHARE if propose else 1.0
    after = WithPrediction(run.training_seconds, run.prediction_seconds)
    events: Generator[RoundEvent, None, None] = train(run)
    if probe is not None:
        request = replace(run.request, volumes=run.request.shown)
        events = watching(events, request, probe)
    for event in events:
        if isinstance(event, TrainingBegan):
            model = event.model
        if isinstance(event, Progress):
            eta = after.left(event.fraction, event.eta) if propose else event.eta
            yield replace(event, fraction=share * event.fraction, eta=eta)
        else:
            yield event
        if isinstance(event, TrainingBegan):
            yield preparing("reading the images")
    assert model is not None
    yield Trained(model)
    if propose:
        yield from propose_from(model, run.request, probe, look)


def propose_from(
    model: Model,
    request: TrainRequest,
    probe: FeatureProbe | None = None,
    look: Look = nobody_looks,
) -> Generator[
    Progress | PredictedSlices | Predicted | SlicesScored | Embedded, None, None
]:
    """Predict and embed with a trained model: the second half of a round."""
    along_slices = model.card.input.axis == 0
    asked = PredictRequest(
        model,
        tuple(v.volume for v in request.shown),
        request.device,
        request.spare_core,
        look,
        joins_of(request) if along_slices else {},
    )
    found: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for event in predict(asked):
        if isinstance(event, Predicted):
            said = event.prediction
            found[event.volume_id] = said.labels, said.confidence
            yield event
        elif isinstance(event, PredictedSlices):
            yield event
        else:
            done = TRAINING_SHARE + 0.07 * event.fraction
            yield Progress("predict", done, event.eta)
    yield Progress("embed", READING)
    yield from embed(
        EmbedRequest(
            model=model,
            volumes=request.shown,
            predictions=found,
            probe=probe or FeatureProbe(),
            device=request.device,
            spare_core=request.spare_core,
        )
    )


def _judged(
    labels: NDArray[Any], confidence: NDArray[Any], axis: int
) -> Generator[Progress, None, SliceScores]:
    """Judge a few slices at a time, so that it can be stopped."""
    import numpy as np  # noqa: PLC0415

    from napari_contrastseg.insight.slice_scores import (  # noqa: PLC0415
        SliceScores,
        score_slices,
    )

    ids = int(labels.max(initial=0)) + 1
    seen, sure = (np.moveaxis(a, axis, 0) for a in (labels, confidence))
    parts = []
    for start in range(0, len(seen), SEVERAL):
        rows = slice(start, start + SEVERAL)
        parts.append(score_slices(seen[rows], sure[rows], 0, ids))
        yield Progress("embed", JUDGING)
    return SliceScores.joined(parts)


def embed(
    request: EmbedRequest,
) -> Generator[Progress | SlicesScored | Embedded, None, None]:
    """Judge slices by what was predicted; read the features that the map shows."""
    from napari_contrastseg.insight.features import extract  # noqa: PLC0415
    from napari_contrastseg.insight.silhouettes import silhouettes  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import (  # noqa: PLC0415
        leave_a_core,
        memory_may_end,
        pick_device,
        release,
    )

    if request.spare_core:
        leave_a_core()
    axes = {entry.volume.id: entry.volume.axis for entry in request.volumes}
    for name, (labels, confidence) in request.predictions.items():
        scores = yield from _judged(labels, confidence, axes[name])
        yield SlicesScored(name, scores)
    guesses = {name: labels for name, (labels, _) in request.predictions.items()}
    probe = replace(request.probe, guesses=guesses)
    device = pick_device(request.device)
    on_cpu = device.type == "cpu"
    model = request.model
    voxels = probe.voxels(request.volumes, model.card.input.axis, on_cpu=on_cpu)
    try:
        with memory_may_end(device):
            tap = probe.tap_of(model)
            parts = extract(model, request.volumes, voxels, tap, device)
            table = yield from saying(parts, Progress("embed", READING))
    finally:
        model.network.cpu()
        release(device)
    known = table.known
    yield Embedded(table, silhouettes(table.features[known], table.label[known]))
