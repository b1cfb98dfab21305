"""The task that predicts: what a person looks at comes first."""

from __future__ import annotations

from dataclasses import replace

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.predict import (
    Predicted,
    PredictedSlices,
    PredictRequest,
    ShownSlice,
    predict,
)
from tests.kit.models import random_model

VOLUMES = tuple(replace(phantom(n).volume, id=f"v{n}") for n in range(3))


def asked(shown: ShownSlice | None) -> list[PredictedSlices | Predicted]:
    """Predict three volumes while a person looks at a slice."""
    request = PredictRequest(random_model(), VOLUMES, "cpu", look=lambda: shown)
    kinds = (PredictedSlices, Predicted)
    return [event for event in predict(request) if isinstance(event, kinds)]


def test_the_shown_slice_comes_before_all_else() -> None:
    first, *rest = asked(ShownSlice("v1", 0, 9))
    assert isinstance(first, PredictedSlices)
    assert (first.volume_id, first.axis, list(first.slices)) == ("v1", 0, [9])
    assert first.labels.shape == (1, *VOLUMES[1].shape[1:])
    wholes = [event.volume_id for event in rest if isinstance(event, Predicted)]
    assert wholes == ["v1", "v0", "v2"]
    parts = [event for event in rest if isinstance(event, PredictedSlices)]
    assert {event.volume_id for event in parts} == {"v1"}


def test_slices_of_another_axis_than_the_models_come_with_the_volume() -> None:
    first, *rest = asked(ShownSlice("v2", 1, 3))
    assert isinstance(first, Predicted)
    assert first.volume_id == "v2"
    assert all(isinstance(event, Predicted) for event in rest)


def test_volumes_come_in_order_where_nobody_looks() -> None:
    assert [event.volume_id for event in asked(None)] == ["v0", "v1", "v2"]
