"""Padding to a multiple, taken away again."""

from __future__ import annotations

import pytest
import torch

from napari_contrastseg.learning.data.padding import cut, to_multiple


@pytest.mark.parametrize("shape", [(13, 9), (16, 16), (3, 2)])
def test_padding_is_taken_away_again(shape: tuple[int, int]) -> None:
    images = torch.rand(2, 1, *shape)
    around, padded = to_multiple(images, 8)
    assert padded.shape[-1] % 8 == padded.shape[-2] % 8 == 0
    assert torch.equal(cut(padded, around), images)
