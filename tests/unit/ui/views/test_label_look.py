"""Outlines, opacity, proposals on and off, and what of it accepting respects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_contrastseg.ui.review.controller import ReviewController
from napari_contrastseg.ui.views.label_look import FAINTEST, LabelLook
from tests.kit.rounds import add_round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.ui.workspace import Workspace
    from tests.unit.ui.conftest import Add

NAME = "phantom_000"
KINDS = ("ink", "prediction", "pseudo")


@pytest.fixture
def look(workspace: Workspace, add: Add, sample: Sample) -> Iterator[LabelLook]:
    """The look of a phantom's labels, of which a round proposes the truth."""
    made = LabelLook(workspace)
    add(sample)
    workspace.session.add_class()
    add_round(workspace.session, sample.truth)
    yield made
    made.close()


def layers(workspace: Workspace) -> dict[str, Any]:
    """Give the label layers of the phantom."""
    return {kind: workspace.registry.layer(NAME, kind) for kind in KINDS}


def seen(workspace: Workspace, what: str) -> dict[str, Any]:
    """Give a property of each label layer."""
    return {kind: getattr(layer, what) for kind, layer in layers(workspace).items()}


def said() -> str:
    """Return the last notification."""
    return str(notification_manager.records[-1].message)


def test_labels_become_outlines_and_are_filled_again(
    workspace: Workspace, look: LabelLook
) -> None:
    before = seen(workspace, "contour")
    look.toggle_outlines()
    assert seen(workspace, "contour") == {"ink": 1, "prediction": 1, "pseudo": 1}
    look.toggle_outlines()
    assert seen(workspace, "contour") == before


def test_outlines_set_by_hand_count_as_outlines(
    workspace: Workspace, look: LabelLook
) -> None:
    layers(workspace)["ink"].contour = 3
    look.toggle_outlines()
    assert seen(workspace, "contour")["ink"] == 0


def test_the_key_brings_back_layers_of_a_proposal_that_were_closed(
    workspace: Workspace, look: LabelLook
) -> None:
    for kind in ("prediction", "pseudo"):
        workspace.viewer.layers.remove(layers(workspace)[kind])
    ReviewController(workspace).accept_slice()
    assert "Q shows it again" in said()
    look.toggle_proposals()
    assert workspace.registry.shown_of_proposal(NAME) == "prediction"
    assert workspace.viewer.layers.selection.active is layers(workspace)["ink"]


@pytest.mark.filterwarnings("ignore:Contours are not displayed")
def test_outlines_are_left_out_in_three_dimensions_and_come_back(
    workspace: Workspace, look: LabelLook
) -> None:
    look.toggle_outlines()
    workspace.viewer.dims.ndisplay = 3
    assert set(seen(workspace, "contour").values()) == {0}
    look.toggle_outlines()
    assert said() == "There are no outlines in 3-D; turn off 3-D first."
    workspace.viewer.dims.ndisplay = 2
    assert set(seen(workspace, "contour").values()) == {1}


def test_opacity_changes_by_steps_and_labels_never_vanish(
    workspace: Workspace, look: LabelLook
) -> None:
    before = seen(workspace, "opacity")
    look.less_opaque()
    less = seen(workspace, "opacity")
    assert less == {kind: pytest.approx(x - 0.1) for kind, x in before.items()}
    look.more_opaque()
    assert seen(workspace, "opacity") == before
    for _ in range(20):
        look.less_opaque()
    assert set(seen(workspace, "opacity").values()) == {FAINTEST}
    assert workspace.registry.shown_of_proposal(NAME) == "prediction"
    for _ in range(20):
        look.more_opaque()
    assert set(seen(workspace, "opacity").values()) == {1}


def test_layers_of_another_round_look_as_the_ones_before(
    workspace: Workspace, look: LabelLook, sample: Sample
) -> None:
    look.toggle_outlines()
    look.less_opaque()
    contour, opacity = seen(workspace, "contour"), seen(workspace, "opacity")
    old = layers(workspace)["prediction"]
    add_round(workspace.session, sample.truth)
    assert layers(workspace)["prediction"] is not old
    assert seen(workspace, "contour") == contour
    assert seen(workspace, "opacity") == opacity


@pytest.mark.parametrize("shown", ["prediction", "pseudo"])
def test_a_hidden_proposal_is_not_accepted_and_comes_back_as_it_was(
    workspace: Workspace, look: LabelLook, sample: Sample, shown: Any
) -> None:
    review = ReviewController(workspace)
    record = workspace.session.records[NAME]
    workspace.registry.show_of_proposal(NAME, shown)
    workspace.go_to(8)
    before = seen(workspace, "visible")
    look.toggle_proposals()
    assert seen(workspace, "visible") == {
        "ink": True,
        "prediction": False,
        "pseudo": False,
    }
    review.accept_slice()
    assert "the proposal is hidden" in said()
    assert not record.ink.any()
    look.toggle_proposals()
    assert seen(workspace, "visible") == before
    review.accept_slice()
    assert np.array_equal(record.ink[8] % 255, sample.truth[8])
    review.close()


def test_what_is_derived_anew_stays_hidden_but_a_round_shows_its_proposal(
    workspace: Workspace, look: LabelLook, sample: Sample
) -> None:
    look.toggle_proposals()
    workspace.session.derived_changed.emit(NAME, None)  # fresh layers
    workspace.registry.show_proposals(workspace.session.records[NAME])
    assert workspace.registry.shown_of_proposal(NAME) is None
    add_round(workspace.session, sample.truth)
    assert workspace.registry.shown_of_proposal(NAME) == "prediction"


def test_without_a_proposal_the_key_says_what_to_do(
    workspace: Workspace, add: Add, sample: Sample
) -> None:
    look = LabelLook(workspace)
    add(sample)
    look.toggle_proposals()
    assert "there is no proposal to hide or show yet" in said()
    look.close()


def test_without_a_volume_the_keys_say_what_to_do(workspace: Workspace) -> None:
    look = LabelLook(workspace)
    for press in (look.toggle_outlines, look.more_opaque, look.toggle_proposals):
        press()
        assert said() == "Add a volume first."
    look.close()
