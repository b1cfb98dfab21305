"""Weights of a model that go on in a network of other classes."""

from __future__ import annotations

from dataclasses import replace

import torch

from napari_contrastseg.learning.models.model import copy_weights
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from tests.kit.later_rounds import CORE, INPUTS, RIM, SHELL, a_model

SMALL = NetworkSpec(widths=(4, 8))


def test_classes_may_come_and_go_between_rounds() -> None:
    start = a_model(CORE, SHELL)
    network = UNet(1, 3, SMALL)
    assert start.is_compatible(SMALL, INPUTS)
    fresh = network.classifier.weight.detach().clone()
    copy_weights(start, network, (SHELL, RIM))
    old, new = start.network.classifier.weight, network.classifier.weight
    assert torch.equal(new[0], old[0])
    assert torch.equal(new[1], old[2]), "the shell moved to another row"
    assert torch.equal(new[2], fresh[2]), "the rim is new"
    first = "encoder.0.0.weight"
    assert torch.equal(network.state_dict()[first], start.network.state_dict()[first])


def test_a_second_decoder_knows_the_classes_too() -> None:
    spec = NetworkSpec((4, 8), peer=True)
    old, network = UNet(1, 3, spec), UNet(1, 4, spec)
    start = replace(a_model(CORE, SHELL), network=old)
    copy_weights(start, network, (SHELL, RIM, CORE))
    before, after = (net.peer.classifier.weight for net in (old, network) if net.peer)
    assert torch.equal(after[[0, 1, 3]], before[[0, 2, 1]])
