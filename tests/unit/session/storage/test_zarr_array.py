"""Arrays of a session on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from napari_contrastseg.session.storage import zarr_array

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_plane_larger_than_a_slab_is_written_in_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zarr itself reads the same, and no chunk is larger than a slab."""
    monkeypatch.setattr(zarr_array, "SLAB_BYTES", 64)
    values = np.random.default_rng(0).integers(0, 255, (3, 9, 20)).astype(np.uint16)
    for _ in zarr_array.write_array(tmp_path / "a", values):
        pass
    assert np.array_equal(zarr_array.read_array(tmp_path / "a", values.shape), values)
    found: Any = zarr.open_array(tmp_path / "a", mode="r")
    assert found.chunks == (1, 1, 20)
    assert np.array_equal(found[:], values)
