"""Holes are filled where nothing is painted, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from hypothesis import given

from napari_contrastseg.session.editing.holes import fill_holes
from napari_contrastseg.session.editing.plane import Plane
from tests.kit.planes import planes


@given(planes())
def test_what_a_class_encloses_is_filled_where_nothing_is_painted(plane: Plane) -> None:
    after = fill_holes(plane, 1)
    image = sitk.GetImageFromArray((plane.ink == 1).astype(np.uint8))
    oracle = sitk.GetArrayFromImage(sitk.BinaryFillhole(image, fullyConnected=False))
    expected = np.where((oracle > 0) & (plane.ink == 0), 1, plane.ink)
    assert np.array_equal(after, expected)


@given(planes())
def test_a_second_time_changes_nothing(plane: Plane) -> None:
    once = fill_holes(plane, 1)
    assert np.array_equal(fill_holes(replace(plane, ink=once), 1), once)


def test_a_ring_is_filled_around_what_lies_in_it() -> None:
    ink = np.zeros((9, 9), np.uint8)
    ink[1:8, 1:8] = 1
    ink[2:7, 2:7] = 0
    ink[4, 4], ink[4, 5] = 2, 255
    after = fill_holes(Plane(ink, (1.0, 1.0), False), 1)
    assert (after[1:8, 1:8] == 1).sum() == 47
    assert after[4, 4] == 2
    assert after[4, 5] == 255
    assert not after[0].any()
