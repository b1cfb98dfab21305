"""The window, empty and with a phantom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.ui.live import background
from tests.kit.window import add_phantom, label_three_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_contrastseg.samples.samples import Sample


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
    sample = add_phantom(viewer, widget)
    label_three_slices(widget.workspace.session, sample)
    return viewer, widget, sample


@pytest.fixture(autouse=True)
def no_learning_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing begins by itself in a test that is about something else."""
    monkeypatch.setattr(background, "IDLE_SECONDS", 1e9)


@pytest.fixture(autouse=True)
def rounds_are_quick(small_networks: None, short_maps: None) -> None:
    """A round takes a moment, and so does its map."""
