"""Memory-mapped arrays are found in their files, views of them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.tasks.executors.file_place import place_in_file

if TYPE_CHECKING:
    from pathlib import Path


def test_views_of_a_map_are_mapped_again(tmp_path: Path) -> None:
    numbers = np.arange(5 * 6 * 7, dtype="<i2").reshape(5, 6, 7)
    path = tmp_path / "raw"
    path.write_bytes(b"header " * 3 + numbers.tobytes())
    for order, mode in (("C", "r"), ("F", "c")):
        whole = np.memmap(path, "<i2", mode, 21, (5, 6, 7), order)  # type: ignore[call-overload]
        turned = np.asarray(whole).T[::-1, 1:, ::2]
        for array in (whole, turned, turned[2]):
            place = place_in_file(array)
            assert place is not None
            again = place.mapped()
            assert np.array_equal(again, array)
            assert again.strides == array.strides
            again[...] = 0
            assert path.read_bytes()[21:] == numbers.tobytes()


def test_what_lies_in_no_file_has_no_place(tmp_path: Path) -> None:
    assert place_in_file(np.zeros(3)) is None
    assert place_in_file(zeros((3, 4), np.uint8)) is None
    path = tmp_path / "raw"
    path.write_bytes(bytes(100))
    gone = np.memmap(path, np.uint8, "r")
    assert place_in_file(gone) is not None
    path.unlink()
    assert place_in_file(gone) is None
