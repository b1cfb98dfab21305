"""Requests to train on images of whole numbers, and a model to go on from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.data.input_spec import InputSpec
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelCard, ModelClass
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.requests import TrainRequest

CLASSES = (ModelClass(1, "core"), ModelClass(2, "shell"))
SMALL = NetworkSpec(widths=(4, 8))
SHAPE = (20, 24, 28)


def image(
    shape: tuple[int, ...] = SHAPE, spacing: tuple[float, ...] = (1, 1, 1), **what: Any
) -> Volume:
    """Make an image of whole numbers, which every computer makes alike."""
    values = (np.arange(np.prod(shape)) % 251).astype(np.int16).reshape(shape)
    return Volume("v", (values,), array_affine(np.array(spacing, float)), **what)


def labelled(volume: Volume, slices: int | None = None) -> TrainingVolume:
    """Label the first slices of a volume, by default all; a box and one within."""
    target = np.zeros(volume.shape, np.int16)
    target[:, 4:20, 4:20] = 2
    target[:, 8:12, 8:12] = 1
    if slices is not None:
        target[slices:] = -1
    return TrainingVolume(volume, target)


def request(recipe: str = "recommended", **changes: Any) -> TrainRequest:
    """Ask for a recipe with a small network; a volume of cubes is labelled whole."""
    settings = replace(settings_of(recipe_named(recipe), "sound"), network=SMALL)
    asked = TrainRequest(
        volumes=(labelled(image()),),
        classes=CLASSES,
        recipe=recipe,
        settings=settings,
    )
    return replace(asked, **changes)


def of(asked: TrainRequest, **settings: Any) -> TrainRequest:
    """Change settings of a request."""
    return replace(asked, settings=replace(asked.settings, **settings))


def model(axes: tuple[int, ...] = (0,), coarser: float = 1.0, planes: int = 5) -> Any:
    """Make a model that was trained before, of slices along some axes."""
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.learning.networks.unet import UNet

    made = []
    for axis in axes:
        inputs = InputSpec(("image",), axis, 2, (1.0, 1.0), (0, 1))
        settings = {"coarser": coarser}
        card = ModelCard(
            "recommended", "sound", settings, CLASSES, inputs, SMALL, True, 0
        )
        network = UNet(planes, 3, SMALL)
        for parameter in network.parameters():
            parameter.data.fill_(0.5)
        made.append(Model(card, network))
    made[0].others.extend(made[1:])
    return made[0]


SPARSE = (labelled(image(), 12),)
FEW = (labelled(image(), 3),)
