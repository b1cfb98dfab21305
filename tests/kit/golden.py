"""Every recipe made small, and the losses that it began with when they were written.

``tests/golden_losses.json`` holds the losses of each stage of each recipe (sound
preset, `small`, seed 0, one thread). `tests/contracts/test_recipes.py` compares with
them: a change of a term, a view or a preset that was not meant shows there. Where it
was meant, write them again from the repository's root, and look at the difference
before it is committed::

    python -m tests.kit.golden
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import catalogue, recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.events import StageReport, TrainingBegan
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.networks.spec import NetworkSpec

GOLDEN = Path(__file__).parents[1] / "golden_losses.json"
CLASSES = (ModelClass(1, "core"), ModelClass(2, "shell"))
STEPS = 2
#: Sizes that are no batch; what a recipe has of them becomes this small.
SMALL: dict[str, int] = {
    "neighbours": 0,
    "volumes": 1,
    "patch": 16,
    "patches": 12,
    "largest": 16,
}


def small(settings: Any) -> Any:
    """Shrink a recipe's settings; what they do stays."""
    network: NetworkSpec = settings.network
    widths = (4, 8, 8) if network.encoder == "plain" else network.widths
    changes: dict[str, Any] = {"network": replace(network, widths=widths)}
    for field in fields(settings):
        if field.name.endswith("batch"):
            changes[field.name] = min(4, getattr(settings, field.name))
        elif field.name in SMALL:
            changes[field.name] = min(SMALL[field.name], getattr(settings, field.name))
    return replace(settings, **changes)


def request(
    recipe: str, preset: str = "sound", steps: int = STEPS, **changes: Any
) -> TrainRequest:
    """Ask for a recipe made small on two phantoms, one of them half labelled."""
    half, none = phantom(0), phantom(1)
    target = half.truth.astype(np.int16)
    target[::2] = -1
    asked = TrainRequest(
        (TrainingVolume(half.volume, target), TrainingVolume(none.volume)),
        CLASSES,
        recipe,
        preset,
        settings=small(recipe_named(recipe).presets[preset]),
        budget=Budget(steps=steps),
        device="cpu",
    )
    return replace(asked, **changes)


def run(asked: TrainRequest) -> tuple[Model, dict[str, list[float]]]:
    """Train to the end; the model, and the losses of each stage."""
    model, losses = None, {}
    for event in train(resolve_here(asked)):
        if isinstance(event, TrainingBegan):
            model = event.model
        elif isinstance(event, StageReport):
            losses[event.name] = list(event.loss)
    assert model is not None
    return model, losses


@cache
def trained(recipe: str) -> tuple[Model, dict[str, list[float]]]:
    """Train a recipe made small once, for all who ask; nobody changes the model."""
    return run(request(recipe))


def write() -> None:
    """Write what the recipes' losses are now."""
    torch.set_num_threads(1)
    found = {
        name: {
            stage: [float(f"{loss:.5g}") for loss in losses]
            for stage, losses in trained(name)[1].items()
        }
        for name in sorted(catalogue())
    }
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    write()
