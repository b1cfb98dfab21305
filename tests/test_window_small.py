"""Smaller stories in the real window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.bench.samples import phantom
from napari_contrastseg.ui.image_layers import layer_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.viewer


def test_opening_and_closing_leaves_nothing(
    make_napari_viewer: Callable[..., Any], qtbot: QtBot
) -> None:
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-contrastseg", "ContrastSeg"
    )
    data, about, _ = layer_for(phantom(1).volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    assert list(widget.controller.session.records) == ["phantom_001"]
