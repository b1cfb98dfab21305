"""Later rounds: weights that go on, pseudo-labels that take part as they earned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import (
    Model,
    build_network,
    copy_weights,
)
from napari_contrastseg.learning.networks.norm import InstanceBatchNorm, InstanceNorm
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.learning.terms import local_contrast
from napari_contrastseg.learning.terms.step import Step
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.events import Note, StageReport, TrainingBegan
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train

SMALL = NetworkSpec(widths=(4, 8))
INPUTS = InputSpec(("image",), 0, 0, (1.0, 1.0), (1,))
CORE, SHELL, RIM = (
    ModelClass(1, "core"),
    ModelClass(2, "shell"),
    ModelClass(3, "rim"),
)


def a_model(*classes: ModelClass) -> Model:
    torch_seed = torch.Generator().manual_seed(1)
    network = build_network(SMALL, INPUTS, len(classes))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, generator=torch_seed)
    card = ModelCard("supervised", "sound", {}, classes, INPUTS, SMALL, False, 0)
    return Model(card, network.eval())


def request(**changes: Any) -> TrainRequest:
    sample = phantom(0)
    settings = replace(
        recipe_named("hu2021").presets["sound"],
        network=SMALL,
        neighbours=0,
        batch=2,
        global_batch=2,
        local_batch=2,
    )
    volumes = (TrainingVolume(sample.volume, sample.truth.astype(np.int16)),)
    asked = TrainRequest(
        volumes, (CORE, SHELL), 0, "hu2021", settings=settings, budget=Budget(steps=1)
    )
    return replace(asked, device="cpu", **changes)


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


def test_another_network_begins_anew_and_says_so() -> None:
    assert not a_model(CORE).is_compatible(SMALL, replace(INPUTS, channels=("a", "b")))
    assert not a_model(CORE).is_compatible(NetworkSpec(widths=(4, 8, 8)), INPUTS)
    settings = replace(request().settings, network=NetworkSpec(widths=(4, 8, 8)))
    events = list(
        train(resolve_here(request(start=a_model(CORE, SHELL), settings=settings)))
    )
    assert any(isinstance(e, Note) and "begins anew" in e.text for e in events)
    names = [e.name for e in events if isinstance(e, StageReport)]
    assert names == ["global contrast", "local contrast", "fine-tune"]


def test_a_round_that_goes_on_is_not_pretrained_again() -> None:
    events = list(train(resolve_here(request(start=a_model(CORE, SHELL)))))
    assert [e.name for e in events if isinstance(e, StageReport)] == ["fine-tune"]
    (began,) = (e for e in events if isinstance(e, TrainingBegan))
    assert began.model.card.training["continued"]


def test_slices_join_as_far_as_they_have_earned_it() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    weight = np.ones(target.shape, np.float32)
    weight[4:8], weight[8:] = 0.25, 0.0
    spec = input_spec([sample.volume], 0, 0)
    entry = TrainingVolume(sample.volume, target, weight)
    cohort = Cohort([entry], [1, 2], spec, divisor=8, largest=64)
    assert [s for _, s in cohort.labelled] == list(range(8))
    assert cohort.earned == [1.0] * 4 + [0.25] * 4


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


def test_a_norm_takes_a_single_pixel() -> None:
    """Many levels make one of a small slice; only the bias is left, and a gradient."""
    for norm in (InstanceNorm(4), InstanceBatchNorm(4)):
        x = torch.randn(3, 4, 1, 1, requires_grad=True)
        norm(x).sum().backward()
        assert x.grad is not None
    assert InstanceNorm(4)(torch.ones(2, 4, 1, 1)).tolist() == [[[[0.0]]] * 4] * 2


def test_the_norm_keeps_the_scale_of_some_channels() -> None:
    norm = InstanceBatchNorm(8)
    for seed in range(50):
        made = torch.Generator().manual_seed(seed)
        norm(torch.randn(4, 8, 6, 6, generator=made))
    norm.eval()
    x = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(99))
    loud, faint = norm(x), norm(0.1 * x)
    assert torch.allclose(loud[:, :2], faint[:, :2], atol=0.02), "instance part"
    assert faint[:, 2:].std() < 0.2 * loud[:, 2:].std(), "batch part"
