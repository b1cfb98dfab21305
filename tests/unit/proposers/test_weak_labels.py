from __future__ import annotations

import numpy as np

from napari_contrastseg.proposers.proposer import LabelledVolume
from napari_contrastseg.proposers.weak_labels import weak_labels


def _volume() -> LabelledVolume:
    """Slice 2 scribbled, with a refused corner; slice 0 wholly known, slice 1 not."""
    image = np.zeros((3, 40, 40), np.float32)
    image[:, 10:30, 10:30] = 3
    image += np.random.default_rng(0).normal(0, 0.3, image.shape).astype(np.float32)
    truth = np.full(image.shape, -1, np.int16)
    truth[0] = 0
    truth[2, 18:22, 15:25] = 4
    truth[2, 3:6, 3:37] = 0
    truth[2, 35:, 35:] = -2
    return LabelledVolume(truth, (4,), lambda z: image[z][None])


def test_ink_weighs_one_and_completed_pixels_less() -> None:
    volume = _volume()
    target, weight = weak_labels(volume)

    known = volume.truth >= 0
    assert (target[known] == volume.truth[known]).all()
    assert (weight[known] == 1).all()
    assert (target[2, 12:28, 12:28] == 4).all()
    completed = (target[2] >= 0) & ~known[2]
    assert 0 < weight[2][completed].mean() < 1
    assert weight[2, 16:24, 13:27].mean() > weight[2, 26:30, 12:28].mean()


def test_refused_pixels_and_untouched_slices_stay_unknown() -> None:
    target, weight = weak_labels(_volume())

    assert (target[2, 35:, 35:] == -2).all()
    assert (target[1] == -1).all()
    assert not weight[1].any()
    assert not weight[2, 35:, 35:].any()


def test_without_background_ink_only_the_ink_is_known() -> None:
    volume = _volume()
    truth = np.where(volume.truth == 0, -1, volume.truth).astype(np.int16)
    target, weight = weak_labels(LabelledVolume(truth, (4,), volume.image))

    assert (target == truth).all()
    assert ((weight == 1) == (truth == 4)).all()
