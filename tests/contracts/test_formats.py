"""Every image format: what is written is read again; what is broken is refused."""

from __future__ import annotations

from importlib.resources import files
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_contrastseg.io import formats
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import (
    ImageFormat,
    catalogue,
    ending_of,
    endings,
    mask_ending,
)
from napari_contrastseg.io.images import (
    count_voxels,
    read_labels,
    read_volume,
    write_map,
    write_mask,
)
from napari_contrastseg.io.volume import Volume, array_affine, canonical
from tests.kit.plugins import plugin_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RNG = np.random.default_rng(0)
#: Of a file whose axes are (left, inferior, posterior); voxels of 1.5, 2 and 0.75 mm.
TURNED = np.array([[-1.5, 0, 0, 9], [0, 0, -0.75, 8], [0, -2, 0, 7], [0, 0, 0, 1.0]])
every_ending = pytest.mark.parametrize(
    ("name", "ending"),
    [(one.name, ending) for one in catalogue().values() for ending in one.written],
)


def a_volume(image_format: ImageFormat) -> Volume:
    """As far as a format can hold it: several slices, a place in a body."""
    shape = (5, 60, 70) if image_format.many_slices else (1, 60, 70)
    data = RNG.integers(0, 200, shape).astype(np.uint8)
    if image_format.anatomical:
        return canonical(Volume("a", (data,), TURNED))
    return Volume("a", (data,), array_affine(np.array([2.0, 0.5, 0.25])))


def written(folder: Path, name: str, ending: str) -> tuple[Path, Volume, NDArray[Any]]:
    """Write a mask; gives the file, the volume it was made on, and the mask."""
    volume = a_volume(catalogue()[name])
    mask = RNG.integers(0, 4, volume.shape)
    mask.flat[0] = 300  # more than a byte
    path = folder / f"a{ending}"
    write_mask(path, mask, volume)
    return path, volume, mask


@every_ending
def test_masks_come_back(name: str, ending: str, tmp_path: Path) -> None:
    path, volume, mask = written(tmp_path, name, ending)
    found = read_labels(path)
    assert found.source.file_format == name
    assert found.source.path == path
    assert found.id == "a"
    assert np.array_equal(found.data[0], mask)
    assert read_volume(path).data[0].dtype.kind == "u"
    assert found.anatomical == catalogue()[name].anatomical
    if found.anatomical:
        assert np.allclose(found.affine, volume.affine)
    elif catalogue()[name].many_slices:
        assert np.allclose(found.spacing, volume.spacing)


@every_ending
def test_real_values_come_back_or_are_refused(
    name: str, ending: str, tmp_path: Path
) -> None:
    volume = a_volume(catalogue()[name])
    values = RNG.random(volume.shape).astype(np.float32)
    path = tmp_path / f"a{ending}"
    if not catalogue()[name].real_values:
        with pytest.raises(InputError, match=rf"a{ending}: real values need a"):
            write_map(path, values, volume)
        assert not list(tmp_path.iterdir())
        return
    write_map(path, values, volume)
    (found,) = read_volume(path).data
    assert found.dtype == np.float32
    assert np.array_equal(found, values)


@every_ending
def test_many_slices_are_refused_where_a_file_holds_one(
    name: str, ending: str, tmp_path: Path
) -> None:
    affine = array_affine(np.ones(3))
    volume = Volume("a", (np.zeros((3, 6, 7), np.uint8),), affine)
    path = tmp_path / f"a{ending}"
    if catalogue()[name].many_slices:
        write_mask(path, volume.data[0], volume)
        assert read_volume(path).shape == (3, 6, 7)
        return
    with pytest.raises(InputError, match=rf"a{ending}: .*holds one slice"):
        write_mask(path, volume.data[0], volume)
    assert not list(tmp_path.iterdir())


@every_ending
def test_voxels_are_counted_without_reading_them(
    name: str, ending: str, tmp_path: Path
) -> None:
    path, volume, _ = written(tmp_path, name, ending)
    assert count_voxels(path) == volume.data[0].size


