"""Along which axes volumes are sliced, and what all slices have in common."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_contrastseg.io.blocks import blocks
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Source, Volume
from napari_contrastseg.learning.data import slice_axes
from napari_contrastseg.learning.data.augment import Augment
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.slice_axes import (
    Obstacle,
    count_labelled_slices,
    input_spec,
    labelled_voxels,
    labelled_whole,
    obstacle,
)
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.data.view import Augmentation
from tests.kit.volumes import a_volume

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample

IN_A_BODY = Source(file_format="nifti", orientation=((0, 1), (1, 1), (2, 1)))


def test_different_channels_are_refused() -> None:
    one = a_volume(np.random.default_rng(0).random((3, 8, 8)))
    two = Volume("two", (one.data[0], one.data[0]), one.affine, ("a", "b"))
    with pytest.raises(InputError, match="channels"):
        input_spec([one, two], 0, 0)


def test_planes_join_where_volumes_are_labelled_whole(cube: Sample) -> None:
    """Single slices, stacks and long voxels have one axis."""
    truth = cube.truth.astype(np.int16)
    whole = TrainingVolume(cube.volume, truth)

    def found(*volumes: TrainingVolume, axis: int = 0) -> Obstacle | None:
        slices = count_labelled_slices(volumes, axis)
        return obstacle(volumes, 2, slices=slices, whole=labelled_whole(volumes))

    assert found(whole) is None
    assert found(whole, TrainingVolume(cube.volume), axis=2) is None
    some = np.full_like(truth, -1)
    some[::4] = truth[::4]
    sparse = TrainingVolume(cube.volume, some)
    assert found(sparse) == Obstacle.FEW_LABELS
    assert found(*[sparse] * 3) is None, "the first network completes them"
    assert labelled_whole([whole, sparse, sparse])
    assert not labelled_whole([sparse] * 3)
    assert found(TrainingVolume(cube.volume)) == Obstacle.FEW_LABELS
    guessed = TrainingVolume(cube.volume, truth, np.full(truth.shape, 0.5, np.float32))
    assert found(guessed) == Obstacle.FEW_LABELS
    stack = replace(cube.volume, kind="stack")
    assert found(TrainingVolume(stack, truth)) == Obstacle.STACK
    flat: Volume = replace(
        cube.volume, affine=cube.volume.affine @ np.diag([3, 1, 1, 1])
    )
    assert found(TrainingVolume(flat, truth)) == Obstacle.LONG_VOXELS


def test_left_and_right_change_places_along_their_own_axis(cube: Sample) -> None:
    """Neighbours of sagittal slices change sides; those of a TIFF stay."""
    patient = replace(cube.volume, source=IN_A_BODY)
    assert input_spec([patient], 0, 2).mirror == (1,)
    assert input_spec([patient], 1, 2).mirror == (1,)
    assert input_spec([patient], 2, 2).mirror == (2,)
    assert input_spec([patient], 2, 0).mirror == ()
    assert input_spec([cube.volume], 2, 2).mirror == (0, 1)
    places = torch.arange(6.0).view(1, 6, 1, 1).expand(64, 6, 4, 4)  # three slices of 2
    label = torch.zeros(64, 4, 4)
    batch = Batch(places, label.long(), torch.ones_like(label))
    augment = Augment(Augmentation(mirror=True), (4, 4), (2,), around=3)
    seen = augment(batch).image[:, :, 0, 0].tolist()
    assert sorted(map(tuple, {tuple(row) for row in seen})) == [
        (0, 1, 2, 3, 4, 5),
        (4, 5, 2, 3, 0, 1),
    ]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_labelled_slices_and_voxels_are_counted_block_by_block(
    axis: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    target = np.where(rng.random((7, 11, 13)) < 0.02, 1, -1).astype(np.int16)
    weight = rng.choice([0.5, 1.0], target.shape).astype(np.float32)
    entry = TrainingVolume(a_volume(rng.random(target.shape)), target, weight)
    mine = (target >= 0) & (weight >= 1)
    others = tuple(other for other in range(3) if other != axis)
    cut = partial(blocks, voxels=150)
    monkeypatch.setattr(slice_axes, "blocks", cut)
    assert len(list(cut(target.shape))) > 3
    assert count_labelled_slices([entry], axis) == mine.any(axis=others).sum()
    assert labelled_voxels(entry) == mine.sum()
    nothing = TrainingVolume(entry.volume)
    assert count_labelled_slices([nothing], axis) == labelled_voxels(nothing) == 0
