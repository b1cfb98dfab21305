"""The recommended recipe guesses labels where some slices are labelled."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from tests.kit.golden import request, run


@cache
def losses(labelled: int, **changes: Any) -> tuple[float, ...]:
    """Losses of the last stage with so many slices labelled."""
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[:labelled] = sample.truth[:labelled]
    asked = request("recommended")
    settings = replace(asked.settings, every_axis=False, cut_mix=0.0, **changes)
    volumes = (TrainingVolume(sample.volume, target),)
    asked = replace(asked, volumes=volumes, purposes=("fine-tune",))
    _, found = run(replace(asked, settings=settings))
    return tuple(found[list(found)[-1]])


@pytest.mark.parametrize(
    ("labelled", "changes", "guessed"),
    [
        (11, {}, False),
        (12, {}, True),
        (12, {"evidence_until": 12}, False),
    ],
)
def test_recommended_guesses_where_some_slices_are_labelled(
    labelled: int, changes: dict[str, Any], *, guessed: bool
) -> None:
    """From a dozen on, and not where there are many; then it is as without."""
    plain = losses(labelled, pseudo=0.0)
    assert (losses(labelled, **changes) != plain) is guessed


def test_completed_labels_are_not_guessed_again() -> None:
    recipe = recipe_named("recommended")
    last = recipe.plan(recipe.presets["sound"]).stages[-1]
    assert last.for_slices(12).unlabelled_view is not None
    assert last.for_slices(12, 0.3, completed=True).unlabelled_view is None
    recipe = recipe_named("mean_teacher")  # learns nothing else there
    last = recipe.plan(recipe.presets["sound"]).stages[-1]
    assert last.for_slices(12, 0.3, completed=True).unlabelled_view is not None
