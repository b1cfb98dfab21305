"""Feature tables: which voxels are sampled, and which labels they have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.insight import feature_table
from napari_contrastseg.insight.feature_table import LabelKind, match, sample_voxels
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.samples.samples import phantom
from tests.kit.tables import everything

if TYPE_CHECKING:
    import pytest


def test_half_the_sample_is_labelled_and_every_class_alike() -> None:
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    target[::2] = -1
    volumes = [TrainingVolume(sample.volume, target)]
    guesses = {sample.volume.id: sample.truth}
    table = everything(volumes, 180, guesses=guesses)
    for kind, part in ((LabelKind.TRUTH, 2 / 3), (LabelKind.UNLABELLED, 1 / 3)):
        mine = table.label[table.kind == kind]
        assert np.bincount(mine).tolist() == [180 * part / 3] * 3
    values = sample.truth[tuple(table.position.T)]
    assert np.array_equal(values, table.label)
    assert np.array_equal(table.known, table.position[:, 0] % 2 == 1)
    again = everything(volumes, 180, guesses=guesses)
    assert np.array_equal(table.position, again.position)
    bare = everything(volumes, 180)
    assert set(bare.label[~bare.known].tolist()) == {-1}
    other = everything(volumes, 180, seed=4)
    assert not np.array_equal(bare.position, other.position)


def test_few_voxels_of_a_kind_leave_their_place_to_others() -> None:
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[4, 5, 5:9] = 1
    target[4, 6, 5:9] = 0
    table = everything([TrainingVolume(sample.volume, target)], 100)
    assert len(table) == 100
    assert table.known.sum() == 8


def test_guesses_are_no_truth() -> None:
    """A target below full weight is a pseudo-label; without weight it is nothing."""
    sample = phantom(0)
    target = sample.truth.astype(np.int16)
    weight = np.full(target.shape, 0.5, np.float32)
    weight[3], weight[4:] = 1, 0
    table = everything([TrainingVolume(sample.volume, target, weight)], 900)
    assert np.array_equal(table.known, table.position[:, 0] == 3)
    pseudo = table.kind == LabelKind.PSEUDO
    assert np.array_equal(pseudo, table.position[:, 0] < 3)
    assert (table.label[table.kind == LabelKind.UNLABELLED] == -1).all()


def test_the_sample_stays_when_labels_are_added() -> None:
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[::4] = sample.truth[::4]
    more = target.copy()
    more[6] = sample.truth[6]
    before = everything([TrainingVolume(sample.volume, target)], 300)
    after = everything([TrainingVolume(sample.volume, more)], 300)
    here, there = match(before, after)
    assert len(here) > 150
    assert np.array_equal(before.position[here], after.position[there])
    elsewhere = phantom(1)
    strange = everything([TrainingVolume(elsewhere.volume, target)], 300)
    renamed = replace(strange, names=("another",))
    assert len(match(before, renamed)[0]) == 0


def test_few_slices_are_read() -> None:
    """No more pixels than allowed, but one slice of each sort at least."""
    sample = phantom(0)
    target = np.full(sample.truth.shape, -1, np.int16)
    target[::2] = sample.truth[::2]
    volumes = [TrainingVolume(sample.volume, target)]
    area = target[0].size
    table = sample_voxels(volumes, 0, 200, 4 * area, 0)
    assert len(np.unique(table.position[:, 0])) == 4
    least = sample_voxels(volumes, 0, 200, 1, 0)
    assert len(np.unique(least.position[:, 0])) == 2
    assert least.known.any()
    assert not least.known.all()
    across = sample_voxels(volumes, 2, 200, 10**9, 0)
    truth = target[tuple(across.position.T)]
    assert np.array_equal(truth[across.known], across.label[across.known])


def test_nothing_labelled_and_nothing_at_all() -> None:
    sample = phantom(0)
    table = everything([TrainingVolume(sample.volume)], 50)
    assert len(table) == 50
    assert not table.known.any()
    assert everything([], 50).position.shape == (0, 3)


def test_of_large_slices_parts_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of them labelled; voxels of no other parts, and labels of their own."""
    monkeypatch.setattr(feature_table, "LARGE", 1000)
    monkeypatch.setattr(feature_table, "SIDE", 16)
    image = np.random.default_rng(0).random((1, 50, 70))
    volume = Volume("a", (image,), np.diag([3.0, 1, 1, 1]), ("image",))
    target = np.full(volume.shape, -1, np.int16)
    target[0, 20:24, 40:44] = 1
    target[0, 49, 69] = 2
    entry = TrainingVolume(volume, target)
    found = sample_voxels([entry], 0, 40, 3 * 16**2, seed=0)
    assert len(found) == 40
    parts = {tuple(p) for p in (found.position[:, 1:] // 16).tolist()}
    assert {(1, 2), (3, 4)} < parts
    assert len(parts) <= 3
    known = found.known
    assert (found.label[known] == target[tuple(found.position[known].T)]).all()
    assert (target[tuple(found.position[~known].T)] == -1).all()
