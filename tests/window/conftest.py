"""The window, empty and with a phantom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.insight import tsne
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.ui.live import background
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.window import label_three_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[tuple[Any, Any]]:
    """A viewer with the dock."""
    viewer = make_napari_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-contrastseg", "Annotate")
    yield viewer, widget
    widget.shut_down()


@pytest.fixture
def loaded(window: tuple[Any, Any]) -> tuple[Any, Any, Sample]:
    """A viewer with a phantom, two classes and three slices done."""
    viewer, widget = window
    sample = phantom(1)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    label_three_slices(widget.workspace.session, sample)
    return viewer, widget, sample


@pytest.fixture(autouse=True)
def no_learning_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing begins by itself in a test that is about something else."""
    monkeypatch.setattr(background, "IDLE_SECONDS", 1e9)


@pytest.fixture(autouse=True)
def maps_are_soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the map in most tests; to lay it out takes seconds."""
    monkeypatch.setattr(tsne, "EXAGGERATED", tsne.EVERY)
    monkeypatch.setattr(tsne, "FREE", 2 * tsne.EVERY)


@pytest.fixture(autouse=True)
def networks_are_small(small_networks: None) -> None:
    """A round takes a moment."""
