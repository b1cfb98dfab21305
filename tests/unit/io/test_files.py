"""Names that are taken get a number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import free_name, need_folder, replacing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        (set(), "scan"),
        ({"scan"}, "scan (2)"),
        ({"scan", "scan (2)"}, "scan (3)"),
        ({"scan", "scan (3)"}, "scan (2)"),
    ],
)
def test_a_taken_name_gets_the_first_free_number(taken: set[str], found: str) -> None:
    assert free_name("scan", taken.__contains__) == found


def test_several_look_at_a_folder_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    def look(_: int) -> None:
        for _ in range(50):
            need_folder(folder)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(8)))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        need_folder(tmp_path / "file")


def test_an_error_inside_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
