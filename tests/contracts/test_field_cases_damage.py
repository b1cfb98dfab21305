"""What is said of files that cannot be read: true, one sentence, with a remedy."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image

from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import catalogue
from napari_contrastseg.learning.models.model import save_model
from napari_contrastseg.ui.plugin import reader
from tests.kit.command_line import contrastseg, here
from tests.kit.rounds import a_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 30, (24, 20, 8)).astype(np.int16)


def nifti(path: Path, values: NDArray[Any] = GREY) -> Path:
    nib.Nifti1Image(values, np.diag([-1.0, -1, 3, 1])).to_filename(path)
    return path


def itk(path: Path, *, packed: bool = False) -> Path:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(GREY), str(path), packed)
    return path


def not_packed(folder: Path) -> Path:
    return Path(shutil.copy(nifti(folder / "a.nii"), folder / "f.nii.gz"))


def packed_twice_named(folder: Path) -> Path:
    return Path(shutil.copy(nifti(folder / "a.nii.gz"), folder / "f.nii"))


def nifti_of_version(version: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        raw = bytearray(nifti(folder / "f.nii").read_bytes())
        raw[344:348] = f"n+{version}\0".encode()
        (folder / "f.nii").write_bytes(raw)
        return folder / "f.nii"

    return make


def nrrd_of_version(version: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        raw = itk(folder / "f.nrrd").read_bytes()
        (folder / "f.nrrd").write_bytes(f"NRRD{version:04d}".encode() + raw[8:])
        return folder / "f.nrrd"

    return make


def rubbish(name: str, raw: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(raw)
        return folder / name

    return make


def folder_named(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).mkdir()
        return folder / name

    return make


def ring_of_links(folder: Path) -> Path:
    (folder / "f.nii.gz").symlink_to(folder / "b.nii.gz")
    (folder / "b.nii.gz").symlink_to(folder / "f.nii.gz")
    return folder / "f.nii.gz"


def itk_without(name: str, line: bytes, other: bytes) -> Callable[[Path], Path]:
    """A header with another line in place of one."""

    def make(folder: Path) -> Path:
        path = itk(folder / name)
        raw = path.read_bytes()
        assert line in raw
        path.write_bytes(raw.replace(line, other))
        return path

    return make


EMPTY = "is an empty file; copy or export it again."
FOLDER = "is a folder, not an image; choose a file in it."
KINDS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "plain under a packed name": (
        not_packed,
        "is not packed, though its name ends in .gz; take .gz off.",
    ),
    "packed under a plain name": (
        packed_twice_named,
        "is packed, though its name does not end in .gz; add .gz to it.",
    ),
    "NIfTI of the future": (
        nifti_of_version(3),
        "is of version 3 of NIfTI, and 1 and 2 are read here; save it as one of these.",
    ),
    "NRRD of the future": (
        nrrd_of_version(6),
        "is of version 6 of NRRD, and up to 5 are read here; save it as one of these.",
    ),
    "NRRD of the far future": (
        nrrd_of_version(10),
        "is of version 10 of NRRD, and up to 5 are read here; save it as one of these.",
    ),
    "link to itself": (
        ring_of_links,
        "is a link that leads back to itself; remove it, or link to the file.",
    ),
    "an unknown kind of number": (
        itk_without("f.mha", b"MET_SHORT", b"MET_LABEL"),
        "holds MET_LABEL, not one number a voxel; save it as numbers.",
    ),
    "no sizes": (
        itk_without("f.mha", b"DimSize", b"DimSozo"),
        "its header has no field 'dimsize'; export it again.",
    ),
    "no type": (
        itk_without("f.nrrd", b"type: ", b"xxxx: "),
        "its header has no field 'type'; export it again.",
    ),
}
KINDS |= {
    f"empty {one.endings[0]}": (rubbish(f"f{one.endings[0]}", b""), EMPTY)
    for one in catalogue().values()
    if one.endings and one.name not in ("ome-zarr", "bioio")
}
KINDS |= {
    f"folder {one.endings[0]}": (folder_named(f"f{one.endings[0]}"), FOLDER)
    for one in catalogue().values()
    if one.endings
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "m"
    save_model(folder, a_model())
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_called_what_it_is(kind: str, model: Path, tmp_path: Path) -> None:
    make, said = KINDS[kind]
    path = make(tmp_path)
    for read in (images.read_volume, images.read_labels, lambda p: reader.read(str(p))):
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value) == f"{path}: {said}"
    if path.is_dir():
        said = "holds no images ("
    done = here("predict", model, path, "--out", tmp_path / "out")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"contrastseg: {path}: {said}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["f.nii.gz", "f.nii", "f.png", "f.jpg", "f.nrrd", "f.mha", "f.dcm"]
)
def test_what_was_never_such_a_file_is_not_called_damaged(
    name: str, tmp_path: Path
) -> None:
    text = b"<html>404: there is no such file on this server</html>" * 20
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    with pytest.raises(InputError) as caught:
        images.read_volume(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: does not begin as ")
    assert "damaged" not in said
    assert said.endswith(" or copy it again if it was one.")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
@pytest.mark.parametrize("name", ["f.nii.gz", "f.nrrd", "f.mha"])
def test_a_file_that_may_not_be_read_says_so(name: str, tmp_path: Path) -> None:
    path = nifti(tmp_path / name) if "nii" in name else itk(tmp_path / name)
    path.chmod(0)
    with pytest.raises(InputError, match=r"may not be read by you"):
        images.read_volume(path)


def zlib_tiff(path: Path) -> Path:
    tifffile.imwrite(path, GREY.astype(np.uint16), compression="zlib")
    return path


def png(path: Path) -> Path:
    Image.fromarray(GREY[:, :, 0].astype(np.uint8)).save(path)
    return path


def bzip2_nrrd(path: Path) -> Path:
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(path), GREY, {"encoding": "bzip2"})
    return path


PACKED: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "NIfTI": ("f.nii.gz", nifti),
    "NRRD, gzip": ("f.nrrd", lambda path: itk(path, packed=True)),
    "NRRD, bzip2": ("f.nrrd", bzip2_nrrd),
    "MetaImage": ("f.mha", lambda path: itk(path, packed=True)),
    "TIFF": ("f.tif", zlib_tiff),
    "PNG": ("f.png", png),
}


@pytest.mark.parametrize("kind", PACKED)
def test_a_byte_that_went_wrong_on_the_way_never_makes_another_image(
    kind: str, tmp_path: Path
) -> None:
    """Packed files carry a checksum of what is in them."""
    name, make = PACKED[kind]
    path = make(tmp_path / name)
    raw = path.read_bytes()
    good = np.asarray(images.read_volume(path).data[0])
    refused = 0
    places = np.unique(np.linspace(0, len(raw) - 1, 90).astype(int))
    for place in places:
        changed = bytearray(raw)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        try:
            found = np.asarray(images.read_volume(path).data[0])
        except InputError:
            refused += 1
        else:
            assert np.array_equal(found, good), place
    assert refused > len(places) / 2


def test_a_packed_file_without_its_last_bytes_is_incomplete(tmp_path: Path) -> None:
    """All voxels are there, but nothing says that they are right."""
    path = nifti(tmp_path / "f.nii.gz")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="damaged or incomplete"):
        images.read_volume(path)


def test_time_points_of_a_packed_file_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "f.nii.gz"
    series = np.stack([GREY, GREY + 1], axis=-1)
    nifti(path, series)
    whole = path.read_bytes()
    for index in (0, 1):
        found = images.read_volume(path, choice=Choice(f"time {index}"))
        order = found.source.to_file_order(np.asarray(found.data[0]))
        assert np.array_equal(order, series[..., index])
    raw = bytearray(whole)
    raw[-6] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="damaged or incomplete"):
        images.read_volume(path, choice=Choice("time 0"))


def sixteen_bits(path: Path, kind: int, samples: int) -> NDArray[np.uint16]:
    """A PNG file by hand: Pillow writes no colours of 16 bits."""
    values = RNG.integers(0, 2**16, (6, 7, samples)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    head = struct.pack(">IIBBBBB", 7, 6, 16, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return values.astype(np.uint16)


@pytest.mark.parametrize(
    ("kind", "samples", "kept"), [(2, 3, 3), (4, 2, 1), (6, 4, 3), (0, 1, 1)]
)
def test_pictures_of_16_bits_keep_them(
    kind: int, samples: int, kept: int, tmp_path: Path
) -> None:
    values = sixteen_bits(tmp_path / "a.png", kind, samples)
    volume = images.read_volume(tmp_path / "a.png")
    assert len(volume.data) == kept
    for number, channel in enumerate(volume.data):
        assert channel.dtype == np.uint16
        assert np.array_equal(channel[0], values[..., number])


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("plain under a packed name", marks=pytest.mark.slow),
        "no type",
        pytest.param("empty .tif", marks=pytest.mark.slow),
    ],
)
def test_one_line_is_printed_whatever_libraries_would_say(
    kind: str, model: Path, tmp_path: Path
) -> None:
    """In a process of its own, as a person runs it."""
    make, said = KINDS[kind]
    path = make(tmp_path)
    done = contrastseg("predict", model, path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr == f"contrastseg: {path}: {said}\n"


def scan(folder: Path) -> list[Path]:
    """A series of four slices."""
    folder.mkdir()
    pydicom = pytest.importorskip("pydicom")
    files = [folder / f"{k}.dcm" for k in range(4)]
    for k, file in enumerate(files):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(GREY[None, k]), str(file))
        one = pydicom.dcmread(file)
        one.SeriesInstanceUID, one.SeriesNumber = "1.2.3", 1
        one.ImagePositionPatient = [0, 0, 2 * k]
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.PixelSpacing = [1, 1]
        one.save_as(file)
    return files


@pytest.mark.parametrize("keep", [-100, 200, 500])
def test_of_a_series_the_file_that_broke_off_is_named(
    keep: int, model: Path, tmp_path: Path
) -> None:
    file = scan(tmp_path / "scan")[2]
    file.write_bytes(file.read_bytes()[:keep])
    done = here("predict", model, tmp_path / "scan", "--out", tmp_path / "out")
    assert done.status == 2
    assert done.err.startswith(f"contrastseg: {file}: ")
    assert "damaged" in done.err
    assert done.err.count("\n") == 1


def data_set(root: Path, odd: NDArray[Any]) -> Path:
    """Two cases, of which the image of the second is given."""
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    mask = (GREY > 15).astype(np.uint8)
    for case, image in (("a", GREY), ("b", odd)):
        nifti(root / "imagesTr" / f"{case}_0000.nii.gz", image)
        nifti(root / "labelsTr" / f"{case}.nii.gz", mask)
    about = {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, "core": 1},
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(about))
    return root


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (np.full(GREY.shape, 7, np.int16), "has the same value everywhere (7)"),
        (np.full(GREY.shape, np.nan, np.float32), "holds no finite number"),
    ],
)
def test_what_is_wrong_with_values_is_said_of_the_file(
    odd: NDArray[Any], said: str, model: Path, tmp_path: Path
) -> None:
    root = data_set(tmp_path / "d", odd)
    image = root / "imagesTr" / "b_0000.nii.gz"
    out = ("--out", tmp_path / "out", "--device", "cpu")
    for words in (
        ("predict", model, image, *out),
        ("train", root, "--recipe", "supervised", "--steps", 1, *out),
    ):
        done = here(*words)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith(f"contrastseg: {image}: channel ")
        assert said in done.err
        assert done.err.count("\n") == 1
