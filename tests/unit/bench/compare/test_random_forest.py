"""The random forest as a peer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.bench.compare import random_forest as forest
from napari_contrastseg.bench.compare.peers import learn_to_the_end
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.samples.samples import phantom
from tests.kit.training import a_request


def test_a_forest_learns_a_phantom() -> None:
    sample = phantom(0, (16, 40, 40))
    target = np.full(sample.truth.shape, -1, np.int16)
    target[[4, 8]] = sample.truth[[4, 8]]
    request = a_request(
        "random_forest", TrainingVolume(sample.volume, target),
        TrainingVolume(phantom(1, (16, 40, 40)).volume),
    )  # fmt: skip
    learned, stages = learn_to_the_end(request)
    assert [stage.name for stage in stages] == ["forest"]
    ((volume, found),) = learned.predict([sample.volume])
    assert volume is sample.volume
    for value in (1, 2):
        mine, theirs = found.labels == value, sample.truth == value
        assert 2 * (mine & theirs).sum() / (mine.sum() + theirs.sum()) > 0.75
    assert found.confidence.min() > 0
    again, _ = learn_to_the_end(request)
    ((_, twin),) = again.predict([sample.volume])
    assert np.array_equal(found.labels, twin.labels)
    blank = np.where(target >= 0, 0, -1)
    with pytest.raises(InputError, match="Only background"):
        learn_to_the_end(
            a_request("random_forest", TrainingVolume(sample.volume, blank))
        )


def test_pixels_of_a_forest_are_balanced() -> None:
    truths = [np.repeat([-1, 0, 2], [50, 9000, 20]), np.repeat([0, 2], [2000, 30])]
    picked = forest.balanced([t.astype(np.int16) for t in truths], 0)
    drawn = np.concatenate([t[p] for t, p in zip(truths, picked, strict=True)])
    assert np.bincount(drawn).tolist() == [1500, 0, 50]
    assert all(len(np.unique(p)) == len(p) for p in picked)
