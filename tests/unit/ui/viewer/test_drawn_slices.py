"""What is drawn: each change, and nothing that has not changed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Labels

from napari_contrastseg.session import painting, review
from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.viewer import drawn_slices
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

KINDS = ("ink", "pseudo", "prediction")
SHOWN = 7


class Card:
    """Stands for the graphics card: keeps what it was handed, and counts."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.layers: dict[str, Labels] = {}
        self.kept: dict[str, NDArray[Any]] = {}
        self.times: Counter[str] = Counter()
        for kind in KINDS:
            layer = workspace.registry.layer(name, kind)
            assert isinstance(layer, Labels)
            self.layers[kind] = layer
            layer.events.set_data.connect(self._on_data)
            layer.refresh()
        self.times.clear()

    def _on_data(self, event: Any) -> None:
        (kind,) = (k for k, layer in self.layers.items() if layer is event.source)
        self.kept[kind] = event.source._slice.image.view.copy()
        self.times[kind] += 1


@pytest.fixture
def card(workspace: Workspace, add: Add, sample: Sample) -> Card:
    """Of a window that shows a slice with a proposal."""
    name = add(sample)
    workspace.session.add_class()
    add_round(workspace.session, sample.truth)
    workspace.go_to(SHOWN)
    return Card(workspace, name)


def paint(workspace: Workspace, index: int) -> None:
    """A stroke somewhere on a slice."""
    (record,) = workspace.session.records.values()
    where = np.zeros(record.volume.shape, bool)
    where[index, 2:5, 2:9] = True
    painting.paint(workspace.session, record.volume.id, where, 1)


@pytest.mark.parametrize("large", [2**24, 0])
def test_only_what_changes_on_the_screen_is_drawn(
    workspace: Workspace,
    card: Card,
    sample: Sample,
    large: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where copies of slices leave out what is empty."""
    monkeypatch.setattr(drawn_slices, "_LARGE", large)
    paint(workspace, SHOWN + 1)  # another slice
    assert not card.times
    (name,) = workspace.session.records
    agrees = np.zeros(sample.truth.shape, bool)
    agrees[SHOWN] = sample.truth[SHOWN] == 1
    painting.paint(workspace.session, name, agrees, 1)
    assert card.times == {"ink": 1}
    paint(workspace, SHOWN)  # shows through the proposal, too
    assert card.times == {"ink": 2, "pseudo": 1, "prediction": 1}
    workspace.undo()
    assert card.times == {"ink": 3, "pseudo": 2, "prediction": 2}


@pytest.mark.parametrize("flat", [True, False], ids=["2-D", "3-D"])
def test_what_is_drawn_is_what_is_so(
    workspace: Workspace, card: Card, flat: bool
) -> None:
    (name,) = workspace.session.records
    record = workspace.session.records[name]
    card.layers["prediction"].contour = 0  # so that all of it is drawn
    workspace.viewer.dims.ndisplay = 2 if flat else 3

    def check() -> None:
        place = SHOWN if flat else slice(None)
        for kind, kept in card.kept.items():
            assert np.array_equal(kept, record.array(kind)[place]), kind

    session = workspace.session
    steps: list[Callable[[], object]] = [
        lambda: paint(workspace, SHOWN),
        lambda: session.set_threshold(1, 0.99),
        lambda: session.touch(name, [SHOWN]),
        lambda: review.accept_slice(session, name, SHOWN),
        workspace.undo,
        lambda: review.reject_slice(session, name, SHOWN),
        workspace.undo,
        lambda: workspace.registry.show_of_proposal(name, None),
        lambda: paint(workspace, SHOWN),
        lambda: workspace.registry.show_of_proposal(name, "prediction"),
    ]
    for step in steps:
        step()
        check()


def test_a_stroke_that_is_refused_is_not_left_on_the_screen(
    workspace: Workspace, card: Card, qtbot: QtBot
) -> None:
    (record,) = workspace.session.records.values()
    record.locked[SHOWN] = True
    ink = card.layers["ink"]
    drawn: list[object] = []
    ink.events.labels_update.connect(drawn.append)
    ink.paint((SHOWN, 10, 10), 1)
    assert drawn, "napari draws it by itself"
    card.kept.clear()
    qtbot.waitUntil(lambda: not record.ink[SHOWN].any())
    assert not card.kept["ink"].any()


@pytest.mark.parametrize("large", [2**24, 0])
def test_only_what_was_painted_is_drawn(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    """The screen, as it was handed to it whole or in parts, holds the ink.

    Also where copies of slices leave out what is empty.
    """
    monkeypatch.setattr(drawn_slices, "_LARGE", large)
    image = workspace.viewer.add_image(np.random.default_rng(0).random((60, 70)))
    DataController(workspace).add_layers([image])
    (record,) = workspace.session.records.values()
    ink = workspace.registry.layer(record.volume.id, "ink")
    assert isinstance(ink, Labels)
    screen = np.zeros((60, 70), np.uint8)
    whole = Counter[str]()

    def draw(_event: Any) -> None:
        screen[...] = ink._slice.image.raw
        whole["times"] += 1

    def draw_part(event: Any) -> None:
        window = tuple(
            slice(at, at + n)
            for at, n in zip(event.offset, event.data.shape, strict=True)
        )
        screen[window] = ink._slice.image.raw[window]

    ink.events.set_data.connect(draw)
    ink.events.labels_update.connect(draw_part)
    ink.refresh()
    whole.clear()
    for place in ((30, 30), (40, 8), (4, 60), (33, 33)):
        with ink.block_history():  # as with the mouse
            ink.paint(place, 1)
        assert np.array_equal(screen, record.ink[0])
    assert not whole, "strokes are drawn by napari, and once"
    for _ in range(2):
        workspace.undo()
        assert np.array_equal(screen, record.ink[0])
    workspace.redo()
    assert np.array_equal(screen, record.ink[0])
    where = np.zeros(record.volume.shape, bool)
    where[0, 50:52, 3:9] = True
    painting.paint(workspace.session, record.volume.id, where, 1)
    assert np.array_equal(screen, record.ink[0])
    with ink.block_history():
        ink.paint((51, 5), 0)
    assert np.array_equal(screen, record.ink[0])
    assert whole["times"] == 4, "what others than napari change is drawn as a whole"
