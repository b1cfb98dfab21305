"""Prediction of a volume: which slices come first, and that all come out alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_contrastseg.learning.models.model import Model
from napari_contrastseg.learning.models.predict import (
    Prediction,
    SlicesPrediction,
    in_order,
    is_of_one_network,
    predict_part,
    predict_some,
    predict_volume,
)
from napari_contrastseg.learning.runtime import pass_size
from napari_contrastseg.samples.samples import Sample, phantom
from tests.kit.models import random_model

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "several", "first", "batches"),
    [
        (5, 2, None, [[0, 1], [2, 3], [4]]),
        (4, 9, None, [[0, 1, 2, 3]]),
        (6, 2, 4, [[4], [3, 5], [2, 1], [0]]),
        (3, 9, 0, [[0], [1, 2]]),
        (1, 3, 0, [[0]]),
    ],
)
def test_slices_come_in_order_or_from_the_first_outward(
    count: int, several: int, first: int | None, batches: list[list[int]]
) -> None:
    assert [list(rows) for rows in in_order(count, several, first)] == batches


@pytest.mark.parametrize("others", [(), (1, 2)])
def test_the_slice_that_is_waited_for_comes_first(
    cube: Sample, others: tuple[int, ...]
) -> None:
    """Nothing changes but the order: networks of one axis or of all."""
    model = random_model()
    model.others.extend(random_model(axis) for axis in others)
    *_, plain = predict_volume(model, cube.volume, CPU)
    events = list(predict_volume(model, cube.volume, CPU, first=7))
    assert isinstance(plain, Prediction)
    assert isinstance(events[-1], Prediction)
    assert np.array_equal(plain.labels, events[-1].labels)
    difference = plain.confidence - events[-1].confidence
    assert np.abs(difference).max() < 0.002, "half precision"
    parts = [e for e in events if isinstance(e, SlicesPrediction)]
    assert events[0] is parts[0]
    assert list(parts[0].slices) == [7]
    every = np.concatenate([part.slices for part in parts])
    assert sorted(every) == list(range(cube.volume.shape[0]))
    *_, own = predict_volume(random_model(), cube.volume, CPU)
    assert isinstance(own, Prediction)
    for part in parts:
        assert np.array_equal(part.labels, own.labels[part.slices])


@pytest.mark.parametrize("count", [1, 3, 99])
def test_parts_are_together_the_whole_bit_for_bit(
    cube: Sample, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be there more parts than batches, or fewer."""
    rows, columns = cube.volume.shape[1:]
    monkeypatch.setattr(pass_size, "PIXELS_PER_BATCH", 2 * rows * columns)
    model = random_model()
    *_, whole = predict_volume(model, cube.volume, CPU)
    assert isinstance(whole, Prediction)
    seen: list[int] = []
    for number in range(count):
        for event in predict_part(model, cube.volume, CPU, (number, count)):
            if isinstance(event, SlicesPrediction):
                seen += event.slices.tolist()
                assert np.array_equal(event.labels, whole.labels[event.slices])
                sure = whole.confidence[event.slices]
                assert np.array_equal(event.confidence, sure)
    assert seen == list(range(cube.volume.shape[0]))


def test_some_slices_are_predicted_as_in_the_whole_volume(cube: Sample) -> None:
    model = random_model()
    *_, whole = predict_volume(model, cube.volume, CPU)
    assert isinstance(whole, Prediction)
    model.others.append(random_model(1))
    events = list(predict_some(model, cube.volume, CPU, [5, 2]))
    found = dict(event for event in events if isinstance(event, tuple))
    assert list(found) == [5, 2]
    assert events[-1] == 1
    ids = np.array([0, *(c.id for c in model.card.classes)])
    for index, plane in found.items():
        assert np.array_equal(ids[plane.argmax(axis=0)], whole.labels[index])
        sure = plane.max(axis=0).astype(np.float16)
        assert np.allclose(sure, whole.confidence[index], atol=1e-3)


def test_networks_of_other_axes_keep_a_volume_whole(cube: Sample) -> None:
    model = random_model()
    assert is_of_one_network(model, cube.volume)
    model.others.append(random_model(1))
    assert not is_of_one_network(model, cube.volume)


@pytest.mark.parametrize("others", [(), (1, 2)])
def test_a_class_without_labels_in_training_is_never_predicted(
    cube: Sample, others: tuple[int, ...]
) -> None:
    """What is left is shared out among the others, as if there were no such class."""
    models = [random_model(axis) for axis in (0, *others)]
    for one in models:
        bias = one.network.classifier.bias
        assert bias is not None
        bias.data[2] += 100.0
    found = []
    for learned in (None, (1,)):
        parts = [Model(replace(m.card, learned=learned), m.network) for m in models]
        parts[0].others.extend(parts[1:])
        *_, last = predict_volume(parts[0], cube.volume, CPU)
        assert isinstance(last, Prediction)
        found.append(last)
    as_before, known = found
    assert (as_before.labels == 2).all(), "a model without the record"
    assert (known.labels != 2).all()
    assert (known.confidence >= 0.5).all(), "of two"
    assert np.isfinite(known.confidence).all()


def test_nobody_waits_and_no_slices_come_apart() -> None:
    events = list(predict_volume(random_model(), phantom(0).volume, CPU))
    assert not any(isinstance(event, SlicesPrediction) for event in events)


@pytest.mark.parametrize("others", [(), (1, 2)])
def test_what_else_is_known_joins_every_slice_of_the_models_axis(
    cube: Sample, others: tuple[int, ...]
) -> None:
    model = random_model(axis=2)
    model.others.extend(random_model(axis - 1) for axis in others)
    asked = []

    def join(index: int, plane: np.ndarray) -> np.ndarray:
        asked.append(index)
        assert np.allclose(plane.sum(axis=0), 1, atol=0.002)
        mine: np.ndarray = np.eye(3)[index % 3][:, None, None]
        return np.full_like(plane, 0.1) + mine * 0.7

    *_, found = predict_volume(model, cube.volume, CPU, join=join)
    assert isinstance(found, Prediction)
    count = cube.volume.shape[2]
    assert sorted(asked) == list(range(count))
    for index in range(count):
        assert (found.labels[..., index] == index % 3).all()
    assert np.allclose(found.confidence, 0.8, atol=0.001)
