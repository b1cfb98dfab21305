"""Labels on coarser pixels, and how coarse a recipe lets them be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.card import ModelClass
from napari_contrastseg.learning.labels import TrainingVolume
from napari_contrastseg.learning.pixels import coarseness
from napari_contrastseg.learning.planes import input_spec
from napari_contrastseg.learning.slices import SliceReader
from napari_contrastseg.learning.stage import Budget, NetworkSpec
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.axes import train
from napari_contrastseg.tasks.train import TrainingBegan, TrainRequest


def a_volume(data: np.ndarray) -> Volume:
    return Volume("v", (data,), array_affine(np.ones(3)))


def test_labels_on_coarser_pixels_keep_their_place() -> None:
    volume = a_volume(np.random.default_rng(0).random((3, 64, 64)))
    reader = SliceReader(volume, input_spec([volume], 0, 0, coarser=2))
    disc = np.hypot(*(np.mgrid[:64, :64] - 30.3)) < 15
    found, weight = reader.to_network_grid(disc.astype(np.int16))
    assert found.shape == weight.shape == (32, 32)
    centre = np.argwhere(found.numpy() == 1).mean(axis=0) * 2 + 0.5
    assert np.abs(centre - 30.3).max() < 0.3  # of a pixel; by nearest ones .8
    assert set(weight.unique().tolist()) == {1.0}


def test_scribbles_keep_their_length_on_coarser_pixels() -> None:
    volume = a_volume(np.random.default_rng(0).random((3, 64, 64)))
    reader = SliceReader(volume, input_spec([volume], 0, 0, coarser=4))
    labels = np.full((64, 64), -1, np.int16)
    labels[10, 8:40], labels[50, 8:40] = 0, 1
    found, _ = reader.to_network_grid(labels)
    assert (found[2, 2:10] == 0).all()
    assert (found[12, 2:10] == 1).all()
    assert int((found >= 0).sum()) == 16
    empty, weight = reader.to_network_grid(np.full((64, 64), -2))
    assert (empty == -1).all()
    assert not weight.any()


def test_weights_decide_and_are_averaged_on_coarser_pixels() -> None:
    volume = a_volume(np.random.default_rng(0).random((3, 64, 64)))
    reader = SliceReader(volume, input_spec([volume], 0, 0, coarser=2))
    labels, weight = np.ones((64, 64), np.int16), np.full((64, 64), 0.2, np.float32)
    labels[::2, ::2], weight[::2, ::2] = 2, 1.0  # a quarter, but a person's
    found, weights = reader.to_network_grid(labels, weight)
    assert (found == 2).all()
    assert weights.mean().item() == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("radius", "side", "expected"),
    [(60, 400, 4.0), (60, 200, 2.0), (60, 180, 1.5), (60, 120, 1.0), (4, 400, 1.0)],
)
def test_large_slices_of_large_structures_are_learned_coarsely(
    radius: int, side: int, expected: float
) -> None:
    disc = np.hypot(*(np.mgrid[:side, :side] - side / 2 + 0.3)) < radius
    volume = a_volume(np.zeros((3, side, side), np.uint8))
    target = np.full(volume.shape, -1, np.int16)
    target[1] = disc
    assert coarseness([TrainingVolume(volume, target)], 0) == expected


def test_scribbles_do_not_tell_sizes() -> None:
    volume = a_volume(np.zeros((3, 400, 400), np.uint8))
    target = np.full(volume.shape, -1, np.int16)
    assert coarseness([TrainingVolume(volume, target)], 0) == 1
    target[1, 50:350, 50:150] = 1
    assert coarseness([TrainingVolume(volume, target)], 0) == 1
    assert coarseness([TrainingVolume(volume)], 0) == 1


def test_what_the_data_decided_stands_in_the_model() -> None:
    side = 200
    disc = np.hypot(*(np.mgrid[:side, :side] - side / 2)) < 60
    image = np.random.default_rng(0).random((3, side, side), np.float32)
    target = np.full(image.shape, -1, np.int16)
    target[1] = disc
    recipe = recipe_named("recommended")
    settings = replace(settings_of(recipe, "sound"), network=NetworkSpec(widths=(4, 8)))
    asked = TrainRequest(
        (TrainingVolume(a_volume(image), target),),
        (ModelClass(1, "disc"),),
        0,
        "recommended",
        settings=settings,
        budget=Budget(steps=1),
        device="cpu",
    )
    model = next(e.model for e in train(asked) if isinstance(e, TrainingBegan))
    assert settings.coarser == 0
    assert model.card.settings["coarser"] == 2
    assert model.card.input.pixel == (2.0, 2.0)
