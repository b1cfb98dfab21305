"""Which parts of slices are labelled whole, so that they show sizes of structures."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.learning.data.labelled_parts import LabelledPart, labelled_parts
from napari_contrastseg.learning.data.targets import TrainingVolume
from tests.kit.volumes import a_volume


def a_picture(side: int = 700) -> TrainingVolume:
    """Nothing labelled."""
    target = np.full((1, side, side), -1, np.int16)
    return TrainingVolume(a_volume(np.zeros(target.shape, np.uint8)), target)


def label(entry: TrainingVolume, rows: slice, columns: slice, border: int) -> None:
    """Label a rectangle: class 1 in the columns up to a border, background beyond."""
    assert entry.target is not None
    entry.target[0, rows, columns] = np.arange(700)[columns] < border


def test_a_rectangle_shows_sizes_where_an_outline_is_in_it() -> None:
    entry = a_picture()
    label(entry, slice(30, 330), slice(60, 360), 200)
    parts, seen = labelled_parts([entry])
    assert seen == {1}
    (part,) = parts[1]
    assert part == LabelledPart(0, 0, slice(32, 320), slice(64, 352), is_slice=False)
    assert part.shortest == 288
    assert part.labels([entry]).shape == (288, 288)
    assert (part.labels([entry]) >= 0).all()


@pytest.mark.parametrize(
    ("rows", "columns", "border"),
    [
        (slice(30, 330), slice(60, 360), 60),  # background alone
        (slice(30, 330), slice(60, 360), 360),  # the class alone
        (slice(30, 140), slice(60, 360), 200),  # narrow
    ],
)
def test_others_do_not(rows: slice, columns: slice, border: int) -> None:
    entry = a_picture()
    label(entry, rows, columns, border)
    assert labelled_parts([entry])[0] == {}


def test_rectangles_that_overlap_are_found_one_by_one() -> None:
    entry = a_picture()
    label(entry, slice(0, 320), slice(0, 320), 200)
    label(entry, slice(160, 512), slice(160, 512), 200)
    parts, _ = labelled_parts([entry])
    found = [(part.rows, part.columns) for part in parts[1]]
    assert found == [
        (slice(160, 512), slice(160, 512)),
        (slice(0, 320), slice(0, 320)),
    ]


def test_of_a_region_that_is_no_rectangle_nothing_is_known() -> None:
    entry = a_picture()
    label(entry, slice(0, 150), slice(0, 700), 200)
    label(entry, slice(150, 700), slice(0, 150), 100)
    assert labelled_parts([entry]) == ({}, {1})


def test_a_guess_is_not_a_label() -> None:
    entry = a_picture()
    label(entry, slice(30, 330), slice(60, 360), 200)
    guessed = np.full(entry.volume.shape, 0.9, np.float32)
    other = TrainingVolume(entry.volume, entry.target, guessed)
    assert labelled_parts([other]) == ({}, set())


def test_a_slice_labelled_whole_counts_alone() -> None:
    entry, whole = a_picture(), a_picture()
    label(entry, slice(30, 330), slice(60, 360), 200)
    label(whole, slice(0, 700), slice(0, 700), 300)
    parts, _ = labelled_parts([entry, whole])
    every = slice(0, 700)
    assert parts[1] == [LabelledPart(1, 0, every, every, is_slice=True)]
