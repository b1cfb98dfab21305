"""Ways of looking at a volume that must leave the ink where it was painted."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.kit.window import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.samples.samples import Sample

pytestmark = [
    pytest.mark.viewer,
    pytest.mark.filterwarnings("ignore:Contours are not displayed"),  # napari's
]
PLACE = (3, 11, 7)


def rolled(viewer: Any) -> None:
    viewer.dims.roll()


def transposed(viewer: Any) -> None:
    viewer.dims.transpose()


def in_space(viewer: Any) -> None:
    viewer.dims.ndisplay = 3


def side_by_side(viewer: Any) -> None:
    getattr(viewer, "canvas", viewer).grid.enabled = True  # napari 0.9 moved it


LOOKS: dict[str, Callable[[Any], None]] = {
    "rolled": rolled,
    "transposed": transposed,
    "3-D display": in_space,
    "grid": side_by_side,
}


def as_at_first(viewer: Any) -> None:
    viewer.dims.order, viewer.dims.ndisplay = (0, 1, 2), 2
    getattr(viewer, "canvas", viewer).grid.enabled = False


def test_a_stroke_lands_on_its_voxels_however_it_is_shown(
    loaded: tuple[Any, Any, Sample], subtests: pytest.Subtests
) -> None:
    viewer, widget, _ = loaded
    for look, brush in product(LOOKS, (2, 3)):
        with subtests.test(look, brush=brush):
            LOOKS[look](viewer)
            stroke_and_undo(viewer, widget, brush)
        as_at_first(viewer)


def stroke_and_undo(viewer: Any, widget: Any, brush: int) -> None:
    """Paint a voxel and a block around it, and take both back."""
    record = widget.workspace.session.records[NAME]
    ink, before = widget.workspace.registry.layer(NAME, "ink"), record.ink.copy()
    ink.n_edit_dimensions, ink.brush_size = brush, 1
    ink.paint(PLACE, 2)
    expected = before.copy()
    expected[PLACE] = 2
    assert np.array_equal(record.ink, expected)
    ink.brush_size = 3
    ink.paint(PLACE, 1)
    changed = np.argwhere(record.ink != before)
    assert (np.abs(changed - PLACE) <= 1).all()
    if brush == 2:
        for axis in viewer.dims.not_displayed:
            assert set(changed[:, axis]) == {PLACE[axis]}
    widget.workspace.undo()
    widget.workspace.undo()
    assert np.array_equal(record.ink, before)
