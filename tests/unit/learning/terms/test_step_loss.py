"""Terms of every recipe: modules whose state lies in their head, where it is stored."""

from __future__ import annotations

import pytest

from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.step_loss import StepLoss
from napari_contrastseg.recipes import catalogue, recipe_named
from tests.kit.golden import small

#: Names in checkpoints of format 3, which must still be read, for some heads.
STORED = {
    "simclr": {f"layers.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")},
    "rotation": {"weight", "bias"},
    "cssl2021": {"linear.weight", "linear.bias", "confidence.mean", "silhouette"},
    "urpc": {"heads.dec1.weight", "heads.dec1.bias"},
    "self_training": {"mean"},
}


def terms_of(recipe: str) -> list[StepLoss]:
    plan = recipe_named(recipe).plan(small(recipe_named(recipe).presets["sound"]))
    with Randomness(0).scope():
        network = UNet(1, 3, plan.network)
        return [term.build(network) for stage in plan.stages for term in stage.terms]


@pytest.mark.parametrize("recipe", sorted(catalogue()))
def test_a_checkpoint_of_the_head_holds_all_of_a_terms_state(recipe: str) -> None:
    for term in terms_of(recipe):
        assert isinstance(term, StepLoss)
        head = {f"head.{name}" for name in term.head.state_dict()}
        assert set(term.state_dict()) == head


@pytest.mark.parametrize("recipe", STORED)
def test_heads_keep_the_names_that_checkpoints_have(recipe: str) -> None:
    found = [set(term.head.state_dict()) for term in terms_of(recipe)]
    assert any(STORED[recipe] <= names for names in found)
