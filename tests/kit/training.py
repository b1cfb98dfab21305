"""Small trainings: requests, runs, and what a model predicts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.models.predict import Prediction, predict_volume
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.events import StageReport, TrainingBegan
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    import torch

    from napari_contrastseg.io.volume import Volume

SMALL = NetworkSpec(widths=(4, 8, 8))
CLASSES = (ModelClass(1, "core"), ModelClass(2, "shell"))


def request(recipe: str = "supervised", **changes: Any) -> TrainRequest:
    labelled, unlabelled = phantom(0), phantom(1)
    target = labelled.truth.astype(np.int16)
    target[::2] = -1
    volumes = (
        TrainingVolume(labelled.volume, target),
        TrainingVolume(unlabelled.volume),
    )
    presets = recipe_named(recipe).presets
    small: dict[str, Any] = {"network": SMALL, "batch": 4}
    if recipe == "hu2021":
        small |= {"global_batch": 4, "local_batch": 2}
    known = {k: v for k, v in changes.items() if k in TrainRequest.__dataclass_fields__}
    small |= {k: v for k, v in changes.items() if k not in known}
    asked = TrainRequest(
        volumes,
        CLASSES,
        recipe,
        settings=replace(presets["sound"], **small),
        budget=Budget(steps=3),
        device="cpu",
    )
    return replace(asked, **known)


def run(asked: TrainRequest) -> tuple[Any, list[StageReport]]:
    model, stages = None, []
    for event in train(resolve_here(asked)):
        if isinstance(event, TrainingBegan):
            model = event.model
        elif isinstance(event, StageReport):
            stages.append(event)
    return model, stages


def whole_prediction(model: Any, volume: Volume, device: torch.device) -> Prediction:
    *_, last = predict_volume(model, volume, device)
    assert isinstance(last, Prediction)
    return last


def a_request(recipe: str, *volumes: TrainingVolume, **changes: Any) -> TrainRequest:
    return TrainRequest(volumes, CLASSES, recipe, device="cpu", **changes)
