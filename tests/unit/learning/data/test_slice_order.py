"""Slices reach a network in one order, however files are stored and patients lie."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch

from napari_contrastseg.io.volume import Source, Volume, array_affine
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.slice_order import frame_of, slice_order
from napari_contrastseg.learning.data.slice_reader import SliceReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

IN_A_BODY = Source(file_format="nifti", orientation=((0, 1), (1, 1), (2, 1)))
SHAPE, SPACING = (5, 8, 9), (4.0, 1.0, 1.5)
ORDERS = [
    list(zip(order, flips, strict=True))
    for order in permutations(range(3))
    for flips in product((1, -1), repeat=3)
]


def turned(angle: float, about: int) -> NDArray[np.float64]:
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = np.eye(4)
    one, other = (a for a in range(3) if a != about)
    matrix[[one, other, one, other], [one, other, other, one]] = c, c, -s, s
    return matrix


def patient(world: NDArray[np.float64] | None = None) -> Volume:
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    affine = array_affine(np.array(SPACING))
    affine = affine if world is None else world @ affine
    return Volume("a", (values,), affine, source=IN_A_BODY)


def stored(volume: Volume, ornt: list[tuple[int, int]]) -> Volume:
    """Store a volume in another array order."""
    order = np.array(ornt, float)
    data = nib.orientations.apply_orientation(volume.data[0], order)
    affine = volume.affine @ nib.orientations.inv_ornt_aff(order, volume.shape)
    return replace(volume, data=(data,), affine=affine, axis=-1)


def test_every_storage_order_gives_the_same_slices() -> None:
    """With neighbours, labels and places; and what comes back is in its own order."""
    assert len(ORDERS) == 48
    volume = patient()
    for plane in range(3):
        spec = input_spec([volume], plane, 1)
        reader = SliceReader(volume, spec)
        for ornt in ORDERS:
            other = stored(volume, ornt)
            assert other.spacing[other.axis] == 4
            assert input_spec([other], plane, 1, frame=spec.frame) == spec
            theirs = SliceReader(other, spec)
            for index in range(reader.count):
                back = theirs.order.backwards
                there = theirs.count - 1 - index if back else index
                assert torch.equal(theirs.image(there), reader.image(index))
                if reader.count > 1:
                    assert theirs.position(there) == reader.position(index)
                own = theirs.plane(other.data[0], there)
                grid, _ = theirs.to_network_grid(own)
                assert np.array_equal(theirs.to_native_grid(grid[None])[0], own)
                assert np.array_equal(
                    grid, reader.to_network_grid(reader.plane(volume.data[0], index))[0]
                )


@pytest.mark.parametrize("about", [0, 1, 2])
@pytest.mark.parametrize("angle", [-30, -10, 10, 30, 44])
def test_patients_that_lie_a_little_otherwise_are_not_turned(
    about: int, angle: float
) -> None:
    frame = frame_of([patient()], 0)
    found = slice_order(patient(turned(angle, about)), 0, frame)
    assert (found.axis, found.rows, found.columns) == (0, 1, 2)
    assert (found.mirrored, found.backwards) == ((), False)


@pytest.mark.parametrize("ornt", ORDERS)
def test_places_are_those_of_the_voxels(ornt: list[tuple[int, int]]) -> None:
    volume = patient()
    other = stored(volume, ornt)
    reader = SliceReader(other, input_spec([volume], 0, 0))
    position = np.argwhere(np.ones(other.shape, bool))
    places = reader.order.places(position, other.shape)
    for index in range(reader.count):
        mine = position[:, reader.axis] == index
        plane = reader.order.turned(reader.plane(other.data[0], index))
        values = plane[places[mine, 0], places[mine, 1]]
        assert np.array_equal(values, other.data[0][tuple(position[mine].T)])


def test_what_knows_no_place_is_left_as_it_is() -> None:
    volume = replace(patient(), source=Source())
    spec = input_spec([volume], 0, 1)
    assert spec.frame == ()
    assert slice_order(volume, 0, frame_of([patient()], 0)).mirrored == ()
    mixed = input_spec([volume, patient()], 0, 1)
    assert mixed.frame == frame_of([patient()], 0)
    assert mixed.mirror == (1,), "a patient's left and right alone"


def test_left_and_right_are_mirrored_where_they_are_so_in_every_volume() -> None:
    """Sagittal and coronal slices of thick volumes in one cohort have no such side."""
    coronal = stored(patient(), [(1, 1), (0, 1), (2, 1)])
    across = patient(turned(90, 2))  # left and right lie along the slices' rows
    assert input_spec([patient(), coronal], 0, 1).mirror == (1,)
    assert input_spec([patient(), across], 0, 1).mirror == (1,)
    sagittal = patient(turned(90, 1))
    assert sagittal.body_axes[2] == 0
    assert input_spec([patient(), sagittal], 0, 1).mirror == ()
