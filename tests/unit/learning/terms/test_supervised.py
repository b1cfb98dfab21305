"""MixUp has the mixed loss of both truths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from napari_contrastseg.learning.losses.segmentation import dice_cross_entropy
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.supervised import MixUp
from tests.kit.steps import Pointwise, a_step, slices


def test_mixed_slices_have_the_mixed_loss_of_both_truths() -> None:
    network: Any = Pointwise()
    batch = slices(4)
    step = a_step(network, batch)
    with Randomness(3).scope():
        loss = MixUp(network)(step)
    part = float(np.random.default_rng(0).beta(1.0, 1.0))
    with Randomness(3).scope():
        other = torch.randperm(4)
    logits = network(part * batch.image + (1 - part) * batch.image[other])
    wanted = part * dice_cross_entropy(logits, batch.target, batch.weight)
    wanted += (1 - part) * dice_cross_entropy(
        logits, batch.target[other], batch.weight[other]
    )
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)
