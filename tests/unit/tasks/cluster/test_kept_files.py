"""Mirroring a folder that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.tasks.cluster.kept_files import changes, take_over
from napari_contrastseg.tasks.cluster.parcel import content_of, write_content

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_mirrored_by_what_has_changed(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    write_content(there, {"about.json": b"1", "1.bin": b"one", "other/1.bin": b"x"})
    first = changes(there, {})
    assert first is not None
    take_over(here, first)
    assert content_of(here) == content_of(there)

    (there / "1.bin").unlink()
    write_content(there, {"about.json": b"22", "2.bin": b"two"})
    (there / ".half-part").write_bytes(b"is being written")
    second = changes(there, first.marks)
    assert second is not None
    assert second.content == {"about.json": b"22", "2.bin": b"two"}
    take_over(here, second)
    (there / ".half-part").unlink()
    assert content_of(here) == content_of(there)


def test_of_a_folder_that_is_not_there_nothing_is_known(tmp_path: Path) -> None:
    found = changes(tmp_path / "none", {})
    assert found is not None
    assert not found.marks
