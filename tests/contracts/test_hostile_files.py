"""Files from strangers: refused with one sentence, before memory is taken."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import sys
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import nibabel as nib
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_contrastseg.io import images
from napari_contrastseg.io.errors import LONGEST, InputError
from napari_contrastseg.io.json import read_json
from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.session.storage.zarr_array import (
    read_array,
    write_array,
    write_once,
)
from tests.kit.rounds import a_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def nifti(path: Path, **fields: Any) -> Path:
    """A file of a few bytes with a header that says anything."""
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4))
    image.to_filename(path)
    raw = bytearray(path.read_bytes())
    header = np.frombuffer(raw, nib.Nifti1Header.template_dtype, 1)[0:1]
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(raw)
    return path


def big_nifti(folder: Path) -> Path:
    return nifti(folder / "f.nii", dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])


def packed_nifti(folder: Path) -> Path:
    path = nifti(folder / "g.nii", dim=[3, 1024, 1024, 500, 1, 1, 1, 1])
    packed = folder / "f.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def far_nifti(folder: Path) -> Path:
    return nifti(folder / "f.nii", vox_offset=np.inf)


def complex_nifti(folder: Path) -> Path:
    path = folder / "f.nii"
    nib.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4)).to_filename(path)
    return path


def postscript(folder: Path) -> Path:
    path = folder / "f.png"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    return path


def film(folder: Path) -> Path:
    path = folder / "f.png"
    pictures = [Image.fromarray(np.full((8, 8), i * 40, np.uint8)) for i in range(3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    return path


def big_tiff(folder: Path) -> Path:
    path = folder / "f.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    raw = bytearray(path.read_bytes())
    for tag in (256, 257, 278):
        at = raw.find(struct.pack("<HH", tag, 3), 8)
        at = at if at > 0 else raw.find(struct.pack("<HH", tag, 4), 8)
        raw[at + 2 : at + 12] = struct.pack("<HII", 4, 1, 400_000)
    path.write_bytes(raw)
    return path


def ome_tiff(folder: Path) -> Path:
    path = folder / "f.tif"
    about = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/'
        '2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="uint8" SizeX="8" SizeY="8" SizeC="1" SizeZ="30000000" SizeT="1">'
        "<TiffData/></Pixels></Image></OME>"
    )
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=about, metadata=None)
    return path


def broken_jpeg_in_tiff(folder: Path) -> Path:
    path = folder / "f.tif"
    picture = np.random.default_rng(0).integers(0, 9, (64, 64)).astype(np.uint8)
    tifffile.imwrite(path, picture, compression="zstd")
    raw = bytearray(path.read_bytes())
    at = raw.find(b"\x28\xb5\x2f\xfd")
    raw[at : at + 40] = b"garbage!" * 5
    path.write_bytes(raw)
    return path


def pipe(folder: Path) -> Path:
    if sys.platform == "win32":
        pytest.skip("no pipes among files")
    os.mkfifo(folder / "f.tif")
    return folder / "f.tif"


@pytest.mark.parametrize(
    "make",
    [
        big_nifti,
        packed_nifti,
        far_nifti,
        complex_nifti,
        postscript,
        film,
        big_tiff,
        ome_tiff,
        broken_jpeg_in_tiff,
        pipe,
    ],
)
def test_hostile_images_are_refused(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        images.read_volume(make(tmp_path))
    assert len(str(caught.value)) <= LONGEST


def test_pictures_still_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for shape in ((9, 8), (9, 8, 3), (9, 8, 4)):
        picture = rng.integers(0, 255, shape).astype(np.uint8)
        iio.imwrite(tmp_path / "p.png", picture)
        found = images.read_volume(tmp_path / "p.png")
        assert len(found.data) == (1 if len(shape) == 2 else 3)
        first = picture if picture.ndim == 2 else picture[..., 0]
        assert np.array_equal(found.data[0][0], first)
    palette = Image.fromarray(rng.integers(0, 3, (9, 8)).astype(np.uint8)).convert("P")
    palette.save(tmp_path / "p.png")
    assert len(images.read_volume(tmp_path / "p.png").data) == 3


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[{" * 900 + "1", "[NaN]", "[" + "1" * 9000 + "]", "\0"],
)
def test_hostile_json_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_json(path)


def test_brackets_within_names_are_no_depth(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(json.dumps({"name": "[" * 500, "other": 'a"[' * 90}))
    assert read_json(path)["name"] == "[" * 500


CARD: dict[str, tuple[str, Any]] = {
    "wide": ("network.widths", [10**9, 10**9]),
    "deep": ("network.widths", [1] * 3000),
    "no width": ("network.widths", [0, 0]),
    "neighbours": ("input.neighbours", 10**6),
    "channels": ("input.channels", ["a"] * 10**5),
    "axis": ("input.axis", 7),
    "slices": ("input.slices.number", 7),
    "frame": ("input.frame", [[2.0, 0.0, 0.0]] * 3),
    "pixel": ("input.pixel", [0.0, 1.0]),
    "mirror": ("input.mirror", [5]),
    "dropout": ("network.dropout", 9),
    "format": ("format", True),
    "class": ("classes.0.id", 300),
    "twice": ("classes.0.id", 2),
    "colour": ("classes.0.colour", "evil<script>"),
}


@pytest.mark.parametrize("kind", CARD)
def test_hostile_models_are_refused(kind: str, tmp_path: Path) -> None:
    save_model(tmp_path / "m", a_model())
    path = tmp_path / "m" / "model.json"
    card = json.loads(path.read_text())
    where, value = CARD[kind]
    *parents, last = where.split(".")
    place: Any = card
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[last] = value
    path.write_text(json.dumps(card))
    with pytest.raises(InputError):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("kind", ["header", "cut", "link", "other"])
def test_hostile_weights_are_refused(kind: str, tmp_path: Path) -> None:
    save_model(tmp_path / "m", a_model())
    path = tmp_path / "m" / "weights.safetensors"
    raw = path.read_bytes()
    if kind == "header":
        path.write_bytes(struct.pack("<Q", 2**62) + raw[8:])
    elif kind == "cut":
        path.write_bytes(raw[:-50])
    elif kind == "link":
        shutil.copy(path, tmp_path / "elsewhere")
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
    else:
        from safetensors.numpy import save_file

        save_file({"x": np.zeros(3, np.float32)}, path)
    with pytest.raises(InputError):
        load_model(tmp_path / "m")


def test_arrays_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.float16, ">i2", np.float64, np.bool_):
        array = rng.integers(0, 2, (5, 7, 3)).astype(dtype)
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        for _ in write_once(tmp_path / "a", lambda p, a=array: write_array(p, a)):  # type: ignore[misc]
            pass
        assert np.array_equal(read_array(tmp_path / "a", (5, 7, 3)), array)


@pytest.mark.parametrize(
    "kind", ["shape", "chunks", "dtype", "codec", "bomb", "link", "missing", "version"]
)
def test_hostile_arrays_are_refused(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "a"
    for _ in write_array(place, np.ones((4, 4, 4), np.uint8)):
        pass
    about = json.loads((place / "zarr.json").read_text())
    chunk = place / "c" / "0" / "0" / "0"
    if kind == "shape":
        about["shape"] = [100_000] * 3
    elif kind == "chunks":
        about["chunk_grid"]["configuration"]["chunk_shape"] = [10**6] * 3
    elif kind == "dtype":
        about["data_type"] = "string"
    elif kind == "codec":
        about["codecs"].append({"name": "numcodecs.pickle"})
    elif kind == "bomb":
        import imagecodecs

        chunk.write_bytes(imagecodecs.zstd_encode(bytes(2**28)))
    elif kind == "link":
        chunk.unlink()
        chunk.symlink_to("/etc/passwd")
    elif kind == "missing":
        chunk.unlink()
    else:
        shutil.rmtree(place)
        zarr.create_array(place, shape=(4, 4, 4), dtype="u1", zarr_format=2)
        with pytest.raises(InputError):
            read_array(place, (4, 4, 4), np.uint8)
        return
    (place / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(InputError):
        read_array(place, (4, 4, 4), np.uint8)
