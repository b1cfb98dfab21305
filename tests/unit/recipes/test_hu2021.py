"""Hu et al. 2021: the local contrast trains in all its variants."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_contrastseg.learning.plan.stage import Budget
from tests.kit.training import request, run


@pytest.mark.parametrize("sampling", ["stride", "block", "exact"])
@pytest.mark.parametrize("pairs", ["label", "self"])
def test_every_local_contrast_trains(sampling: str, pairs: str) -> None:
    _, stages = run(request("hu2021", sampling=sampling, pairs=pairs))
    assert [s.name for s in stages] == [
        "global contrast",
        "local contrast",
        "fine-tune",
    ]
    assert all(math.isfinite(x) and x > 0 for x in stages[1].loss)


@pytest.mark.slow
def test_the_local_contrast_falls() -> None:
    asked = request(
        "hu2021", purposes=("pretrain",), budget=Budget(steps=40), local_lr=3e-3
    )
    _, stages = run(asked)
    losses = stages[1].loss
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1
