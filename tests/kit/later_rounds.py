"""Requests and models of a later round: classes that come and go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.models.model import Model, build_network
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.requests import TrainRequest

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
        volumes, (CORE, SHELL), "hu2021", settings=settings, budget=Budget(steps=1)
    )
    return replace(asked, device="cpu", **changes)
