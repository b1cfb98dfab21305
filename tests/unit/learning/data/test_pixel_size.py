"""Labels on coarser pixels, and how coarse a recipe lets them be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_contrastseg.io.volume import array_affine
from napari_contrastseg.learning.data.pixel_size import coarseness
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.slice_reader import SliceReader
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.models.card import ModelClass
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import recipe_named, settings_of
from napari_contrastseg.tasks.events import TrainingBegan
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit.volumes import a_volume


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
    assert (weights == 1).all(), "guesses have no vote beside a person"
    found, weights = reader.to_network_grid(labels, np.minimum(weight, 0.9))
    assert (found == 2).all()
    assert weights.mean().item() == pytest.approx((0.9 + 3 * 0.2) / 4)
    stroke = np.zeros((64, 64), np.int16)
    stroke[9] = 1
    sure = np.where(stroke == 1, 1, 0.99).astype(np.float32)
    found, _ = reader.to_network_grid(stroke, sure)
    assert (found[4] == 1).all()
    assert not found[[3, 5]].any()


@pytest.mark.parametrize(
    ("radius", "side", "expected"),
    [
        (60, 400, 4.0), (60, 200, 2.0), (60, 180, 1.5), (60, 120, 1.0), (4, 400, 1.0),
        (700, 4000, 4.0), pytest.param(700, 4100, 8.0, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_large_slices_of_large_structures_are_learned_coarsely(
    radius: int, side: int, expected: float
) -> None:
    disc = np.hypot(*(np.mgrid[:side, :side] - side / 2 + 0.3)) < radius
    volume = a_volume(np.zeros((3, side, side), np.uint8))
    target = np.full(volume.shape, -1, np.int16)
    target[1] = disc
    assert coarseness([TrainingVolume(volume, target)]) == expected


def whole(discs: int, side: int = 400, radius: int = 60) -> TrainingVolume:
    """A disc of class 1 through all slices."""
    disc = np.hypot(*(np.mgrid[:side, :side] - side / 2 + 0.3)) < radius
    target = np.repeat(disc[None].astype(np.int16), discs, axis=0)
    return TrainingVolume(a_volume(np.zeros(target.shape, np.uint8)), target)


def test_a_small_class_on_few_slices_is_looked_for() -> None:
    entry = whole(200)
    assert coarseness([entry]) == 4
    assert entry.target is not None
    entry.target[104:106, 10:16, 10:16] = 2
    assert coarseness([entry]) == 1
    entry.target[104:106] = -1
    entry.target[104, 10:300, 10:16] = 2  # of which nobody knows how wide it is
    assert coarseness([entry]) == 1


def test_finer_smaller_and_thinner_volumes_have_a_say() -> None:
    entry = whole(3)
    fine = replace(entry.volume, affine=array_affine(np.array([1, 0.45, 0.45])))
    assert coarseness([entry, entry, TrainingVolume(fine)]) == 1.5
    small = whole(3, side=100).volume
    assert coarseness([entry, entry, TrainingVolume(small)]) == 2
    assert coarseness([entry], every_axis=True) == 1


def test_a_network_that_goes_on_keeps_its_pixels() -> None:
    target = whole(3).target
    assert target is not None
    image = target + np.random.default_rng(0).random(target.shape, np.float32)
    entry = TrainingVolume(a_volume(image), target)
    settings = replace(
        settings_of(recipe_named("supervised"), "sound"),
        network=NetworkSpec(widths=(4, 8)),
    )
    asked = TrainRequest(
        (entry,),
        (ModelClass(1, "disc"),),
        "supervised",
        settings=replace(settings, coarser=2),
        budget=Budget(steps=1),
        device="cpu",
    )
    first = next(
        e.model for e in train(resolve_here(asked)) if isinstance(e, TrainingBegan)
    )
    later = replace(asked, settings=replace(settings, coarser=0), start=first)
    second = next(
        e.model for e in train(resolve_here(later)) if isinstance(e, TrainingBegan)
    )
    assert second.card.input.pixel == (2.0, 2.0), "4 would do for these labels"


def test_scribbles_do_not_tell_sizes() -> None:
    volume = a_volume(np.zeros((3, 400, 400), np.uint8))
    target = np.full(volume.shape, -1, np.int16)
    assert coarseness([TrainingVolume(volume, target)]) == 1
    target[1, 50:350, 50:150] = 1
    assert coarseness([TrainingVolume(volume, target)]) == 1
    assert coarseness([TrainingVolume(volume)]) == 1


def test_rectangles_of_a_picture_tell_sizes() -> None:
    disc = np.hypot(*(np.mgrid[:800, :800] - 400)) < 300
    target = np.full((1, 800, 800), -1, np.int16)
    volume = a_volume(np.zeros(target.shape, np.uint8))
    target[0, 288:608, 480:800] = disc[288:608, 480:800]
    assert coarseness([TrainingVolume(volume, target)]) == 3, "320 pixels a side"
    target[0, 10:20, 10:300] = 2  # a stroke of a class that is nowhere else
    assert coarseness([TrainingVolume(volume, target)]) == 1


@pytest.mark.parametrize("coarser", [16, 32])
def test_large_pictures_are_read_on_pixels_as_coarse_as_there_are(coarser: int) -> None:
    volume = a_volume(np.random.default_rng(0).random((1, 128, 160)))
    own = replace(volume, affine=array_affine(np.array([1, 0.1, 0.1])))
    for image in (volume, own):
        reader = SliceReader(image, input_spec([image], 0, 0, coarser=coarser))
        assert reader.shape == (128 // coarser, 160 // coarser)


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
        "recommended",
        settings=settings,
        budget=Budget(steps=1),
        device="cpu",
    )
    model = next(
        e.model for e in train(resolve_here(asked)) if isinstance(e, TrainingBegan)
    )
    assert settings.coarser == 0
    assert model.card.settings["coarser"] == 2
    assert model.card.input.pixel == (2.0, 2.0)
