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


STROKES = {
    "one": [(75, 100)],
    "at the corners": [(1, 1), (148, 209)],
    "a stroke": [(30, 40), (31, 43), (33, 47), (36, 52)],
}


def test_what_a_stroke_changed_is_drawn_and_nothing_else_again(
    ink: tuple[Any, Any], subtests: pytest.Subtests
) -> None:
    viewer, layer = ink
    with subtests.test("between the pixels that are held"):
        dab_where_nothing_is_shown(viewer, layer)
    drawn: list[Any] = []
    layer.brush_size = 9
    for name, dabs in STROKES.items():
        before = seen(viewer)
        layer.events.set_data.connect(drawn.append)
        with subtests.test(name):
            with layer.block_history():  # as while the button is held
                for place in dabs:
                    layer.paint(place, 1)
            painted = seen(viewer)
            assert not drawn, "the whole layer was handed to the card again"
            assert not np.array_equal(painted, before)
        layer.events.set_data.disconnect(drawn.append)
        with subtests.test(name, drawn="again"):
            layer.refresh()
            assert np.array_equal(seen(viewer), painted)


def dab_where_nothing_is_shown(viewer: Any, layer: Any) -> None:
    before = seen(viewer)
    layer.brush_size = 1
    with layer.block_history():
        layer.paint((31, 41), 1)
    assert layer.data[31, 41] == 1
    assert np.array_equal(seen(viewer), before)
    layer.refresh()
    assert np.array_equal(seen(viewer), before)
