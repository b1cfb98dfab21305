"""Images beyond the bound of memory: read when asked for, each chunk once."""

from __future__ import annotations

import copy
import errno
import shutil
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import tifffile
import zarr
from PIL import Image

from napari_contrastseg.io import lazy_image as lazy_images
from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.errors import InputError, UnreadError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.intensities import intensity_range
from napari_contrastseg.io.lazy_image import LazyImage, lazily, lazy_image
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE
from napari_contrastseg.io.scratch import DiskArray
from napari_contrastseg.io.volume import Volume, array_affine
from tests.kit.ome_zarr import write as write_zarr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

RNG = np.random.default_rng(3)
#: (z, y, x)
GREY = RNG.integers(0, 4000, (7, 30, 22)).astype(np.int16)
COLOURS = RNG.integers(0, 255, (50, 40, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0")


def counted(
    values: NDArray[Any], chunk: tuple[int, ...]
) -> tuple[LazyImage, list[tuple[slice, ...]]]:
    """Make a lazy image, and a list of the boxes that are read of it."""
    boxes: list[tuple[slice, ...]] = []

    def read(where: tuple[slice, ...]) -> NDArray[Any]:
        boxes.append(where)
        return values[where]

    return lazy_image("scan", values.shape, values.dtype, read, chunk), boxes


def _a_view(array: Any, rng: np.random.Generator) -> Any:
    """Look at an array in one of the ways that need no copy."""
    axis = int(rng.integers(array.ndim))
    way = int(rng.integers(4))
    if way == 0:
        return array.transpose(*np.roll(np.arange(array.ndim), axis).tolist())
    key: list[Any] = [slice(None)] * array.ndim
    n = array.shape[axis]
    if way == 1 and array.ndim > 1:
        key[axis] = int(rng.integers(-n, n))
    elif way == 2:
        key[axis] = slice(None, None, -1)
    else:
        start = int(rng.integers(n))
        step = int(rng.integers(1, 4))
        key[axis] = slice(start, int(rng.integers(start, n)) + 1, step)
    return array[tuple(key)]


@pytest.mark.parametrize("seed", range(40))
def test_every_view_holds_what_the_same_view_of_an_array_holds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 250, rng.integers(1, 12, 4)).astype(np.uint16)
    chunk = tuple(int(rng.integers(1, n + 1)) for n in values.shape)
    image, _ = counted(values, chunk)
    wanted: Any = values
    for _ in range(6):
        image, wanted = (
            _a_view(one, np.random.default_rng(seed)) for one in (image, wanted)
        )
        seed += 1
        assert np.array_equal(np.asarray(image), wanted)
        assert (image.shape, image.dtype) == (wanted.shape, wanted.dtype)


def test_only_what_is_asked_for_is_read_and_once() -> None:
    values = RNG.integers(0, 9, (64, 256, 256)).astype(np.uint16)
    image, boxes = counted(values, (8, 128, 128))
    turned = image.transpose(2, 1, 0)[::-1]
    assert not boxes
    first = np.asarray(turned[:, :, 9])
    assert np.array_equal(first, values[9].T[::-1])
    assert [(b[0].start, b[0].stop) for b in boxes] == [(8, 16)]
    np.asarray(turned[3, 7, 12])
    assert len(boxes) == 1
    assert np.asarray(image[60, 200, 200]) == values[60, 200, 200]
    assert boxes[1:] == [(slice(56, 64), slice(128, 256), slice(128, 256))]
    assert not first.flags.writeable


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Hold back, or refuse, what is written a little later than what is asked for."""
    written()
    state = SimpleNamespace(boxes=[], go_on=threading.Event(), fails=False)
    usual, here = DiskArray.write, threading.current_thread()

    def write(self: DiskArray, where: tuple[slice, ...], values: Any) -> None:
        if threading.current_thread() is not here:
            state.go_on.wait(20)
            if state.fails:
                raise OSError(errno.ENOSPC, "no room")
        state.boxes.append(where)
        usual(self, where, values)

    monkeypatch.setattr(DiskArray, "write", write)
    yield state
    state.go_on.set()
    written()


def written() -> None:
    """Wait until all is written that was to be written a little later."""
    lazy_images._WRITER.submit(lambda: None).result()


def test_a_slice_is_there_before_all_that_was_unpacked_with_it_is_written(
    writes: SimpleNamespace,
) -> None:
    values = RNG.integers(0, 9, (8, 64, 64)).astype(np.uint16)
    image, boxes = counted(values, (8, 64, 64))
    assert np.array_equal(np.asarray(image[3]), values[3])
    assert [(b[0].start, b[0].stop) for b in writes.boxes] == [(3, 4)]
    threading.Timer(0.05, writes.go_on.set).start()
    assert np.array_equal(np.asarray(image[5, ::2, 7:]), values[5, ::2, 7:])
    assert [(b[0].start, b[0].stop) for b in writes.boxes] == [(3, 4), (0, 8)]
    assert len(boxes) == 1, "unpacked once"


def test_other_slices_need_not_wait_until_that_is_written_but_for_many(
    writes: SimpleNamespace,
) -> None:
    values = RNG.integers(0, 9, (32, 64, 64)).astype(np.uint16)
    image, _ = counted(values, (8, 64, 64))
    for index in (3, 11, 19):
        assert np.array_equal(np.asarray(image[index]), values[index])
    assert [b[0].start for b in writes.boxes] == [3, 11, 19]
    threading.Timer(0.05, writes.go_on.set).start()
    assert np.array_equal(np.asarray(image[27]), values[27])
    assert [b[0].start for b in writes.boxes[:4]] == [3, 11, 19, 0]
    written()
    assert np.array_equal(np.asarray(image), values)


def test_what_could_not_be_written_later_is_read_again(writes: SimpleNamespace) -> None:
    values = RNG.integers(0, 9, (8, 64, 64)).astype(np.uint16)
    image, boxes = counted(values, (8, 64, 64))
    writes.fails = True
    writes.go_on.set()
    for index in (3, 5, 3):
        assert np.array_equal(np.asarray(image[index]), values[index])
    written()
    writes.fails = False
    assert np.array_equal(np.asarray(image), values)
    assert len(boxes) == 4


def _nifti(folder: Path, ending: str, slope: float | None) -> tuple[Path, Any]:
    path = folder / f"a{ending}"
    kind: Any = nib.Nifti1Pair if ending == ".hdr" else nib.Nifti1Image
    image = kind(GREY.T, np.diag([-2.0, -2, 3, 1]))
    if slope is not None:
        image.header.set_slope_inter(slope, -7)
    image.to_filename(path)
    loaded: Any = nib.load(path, mmap=False)
    return path, np.asanyarray(loaded.dataobj).T


def _itk(folder: Path, ending: str, packed: bool) -> tuple[Path, Any]:
    path = folder / f"a{ending}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(GREY), str(path), packed)
    return path, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def _tiff(folder: Path, values: Any = GREY, **how: Any) -> tuple[Path, Any]:
    path = folder / "a.tif"
    tifffile.imwrite(path, values, **how)
    return path, tifffile.imread(path)


def _zarr(folder: Path, version: str) -> tuple[Path, Any]:
    path = write_zarr(folder / "a.ome.zarr", "zyx", GREY, version=version)
    return path, zarr.open_array(path / "0", mode="r")[:]


def _folder(folder: Path) -> tuple[Path, Any]:
    (folder / "p").mkdir()
    for k, plane in enumerate(GREY.astype(np.uint8)):
        Image.fromarray(plane).save(folder / "p" / f"{k}.png")
    return folder / "p", GREY.astype(np.uint8)


_TILES: dict[str, Any] = {"tile": (16, 16), "compression": "zlib"}
MADE: dict[str, Callable[[Path], tuple[Path, Any]]] = {
    "NIfTI": lambda f: _nifti(f, ".nii", None),
    "NIfTI, scaled": lambda f: _nifti(f, ".nii", 0.3),
    "NIfTI pair": lambda f: _nifti(f, ".hdr", None),
    "packed NIfTI": lambda f: _nifti(f, ".nii.gz", None),
    "packed NIfTI, scaled": lambda f: _nifti(f, ".nii.gz", 0.3),
    "NRRD": lambda f: _itk(f, ".nrrd", packed=False),
    "packed NRRD": lambda f: _itk(f, ".nrrd", packed=True),
    "MetaImage": lambda f: _itk(f, ".mha", packed=False),
    "packed MetaImage": lambda f: _itk(f, ".mha", packed=True),
    "TIFF": _tiff,
    "big-endian TIFF": lambda f: _tiff(f, byteorder=">"),
    "packed TIFF": lambda f: _tiff(f, compression="zlib", predictor=True),
    "TIFF in tiles": lambda f: _tiff(f, **_TILES),
    "TIFF of one picture": lambda f: _tiff(f, GREY[0], **_TILES),
    "TIFF in colours": lambda f: _tiff(f, COLOURS, photometric="rgb", **_TILES),
    "OME-Zarr 0.4": lambda f: _zarr(f, "0.4"),
    "OME-Zarr 0.5": lambda f: _zarr(f, "0.5"),
    "folder of pictures": _folder,
}
_CHOICE = {"folder of pictures": Choice("slices")}


@pytest.mark.parametrize("kind", MADE)
def test_values_are_those_that_another_library_reads(kind: str, tmp_path: Path) -> None:
    path, wanted = MADE[kind](tmp_path)
    volume = read_volume(path, choice=_CHOICE.get(kind, Choice()))
    found = np.stack([np.asarray(one) for one in volume.data], -1)
    assert np.array_equal(np.squeeze(found), np.squeeze(wanted))
    if not any(word in kind for word in ("packed N", "packed M", "folder")):
        assert all(isinstance(one, LazyImage) for one in volume.data)


CHANGED = ("NIfTI", "NRRD", "MetaImage", "TIFF", "packed TIFF", "TIFF in tiles")


@pytest.mark.parametrize("kind", CHANGED)
@pytest.mark.parametrize("how", ["is written over", "is cut short", "goes away"])
def test_a_file_that_changes_is_said_and_never_shown(
    kind: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is still there."""
    for least in ("_SLAB", "_SMALLEST"):
        monkeypatch.setattr(lazy_images, least, 1)
    path, wanted = MADE[kind](tmp_path)
    image = read_volume(path).data[0]
    one_chunk = np.asarray(image[0])
    raw = path.read_bytes()
    if how == "goes away":
        path.unlink()
    else:
        path.write_bytes(bytes(len(raw) + 1) if how == "is written over" else raw[:400])
    assert np.array_equal(one_chunk, wanted[0])
    with pytest.raises(UnreadError, match=r"has changed since|could not be read"):
        np.asarray(image[4])


def test_a_chunk_that_goes_away_is_not_taken_for_zeros(tmp_path: Path) -> None:
    path, wanted = _zarr(tmp_path, "0.5")
    volume = read_volume(path)
    shutil.rmtree(next((path / "0" / "c").iterdir()))
    with pytest.raises(UnreadError, match="could not be read"):
        np.asarray(volume.data[0])
    path, wanted = _zarr(tmp_path / "another", "0.5")
    volume = read_volume(path)
    shutil.rmtree(path)
    with pytest.raises(UnreadError, match="could not be read"):
        np.asarray(volume.data[0])
    assert wanted.any()


def test_a_chunk_that_unpacks_to_more_is_refused_when_it_is_read(
    tmp_path: Path,
) -> None:
    path, _ = _zarr(tmp_path, "0.5")
    image = read_volume(path).data[0]
    chunk = next(p for p in (path / "0" / "c").rglob("*") if p.is_file())
    size = (2**22,)
    bomb = zarr.create_array(tmp_path / "b", shape=size, chunks=size, dtype="u1")
    bomb[:] = 1
    shutil.copy(tmp_path / "b" / "c" / "0", chunk)
    with pytest.raises(InputError, match="unpacks to more than"):
        np.asarray(image)


def test_intensities_are_the_same_however_an_image_is_held() -> None:
    image, boxes = counted(np.repeat(GREY, 8, 0), (1, 30, 22))
    affine = array_affine(np.ones(3))
    lazy = intensity_range(Volume("scan", (image,), affine), 0)
    assert boxes
    held = intensity_range(Volume("scan", (np.repeat(GREY, 8, 0),), affine), 0)
    assert np.array_equal(lazy, held)


def test_an_array_of_chunks_is_read_to_the_disk_once(tmp_path: Path) -> None:
    place = tmp_path / "a"
    array = zarr.create_array(place, shape=GREY.shape, chunks=(2, 9, 9), dtype="i2")
    array[:] = GREY
    image = lazily("scan", array)
    assert np.array_equal(np.asarray(image[3]), GREY[3])
    array[:] = 0
    assert np.array_equal(np.asarray(image[3]), GREY[3])
    assert lazily("scan", GREY) is GREY


def test_an_image_that_the_disk_has_no_room_for_is_refused_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, _ = MADE["TIFF"](tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match="no room for its image of 7 x 30 x 22 voxels"):
        read_volume(path)


def test_another_process_gets_a_plain_array() -> None:
    image, _ = counted(GREY, (2, 9, 9))
    again = copy.deepcopy(image[::2].transpose())
    assert isinstance(again, np.ndarray)
    assert np.array_equal(again, GREY[::2].transpose())


def test_colours_that_lie_beside_each_other_are_shown_without_a_copy() -> None:
    image, boxes = counted(COLOURS, (10, 40, 3))
    red, green, blue = (image[..., n] for n in range(3))
    together = red.with_samples([green, blue])
    assert together is not None
    assert not boxes
    assert np.array_equal(np.asarray(together), COLOURS)
    assert red.with_samples([blue, green]) is None
    assert red.with_samples([green, counted(COLOURS, (10, 40, 3))[0][..., 2]]) is None
