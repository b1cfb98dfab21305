"""Arrays that lie in memory within the bound, and on the disk beyond it."""

from __future__ import annotations

import errno
import gc
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from napari_contrastseg.io import scratch
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from tests.kit.memory import anonymous_growth


class _Usage(NamedTuple):
    free: int


def test_arrays_go_to_the_disk_beyond_a_quarter_of_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scratch, "_held", scratch._Held())
    monkeypatch.setenv(MEMORY_VARIABLE, "1 MB")
    first = scratch.zeros((2, 256, 256), np.uint8)
    second = scratch.zeros((2, 256, 256), np.uint8)
    third = scratch.zeros((2, 256, 256), np.float16)
    small = scratch.zeros((32, 32), np.uint8)
    assert [scratch.lies_on_disk(a) for a in (first, second, third)] == [
        False,
        False,
        True,
    ]
    assert not scratch.lies_on_disk(small)
    del first, small
    gc.collect()
    assert not scratch.lies_on_disk(scratch.zeros((2, 256, 256), np.uint8))


def test_an_array_on_the_disk_is_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    array = scratch.zeros((3, 4, 5), np.uint16)
    assert scratch.lies_on_disk(array)
    assert type(array) is np.ndarray
    assert array.shape == (3, 4, 5)
    assert not array.any()
    array[1, :, 2] = 7
    assert np.flatnonzero(array.reshape(-1)).tolist() == [22, 27, 32, 37]
    twin = scratch.copy_of(array)
    array[:] = 0
    assert twin.sum() == 28


def test_nothing_is_left_in_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not even after a crash: the file has no name while it is used."""
    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    monkeypatch.setenv(scratch.SCRATCH_VARIABLE, str(tmp_path))
    array = scratch.zeros((8, 8, 8), np.uint8)
    if sys.platform != "win32":
        assert not list(tmp_path.iterdir())
    del array
    assert not list(tmp_path.iterdir())


def test_a_home_that_cannot_be_written_is_needed_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "cache"  # cannot be made
    monkeypatch.delenv(scratch.SCRATCH_VARIABLE, raising=False)
    monkeypatch.setattr(scratch, "user_cache_path", lambda *_, **__: home)
    found = scratch._usual_folder.__wrapped__
    monkeypatch.setattr(scratch, "_UNFIT", frozenset())
    assert found() != home
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=f"set {scratch.SCRATCH_VARIABLE} to a"):
        found()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="Linux reserves")
def test_a_full_disk_is_found_when_the_array_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    monkeypatch.setenv(scratch.SCRATCH_VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"has no room for .* free some space"):
        scratch.zeros((8, 8, 8), np.uint8)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="Linux reserves")
def test_a_file_system_that_cannot_reserve_room_is_used_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def cannot(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    monkeypatch.setenv(scratch.SCRATCH_VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", cannot)
    array = scratch.zeros((8, 8, 8), np.uint8)
    array[3] = 5
    assert scratch.lies_on_disk(array)
    assert array.sum() == 5 * 64


def test_what_neither_memory_nor_disk_can_hold_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "1 MB")
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage(2**20))
    scratch.need_room("scan", 2**17)
    with pytest.raises(InputError, match=r"^scan: .*1\.0 GB in .* 1 MB are free\)"):
        scratch.need_room("scan", 2**30)


def test_a_folder_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    monkeypatch.setenv(scratch.SCRATCH_VARIABLE, "/not/there")
    with pytest.raises(InputError, match="is not a folder; set"):
        scratch.zeros((8,), np.uint8)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_written_is_no_anonymous_memory() -> None:
    """Of 128 MB filled with ones the process owns nothing."""
    grown = anonymous_growth(
        """
        from napari_contrastseg.io.scratch import zeros
        made = []
        """,
        """
        made.append(zeros((128, 1024, 1024), "u1"))
        made[0][:] = 1
        """,
        memory="1 MB",
    )
    assert grown < 8 * 2**20


@pytest.mark.parametrize(
    "where",
    [
        np.s_[1:3, 0:5, 0:7],
        np.s_[1:2, 2:4, 0:7],
        np.s_[0:3, 1:4, 2:6],
        np.s_[2:3, 1:2, 1:7],
        np.s_[0:3, 0:5, 0:7],
    ],
    ids=["slices", "rows", "box", "part of a row", "all"],
)
@pytest.mark.parametrize("dtype", ["<u2", ">i4", "f2", "?"])
@pytest.mark.parametrize("system", ["linux", "win32"])
def test_what_is_written_to_the_file_is_seen_through_the_map(
    where: tuple[slice, ...], dtype: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if system == "linux" and sys.platform != system:
        pytest.skip("its maps are not in step with their files")
    monkeypatch.setattr(sys, "platform", system)
    disk, expected = scratch.DiskArray((3, 5, 7), dtype), np.zeros((3, 5, 7), dtype)
    _ = disk.array.sum()  # its pages have been looked at
    values = np.arange(1, expected.size + 1).reshape(expected.shape)[where]
    values = values.astype(dtype)
    disk.write(where, values)
    expected[where] = values
    assert np.array_equal(disk.array, expected)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="cannot be counted")
def test_an_array_on_the_disk_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(scratch.SCRATCH_VARIABLE, str(tmp_path))

    def open_files() -> list[str]:
        found = Path("/proc/self/fd").iterdir()
        links = [one.readlink() for one in found if one.is_symlink()]
        return [str(link) for link in links if link.is_relative_to(tmp_path)]

    disk = scratch.DiskArray((4, 100), np.uint8)
    assert open_files()
    array = disk.array
    del disk
    array[1] = 3
    assert array.sum() == 300
    del array
    assert not open_files()
