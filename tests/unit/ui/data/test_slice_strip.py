"""The strip of slices: each status where its slices are, in few rectangles."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.session.targets import Status
from napari_contrastseg.ui.data.slice_strip import SliceStrip

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def strip(qtbot: QtBot) -> SliceStrip:
    """Of a thousand slices, of which some are done and some are locked."""
    made = SliceStrip()
    qtbot.addWidget(made)
    made.resize(500, 22)
    status = np.full(1000, Status.UNTOUCHED, np.uint8)
    status[100:200] = Status.DONE
    made.setValue(status)
    made.setLocked((np.arange(1000) >= 900).astype(np.uint8))
    return made


def test_slices_that_look_alike_are_one_block(strip: SliceStrip) -> None:
    found = strip._blocks(apart=False)
    assert found == [(0, 100), (100, 200), (200, 900), (900, 1000)]
    assert len(strip._blocks(apart=True)) == 1000


def test_colours_lie_where_their_slices_are(strip: SliceStrip) -> None:
    strip.setCurrent(400)
    drawn = strip.grab().toImage()
    middle = drawn.height() // 2
    colours = {
        z: drawn.pixelColor(round(z * drawn.width() / 1000), middle).name()
        for z in (50, 110, 190, 500, 800)
    }
    assert colours[110] == colours[190]
    assert colours[50] == colours[500] == colours[800] != colours[110]


def test_of_no_slice_nothing_is_drawn(qtbot: QtBot) -> None:
    empty = SliceStrip()
    qtbot.addWidget(empty)
    assert empty._blocks(apart=False) == []
    assert not empty.grab().isNull()


@pytest.mark.parametrize("width", [317, 318, 319])
def test_there_is_a_line_between_any_two_slices(qtbot: QtBot, width: int) -> None:
    strip = SliceStrip()
    qtbot.addWidget(strip)
    strip.resize(width, 22)
    strip.setValue(np.full(10, Status.DONE, np.uint8))
    strip.setCurrent(0)
    drawn = strip.grab().toImage()
    row = [drawn.pixelColor(x, 11).name() for x in range(drawn.width())]
    slices = [a == row[50] and b != a for a, b in pairwise(row[34:])]
    assert sum(slices) == 9
