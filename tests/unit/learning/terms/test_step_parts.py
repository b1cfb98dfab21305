"""A step in parts has the gradients of the whole, for every term."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.data.view import Augmentation
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import pretext
from napari_contrastseg.learning.terms.consistency import (
    CrossPseudoSupervision,
    PeerDecoders,
    ScaleConsistency,
    TransformedTeacher,
    UncertaintyAwareTeacher,
)
from napari_contrastseg.learning.terms.dense_contrast import DenseContrast
from napari_contrastseg.learning.terms.patch_contrast import ClassPatches
from napari_contrastseg.learning.terms.position_contrast import (
    PartitionContrast,
    RegionContrast,
)
from napari_contrastseg.learning.terms.pseudo_labels import TeacherLabels
from napari_contrastseg.learning.terms.supervised import MixUp, Supervised
from napari_contrastseg.learning.terms.tile_contrast import (
    TileConsistency,
    TileContrast,
)
from tests.kit.steps import CLASSES, a_step, changed, slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.learning.terms.step import Step
    from napari_contrastseg.learning.terms.step_loss import StepLoss

MIXED = Augmentation(mirror=True, brightness=0.3, cut_mix=1.0, chance=1.0)
EVERY_TERM: dict[str, Callable[[UNet], StepLoss]] = {
    "supervised": Supervised,
    "mixup": MixUp,
    "transformed teacher": TransformedTeacher,
    "uncertainty-aware teacher": partial(UncertaintyAwareTeacher, ramp=0.0),
    "pseudo-labels": partial(TeacherLabels, most=0.0),
    "cross pseudo supervision": partial(CrossPseudoSupervision, weight=1.0, ramp=0.0),
    "scale consistency": partial(ScaleConsistency, weight=1.0, ramp=0.0),
    "two decoders": PeerDecoders,
    "tile contrast": partial(TileContrast, count=2, layers=1),
    "tile consistency": partial(TileConsistency, count=2),
    "class patches": partial(ClassPatches, size=8, least=4, budget=9, most=0.0),
    "rotation": pretext.Rotation,
    "inpainting": pretext.Inpainting,
    "partition contrast": partial(PartitionContrast, strategy="GD"),
    "region contrast": partial(RegionContrast, tap="dec1"),
    "dense contrast": partial(DenseContrast, temperature=0.2),
}
#: Terms of two copies of one stream of slices.
OF_TWO_COPIES = {"partition contrast", "region contrast", "dense contrast"}


@pytest.mark.parametrize("name", EVERY_TERM)
def test_parts_give_the_gradients_of_the_whole(name: str) -> None:
    peer = name == "two decoders"
    spec = NetworkSpec((4, 8), "instance", "instance", peer=peer)
    with Randomness(0).scope():
        network = UNet(1, CLASSES, spec)
        term = EVERY_TERM[name](network)
    if network.peer is not None:
        network.peer.dropout.p = 0.0  # parts draw others
    teacher = copy.deepcopy(network)

    def gradients(parts: int) -> tuple[float, dict[str, Tensor]]:
        loss_of = copy.deepcopy(term)  # its head remembers what it saw
        first = changed(slices(4), MIXED)
        copies = name in OF_TWO_COPIES
        second = [changed(slices(4), MIXED, seed=1)]
        if not copies:
            second = [changed(slices(3, seed=1, known=False), MIXED)]
        step: Step = a_step(
            network,
            first,
            *(second if copies else []),
            parts=parts,
            unlabelled=[] if copies else second,
            teacher=teacher,
            fraction=1.0,
        )
        modules = torch.nn.ModuleList([network, loss_of])
        modules.zero_grad(set_to_none=True)
        with Randomness(5).scope():
            loss = loss_of(step)
            step.backward(loss)
        return loss.item(), {
            name: parameter.grad.clone()
            for name, parameter in modules.named_parameters()
            if parameter.grad is not None
        }

    wanted, whole = gradients(1)
    assert any(value.any() for value in whole.values())
    for parts in (2, 3):
        loss, found = gradients(parts)
        assert loss == pytest.approx(wanted, rel=1e-4)
        assert {k for k, v in found.items() if v.any()} == {
            k for k, v in whole.items() if v.any()
        }
        for key, value in whole.items():
            if value.any():
                assert torch.allclose(value, found[key], atol=1e-4), key
