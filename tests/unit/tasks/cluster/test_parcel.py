"""Files for workers: read by path, or sent with their bytes."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.cluster.parcel import (
    NotSharedError,
    as_if_in,
    content_of,
    pack,
    with_companions,
    write_content,
)


def a_folder(root: Path) -> Path:
    write_content(root, {"a.txt": b"one", "inner/b.txt": b"two", "c.txt": b"three"})
    return root


def test_where_the_path_is_shared_files_are_read_from_it(tmp_path: Path) -> None:
    root = a_folder(tmp_path / "data")
    parcel = pack(root, [root])
    assert [file.name for file in parcel.files] == ["a.txt", "c.txt", "inner/b.txt"]
    assert all(file.content is None for file in parcel.files)
    with parcel.opened() as there:
        assert there == root


def test_other_bytes_at_the_same_path_are_not_taken(tmp_path: Path) -> None:
    root = a_folder(tmp_path / "data")
    parcel = pack(root, [root])
    sent = parcel.with_content()
    (root / "a.txt").write_bytes(b"two")
    with pytest.raises(NotSharedError), parcel.opened():
        pass
    with sent.opened() as there:
        assert there != root
        wanted = {"a.txt": b"one", "c.txt": b"three", "inner/b.txt": b"two"}
        assert content_of(there) == wanted
    assert not there.exists()


def test_of_some_files_only_the_names_are_of_use(tmp_path: Path) -> None:
    root = a_folder(tmp_path / "data")
    parcel = pack(root, [root / "a.txt", root / "inner"], [root / "inner/b.txt"])
    sent = parcel.with_content()
    (root / "inner/b.txt").write_bytes(b"changed")
    with parcel.opened() as there:
        assert there == root
    with sent.opened() as there:
        assert content_of(there) == {"a.txt": b"one", "inner/b.txt": b""}


def test_what_is_wrong_with_a_sent_file_is_said_with_the_askers_path(
    tmp_path: Path,
) -> None:
    root = a_folder(tmp_path / "data")
    sent = pack(root, [root]).with_content()
    with pytest.raises(InputError) as raised, sent.opened() as there:
        raise InputError(f"{there / 'a.txt'}: is no image.")
    assert str(raised.value) == f"{root / 'a.txt'}: is no image."


def test_a_full_disk_is_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it while files are unpacked there, or while a mask is written."""
    root = a_folder(tmp_path / "data")
    sent = pack(root, [root]).with_content()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    words = "The disk of worker .* is full: free some space in .* there, or start"
    with sent.opened() as there:
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(InputError, match=words), as_if_in("out", str(there)):
            write_content(there, {"mask.nii": b"1"})
    with pytest.raises(InputError, match=words), sent.opened():
        pass


def test_voxels_beside_a_header_go_with_it(tmp_path: Path) -> None:
    names = {"x.mhd": b"", "x.raw": b"", "xy.raw": b"", "y.mhd": b""}
    write_content(tmp_path, names)
    found = sorted(path.name for path in with_companions(tmp_path / "x.mhd"))
    assert found == ["x.mhd", "x.raw"]
