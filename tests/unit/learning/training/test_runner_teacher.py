"""Teachers of a stage: averages, and weights from before."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.plan.stage import Optimiser, Stage, StageLength
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms.supervised import Supervised
from napari_contrastseg.learning.terms.term import Term
from napari_contrastseg.learning.training.optim import Clock
from napari_contrastseg.learning.training.runner import _StageRun
from tests.kit.cohorts import noise_cohort


def a_stage(**changes: Any) -> Stage:
    parts: dict[str, Any] = {
        "purpose": "fine-tune",
        "view": View("labelled", 2),
        "terms": (Term("dice + cross-entropy", Supervised),),
        "optimiser": Optimiser(1e-3),
        "steps": 2,
    }
    return Stage("stage", **parts | changes)


def test_a_teacher_of_averages_needs_a_decay() -> None:
    with pytest.raises(ValueError, match="need"):
        a_stage(teacher="ema")
    a_stage(teacher="ema", ema=0.9)
    a_stage(teacher="snapshot")


def test_a_stage_that_begins_afresh_has_the_old_weights_for_a_teacher() -> None:
    spec = NetworkSpec((4, 8))
    with Randomness(0).scope():
        network = UNet(1, 2, spec)
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    network.get_buffer("encoder.0.1.batch.running_mean").fill_(5.0)
    old = copy.deepcopy(network.state_dict())
    stage = a_stage(teacher="snapshot", reinitialise=True, ema=0.9)
    clock = Clock(StageLength("stage", 2))
    run = _StageRun(
        stage, network, noise_cohort(4), clock, Randomness(1), torch.device("cpu")
    )
    assert run.teacher is not None
    assert run.average is not None
    for key, value in run.teacher.state_dict().items():
        assert torch.equal(value, old[key]), key
    new = network.state_dict()
    for key, value in new.items():
        assert not (value == 7).any(), key
        assert torch.equal(value, run.average.module.state_dict()[key]), key
    assert (new["encoder.0.1.batch.running_mean"] == 0).all()
