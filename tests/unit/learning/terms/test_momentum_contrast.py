"""Momentum encoders: keys come from averages, and are remembered."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from napari_contrastseg.learning.losses.contrast import unit
from napari_contrastseg.learning.losses.memory import info_nce
from napari_contrastseg.learning.losses.propagation import (
    agreement,
    matched,
    propagated,
)
from napari_contrastseg.learning.networks.follower import Follower
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.dense_contrast import places_of
from napari_contrastseg.learning.terms.momentum_contrast import MomentumContrast
from napari_contrastseg.learning.terms.pixel_propagation import PixelPropagation
from tests.kit.steps import CLASSES, a_step, slices


def networks() -> tuple[UNet, UNet]:
    with Randomness(0).scope():
        network = UNet(1, CLASSES, NetworkSpec((4, 8)))
        teacher = UNet(1, CLASSES, NetworkSpec((4, 8)))
    return network, teacher.requires_grad_(requires_grad=False).eval()


def test_a_follower_is_an_average_that_nobody_trains() -> None:
    with Randomness(0).scope():
        head = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    follower = Follower(head, 0.9)
    old = {k: v.clone() for k, v in head.named_parameters()}
    assert not list(follower.parameters())
    with torch.no_grad():
        for value in head.parameters():
            value.add_(1)
    follower.follow(head)
    for name, before in old.items():
        mine = follower.module.get_buffer(name)
        assert torch.allclose(mine, before + 0.1, atol=1e-6), name
    again = Follower(head, 0.9)
    again.load_state_dict(follower.state_dict())
    x = torch.randn(4, 3)
    assert torch.equal(again(x), follower(x))


def test_queries_meet_keys_of_the_teacher_and_the_queue() -> None:
    network, teacher = networks()
    with Randomness(1).scope():
        term = MomentumContrast(network, temperature=0.2, size=6, decay=0.9)
    views = [slices(4, seed=k) for k in range(2)]
    before = term.head.queue.rows.clone()
    step = a_step(network, *views, teacher=teacher)
    loss = term(step)
    with torch.no_grad():
        query = term.head.query(network.tap(views[0].image, "bottleneck"))
        key = term.head.key(teacher.tap(views[1].image, "bottleneck"))
        assert loss.item() == pytest.approx(info_nce(query, key, before, 0.2).item())
        assert torch.allclose(term.head.queue.rows[:4], unit(key), atol=1e-6)
    assert torch.equal(term.head.queue.rows[4:], before[4:])
    step.backward(loss)
    assert all(p.grad is None for p in teacher.parameters())
    assert any(
        p.grad is not None and p.grad.any() for p in network.encoder.parameters()
    )


def test_places_follow_the_other_views_keys() -> None:
    network, teacher = networks()
    with Randomness(1).scope():
        term = PixelPropagation(network, sharpness=2.0, distance=0.7, decay=0.9, dim=8)
    views = [slices(2, seed=k) for k in range(2)]
    step = a_step(network, *views, teacher=teacher)
    loss = term(step)
    head: Any = copy.deepcopy(term.head)
    image = torch.cat([view.image for view in views])
    with torch.no_grad():
        query = head.query(network.tap(image, "bottleneck"))
        key = head.key(teacher.tap(image, "bottleneck"))
        values = head.transform(query)
        h, w = query.shape[2:]
        rows = [maps.flatten(2).transpose(1, 2) for maps in (query, values, key)]
        places = places_of(step, h, w).flatten(1, 2)
        matches = matched(places[:2], places[2:], (2 / w, 2 / h), 0.7)
        assert torch.equal(matches, torch.eye(h * w).bool().expand(2, -1, -1))
        smooth = propagated(rows[0], rows[1], 2.0)
        wanted = agreement(smooth[:2], rows[2][2:], matches)
        wanted += agreement(smooth[2:], rows[2][:2], matches)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-5)
    step.backward(loss)
    assert all(p.grad is None for p in teacher.parameters())
