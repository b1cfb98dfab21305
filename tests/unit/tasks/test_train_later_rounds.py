"""Training in a later round: what goes on and what begins again."""

from __future__ import annotations

from dataclasses import replace

from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.tasks.events import Note, StageReport, TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit.later_rounds import CORE, INPUTS, SHELL, a_model, request

SMALL = NetworkSpec(widths=(4, 8))


def test_another_network_begins_from_scratch_and_says_so() -> None:
    assert not a_model(CORE).is_compatible(SMALL, replace(INPUTS, channels=("a", "b")))
    assert not a_model(CORE).is_compatible(NetworkSpec(widths=(4, 8, 8)), INPUTS)
    settings = replace(request().settings, network=NetworkSpec(widths=(4, 8, 8)))
    events = list(
        train(resolve_here(request(start=a_model(CORE, SHELL), settings=settings)))
    )
    assert any(isinstance(e, Note) and "starts over" in e.text for e in events)
    names = [e.name for e in events if isinstance(e, StageReport)]
    assert names == ["global contrast", "local contrast", "fine-tune"]


def test_a_round_that_goes_on_is_not_pretrained_again() -> None:
    events = list(train(resolve_here(request(start=a_model(CORE, SHELL)))))
    assert [e.name for e in events if isinstance(e, StageReport)] == ["fine-tune"]
    (began,) = (e for e in events if isinstance(e, TrainingBegan))
    assert began.model.card.training["continued"]
