"""Parts of planes on other pixels are those of the plane that torch resamples whole."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from napari_contrastseg.learning.data.resampling import Resampling


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ((100, 25), (77, 19)),
        ((90, 60), (50, 33)),
        ((64, 2), (30, 45)),
        ((9, 9), (8, 3)),
    ],
)
def test_a_part_is_that_of_the_whole(
    rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    plane = torch.rand(2, rows[0], columns[0], generator=torch.Generator())
    down, right = Resampling(*rows), Resampling(*columns)
    shape = rows[1], columns[1]
    means = functional.interpolate(plane[None], shape, mode="area")[0]
    linear = functional.interpolate(
        plane[None], shape, mode="bilinear", antialias=True
    )[0]
    for some in (slice(0, rows[1]), slice(rows[1] // 3, rows[1] // 2 + 1)):
        other = slice(columns[1] // 2, columns[1])
        part = plane[:, down.source(some), right.source(other)]
        found = down.area(some) @ part @ right.area(other).T
        assert torch.allclose(found, means[:, some, other], atol=1e-5)
        found = down.linear(some) @ part @ right.linear(other).T
        assert torch.allclose(found, linear[:, some, other], atol=1e-4)
