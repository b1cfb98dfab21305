"""Colours of labels: they are seen on any grey, and told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.classes import BACKGROUND, PALETTE
from napari_contrastseg.session.rounds import Differs
from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.viewer.label_layers import DIFFERENCE_COLOURS
from napari_contrastseg.ui.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREYS = np.linspace(0, 1, 21)[:, None] * np.ones(3)


@pytest.fixture
def ink(qapp: object) -> Labels:
    """The ink layer of a volume with as many classes as there are colours."""
    del qapp
    viewer = ViewerModel()
    workspace = Workspace(viewer)
    image, about, _ = layer_for(phantom(0).volume)
    DataController(workspace).add_layers([viewer.add_image(image, **about)])
    for _ in PALETTE[1:]:
        workspace.session.add_class()
    layer = workspace.registry.layer("phantom_000", "ink")
    assert isinstance(layer, Labels)
    return layer


def seen(layer: Labels, label: int) -> NDArray[np.float64]:
    """CIELAB of a label over each grey, by the layer's colours and opacity."""
    red, green, blue, alpha = np.asarray(layer.colormap.map(label)).ravel()
    part = alpha * layer.opacity
    mixed = part * np.array([red, green, blue]) + (1 - part) * GREYS
    found: NDArray[np.float64] = np.asarray(rgb2lab(mixed[None]))[0]
    return found


def test_background_ink_is_seen_on_every_grey_and_is_no_class(ink: Labels) -> None:
    """A difference of 10 is seen at a glance, whatever the colour."""
    background = seen(ink, BACKGROUND)
    bare = np.asarray(rgb2lab(GREYS[None]))[0]
    assert deltaE_ciede2000(background, bare).min() > 20
    for number in range(1, len(PALETTE) + 1):
        of_class = seen(ink, number)
        assert deltaE_ciede2000(of_class, bare).min() > 10, number
        assert deltaE_ciede2000(of_class, background).min() > 10, number


def test_differences_of_rounds_are_told_from_every_class(ink: Labels) -> None:
    layer = Labels(
        np.zeros((2, 2), np.uint8),
        colormap=DirectLabelColormap(color_dict=DIFFERENCE_COLOURS),
        opacity=0.8,
    )
    for how in (Differs.ONLY_OTHER, Differs.ONLY_MINE, Differs.CLASS):
        for number in (*range(1, len(PALETTE) + 1), BACKGROUND):
            apart = deltaE_ciede2000(seen(layer, how), seen(ink, number))
            assert apart.min() > 10, (how, number)
