"""Small cohorts of slices to learn from."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.data.slice_axes import (
    count_labelled_slices,
    input_spec,
)
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.samples.samples import phantom


def a_cohort(largest: int = 64, neighbours: int = 1) -> Cohort:
    volumes = []
    for seed in range(2):
        sample = phantom(seed)
        target = sample.truth.astype(np.int16)
        target[seed::3] = -1
        volumes.append(TrainingVolume(sample.volume, target))
    spec = input_spec([v.volume for v in volumes], 0, neighbours)
    done = count_labelled_slices(volumes, 0)
    return Cohort(
        volumes, [1, 2], spec, divisor=8, largest=largest, labelled_slices=done
    )


def noise_cohort(*counts: int) -> Cohort:
    rng = np.random.default_rng(0)
    volumes = [
        Volume(f"v{k}", (rng.random((n, 8, 8)),), array_affine(np.ones(3)))
        for k, n in enumerate(counts)
    ]
    training = [
        TrainingVolume(v, np.zeros(v.shape, np.int16) if k == 0 else None)
        for k, v in enumerate(volumes)
    ]
    spec = input_spec(volumes, 0, 0)
    return Cohort(training, [1], spec, divisor=4, largest=8, labelled_slices=counts[0])
