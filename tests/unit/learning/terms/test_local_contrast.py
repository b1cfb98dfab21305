"""The local contrast honours weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.terms import local_contrast
from napari_contrastseg.learning.terms.step import Step

SMALL = NetworkSpec(widths=(4, 8))


@pytest.mark.parametrize("waits", [False, True])
def test_the_local_contrast_honours_weights(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_contrast, "is_asynchronous", lambda _: waits)
    network = UNet(1, 2, SMALL)
    term = local_contrast.LocalContrast(
        network, tap="dec1", temperature=0.1, sampling="exact", balanced=False
    )
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, 16, 16, generator=generator)
    target = torch.randint(-1, 3, (2, 16, 16), generator=generator)

    def loss(weight: torch.Tensor, target: torch.Tensor = target) -> float:
        view = Batch(image, target, weight)
        step = Step(network.eval(), [view], np.random.default_rng(0))
        value: float = term(step).item()
        return value

    half = torch.ones(2, 16, 16)
    half[1] = 0
    unknown = target.clone()
    unknown[1] = -1
    assert loss(half) == pytest.approx(loss(torch.ones(2, 16, 16), unknown), rel=1e-5)
    half[1] = 0.25
    assert loss(half) != pytest.approx(loss(torch.ones(2, 16, 16)), rel=1e-4)
    assert loss(torch.zeros(2, 16, 16)) == 0
