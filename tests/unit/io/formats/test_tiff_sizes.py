"""TIFF: voxel sizes, units, channels, times, palettes, and one image of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice, SeveralPartsError
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (4, 20, 24)).astype(np.uint16)


@pytest.mark.parametrize(
    ("unit", "mm"),
    [
        ("micron", 1e-3),
        ("um", 1e-3),
        ("\\u00B5m", 1e-3),
        ("nm", 1e-6),
        ("mm", 1.0),
        ("cm", 10.0),
        ("inch", 25.4),
    ],
)
def test_units_of_imagej_are_taken(tmp_path: Path, unit: str, mm: float) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        STACK,
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={"spacing": 2.0, "unit": unit, "axes": "ZYX"},
    )
    volume = images.read_volume(path)
    assert np.allclose(volume.spacing, np.array([2, 0.5, 0.25]) * mm, rtol=1e-5)
    assert volume.source.unit == "mm"


@pytest.mark.parametrize("unit", ["", "pixel", "furlong"])
def test_without_a_unit_the_ratio_of_z_to_x_survives(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "a.tif"
    about: dict[str, Any] = {"spacing": 3.0, "axes": "ZYX"} | (
        {"unit": unit} if unit else {}
    )
    tifffile.imwrite(path, STACK, imagej=True, resolution=(1, 1), metadata=about)
    volume = images.read_volume(path)
    assert np.allclose(volume.spacing, [3, 1, 1])
    assert volume.source.unit == "pixel"


@pytest.mark.parametrize(("unit", "mm"), [("µm", 1e-3), ("nm", 1e-6), (None, 1e-3)])
def test_physical_sizes_and_names_of_ome_are_taken(
    tmp_path: Path, unit: str | None, mm: float
) -> None:
    path = tmp_path / "a.ome.tif"
    about: dict[str, Any] = {"axes": "CZYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    for axis, size in zip("ZYX", (1.5, 0.5, 0.25), strict=True):
        about[f"PhysicalSize{axis}"] = size
        if unit:
            about[f"PhysicalSize{axis}Unit"] = unit
    tifffile.imwrite(path, np.stack([STACK, STACK + 1]), ome=True, metadata=about)
    volume = images.read_volume(path)
    assert np.allclose(volume.spacing, np.array([1.5, 0.5, 0.25]) * mm)
    assert volume.channels == ("DAPI", "GFP")
    assert volume.source.unit == "mm"
    assert np.array_equal(volume.data[1], STACK + 1)


def test_ome_without_sizes_claims_none(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX"})
    assert images.read_volume(path).source.unit == "pixel"


@pytest.mark.parametrize(
    ("unit", "per", "spacing"),
    [
        (3, 40_000, 10 / 40_000),
        (2, 50_800, 25.4 / 50_800),
        (2, 300, None),
        (1, 3, None),
    ],
)
def test_resolutions_of_printers_are_no_sizes(
    tmp_path: Path, unit: int, per: float, spacing: float | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], resolution=(per, per), resolutionunit=unit)
    volume = images.read_volume(path)
    assert volume.source.unit == ("pixel" if spacing is None else "mm")
    assert np.allclose(volume.spacing, spacing or 1.0)


def test_the_distance_of_slices_is_not_made_up(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    about: dict[str, Any] = {"resolution": (40_000, 40_000), "resolutionunit": 3}
    tifffile.imwrite(path, STACK, photometric="minisblack", **about)
    assert images.read_volume(path).source.unit == "pixel"


@pytest.mark.parametrize("axes", ["TZCYX", "TZYX", "TYX", "ZCYX"])
def test_hyperstacks_have_channels_and_times(axes: str, tmp_path: Path) -> None:
    sizes = {"T": 3, "Z": 4, "C": 2, "Y": 20, "X": 24}
    shape = [sizes[axis] for axis in axes]
    data = RNG.integers(0, 999, shape).astype(np.uint16)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": axes})
    if "T" in axes:
        with pytest.raises(SeveralPartsError, match="holds 3 time points"):
            images.read_volume(path)
        data = data[2]
    part = "time 2" if "T" in axes else ""
    volume = images.read_volume(path, choice=Choice(part))
    expected = data if "Z" in axes else data[None]
    if "C" in axes:
        assert np.array_equal(np.stack(volume.data, axis=1), expected)
    else:
        assert np.array_equal(volume.data[0], expected)
    moments = [p.key for p in images.parts_of(path) if p.kind == "time"]
    assert moments == (["time 0", "time 1", "time 2"] if "T" in axes else [])


def test_pictures_of_several_times_may_be_taken_as_slices(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(SeveralPartsError, match="4 time points"):
        images.read_volume(path)
    volume = images.read_volume(path, choice=Choice("slices"))
    assert np.array_equal(volume.data[0], STACK)
    tifffile.imwrite(path, STACK[:, None], imagej=True, metadata={"axes": "TZYX"})
    assert images.parts_of(path)[-1].key == "slices"
    tifffile.imwrite(
        path, STACK.reshape(2, 2, 20, 24), imagej=True, metadata={"axes": "TZYX"}
    )
    assert [part.key for part in images.parts_of(path)] == ["time 0", "time 1"]


def test_palettes_are_colours_as_in_png(tmp_path: Path) -> None:
    picture = Image.fromarray(RNG.integers(0, 255, (9, 8, 3)).astype(np.uint8))
    packed = picture.quantize(16)
    packed.save(tmp_path / "a.tif")
    packed.save(tmp_path / "a.png")
    ours = images.read_volume(tmp_path / "a.tif")
    theirs = images.read_volume(tmp_path / "a.png")
    assert ours.channels == ("red", "green", "blue")
    for mine, other in zip(ours.data, theirs.data, strict=True):
        assert np.array_equal(mine, other)


def test_one_of_several_images_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(STACK, photometric="minisblack")
        tif.write(STACK[:2, :10], photometric="minisblack")
    with pytest.raises(InputError, match=r"more than one image.*--part 'image 0'"):
        images.read_volume(path)
    keys = [(part.key, part.title) for part in images.parts_of(path)]
    assert keys == [("image 0", "4 x 20 x 24"), ("image 1", "2 x 10 x 24")]
    volume = images.read_volume(path, choice=Choice("image 1"))
    assert np.array_equal(volume.data[0], STACK[:2, :10])


def test_bigtiff_planar_and_packed_colours_are_read(tmp_path: Path) -> None:
    colours = RNG.integers(0, 255, (3, 20, 24)).astype(np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, colours, planarconfig="separate", photometric="rgb", bigtiff=True,
        compression="zstd",
    )  # fmt: skip
    volume = images.read_volume(path)
    assert volume.channels == ("red", "green", "blue")
    assert np.array_equal(np.concatenate(volume.data), colours)
