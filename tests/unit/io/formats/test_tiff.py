"""TIFF: read whole with the right values, or refused with the file's name."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageSequence

from napari_contrastseg import cli
from napari_contrastseg.io import images
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.models.model import save_model
from napari_contrastseg.ui.plugin import reader
from tests.kit.command_line import contrastseg
from tests.kit.rounds import a_model

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (6, 20, 24)).astype(np.uint16)
LARGE = RNG.integers(0, 200, (64, 48)).astype(np.uint8)
COLOURS = RNG.integers(0, 200, (20, 24, 3)).astype(np.uint8)
BITS = RNG.integers(0, 2, (640, 800)).astype(np.bool_)
IMAGEJ = "ImageJ=1.53t\nimages={0}\nslices={0}\n"


def imagej(path: Path) -> np.ndarray:
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZYX"})
    return STACK


def pages(path: Path, *data: np.ndarray, **options: Any) -> np.ndarray:
    with tifffile.TiffWriter(path) as tif:
        for page in data or STACK:
            tif.write(page, **options)
    return STACK


def plain(path: Path, *data: np.ndarray, **options: Any) -> np.ndarray:
    """Pages without a word about what they are together."""
    return pages(path, *data, metadata=None, **options)


def mixed(path: Path, about: str | None = None) -> np.ndarray:
    """Every other page is compressed."""
    with tifffile.TiffWriter(path) as tif:
        for index, page in enumerate(STACK):
            tif.write(
                page,
                compression="lzw" if index % 2 else None,
                metadata=None,
                description=None if index else about,
            )
    return STACK


def end_chain(path: Path, page: int) -> None:
    """Make a page the last of the chain; the data stay."""
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[page].offset
    raw = bytearray(path.read_bytes())
    place += 2 + 12 * struct.unpack_from("<H", raw, place)[0]
    raw[place : place + 4] = bytes(4)
    path.write_bytes(raw)


def imagej_in_one_page(path: Path) -> np.ndarray:
    """As ImageJ writes what is larger than 4 GB."""
    imagej(path)
    end_chain(path, 0)
    return STACK


def pillow(path: Path) -> np.ndarray:
    first, *more = (Image.fromarray(page) for page in STACK)
    first.save(path, save_all=True, append_images=more, compression="tiff_deflate")
    return STACK


def big_endian(path: Path) -> np.ndarray:
    tifffile.imwrite(path, STACK, bigtiff=True, byteorder=">", tile=(16, 16))
    return STACK


def pyramid(path: Path) -> np.ndarray:
    with tifffile.TiffWriter(path) as tif:
        tif.write(LARGE, subifds=1, tile=(16, 16))
        tif.write(LARGE[::2, ::2], subfiletype=1, tile=(16, 16))
    return LARGE[None]


def pyramid_of_pages(path: Path) -> np.ndarray:
    plain(path, *(LARGE[::step, ::step] for step in (1, 2, 4)), tile=(16, 16))
    return LARGE[None]


def colours(path: Path) -> np.ndarray:
    plain(path, COLOURS, COLOURS[::-1], photometric="rgb")
    return np.stack([COLOURS[..., 0], COLOURS[::-1, :, 0]])


def narrow(path: Path) -> np.ndarray:
    tifffile.imwrite(path, STACK[:, :, :1])
    return STACK[:, :, :1]


def bits(path: Path) -> np.ndarray:
    tifffile.imwrite(path, BITS, photometric="minisblack", bitspersample=1)
    return BITS[None]


def twelve_bits(path: Path) -> np.ndarray:
    """Two numbers in three bytes, the bits in the order of the standard."""
    pair = STACK[0].reshape(-1, 2)
    packed = np.stack(
        [pair[:, 0] >> 4, (pair[:, 0] & 15) << 4 | pair[:, 1] >> 8, pair[:, 1] & 255],
        axis=1,
    ).astype(np.uint8)
    tifffile.imwrite(path, packed.reshape(20, 36), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tags = tif.pages.first.tags
        tags["ImageWidth"].overwrite(24)
        tags["BitsPerSample"].overwrite(12)
    return STACK[:1]


def ome(path: Path) -> np.ndarray:
    tifffile.imwrite(path, STACK, ome=True, metadata={"axes": "ZYX"})
    return STACK


def part(name: str, plane: int, page: int = 0) -> str:
    return (
        f'<TiffData IFD="{page}" FirstZ="{plane}" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
    )


def ome_by_hand(
    path: Path, planes: int, *held: str, own: str = "", body: str = ""
) -> np.ndarray:
    """Two pages whose OME metadata say anything; an image for each of `held`."""
    for number, where in enumerate(held):
        body += (
            f'<Image ID="Image:{number}"><Pixels ID="Pixels:{number}" Type="uint16" '
            f'DimensionOrder="XYCZT" SizeX="24" SizeY="20" SizeC="1" SizeZ="{planes}" '
            f'SizeT="1">{where}</Pixels></Image>'
        )
    name = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    about = f'<?xml version="1.0"?><OME xmlns="{name}" {own}>{body}</OME>'
    with tifffile.TiffWriter(path) as tif:
        tif.write(STACK[0], description=about, metadata=None)
        tif.write(STACK[1], metadata=None)
    return STACK[:2]


def renamed_ome(path: Path) -> np.ndarray:
    both = part("old.tif", 0) + part("old.tif", 1, 1)
    return ome_by_hand(path, 2, both, own='UUID="urn:uuid:old.tif"')


WHOLE: dict[str, Callable[[Path], np.ndarray]] = {
    "imagej": imagej,
    "imagej in one page": imagej_in_one_page,
    "pages with shapes": pages,
    "compressed pages with shapes": lambda p: pages(p, compression="lzw"),
    "one after the other": lambda p: pages(p, contiguous=True),
    "plain pages": plain,
    "compressed pages": lambda p: plain(p, compression="lzw"),
    "some compressed": mixed,
    "pillow": pillow,
    "big endian": big_endian,
    "pyramid": pyramid,
    "pyramid of pages": pyramid_of_pages,
    "colours": colours,
    "narrow": narrow,
    "bits": bits,
    "twelve bits": twelve_bits,
    "ome": ome,
    "renamed ome": renamed_ome,
}


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_files_are_read_whole(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.tif"
    expected = WHOLE[kind](path)
    volume = images.read_volume(path)
    assert np.array_equal(volume.data[0], expected)
    assert volume.kind == ("volume" if len(expected) > 1 else "stack")
    assert len(volume.data) == (3 if kind == "colours" else 1)


@pytest.mark.parametrize("kind", ["pages with shapes", "some compressed", "colours"])
def test_pages_are_those_that_pillow_finds(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "whole.tif"
    WHOLE[kind](path)
    with Image.open(path) as image:
        found = [np.asarray(page) for page in ImageSequence.Iterator(image)]
    channels = images.read_volume(path).data
    ours = channels[0] if len(channels) == 1 else np.stack(channels, axis=-1)
    assert np.array_equal(ours, found)


def cut(make: Callable[[Path], object], keep: float) -> Callable[[Path], None]:
    """A copy that broke off."""

    def write(path: Path) -> None:
        make(path)
        raw = path.read_bytes()
        path.write_bytes(raw[: int(keep * len(raw))])

    return write


def ended(make: Callable[[Path], object], page: int) -> Callable[[Path], None]:
    """A program took the first pages and kept the words about all of them."""

    def write(path: Path) -> None:
        make(path)
        end_chain(path, page)

    return write


def tagged(tag: str, value: Any, **options: Any) -> Callable[[Path], None]:
    """Pages, one of which has another tag."""

    def write(path: Path) -> None:
        plain(path, **options)
        with tifffile.TiffFile(path, mode="r+") as tif:
            page: Any = tif.pages[2]
            page.tags[tag].overwrite(value)

    return write


def two_stacks(path: Path) -> None:
    pages(path, STACK, STACK[:4], photometric="minisblack")


def unequal_imagej(path: Path) -> None:
    with tifffile.TiffWriter(path) as tif:
        tif.write(STACK[0], metadata=None, description=IMAGEJ.format(3))
        tif.write(STACK[1, :18], metadata=None)
        tif.write(STACK[2], metadata=None)


def label_and_slide(path: Path) -> None:
    with tifffile.TiffWriter(path) as tif:
        tif.write(LARGE, metadata=None, tile=(16, 16))
        tif.write(LARGE[::2, ::2], metadata=None, tile=(16, 16), subfiletype=1)
        tif.write(COLOURS, metadata=None, photometric="rgb", subfiletype=1)


def hyperstack(path: Path) -> None:
    tifffile.imwrite(path, STACK.reshape(2, 3, 20, 24), photometric="minisblack")


UNEQUAL = (STACK[0], STACK[1, :18], STACK[2])
INCOMPLETE = "is damaged or incomplete, "
SEVERAL = "holds more than one image, or pages that differ ("
PARTS = "is one of several files of an image (b.tif is another)"
ONE = '<TiffData IFD="{}" PlaneCount="1"/>'
IN_A_DATA_SET = "holds several images, and a data set has one in a file"
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut imagej": (cut(imagej, 0.3), INCOMPLETE),
    "cut imagej's pages": (cut(imagej, 0.9), INCOMPLETE),
    "cut imagej in one page": (cut(imagej_in_one_page, 0.6), INCOMPLETE),
    "cut pages": (cut(pages, 0.6), INCOMPLETE),
    "cut compressed pages": (cut(WHOLE["compressed pages"], 0.6), INCOMPLETE),
    "cut tiles": (cut(big_endian, 0.6), INCOMPLETE),
    "cut ome": (cut(ome, 0.6), INCOMPLETE),
    "first page of imagej": (
        lambda p: plain(p, STACK[0], description=IMAGEJ.format(6)),
        f"{INCOMPLETE}it promises 6 slices",
    ),
    "first page with a shape": (
        ended(lambda p: tifffile.imwrite(p, STACK, compression="lzw"), 0),
        f"{INCOMPLETE}it promises 6 slices",
    ),
    "three pages with a shape": (
        ended(lambda p: tifffile.imwrite(p, STACK, compression="lzw"), 2),
        f"{INCOMPLETE}it promises 6 slices",
    ),
    "first pages of ome": (ended(ome, 3), INCOMPLETE),
    "ome of more planes": (
        lambda p: ome_by_hand(p, 3, '<TiffData IFD="0" PlaneCount="3"/>'),
        INCOMPLETE,
    ),
    "a strip beyond the end": (tagged("StripOffsets", 10**6), INCOMPLETE),
    "a compressed strip beyond the end": (
        tagged("StripByteCounts", 10**6, compression="lzw"),
        INCOMPLETE,
    ),
    "tiles that are not there": (
        tagged("TileByteCounts", (0, 0, 0, 0), tile=(16, 16)),
        INCOMPLETE,
    ),
    "empty": (lambda p: p.write_bytes(b""), "is an empty file"),
    "text": (lambda p: p.write_text("II but a text"), "is not a TIFF file"),
    "unequal pages": (lambda p: plain(p, *UNEQUAL), SEVERAL),
    "unequal pages with shapes": (lambda p: pages(p, *UNEQUAL), SEVERAL),
    "unequal pages of imagej": (unequal_imagej, f"{SEVERAL}18 x 24, 20 x 24)"),
    "unlike pages of imagej": (lambda p: mixed(p, IMAGEJ.format(6)), SEVERAL),
    "more pages than imagej says": (
        lambda p: plain(p, STACK, description=IMAGEJ.format(2)),
        SEVERAL,
    ),
    "two stacks": (two_stacks, f"{SEVERAL}6 x 20 x 24, 4 x 20 x 24)"),
    "picture and thumbnail": (
        lambda p: plain(p, LARGE, LARGE[:13, :10], subfiletype=0),
        f"{SEVERAL}64 x 48, 13 x 10)",
    ),
    "slide and its label": (label_and_slide, SEVERAL),
    "two images of ome": (
        lambda p: ome_by_hand(p, 1, ONE.format(0), ONE.format(1)),
        SEVERAL,
    ),
    "more pages than ome says": (lambda p: ome_by_hand(p, 1, ONE.format(0)), SEVERAL),
    "one of several files": (
        lambda p: ome_by_hand(p, 2, part(p.name, 0) + part("b.tif", 1)),
        PARTS,
    ),
    "described elsewhere": (
        lambda p: ome_by_hand(p, 1, body='<BinaryOnly MetadataFile="b.tif" UUID="u"/>'),
        PARTS,
    ),
    "hyperstack": (
        hyperstack,
        "has 4 dimensions",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_parts_and_collections_are_refused(kind: str, tmp_path: Path) -> None:
    """By the reader of the shell, and of the window."""
    path = tmp_path / "part.tif"
    make, said = REFUSED[kind]
    make(path)
    for read in (images.read_volume, images.read_labels, lambda p: reader.read(str(p))):
        with pytest.raises(InputError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: {said}")
        assert str(caught.value).count(". ") == 0
        assert str(caught.value).endswith(".")


def dataset_of(root: Path) -> Path:
    """Two cases, of which the second is `one_0000.tif`."""
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    for case in ("one", "two"):
        imagej(root / "imagesTr" / f"{case}_0000.tif")
        tifffile.imwrite(
            root / "labelsTr" / f"{case}.tif", (STACK > 2000).astype(np.uint8)
        )
    about = {
        "channel_names": {"0": "image"},
        "labels": {"background": 0, "core": 1},
        "file_ending": ".tif",
    }
    (root / "dataset.json").write_text(json.dumps(about))
    return root


@pytest.mark.parametrize("kind", REFUSED)
def test_the_shell_names_the_file_and_writes_nothing(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = dataset_of(tmp_path / "set")
    image = root / "imagesTr" / "two_0000.tif"
    make, said = REFUSED[kind]
    make(image)
    save_model(tmp_path / "model", a_model())
    out = tmp_path / "out"
    for words in (
        ["predict", tmp_path / "model", image, "--out", out],
        ["train", root, "--recipe", "supervised", "--steps", 1, "--out", out],
    ):
        monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert ended.value.code == 2
        assert printed.out == ""
        begins = (said, IN_A_DATA_SET) if words[0] == "train" else (said,)
        named = tuple(f"contrastseg: {image}: {begin}" for begin in begins)
        assert printed.err.startswith(named)
        assert printed.err.count("\n") == 1
        assert not out.exists()


def test_libraries_print_no_lines_of_their_own(tmp_path: Path) -> None:
    """In a process whose logging nobody set up."""
    root = dataset_of(tmp_path / "set")
    label = root / "labelsTr" / "two.tif"
    ended(lambda p: tifffile.imwrite(p, STACK, compression="lzw"), 0)(label)
    out = tmp_path / "out"
    done = contrastseg(
        "train", root, "--recipe", "supervised", "--steps", 1, "--out", out
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"contrastseg: {label}: {INCOMPLETE}")
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_predictions_of_stacks_have_all_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path / "model", a_model())
    (tmp_path / "in").mkdir()
    kinds = ("imagej in one page", "pages with shapes", "some compressed")
    for kind in kinds:
        WHOLE[kind](tmp_path / "in" / f"{kind}.tif")
    words = ["predict", tmp_path / "model", tmp_path / "in", "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    for kind in kinds:
        assert tifffile.imread(tmp_path / "out" / f"{kind}.tif").shape == STACK.shape


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "part.tif"
    imagej(path)

    def refuse(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"part\.tif: may not be read"):
        images.read_volume(path)


def test_tiff_keeps_spacing(tmp_path: Path) -> None:
    volume = Volume(
        "a", (np.zeros((3, 8, 9), np.uint8),), array_affine(np.array([2.0, 0.5, 0.25]))
    )
    images.write_mask(tmp_path / "m.tif", np.full((3, 8, 9), 2), volume)
    back = images.read_volume(tmp_path / "m.tif")
    assert np.allclose(back.spacing, [2.0, 0.5, 0.25], rtol=1e-4)
    assert (np.asarray(back.data[0]) == 2).all()


def test_stains_and_times_of_a_tiff_are_no_slices(tmp_path: Path) -> None:
    path = tmp_path / "stains.tif"
    two = np.arange(2 * 30 * 30, dtype=np.uint16).reshape(2, 30, 30)
    tifffile.imwrite(path, two, imagej=True, metadata={"axes": "CYX"})
    volume = images.read_volume(path)
    assert volume.shape == (1, 30, 30)
    assert volume.channels == ("channel 0", "channel 1")
    tifffile.imwrite(path, two, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(InputError, match="holds 2 time points"):
        images.read_volume(path)


def test_compressed_tiffs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lzw.tif"
    data = np.arange(900, dtype=np.uint8).reshape(30, 30)
    tifffile.imwrite(path, data, compression="lzw")
    assert np.array_equal(images.read_volume(path).data[0][0], data)


@pytest.mark.parametrize(
    ("samples", "extra", "kept"),
    [
        (2, [0], 2),
        (2, [1], 1),
        (2, [2], 1),
        (3, [0, 2], 2),
        (3, [2, 0], 2),
        (4, [0], 4),
        (4, [1], 3),
        (4, [2], 3),
        (5, [0, 2], 4),
    ],
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_only_what_extrasamples_calls_alpha_is_dropped(
    tmp_path: Path, samples: int, extra: list[int], kept: int, planar: str
) -> None:
    values = np.arange(samples, dtype=np.uint8) + 10
    clear = {values[samples - len(extra) + i] for i, e in enumerate(extra) if e}
    data = np.broadcast_to(values, (9, 7, samples))
    data = data if planar == "contig" else np.moveaxis(data, -1, 0)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.ascontiguousarray(data),
        photometric="rgb" if samples - len(extra) == 3 else "minisblack",
        planarconfig=planar,
        extrasamples=extra,
    )
    volume = images.read_volume(tmp_path / "a.tif")
    assert volume.shape == (1, 9, 7)
    assert len(volume.data) == kept
    found = [int(np.asarray(c).max()) for c in volume.data]
    assert found == [int(v) for v in values if v not in clear]


def test_printing_inks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cmyk.tif"
    tifffile.imwrite(path, np.zeros((8, 8, 4), np.uint8), photometric="separated")
    with pytest.raises(InputError, match=r"CMYK.*save it as RGB"):
        images.read_volume(path)
