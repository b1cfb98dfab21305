"""Strokes in a picture that is too large for a texture: what they change is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

pytestmark = [
    pytest.mark.viewer,
    pytest.mark.filterwarnings("ignore:data shape .* exceeds GL_MAX_TEXTURE_SIZE"),
]

#: Pixels of the picture's sides, and those that a texture may have.
SIDES, MOST = (150, 211), 64


def seen(viewer: Any) -> Any:
    QApplication.processEvents()
    return viewer.screenshot(canvas_only=True, flash=False)


@pytest.fixture
def ink(window: tuple[Any, Any]) -> tuple[Any, Any]:
    """The viewer, and the ink layer of a picture whose texture is held coarser."""
    viewer, widget = window
    viewer.show(block=False)
    picture = np.random.default_rng(0).integers(0, 9, SIDES, np.uint8)
    viewer.add_image(picture, name="picture")
    widget.data.add.click()
    widget.workspace.work.finish()
    widget.workspace.session.add_class("one")
    layer = viewer.layers["picture ink"]
    visual = viewer.window._qt_viewer.canvas.layer_to_visual[layer]
    visual.MAX_TEXTURE_SIZE_2D = MOST
    layer.refresh()
    seen(viewer)
    assert visual.node._texture.shape[:2] == (50, 53), "every third, every fourth"
    return viewer, layer


@pytest.mark.parametrize(
    "dabs",
    [
        pytest.param([(75, 100)], id="one", marks=pytest.mark.slow),
        pytest.param([(1, 1), (148, 209)], id="at the corners"),
        pytest.param(
            [(30, 40), (31, 43), (33, 47), (36, 52)],
            id="a stroke",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_a_stroke_changed_is_drawn_and_nothing_else_again(
    ink: tuple[Any, Any], dabs: list[tuple[int, int]]
) -> None:
    viewer, layer = ink
    before = seen(viewer)
    drawn: list[Any] = []
    layer.events.set_data.connect(drawn.append)
    layer.brush_size = 9
    with layer.block_history():  # as while the button is held
        for place in dabs:
            layer.paint(place, 1)
    painted = seen(viewer)
    assert not drawn, "the whole layer was handed to the card again"
    assert not np.array_equal(painted, before)
    layer.refresh()
    assert np.array_equal(seen(viewer), painted)


def test_a_dab_between_the_pixels_that_are_held_changes_nothing(
    ink: tuple[Any, Any],
) -> None:
    viewer, layer = ink
    before = seen(viewer)
    layer.brush_size = 1
    with layer.block_history():
        layer.paint((31, 41), 1)
    assert layer.data[31, 41] == 1
    assert np.array_equal(seen(viewer), before)
    layer.refresh()
    assert np.array_equal(seen(viewer), before)
