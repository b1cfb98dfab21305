"""Views of large slices."""

from __future__ import annotations

from napari_contrastseg.learning.data.view import View


def test_large_slices_come_in_fewer_volumes_but_two() -> None:
    view = View("all", 16, 2, pixels=24 * 64 * 64, partitions=4)
    assert [view.batch_for(n, n) for n in (40, 64, 96, 256)] == [16, 16, 8, 8]


def test_an_epoch_draws_each_slice_once() -> None:
    sizes = {"rows": 8, "columns": 8, "labelled": 6, "slices": 30}
    assert View("labelled", 4).epoch(**sizes) == 1.5
    assert View("unlabelled", 4).epoch(**sizes) == 6
    assert View("all", 4).epoch(**sizes) == 7.5
    assert View("unlabelled", 4).epoch(**{**sizes, "slices": 6}) == 1.5
    assert View("all", 40, pixels=10 * 64).epoch(**sizes) == 3, "smaller batches"
