"""Images that are read when asked for: like arrays, and not held for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io import read_again
from napari_contrastseg.io.read_again import read_when_asked

if TYPE_CHECKING:
    import pytest


class Files:
    """Counts how often each image is read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def channel(self, number: int) -> Any:
        def read() -> list[np.ndarray]:
            self.read.append(number)
            return [np.full((4, 5, 6), number, np.float32)]

        (found,) = read_when_asked(read, (4, 5, 6), [np.dtype(np.float32)])
        return found


def test_a_channel_is_read_at_the_first_look_and_sliced_as_an_array() -> None:
    files = Files()
    channel = files.channel(3)
    assert (channel.shape, channel.ndim, len(channel)) == ((4, 5, 6), 3, 4)
    assert channel.nbytes == 4 * 5 * 6 * 4
    assert not files.read
    assert np.array_equal(channel[1, 2:4], np.full((2, 6), 3.0))
    assert np.asarray(channel, np.float64).mean() == 3
    assert files.read == [3]


def test_images_past_the_bound_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files()
    one, two, three = (files.channel(number) for number in (1, 2, 3))
    monkeypatch.setattr(read_again, "KEPT_BYTES", 2 * one.nbytes)
    for channel in (one, two, one, three, one, two):  # 2 was let go for 3
        assert channel[0, 0, 0] >= 1
    assert files.read == [1, 2, 3, 2]
