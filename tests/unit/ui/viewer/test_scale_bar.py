"""Units and names of axes on our layers, and the scale bar that says them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.volume import Source, Volume, array_affine
from napari_contrastseg.ui.viewer import layer_registry
from napari_contrastseg.ui.viewer.image_layers import axis_words, layer_for
from napari_contrastseg.ui.viewer.scale_bar import colour_bar, scale_bar
from tests.kit.nifti import save

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"


def of_array(unit: Any, shape: tuple[int, ...] = (4, 5, 6), **rest: Any) -> Volume:
    """A volume that is no file."""
    data = (np.zeros(shape, np.float32),)
    return Volume("a", data, array_affine(np.ones(3)), source=Source(unit=unit), **rest)


def test_a_scan_s_axes_are_those_of_a_body(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 2, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    path = save(tmp_path / "scan.nii.gz", np.zeros((4, 5, 6), np.int16), affine)
    volume = read_volume(path)
    _, about, _ = layer_for(volume)
    assert about["axis_labels"] == ("axial", "coronal", "sagittal")
    assert about["units"] == ("mm",) * 3


def test_nothing_is_said_of_a_body_where_nothing_is_known() -> None:
    assert axis_words(of_array("mm")) == ("z", "y", "x")
    _, about, _ = layer_for(of_array("pixel"))
    assert about["units"] == ("pixel",) * 3
    _, about, _ = layer_for(of_array("mm", (1, 5, 6), kind="stack"))
    assert about["axis_labels"] == ("y", "x")
    assert about["units"] == ("mm",) * 2


def test_ink_and_proposals_have_their_image_s_units_and_axes(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    add(sample)
    image, ink = (workspace.registry.layer(NAME, kind) for kind in ("image", "ink"))
    assert image is not None
    assert ink is not None
    assert [str(unit) for unit in ink.units] == ["millimeter"] * 3
    assert ink.units == image.units
    assert ink.axis_labels == image.axis_labels == axis_words(sample.volume)
    assert workspace.viewer.dims.axis_labels == axis_words(sample.volume)


@pytest.mark.parametrize("given", [None, ("t", "row", "column")])
def test_an_image_that_napari_has_opened_gets_words_for_numbers(
    workspace: Workspace, data: DataController, given: tuple[str, ...] | None
) -> None:
    noise = np.random.default_rng(0).normal(size=(4, 5, 6))
    layer = workspace.viewer.add_image(noise, name="a", axis_labels=given)
    data.add_layers([layer])
    ink = workspace.registry.layer("a", "ink")
    assert ink is not None
    wanted = given or ("z", "y", "x")
    assert ink.axis_labels == layer.axis_labels == wanted
    assert workspace.viewer.dims.axis_labels == wanted


def test_the_scale_bar_is_turned_on_once(
    workspace: Workspace,
    add: Add,
    sample: Sample,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layer_registry, "BAR_AFTER_MS", 1)
    bar = scale_bar(workspace.viewer)
    assert not bar.visible
    add(sample)
    assert not bar.visible, "only after the image is drawn"
    qtbot.waitUntil(lambda: bar.visible)
    bar.visible = False
    add(replace(sample, volume=replace(sample.volume, id="other")))
    qtbot.wait(50)
    assert not bar.visible


def test_the_scale_bar_is_seen_on_an_image_in_the_light_theme() -> None:
    viewer = ViewerModel()
    bar = scale_bar(viewer)
    for canvas, coloured in (("white", True), ("black", False)):
        colour_bar(viewer, canvas)
        assert bar.colored == coloured
    bar.colored, bar.color = True, "red"
    colour_bar(viewer, "black")
    assert bar.colored
    assert bar.color.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("unit", ["mm", "pixel"])
def test_a_volume_comes_back_from_its_layer_as_it_was(unit: Any) -> None:
    from napari.layers import Image

    from napari_contrastseg.ui.viewer.image_layers import unit_of

    data, about, _ = layer_for(of_array(unit))
    assert unit_of(Image(data, **about)) == unit
