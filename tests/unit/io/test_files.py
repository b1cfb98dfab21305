"""Names that are taken get a number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from napari_contrastseg.io import files
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import free_name, need_folder, replacing


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


def test_a_file_that_another_program_has_open_is_replaced_when_it_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a virus scanner may hold a file for a moment."""
    held, move = iter([True, True, False]), Path.replace

    def replace(source: Path, target: Path) -> Path:
        if next(held):
            raise PermissionError(13, "used by another process")
        return move(source, target)

    monkeypatch.setattr(files, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(Path, "replace", replace)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_a_file_that_stays_open_elsewhere_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(source: Path, target: Path) -> Path:
        raise PermissionError(13, f"{target} is used by {source}")

    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr(files, "PAUSES", (0.0,))
    monkeypatch.setattr(Path, "replace", replace)
    with (
        pytest.raises(InputError, match=r"a\.txt: may not be replaced; close it"),
        replacing(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_text("new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
