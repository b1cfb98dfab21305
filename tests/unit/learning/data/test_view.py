"""Views of large slices."""

from __future__ import annotations

from napari_contrastseg.learning.data.view import View


def test_large_slices_come_in_fewer_volumes_but_two() -> None:
    view = View("all", 16, 2, pixels=24 * 64 * 64, partitions=4)
    assert [view.batch_for(n, n) for n in (40, 64, 96, 256)] == [16, 16, 8, 8]
