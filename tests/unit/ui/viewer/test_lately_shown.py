"""Volumes that are not shown have no layers; shown again, they look as before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Points
from qtpy.QtCore import QCoreApplication

from napari_contrastseg.io.cohort import Cohort
from napari_contrastseg.io.dataset import Case
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.embedding.dock import EmbeddingView
from napari_contrastseg.ui.embedding.linking import LinkedMap
from napari_contrastseg.ui.embedding.similar import FindSimilar
from napari_contrastseg.ui.viewer import lately_shown
from napari_contrastseg.ui.viewer.overlays import show_heat, show_marks
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace

SHAPE = (4, 16, 16)
KEPT = 2
NAMES = [f"case {number}" for number in range(KEPT + 1)]


@pytest.fixture(autouse=True)
def few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lately_shown, "KEPT", KEPT)


def listed(session: Session) -> None:
    """Let the session have a list of cases."""
    cases = tuple(Case(name, (Path(name),), None) for name in NAMES)
    session.set_cohort(Cohort(Path(), cases))


def open_cases(workspace: Workspace, data: DataController, *names: str) -> None:
    for name in names:
        data._add(replace(phantom(0, SHAPE).volume, id=name))
        workspace.choose_volume(name)


def layers_of(workspace: Workspace, name: str) -> list[str]:
    return [layer.name for layer in workspace.viewer.layers if name in layer.name]


@pytest.fixture
def opened(workspace: Workspace, data: DataController) -> Workspace:
    """As many open cases as keep their layers, the first one shown first."""
    listed(workspace.session)
    open_cases(workspace, data, *NAMES[:KEPT])
    return workspace


def test_a_case_not_shown_for_a_while_looks_as_before_when_it_is_shown_again(
    opened: Workspace, data: DataController
) -> None:
    first, registry = NAMES[0], opened.registry
    ink: Any = registry.layer(first, "ink")
    image: Any = registry.layer(first, "image")
    ink.brush_size, ink.opacity, ink.name = 3, 0.3, "my strokes"
    image.contrast_limits, image.colormap = (0.1, 0.6), "magma"
    opened.choose_volume(first)
    ink.paint((2, 5, 5), 1)
    mine = Points(np.zeros((1, 3)), name="mine")
    opened.viewer.add_layer(mine)
    open_cases(opened, data, NAMES[KEPT])
    for name in NAMES[1:]:
        opened.choose_volume(name)
    assert not layers_of(opened, first)
    assert registry.rests(first)
    assert opened.session.records[first].ink[2, 5, 5] == 1
    opened.choose_volume(first)
    ink, image = registry.layer(first, "ink"), registry.layer(first, "image")
    assert (ink.brush_size, ink.opacity, ink.name) == (3, 0.3, "my strokes")
    assert (image.contrast_limits, image.colormap.name) == ([0.1, 0.6], "magma")
    assert ink.data is opened.session.records[first].ink
    assert image.visible
    assert ink.visible
    layers = opened.viewer.layers
    assert layers.index(image) < layers.index(mine), "it does not cover what lay on it"
    opened.undo()
    assert not opened.session.records[first].ink.any()


@pytest.mark.parametrize("asked", [False, True])
def test_a_case_keeps_its_layers_where_a_person_asked_for_one_of_them(
    opened: Workspace, data: DataController, asked: bool
) -> None:
    first = NAMES[0]
    if asked:
        show_heat(opened.registry, first, np.zeros(SHAPE, np.uint8))
    else:  # the map makes it again
        show_marks(opened.registry, first, "chosen", np.ones((1, 3), np.int64))
    open_cases(opened, data, NAMES[KEPT])
    assert opened.registry.rests(first) == (not asked)
    assert bool(layers_of(opened, first)) == asked


def test_the_image_of_a_volume_beside_the_cohort_stays_for_new_sessions(
    opened: Workspace, data: DataController
) -> None:
    opened.session.set_cohort(None)
    open_cases(opened, data, NAMES[KEPT])
    assert layers_of(opened, NAMES[0]) == [NAMES[0]]
    opened.choose_volume(NAMES[0])
    assert layers_of(opened, NAMES[0]) == [NAMES[0], f"{NAMES[0]} ink"]


def test_a_moved_image_keeps_its_place_and_its_layers(
    opened: Workspace, data: DataController
) -> None:
    image: Any = opened.registry.layer(NAMES[0], "image")
    image.translate = (0, 3, 0)
    open_cases(opened, data, NAMES[KEPT])
    assert layers_of(opened, NAMES[0])


@pytest.mark.parametrize("as_cases", [False, True])
def test_a_session_that_is_opened_has_layers_for_the_volume_shown(
    workspace: Workspace, as_cases: bool
) -> None:
    session = Session()
    if as_cases:
        listed(session)
    for name in NAMES[:3]:
        session.add_volume(replace(phantom(0, SHAPE).volume, id=name))
    session.add_class()
    add_round(session, np.ones(SHAPE, np.uint8))
    workspace.replace(session)
    last, others = NAMES[2], [] if as_cases else NAMES[:2]
    kinds = ("confidence", "sure", "proposal", "ink")
    assert workspace.active == last
    found = [layer.name for layer in workspace.viewer.layers]
    assert sorted(found) == sorted([*others, last, *(f"{last} {k}" for k in kinds)])
    workspace.choose_volume(NAMES[0])
    assert len(layers_of(workspace, NAMES[0])) == 5
    assert workspace.registry.shown_of_proposal(NAMES[0]) == "prediction"


def test_a_round_makes_layers_for_the_volume_shown_alone(opened: Workspace) -> None:
    opened.session.add_class()
    for labels in (np.ones(SHAPE, np.uint8), np.full(SHAPE, 2, np.uint8)):
        add_round(opened.session, labels)
        assert len(layers_of(opened, NAMES[KEPT - 1])) == 5
        assert len(layers_of(opened, NAMES[0])) == 2
        opened.choose_volume(NAMES[0])
        shown: Any = opened.registry.layer(NAMES[0], "prediction")
        assert (shown.data == labels).all()
        opened.choose_volume(NAMES[KEPT - 1])


def test_an_image_that_is_selected_brings_the_layers_of_its_volume(
    opened: Workspace, data: DataController
) -> None:
    opened.session.set_cohort(None)
    open_cases(opened, data, NAMES[KEPT])
    image: Any = opened.registry.layer(NAMES[0], "image")
    opened.viewer.layers.selection.active = image
    QCoreApplication.processEvents()
    assert opened.active == NAMES[0]
    assert image.visible
    assert opened.shows(NAMES[0], "ink")


def test_another_slice_axis_leaves_the_volume_on_the_screen(
    opened: Workspace, data: DataController
) -> None:
    opened.choose_volume(NAMES[1])
    data.set_axis(2)
    QCoreApplication.processEvents()
    assert opened.active == NAMES[1]
    assert opened.shows(NAMES[1], "ink")
    assert not opened.shows(NAMES[0], "ink")
    opened.choose_volume(NAMES[0])
    shown: Any = opened.registry.layer(NAMES[0], "ink")
    assert shown.data is opened.session.records[NAMES[0]].ink


def test_voxels_like_one_of_a_volume_that_is_not_shown_are_found_where_it_is(
    opened: Workspace, data: DataController, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.session.add_class()
    add_round(opened.session, np.ones(SHAPE, np.uint8))
    open_cases(opened, data, NAMES[KEPT])
    similar = FindSimilar(opened)
    monkeypatch.setattr(similar.runner, "start", lambda task: task.close())
    similar.find(NAMES[0], (3, 5, 5))
    assert (opened.active, opened.current_slice) == (NAMES[0], 3)
    heat = opened.registry.layer(NAMES[0], "similarity")
    assert heat is not None
    assert heat.visible
    similar.close()


def test_voxels_chosen_on_the_map_are_marked_once_their_volume_has_layers(
    opened: Workspace,
    data: DataController,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    open_cases(opened, data, NAMES[KEPT])
    view = EmbeddingView()
    qtbot.addWidget(view)
    linked = LinkedMap(opened, view)
    places = {NAMES[0]: np.ones((1, 3), np.int64)}
    monkeypatch.setattr(linked, "_places", lambda: places)
    opened.choose_volume(NAMES[0])
    qtbot.waitUntil(lambda: opened.shows(NAMES[0], "chosen"), timeout=60_000)
    linked.close()
