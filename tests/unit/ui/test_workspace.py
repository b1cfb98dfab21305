"""What the steps share: the volume, slice and class shown, and the session."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication

from napari_contrastseg.io.cohort import Cohort
from napari_contrastseg.io.dataset import Case
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.session import Session
from napari_contrastseg.ui.widgets.notice import Notice, Questions
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.data.controller import DataController
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add


def test_a_stroke_reaches_the_session_and_is_undone(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    name = add(sample)
    record = workspace.session.records[name]
    ink: Any = workspace.registry.layer(name, "ink")
    assert ink.data is record.ink
    assert ink.mode == "paint"
    heard = []
    workspace.labels_changed.connect(lambda: heard.append(record.ink[8, 5, 5]))
    ink.paint((8, 5, 5), 1)
    assert record.ink[8, 5, 5] == 1
    assert heard == [1]
    workspace.undo()
    assert not record.ink.any()
    workspace.redo()
    assert record.ink[8, 5, 5] == 1


def test_an_image_without_a_name_is_a_volume_with_one(workspace: Workspace) -> None:
    assert [workspace.session.free_id(name) for name in ("", " ", "x")] == [
        *("volume", "volume", "x")
    ]


def test_undo_and_redo_show_the_slice_that_they_change(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    name = add(sample)
    ink: Any = workspace.registry.layer(name, "ink")
    for index in (3, 5, 8):
        ink.paint((index, 5, 5), 1)
    workspace.go_to(5)
    shown = []
    for step in (workspace.undo, workspace.undo, workspace.undo, workspace.redo):
        step()
        shown.append(workspace.current_slice)
    assert shown == [8, 5, 3, 3]


def test_a_stroke_with_a_number_that_has_no_class_is_refused(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    name = add(sample)
    ink: Any = workspace.registry.layer(name, "ink")
    ink.paint((8, 5, 5), 9)
    QCoreApplication.processEvents()  # napari writes after it announces the edit
    assert not workspace.session.records[name].ink.any()
    assert "Label 9 is not a class" in str(notification_manager.records[-1].message)


def test_the_class_to_paint_with_is_that_of_all_layers(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    name = add(sample)
    ink: Any = workspace.registry.layer(name, "ink")
    assert workspace.paint_class == ink.selected_label == 1
    workspace.choose_class(255)
    assert ink.selected_label == 255
    workspace.choose_class(7)
    assert workspace.paint_class == 255
    assert "no class 7" in str(notification_manager.records[-1].message)


def test_a_step_through_slices_is_told_apart_from_other_changes(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    add(sample)
    changes, steps = [], []
    workspace.changed.connect(lambda: changes.append(1))
    workspace.slice_changed.connect(lambda: steps.append(workspace.current_slice))
    workspace.go_to(3)
    workspace.next_slice()
    workspace.previous_slice()
    workspace.go_to(99)
    assert steps == [3, 4, 3, 15]
    assert not changes


def test_another_volume_takes_the_place_of_the_one_shown(
    workspace: Workspace, add: Add
) -> None:
    one, two = (add(phantom(number)) for number in (0, 1))
    layer = workspace.registry.layer
    assert workspace.active == two
    workspace.go_to(5, one)
    assert (workspace.active, workspace.current_slice) == (one, 5)
    first, second = layer(one, "image"), layer(two, "image")
    assert first is not None
    assert second is not None
    assert first.visible
    assert not second.visible
    assert workspace.viewer.layers.selection.active is layer(one, "ink")
    workspace.viewer.layers.selection.active = second
    assert workspace.active == two


def test_layers_that_were_closed_come_back_with_the_volume(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    name = add(sample)
    add_round(workspace.session, sample.truth)
    workspace.viewer.layers.clear()
    assert not workspace.shows(name, "ink")
    workspace.choose_volume(name)
    record = workspace.session.records[name]
    for kind, array in (
        ("ink", record.ink),
        ("pseudo", record.pseudo),
        ("prediction", record.prediction),
    ):
        layer = workspace.registry.layer(name, kind)
        assert layer is not None
        assert layer.data is array


def test_another_session_takes_the_place_of_this_one(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    name = add(sample)
    before = workspace.session
    before.add_class()
    workspace.choose_class(2)
    workspace.questions.ask(Notice("Resume?", ("Yes",)), lambda: None)
    told: list[tuple[str, Session]] = []
    workspace.session_closing.connect(lambda: told.append(("goes", workspace.session)))
    workspace.session_replaced.connect(lambda: told.append(("is", workspace.session)))
    asked: list[object] = []
    workspace.questions.asked.connect(asked.append)
    other = Session()
    other.add_volume(phantom(1).volume)
    other.add_class()
    workspace.replace(other)
    assert told == [("goes", before), ("is", other)]
    assert asked == [None]
    assert workspace.active == "phantom_001"
    assert workspace.paint_class == 1
    shown = workspace.registry.layer("phantom_001", "ink")
    assert shown is not None
    assert shown.data is other.records["phantom_001"].ink
    assert workspace.registry.layer(name, "ink") is None
    before.add_class()  # nobody listens any more
    assert len(workspace.session.classes) == 1


def test_an_empty_session_has_no_volume_to_work_on(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    add(sample)
    workspace.replace(Session())
    assert workspace.active is None
    assert workspace.current_slice == 0
    with pytest.raises(InputError, match="Add a volume first"):
        workspace.need_active()


def test_after_closing_nothing_is_heard_and_the_layers_stay(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    name = add(sample)
    ink: Any = workspace.registry.layer(name, "ink")
    count = len(workspace.viewer.layers)
    heard = []
    workspace.changed.connect(lambda: heard.append(1))
    workspace.slice_changed.connect(lambda: heard.append(1))
    workspace.close()
    ink.paint((8, 5, 5), 9)
    workspace.viewer.add_image(np.zeros((4, 4)))
    workspace.viewer.dims.set_point(0, 3.0)
    assert not heard
    assert len(workspace.viewer.layers) == count + 1


def test_questions_wait_for_each_other(qapp: object) -> None:
    del qapp
    questions = Questions()
    shown: list[Notice | None] = []
    questions.asked.connect(shown.append)
    first, second = Notice("first", ("yes", "no")), Notice("second", ("ok",))
    answers: list[str] = []
    questions.ask(first, partial(answers.append, "yes"), partial(answers.append, "no"))
    questions.ask(second, partial(answers.append, "ok"))
    assert shown == [first, first]
    questions.answer(1)
    questions.answer(0)
    questions.answer(0)
    assert answers == ["no", "ok"]
    assert shown[2:] == [second, None]


def test_a_session_that_is_left_takes_its_layers_along_at_once(
    workspace: Workspace, data: DataController, add: Add, sample: Sample
) -> None:
    """napari collects garbage after each layer that is removed by itself."""
    add(sample)  # in a layer that the person has opened
    names = [f"case {number}" for number in range(3)]
    cases = tuple(Case(name, (Path(name),), None) for name in names)
    workspace.session.set_cohort(Cohort(Path(), cases))
    for name in names:
        data._add(replace(sample.volume, id=name))
    happened: list[str] = []
    events = workspace.viewer.layers.events
    events.begin_batch.connect(lambda _: happened.append("begin"))
    events.removed.connect(lambda _: happened.append("removed"))
    events.end_batch.connect(lambda _: happened.append("end"))
    workspace.replace(Session())
    assert happened == ["begin", *["removed"] * 7, "end"]
    assert [layer.name for layer in workspace.viewer.layers] == [sample.volume.id]


def test_a_case_that_is_closed_takes_its_layers_along_at_once(
    workspace: Workspace, data: DataController, sample: Sample
) -> None:
    data._add(sample.volume)
    batches: list[str] = []
    workspace.viewer.layers.events.end_batch.connect(lambda _: batches.append("end"))
    workspace.registry.remove_volume(sample.volume.id)
    assert not workspace.viewer.layers
    assert batches == ["end"]
