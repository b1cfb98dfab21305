"""TIFF: odd shapes and colours keep their values, or are refused with what they are."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_labels, read_volume, write_mask
from napari_contrastseg.io.volume import Volume, array_affine

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 255, (20, 24, 3)).astype(np.uint8)
THIN = [(6, 20, 1), (6, 1, 20), (1, 20, 1), (1, 1, 20), (6, 1, 1), (2, 20, 3)]


@pytest.mark.parametrize("shape", THIN)
@pytest.mark.parametrize("ending", [".tif", ".ome.tif"])
def test_masks_one_pixel_wide_keep_their_shape(
    shape: tuple[int, int, int], ending: str, tmp_path: Path
) -> None:
    mask = RNG.integers(0, 4, shape).astype(np.uint8)
    sizes = np.array([3.0, 0.5, 0.25])
    volume = Volume("a", (mask,), array_affine(sizes))
    path = tmp_path / f"a{ending}"
    write_mask(path, mask, volume)
    found = read_labels(path)
    assert found.shape == shape
    assert np.array_equal(found.data[0], mask)
    assert found.spacing == pytest.approx(sizes)
    theirs = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    assert np.array_equal(theirs.reshape(shape), mask)


@pytest.mark.parametrize("shape", [(6, 20, 1), (6, 1, 20), (6, 1, 1)])
def test_stacks_of_itk_one_pixel_wide_keep_their_shape(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    grey = RNG.integers(0, 4000, shape).astype(np.uint16)
    path = tmp_path / "a.tif"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(grey), str(path))
    volume = read_volume(path)
    assert volume.shape == shape
    assert np.array_equal(volume.data[0], grey)


@pytest.mark.parametrize("kind", ["cielab", "icclab", "itulab", "ycbcr", "logluv"])
def test_colours_that_are_not_rgb_are_not_called_red(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOURS, photometric=kind, metadata=None)
    with pytest.raises(InputError) as caught:
        read_volume(path)
    assert str(caught.value) == (
        f"{path}: holds colours as {kind.upper()}, not as RGB; save it as RGB or grey."
    )


def test_what_jpeg_packed_as_ycbcr_is_rgb(tmp_path: Path) -> None:
    """As slide scanners do."""
    smooth = np.zeros((32, 48, 3), np.uint8)
    smooth[..., 0], smooth[..., 1] = np.indices((32, 48)) * 5
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        smooth,
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": 100, "outcolorspace": "ycbcr"},
    )
    with tifffile.TiffFile(path) as tif:
        assert tif.pages.first.photometric == tifffile.PHOTOMETRIC.YCBCR
    with Image.open(path) as image:
        theirs = np.asarray(image.convert("RGB"))
    ours = np.stack([c[0] for c in read_volume(path).data], axis=-1)
    assert np.abs(ours.astype(int) - theirs).max() <= 2
    assert np.abs(ours.astype(int) - smooth).max() <= 8


@pytest.mark.parametrize("slices", [1, 5])
def test_a_palette_is_the_same_colours_as_in_png(slices: int, tmp_path: Path) -> None:
    index = RNG.integers(0, 8, (slices, 20, 24)).astype(np.uint8)
    palette = RNG.integers(0, 255, (256, 3)).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        index,
        photometric="palette",
        colormap=palette.T.astype(np.uint16) * 257,
    )
    picture = Image.fromarray(index[0], "P")
    picture.putpalette(palette.tobytes())
    picture.save(tmp_path / "a.png")
    ours = np.stack(read_volume(tmp_path / "a.tif").data, axis=-1)
    theirs = np.stack(read_volume(tmp_path / "a.png").data, axis=-1)
    assert np.array_equal(ours, palette[index])
    assert np.array_equal(theirs[0], ours[0])


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_the_numbers_of_a_palette_are_the_classes_of_a_mask(
    ending: str, tmp_path: Path
) -> None:
    """As annotation tools for pictures save them; colours are for the eye."""
    index = RNG.integers(0, 8, (20, 24)).astype(np.uint8)
    palette = RNG.integers(0, 255, (256, 3)).astype(np.uint8)
    path = tmp_path / f"a{ending}"
    if ending == ".png":
        picture = Image.fromarray(index, "P")
        picture.putpalette(palette.tobytes())
        picture.save(path)
    else:
        colormap = palette.T.astype(np.uint16) * 257
        tifffile.imwrite(path, index, photometric="palette", colormap=colormap)
    assert np.array_equal(read_labels(path).data[0][0], index)
    assert len(read_volume(path).data) == 3


def test_a_mask_in_colours_stays_refused(tmp_path: Path) -> None:
    for ending in (".png", ".tif"):
        path = tmp_path / f"a{ending}"
        if ending == ".png":
            Image.fromarray(COLOURS).save(path)
        else:
            tifffile.imwrite(path, COLOURS, photometric="rgb")
        with pytest.raises(InputError, match="is a colour image, not a mask"):
            read_labels(path)


def packed_in_12_bits(values: NDArray[np.uint16]) -> bytes:
    """Pack two numbers in three bytes, the first one's upper bits first."""
    first, second = values[..., ::2].astype(np.uint16), values[..., 1::2]
    three = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1)
    return three.astype(np.uint8).tobytes()


def test_a_single_page_of_12_bits_is_not_called_damaged(tmp_path: Path) -> None:
    """Written by hand: one uncompressed strip, as detectors do."""
    values = RNG.integers(0, 2**12, (20, 24)).astype(np.uint16)
    pixels = packed_in_12_bits(values)
    tags = [
        (256, 4, 24),  # columns
        (257, 4, 20),  # rows
        (258, 3, 12),  # bits a sample
        (259, 3, 1),  # not compressed
        (262, 3, 1),  # black is 0
        (273, 4, 8),  # where the strip begins
        (277, 3, 1),  # samples a pixel
        (278, 4, 20),  # rows a strip
        (279, 4, len(pixels)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    head = b"II" + struct.pack("<HI", 42, 8 + len(pixels))
    path = tmp_path / "detector.tif"
    path.write_bytes(head + pixels + directory)

    volume = read_volume(path)

    assert np.array_equal(volume.data[0], values[None])