@every_ending
@pytest.mark.parametrize("kept", [0, 3, 0.3, 0.9])
def test_broken_files_are_refused_by_name(
    name: str, ending: str, kept: float, tmp_path: Path
) -> None:
    path, _, _ = written(tmp_path, name, ending)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(kept if kept > 1 else kept * len(raw))])
    with pytest.raises(InputError) as caught:
        read_volume(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(".")


@every_ending
def test_files_of_another_format_are_refused_by_what_they_are(
    name: str, ending: str, tmp_path: Path
) -> None:
    path, _, _ = written(tmp_path, name, ending)
    head = path.read_bytes()[: formats.HEAD]
    for other in catalogue().values():
        assert other.sniff(head) == (other.name == name)
        if other.name == name or not other.endings:
            continue
        misnamed = tmp_path / f"b{other.endings[0]}"
        misnamed.write_bytes(path.read_bytes())
        title = catalogue()[name].title
        with pytest.raises(InputError, match=rf"b{ending_of(misnamed)}: is a {title}"):
            read_volume(misnamed)


@every_ending
def test_the_image_itself_is_never_written_over(
    name: str, ending: str, tmp_path: Path
) -> None:
    path, _, mask = written(tmp_path, name, ending)
    before = path.read_bytes()
    with pytest.raises(InputError, match="is the image itself"):
        write_mask(path, mask, read_volume(path))
    assert path.read_bytes() == before


def test_each_ending_belongs_to_one_format() -> None:
    assert len(endings()) == len(set(endings()))
    for ending in endings():
        assert ending.startswith(".")
        assert ending == ending.lower()


def test_the_manifest_names_the_formats_that_ask_for_it() -> None:
    file = files("napari_contrastseg") / "napari.yaml"
    about = PluginManifest.from_file(str(file)).contributions
    named = [one for one in catalogue().values() if one.in_napari]
    (reader,), (writer,) = list(about.readers or []), list(about.writers or [])
    assert set(reader.filename_patterns) == {f"*{e}" for f in named for e in f.endings}
    assert set(writer.filename_extensions) == {e for f in named for e in f.written}


def test_what_is_only_read_is_not_written(tmp_path: Path) -> None:
    volume = Volume("a", (np.zeros((2, 3, 4), np.uint8),), array_affine(np.ones(3)))
    for one in catalogue().values():
        for ending in set(one.endings) - set(one.written):
            with pytest.raises(InputError, match="only read here; write NIfTI or"):
                write_mask(tmp_path / f"a{ending}", volume.data[0], volume)
            found = mask_ending(tmp_path / f"a{ending}")
            assert found in formats.format_of(tmp_path / f"a{found}").written
    assert not list(tmp_path.iterdir())


NPY = dedent(
    '''
    """numpy's own files."""

    import math

    import numpy as np

    from napari_contrastseg.io.files import replacing
    from napari_contrastseg.io.formats import ImageFormat
    from napari_contrastseg.io.volume import Source, Volume


    def sniff(head):
        return head.startswith(b"\\x93NUMPY")


    def read(path, name):
        data = np.load(path, allow_pickle=False)
        return Volume(name, (data,), np.eye(4), source=Source(path, "npy"))


    def count_voxels(path):
        return math.prod(np.load(path, mmap_mode="r").shape)


    def write(path, array, volume):
        with replacing(path) as temporary:
            np.save(temporary, array)


    FORMAT = ImageFormat(
        "npy", "numpy", (".npy",), sniff, read, count_voxels, write
    )
    '''
)


def test_a_format_is_one_file_that_is_found(tmp_path: Path) -> None:
    file = tmp_path / "plugin" / "npy.py"
    file.parent.mkdir()
    file.write_text(NPY)
    assert ".npy" not in endings()
    with plugin_file(formats, file):
        assert ".npy" in endings()
        volume = Volume("a", (np.zeros((2, 3, 4), np.uint8),), np.eye(4))
        path = tmp_path / "a.npy"
        mask = RNG.integers(0, 9, volume.shape)
        write_mask(path, mask, volume)
        assert np.array_equal(read_labels(path).data[0], mask)
        assert count_voxels(path) == mask.size
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(InputError, match=r"a\.npy: cannot be read as numpy"):
            read_volume(path)
    assert ".npy" not in endings()
