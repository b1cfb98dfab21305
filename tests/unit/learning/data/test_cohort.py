"""Cohorts: batches, crops, weights and what counts as evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.data import cohort as cohort_module
from napari_contrastseg.learning.data import slice_reader as reader_module
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.plan.stage import Optimiser, Stage
from napari_contrastseg.samples.samples import phantom
from tests.kit.volumes import a_volume

if TYPE_CHECKING:
    import pytest


def test_batches_keep_image_and_truth_together() -> None:
    truth = np.zeros((4, 50, 30), np.int16)
    truth[:, 10:40, 5:25] = 1
    truth[2] = -1
    volume = a_volume(truth.clip(0).astype(np.float32))
    spec = input_spec([volume], 0, 0)
    cohort = Cohort(
        [TrainingVolume(volume, truth)],
        [1],
        spec,
        divisor=8,
        largest=32,
        labelled_slices=3,
    )
    assert cohort.size == (32, 32)
    assert cohort.labelled == [(0, 0), (0, 1), (0, 3)]
    batch = cohort.batch([(0, 0)] * 20, np.random.default_rng(0))
    known = batch.target >= 0
    assert (batch.image[:, 0][known] == batch.target[known]).all()
    assert not known.all(), "padding must be unknown"


def test_pseudo_labels_of_a_round_are_no_evidence() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    weight = np.full(target.shape, 0.4, np.float32)
    weight[:3] = 1.0
    volume = TrainingVolume(sample.volume, target, weight)
    spec = input_spec([sample.volume], 0, 0)
    cohort = Cohort((volume,), [1, 2], spec, divisor=4, largest=64, labelled_slices=3)
    assert (len(cohort.labelled), cohort.with_truth) == (len(target), 3)
    grown = Stage(
        "s",
        "fine-tune",
        View("labelled", 4),
        (),
        Optimiser(1e-3),
        10,
        steps_per_slice=5,
        most_steps=100,
    )
    assert grown.for_slices(cohort.with_truth).steps == 15
    assert grown.for_slices(1).steps == 10
    assert grown.for_slices(999).steps == 100


def test_crops_stay_around_labels() -> None:
    rng = np.random.default_rng(0)
    target = np.full((2, 60, 50), -1, np.int16)
    target[0, 50:53, 3:6], target[1, 0, 20] = 0, 1
    volume = Volume("v", (rng.random((2, 60, 50)),), array_affine(np.ones(3)))
    spec = input_spec([volume], 0, 0)
    cohort = Cohort(
        [TrainingVolume(volume, target)],
        [1],
        spec,
        divisor=8,
        largest=16,
        labelled_slices=2,
    )
    assert cohort.size == (16, 16)
    for place in ((0, 0), (0, 1)):
        batch = cohort.batch([place] * 40, rng)
        assert (batch.target >= 0).any(dim=(1, 2)).all()
        assert len(batch.image.flatten(1).unique(dim=0)) > 5, "crops differ"


def test_slices_join_as_far_as_they_have_earned_it() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    weight = np.ones(target.shape, np.float32)
    weight[4:8], weight[8:] = 0.25, 0.0
    spec = input_spec([sample.volume], 0, 0)
    entry = TrainingVolume(sample.volume, target, weight)
    cohort = Cohort([entry], [1, 2], spec, divisor=8, largest=64, labelled_slices=4)
    assert [s for _, s in cohort.labelled] == list(range(8))
    assert cohort.earned == [1.0] * 4 + [0.25] * 4


def test_large_slices_are_learned_on_coarser_pixels_part_by_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a whole slice is brought to them; no slice is read or kept whole."""
    rng = np.random.default_rng(0)
    volume = a_volume(rng.random((2, 131, 170)).astype(np.float32))
    target = np.full(volume.shape, -1, np.int16)
    target[1, 20:90, 30:100] = 0
    target[1, 40:60, 50:80] = 7
    weight = np.where(target == 7, 1, 0.5).astype(np.float32)
    spec = input_spec([volume], 0, 1, coarser=2)
    whole = SliceReader(volume, spec)
    image = whole.image(1)
    labels = whole.to_network_grid(whole.plane(target, 1), whole.plane(weight, 1))
    monkeypatch.setattr(cohort_module, "LARGE", 1000)
    monkeypatch.setattr(reader_module, "PIXELS_AT_ONCE", 1000)
    monkeypatch.setattr(reader_module, "PART", 30)
    assert torch.allclose(SliceReader(volume, spec).image(1), image, atol=1e-4)
    entries = [TrainingVolume(volume, target, weight)]
    large = Cohort(entries, [7], spec, divisor=8, largest=32, labelled_slices=1)
    reader = large.readers[0]
    monkeypatch.setattr(reader, "one", None)
    drawn: list[tuple[slice, slice]] = []
    choose = large._window

    def note(*words: Any) -> tuple[slice, slice]:
        drawn.append(choose(*words))
        return drawn[-1]

    monkeypatch.setattr(large, "_window", note)
    found = large.batch([(0, 1)] * 8, np.random.default_rng(1))
    expected = torch.where(labels[0] == 7, 1, labels[0])
    for n, window in enumerate(drawn):
        assert torch.allclose(found.image[n], image[(..., *window)], atol=1e-4)
        assert torch.equal(found.target[n].float(), expected[window])
        assert torch.allclose(found.weight[n], labels[1][window], atol=1e-4)
    assert (found.target > 0).any(dim=(1, 2)).sum() >= 4, "drawn around a class"


