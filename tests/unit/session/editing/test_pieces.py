"""The largest piece stays, small ones go: on a slice, and through a volume."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from napari_contrastseg.session.editing.pieces import (
    all_but_largest,
    pieces_through,
    smaller_than,
    without_pieces,
)
from napari_contrastseg.session.targets import Status
from tests.kit.planes import planes, sessions

if TYPE_CHECKING:
    from napari_contrastseg.session.editing.plane import Plane
    from napari_contrastseg.session.session import Session


def labelled(mask: np.ndarray) -> np.ndarray:
    """Numbers of pieces, the largest first, by ITK."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    found = sitk.ConnectedComponent(image, True)
    return np.asarray(sitk.GetArrayFromImage(sitk.RelabelComponent(found)))


@given(planes())
def test_one_piece_stays_and_it_is_as_large_as_the_largest(plane: Plane) -> None:
    after = without_pieces(plane, 1, all_but_largest)
    before, now = labelled(plane.ink == 1), labelled(after == 1)
    assert now.max() == min(1, before.max())
    assert (now == 1).sum() == (before == 1).sum()
    assert np.array_equal(after[plane.ink != 1], plane.ink[plane.ink != 1])
    assert set(np.unique(after[plane.ink == 1])) <= {0, 1}
    again = without_pieces(replace(plane, ink=after), 1, all_but_largest)
    assert np.array_equal(again, after)


@given(planes(), st.integers(1, 30))
def test_pieces_of_fewer_pixels_go(plane: Plane, size: int) -> None:
    numbers = labelled(plane.ink == 1)
    sizes = np.bincount(numbers.ravel())
    small = (numbers > 0) & (sizes[numbers] < size)
    expected = np.where(small, 0, plane.ink)
    after = without_pieces(plane, 1, smaller_than(size))
    assert np.array_equal(after, expected)
    again = without_pieces(replace(plane, ink=after), 1, smaller_than(size))
    assert np.array_equal(again, after)


@given(sessions(), st.integers(1, 40))
def test_small_pieces_are_found_through_all_slices_that_say_something(
    session: Session, size: int
) -> None:
    (record,) = session.records.values()
    axis, mask = record.axis, record.ink == 1
    across = tuple(a for a in range(3) if a != axis)
    speaking = (record.status == Status.DONE) | mask.any(axis=across)
    numbers = labelled(mask.compress(speaking, axis))
    sizes = np.bincount(numbers.ravel())
    expected = np.zeros(mask.shape, bool)
    key = [slice(None)] * 3
    key[axis] = np.flatnonzero(speaking)  # type: ignore[call-overload]
    expected[tuple(key)] = (numbers > 0) & (sizes[numbers] < size)
    found = np.concatenate(
        [np.empty(0, np.int64), *pieces_through(record, 1, smaller_than(size))]
    )
    assert np.array_equal(np.sort(found), np.flatnonzero(expected))


def test_outlines_on_both_sides_of_unlabelled_slices_are_one_piece(
    session: Session,
) -> None:
    (record,) = session.records.values()
    for index in (3, 6, 9):
        record.ink[index, 10:20, 10:20] = 1
        record.status[index] = Status.DONE
    record.ink[6, 30:33, 30:33] = 1
    (gone,) = pieces_through(record, 1, all_but_largest)
    assert len(gone) == 9
    assert record.slices_of(gone).tolist() == [6]


def test_a_class_that_is_nowhere_has_no_pieces(session: Session) -> None:
    (record,) = session.records.values()
    assert not list(pieces_through(record, 1, all_but_largest))
