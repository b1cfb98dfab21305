"""A person's first minutes with one volume: an answer at once, and never less of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.ui.learn.panel import LearnSettings
from napari_contrastseg.ui.viewer.image_layers import layer_for
from tests.kit.window import NAME, wait_idle

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.usefixtures("small_networks", "short_maps")


def label(widget: Any, sample: Sample, index: int) -> None:
    """Paint a slice in full with the layer's own tools, and mark it done."""
    widget.workspace.go_to(index)
    layer = widget.workspace.registry.layer(NAME, "ink")
    for class_id in (1, 2):
        plane = np.nonzero(sample.truth[index] == class_id)
        where = (np.full(len(plane[0]), index), *plane)
        layer.data_setitem(where, class_id)
    widget.header.done.click()


def dice(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one > 0, other > 0
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.fixture
def begun(docked: tuple[Any, Any], qtbot: QtBot) -> tuple[Any, Sample]:
    """A volume that was just added, and three slices of it labelled by hand."""
    viewer, widget = docked
    sample = phantom(1)
    data, about, _ = layer_for(sample.volume)
    viewer.add_image(data, **about)
    widget.data.add.click()
    widget.workspace.session.add_class()
    assert not widget.review_bar.accept.isEnabled()
    for index in (4, 8, 12):
        label(widget, sample, index)
    record = widget.workspace.session.records[NAME]
    assert record.status[[4, 8, 12]].tolist() == [Status.DONE] * 3
    qtbot.waitUntil(lambda: widget.sources.resting, timeout=60_000)
    widget.workspace.go_to(6)
    return widget, sample


def test_three_slices_give_interpolation_at_once_and_it_can_be_accepted(
    begun: tuple[Any, Sample], qtbot: QtBot
) -> None:
    widget, sample = begun
    record = widget.workspace.session.records[NAME]
    assert widget.workspace.shows(NAME, "pseudo")
    assert widget.review.source.text() == "interpolated between slices 4 and 8"
    assert widget.header.slice_text.toolTip() == widget.review.source.text()
    assert widget.review_bar.accept.isEnabled()
    assert dice(record.prediction[6], sample.truth[6]) > 0.7
    assert not record.ink[6].any()

    widget.review_bar.accept.click()
    assert record.status[6] == Status.DONE
    inked = record.ink[6] > 0
    assert inked.any()
    assert (record.origin[6][inked] == Origin.ACCEPTED_INTERPOLATION).all()
    qtbot.waitUntil(lambda: widget.sources.resting, timeout=60_000)
    widget.review_bar.undo.click()
    assert record.status[6] != Status.DONE
    assert not record.ink[6].any()
    assert record.prediction[6].any()


def test_a_round_takes_nothing_away_while_it_goes_on(
    begun: tuple[Any, Sample], qtbot: QtBot
) -> None:
    widget, sample = begun
    session = widget.workspace.session
    record = session.records[NAME]
    before, human = int((record.prediction > 0).sum()), record.ink.copy()
    shown: list[int] = []

    def count(*_: object) -> None:
        shown.append(int((record.prediction > 0).sum()))

    session.derived_changed.connect(count)
    session.work_changed.connect(count)
    session.proposals_changed.connect(count)
    widget.learn_controller.start("round", LearnSettings("supervised", minutes=0.03))
    qtbot.waitUntil(lambda: widget.learn_controller.state.fraction > 0, timeout=60_000)
    assert int((record.prediction > 0).sum()) >= before > 0
    label(widget, sample, 10)  # a person goes on meanwhile
    human[10] = sample.truth[10]
    wait_idle(qtbot, widget)
    qtbot.waitUntil(lambda: widget.sources.resting, timeout=60_000)
    assert len(session.rounds) == 1
    assert shown
    assert min(shown) > 0
    assert np.array_equal(record.ink, human)
    widget.workspace.go_to(6)
    assert "round 1" in widget.review.source.text()
