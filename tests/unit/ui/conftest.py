"""A workspace on napari's model of a viewer: no window, no OpenGL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from napari.components import ViewerModel

from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.live import background
from napari_contrastseg.ui.viewer.image_layers import layer_for
from napari_contrastseg.ui.workspace import Workspace
from tests.kit.window import add_phantom, dock_without_window, label_three_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_contrastseg.samples.samples import Sample

    Add = Callable[[Sample], str]


@pytest.fixture
def workspace(qapp: object) -> Iterator[Workspace]:
    """An empty session in an empty viewer."""
    del qapp
    made = Workspace(ViewerModel())
    yield made
    made.close()


@pytest.fixture
def data(workspace: Workspace) -> DataController:
    """The controller of step Data."""
    return DataController(workspace)


@pytest.fixture
def add(workspace: Workspace, data: DataController) -> Add:
    """Add a sample's image to the viewer and the session; gives the volume's id."""

    def add_sample(sample: Sample) -> str:
        image, about, _ = layer_for(sample.volume)
        data.add_layers([workspace.viewer.add_image(image, **about)])
        return sample.volume.id

    return add_sample


@pytest.fixture
def docked(qapp: object) -> Iterator[tuple[Any, Any]]:
    """The dock on an empty model of a viewer."""
    del qapp
    with dock_without_window() as made:
        yield made


@pytest.fixture
def loaded(docked: tuple[Any, Any]) -> tuple[Any, Any, Sample]:
    """The dock with a phantom, two classes and three slices done."""
    viewer, widget = docked
    sample = add_phantom(viewer, widget)
    label_three_slices(widget.workspace.session, sample)
    return viewer, widget, sample


@pytest.fixture(autouse=True)
def no_learning_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing begins by itself in a test that is about something else."""
    monkeypatch.setattr(background, "IDLE_SECONDS", 1e9)
