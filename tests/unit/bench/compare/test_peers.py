"""Recipes learn as peers do."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.bench.compare.peers import LearnedModel, learn_to_the_end
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.samples.samples import phantom
from tests.kit.training import a_request

SHAPE = (8, 24, 24)


def test_recipes_learn_in_the_same_way() -> None:
    sample = phantom(0, SHAPE)
    entry = TrainingVolume(sample.volume, sample.truth.astype(np.int16))
    learned, stages = learn_to_the_end(a_request("supervised", entry, budget=Budget(1)))
    assert isinstance(learned, LearnedModel)
    assert [stage.steps for stage in stages] == [1]
    ((_, found),) = learned.predict([sample.volume])
    assert found.labels.shape == SHAPE
