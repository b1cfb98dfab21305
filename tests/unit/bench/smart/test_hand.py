"""Sloppy strokes, boxes and clicks: what is said of them is true."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.bench.smart.hand import (
    JITTER,
    OFF,
    OVER,
    WITHIN,
    box_around,
    next_click,
    strokes,
    structures,
)


def disc(radius: float = 15, side: int = 80) -> np.ndarray:
    rows, columns = np.indices((side, side))
    return np.asarray((rows - 40) ** 2 + (columns - 38) ** 2 <= radius**2)


def test_strokes_cover_lie_off_and_go_over_as_is_said() -> None:
    piece = disc()
    made = strokes(piece, np.random.default_rng(0))
    assert not (made["within"] & ~piece).any()
    assert made["within"].sum() == pytest.approx(WITHIN * piece.sum(), rel=0.1)
    moved = [np.argwhere(m).mean(0) for m in (piece, made["off"])]
    assert np.hypot(*(moved[1] - moved[0])) == pytest.approx(OFF * 15, abs=0.8)
    assert (made["over"] | piece).sum() == made["over"].sum()
    assert made["over"].sum() == pytest.approx(OVER * piece.sum(), rel=0.1)


def test_a_box_lies_a_tenth_off_at_most() -> None:
    piece = disc()
    ends = np.argwhere(piece).min(0), np.argwhere(piece).max(0) + 1
    for seed in range(20):
        box = box_around(piece, np.random.default_rng(seed))
        for side, low, high in zip(box, *ends, strict=True):
            most = JITTER * (high - low) + 0.5
            assert abs(side.start - low) <= most
            assert abs(side.stop - high) <= most


def test_a_click_goes_into_the_middle_of_what_is_wrong_most() -> None:
    piece = disc()
    assert next_click(np.zeros_like(piece), piece) == ((40, 38), True)
    far = np.zeros_like(piece)
    far[60:79, 60:79] = True
    assert next_click(piece | far, piece) == ((69, 69), False)


def test_small_pieces_are_left_out() -> None:
    plane = np.zeros((80, 80), np.int16)
    plane[disc()] = 2
    plane[1:4, 1:4] = 2
    plane[70:79, 1:20] = 1
    found = [(class_id, int(piece.sum())) for class_id, piece in structures(plane)]
    assert found == [(1, 9 * 19), (2, int(disc().sum()))]
