from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.proposers.known import with_known, without

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.proposers.proposer import LabelledVolume


def test_a_hidden_slice_is_unknown_in_the_copy_alone(
    labelled: Callable[..., LabelledVolume], ball: np.ndarray
) -> None:
    volume = labelled(ball, [10, 20])
    volume.truth[20, :2] = -2

    hidden = without(volume, 20)

    assert (hidden.truth[20, :2] == -2).all()
    assert (hidden.truth[20, 2:] == -1).all()
    assert (hidden.truth[10] == ball[10]).all()
    assert (volume.truth[20, 2:] == ball[20, 2:]).all()


def test_unknown_pixels_keep_their_probabilities(
    labelled: Callable[..., LabelledVolume], ball: np.ndarray
) -> None:
    volume = labelled(ball, [])
    volume.truth[5, 1, 2] = 2
    volume.truth[5, 3, 3] = -2

    values = with_known(np.full((3, 48, 50), 1 / 3, np.float32), volume, 5)

    assert values[:, 1, 2].tolist() == [0, 0, 1]
    assert np.allclose(values[:, 3, 3], 1 / 3)