def test_large_slices_that_are_small_on_coarse_pixels_are_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each crop would read a large part of them; labels come part by part, too."""
    rng = np.random.default_rng(0)
    volume = a_volume(rng.random((2, 131, 170)).astype(np.float32))
    target = np.full(volume.shape, -1, np.int16)
    target[1, 20:90, 30:100] = 0
    target[1, 40:60, 50:80] = 7
    weight = np.where(target == 7, 1, 0.5).astype(np.float32)
    spec = input_spec([volume], 0, 1, coarser=4)

    def cohort() -> Cohort:
        entries = [TrainingVolume(volume, target, weight)]
        return Cohort(entries, [7], spec, divisor=8, largest=16, labelled_slices=1)

    places = [(0, 1), (0, 0), (0, 1)]
    small = cohort().batch(places, np.random.default_rng(1))
    monkeypatch.setattr(cohort_module, "LARGE", 5000)  # of 22,270 and 1,376 pixels
    monkeypatch.setattr(reader_module, "PIXELS_AT_ONCE", 1000)
    large = cohort()
    monkeypatch.setattr(large.readers[0], "window", None)
    asked: list[int] = []
    grid = large.readers[0].to_network_grid

    def note(labels: Any, *more: Any) -> Any:
        asked.append(labels.size)
        return grid(labels, *more)

    monkeypatch.setattr(large.readers[0], "to_network_grid", note)
    found = large.batch(places, np.random.default_rng(1))
    assert torch.allclose(found.image, small.image, atol=1e-4)
    assert torch.equal(found.target, small.target)
    assert torch.allclose(found.weight, small.weight, atol=1e-4)
    assert max(asked) < 2000


def test_crops_of_large_slices_are_those_of_whole_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Labels, weights and neighbours too, and no slice is read or kept whole."""
    rng = np.random.default_rng(0)
    volume = a_volume(rng.random((3, 130, 170)).astype(np.float32))
    target = np.full(volume.shape, -1, np.int16)
    target[1, 20:90, 30:100] = 0
    target[1, 40:60, 50:60] = 7
    target[2, 5:9, 160:] = 7
    weight = np.where(target == 7, 1, 0.5).astype(np.float32)
    spec = input_spec([volume], 0, 1)
    places = [(0, 1), (0, 2), (0, 1), (0, 0)] * 3

    def cohort() -> Cohort:
        entries = [TrainingVolume(volume, target, weight)]
        return Cohort(entries, [7], spec, divisor=8, largest=32, labelled_slices=2)

    whole = cohort().batch(places, np.random.default_rng(1))
    monkeypatch.setattr(cohort_module, "LARGE", 1000)
    large = cohort()
    monkeypatch.setattr(large.readers[0], "one", None)
    parts = large.batch(places, np.random.default_rng(1))
    for mine, theirs in (
        (parts.image, whole.image),
        (parts.target, whole.target),
        (parts.weight, whole.weight),
    ):
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)
