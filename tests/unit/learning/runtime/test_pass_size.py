"""How much goes through a network at once."""

from __future__ import annotations

import pytest
import torch

from napari_contrastseg.learning.runtime.pass_size import (
    FEWEST,
    PIXELS_PER_BATCH,
    PassSize,
)

CPU = torch.device("cpu")


def test_small_slices_make_batches_as_ever_and_large_ones_need_tiles() -> None:
    size = PassSize(CPU, 560, lambda _: 2**40)
    assert size.slices(64 * 64) == PIXELS_PER_BATCH // 64**2
    assert size.slices(1024 * 1024) == 1
    assert size.slices(4000 * 4000) == 0
    assert size.tile * 560 <= 640 * 2**20


def test_little_free_memory_makes_small_tiles() -> None:
    size = PassSize(CPU, 560, lambda _: 2**28)
    assert size.tile * 560 <= 2**26
    assert size.slices(1024 * 1024) == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_halves_tiles_until_hardly_any_is_left(
    error: Exception,
) -> None:
    size = PassSize(CPU, 560, lambda _: 2**40)
    before = size.tile
    size.halve(error)
    assert size.tile == before // 2
    while size.tile > FEWEST:
        size.halve(error)
    with pytest.raises(type(error)):
        size.halve(error)


def test_any_other_error_is_raised() -> None:
    size = PassSize(CPU, 560, lambda _: 2**40)
    before = size.tile
    with pytest.raises(ValueError, match="shape"):
        size.halve(ValueError("shape"))
    assert size.tile == before
