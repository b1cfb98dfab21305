"""TIFF files, read whole: stacks of pages, ImageJ, OME; nothing of it is left out."""

from __future__ import annotations

import logging
import math
import struct
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
import tifffile

from napari_contrastseg.io.channels import at, split, volume_of
from napari_contrastseg.io.choice import (
    EVERYTHING,
    Choice,
    Part,
    SeveralPartsError,
    pick,
    times,
)
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import Choosing, ImageFormat, unchosen
from napari_contrastseg.io.lazy_image import (
    check_image,
    is_lazy,
    lazy_image,
    slab,
    unchanged,
    viewed,
)
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.raw_data import RawVoxels
from napari_contrastseg.io.tiff_sizes import sizes_of
from napari_contrastseg.io.tiff_writing import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

    Series = Sequence[tifffile.TiffPageSeries]
    Page = tifffile.TiffPage | tifffile.TiffFrame
    Look = tuple[int, ...]

# What makes a file unfit is said here, in one sentence; tifffile would print more.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_NAME: Final = "tiff"
#: Any image, where they are counted.
_ANY: Final = "*"
#: Of a file whose every time point is one picture: all of them, as slices.
_ALL_TIMES: Final = Part("slices", "all time points, as slices", "whole")
_MOST_PAGES, _MOST_TAGS = 200_000, 4096
_ORDERS: Final[dict[bytes, Literal["little", "big"]]] = {b"II": "little", b"MM": "big"}
_CLASSIC, _BIG = 42, 43
_NUMBERS: Final = {3: 2, 4: 4, 16: 8}
#: Tags in which all pages of a stack agree: height, width, bits, compression, samples,
#: rows of a strip, predictor, tile, kind of number. tifffile asks the first page alone.
_SHARED: Final = (257, 256, 258, 259, 277, 278, 317, 322, 323, 339)
#: Kinds of pixels that are shown as they are stored, and one that unpacking JPEG makes
#: RGB of.
_LIGHT: Final = (
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.PALETTE,
    tifffile.PHOTOMETRIC.MASK,
    tifffile.PHOTOMETRIC.LINEAR_RAW,
)
_VIDEO: Final = tifffile.PHOTOMETRIC.YCBCR
_JPEG: Final = (6, 7, 33003, 33004, 33005, 34712)
#: Values of a TIFF's ExtraSamples; 0 is a channel of any other kind.
_TRANSPARENCY: Final = (1, 2)


class Stack(NamedTuple):
    """The one image or stack of an open file.

    Attributes
    ----------
    tif : TiffFile
    pages : list
        The slices, where tifffile takes the pages of the stack for images of their own.
    chosen : int
        Which of several images.
    """

    tif: tifffile.TiffFile
    pages: list[Page]
    chosen: int = 0

    @property
    def image(self) -> tifffile.TiffPageSeries:
        """The image, or the first slice."""
        return self.tif.series[self.chosen]

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size along `axes`."""
        if self.pages:
            return (len(self.pages), *self.pages[0].shape)
        return tuple(self.image.shape)

    @property
    def axes(self) -> str:
        """A letter for each axis."""
        if self.pages:
            return f"I{self.image.keyframe.axes}"
        return str(self.image.axes)

    @property
    def transparency(self) -> tuple[int, ...]:
        """Samples that say how transparent a pixel is."""
        page = self.image.keyframe
        first = page.samplesperpixel - len(page.extrasamples)
        kinds = enumerate(page.extrasamples, start=first)
        return tuple(number for number, kind in kinds if kind in _TRANSPARENCY)

    @property
    def palette(self) -> NDArray[np.uint16] | None:
        """Colours that the values stand for."""
        page = self.image.keyframe
        coloured = page.photometric == tifffile.PHOTOMETRIC.PALETTE
        return page.colormap if coloured else None

    def values(self) -> NDArray[Any]:
        """Read all of it."""
        if not self.pages:
            return np.asarray(self.image.asarray())
        return self.of_pages((slice(0, len(self.pages)),))

    def of_pages(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Read whole slices of a stack that was written page by page."""
        return np.stack([page.asarray() for page in self.pages[where[0]]])

    def reader(
        self, path: Path
    ) -> tuple[Callable[[tuple[slice, ...]], Any], Sequence[int] | None]:
        """Give what reads a part, also when the file was closed, and the chunks."""
        image = self.image
        file = self.tif.filehandle

        def of_pages(where: tuple[slice, ...]) -> Any:
            file.open()
            try:
                return self.of_pages(where)
            finally:
                file.close()

        if self.pages:
            return of_pages, (1, *self.shape[1:])
        if image.dataoffset is not None:
            dtype = image.dtype.newbyteorder(self.tif.byteorder)
            each = math.prod(self.shape) * dtype.itemsize
            voxels = RawVoxels([(path, image.dataoffset)], each)
            return partial(voxels.read, self.shape, dtype), None
        import zarr  # noqa: PLC0415  not needed for smaller files

        store = image.aszarr(level=0)
        array = zarr.open_array(store, mode="r")

        def read(where: tuple[slice, ...]) -> Any:
            try:
                return array[where]
            finally:
                store.close()  # the file, which it opens again when it must

        return read, array.chunks


def sniff(head: bytes) -> bool:
    """Whether a file begins as TIFF files do."""
    order = _ORDERS.get(head[:2])
    return order is not None and int.from_bytes(head[2:4], order) in (_CLASSIC, _BIG)


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read an image or stack of a file, its slices along the first axis.

    Raises
    ------
    SeveralPartsError
        It has several time points, and none was chosen.
    InputError
        A part of it is missing, it holds several images and none was chosen, is one
        of several files, is larger than memory, or holds no numbers.
    """
    with _opened(path, choice) as stack:
        image = stack.image
        check_size(path, image.keyframe.chunks, image.dtype)
        check_image(path, stack.shape, image.dtype)
        several = len(stack.tif.series) > 1 and not stack.pages
        data, axes, sizes = (
            _values(path, stack),
            stack.axes,
            sizes_of(stack.tif, stack.chosen),
        )
        transparency = stack.transparency
        if stack.palette is not None:
            axes = f"{axes}S"
    part = Part("")
    if "T" in axes:
        along = axes.index("T")
        parts = _moments(data.shape, axes)
        wanted = choice.part if not several else choice.part.partition(", ")[2]
        what = plural(data.shape[along], "time point")
        part = pick(path, what, parts, wanted)
        if part == _ALL_TIMES:
            axes = axes.replace("T", "I")
        else:
            data = at(data, along, part.moment)
            axes = axes.replace("T", "")
    planes = []
    for plane in split(data, axes, transparency):
        many = [n for n in plane.shape[:-2] if n != 1] or [1]
        planes.append(viewed(plane, partial(_shaped, (*many, *plane.shape[-2:]))))
    known = sizes.known(slices=len(planes[0]))
    return volume_of(
        path,
        _NAME,
        name,
        planes,
        sizes.spacing,
        names=sizes.names if len(sizes.names) == len(planes) else (),
        unit="mm" if known else "pixel",
        choice=choice,
    )


def _shaped(shape: tuple[int, ...], array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(shape)


def _moments(shape: Sequence[int], axes: str) -> list[Part]:
    """List the time points; where each is one picture, they may be meant as slices."""
    sizes = dict(zip(axes, shape, strict=True))
    count = sizes.get("T", 1)
    pictures = all(n == 1 for axis, n in sizes.items() if axis not in "TCSYX")
    return [*times(count), *([_ALL_TIMES] if pictures and count > 1 else [])]


def _values(path: Path, stack: Stack) -> Any:
    """Read an image, with the colours of its palette, now or when it is asked for."""
    palette, dtype = stack.palette, stack.image.dtype
    if not is_lazy(stack.shape, dtype):
        data = stack.values()
        return data if palette is None else _in_colours(data, palette)
    of_file, chunk = stack.reader(path)
    check = unchanged(path)

    def read(where: tuple[slice, ...]) -> NDArray[Any]:
        values = np.asarray(of_file(where[: len(stack.shape)]))
        check()
        return values if palette is None else _in_colours(values, palette)

    if palette is None:
        return lazy_image(path, stack.shape, dtype, read, chunk)
    chunk = (*(chunk or slab(stack.shape, dtype)), 3)
    return lazy_image(path, (*stack.shape, 3), np.uint8, read, chunk)


def _in_colours(data: NDArray[Any], palette: Any) -> NDArray[np.uint8]:
    """Look up the colours of a palette, which counts in 16 bits."""
    return np.moveaxis((palette >> 8).astype(np.uint8)[:, data], 0, -1)


def parts_of(path: Path) -> tuple[Part, ...]:
    """List the images of a file, or the time points of its one image."""
    with _opened(path, Choice(_ANY)) as stack:
        if len(stack.tif.series) > 1 and not stack.pages:
            return tuple(_images(stack.tif.series))
        return tuple(_moments(stack.shape, stack.axes))


def _images(images: Series) -> list[Part]:
    return [
        Part(f"image {number}", " x ".join(map(str, image.shape)))
        for number, image in enumerate(images)
    ]


def count_voxels(path: Path) -> int:
    """Count the voxels of one channel; raises as `read`, but for what needs memory."""
    with _opened(path, EVERYTHING) as stack:
        sizes = zip(stack.shape, stack.axes, strict=True)
        return math.prod(size for size, axis in sizes if axis not in "SC")


@contextmanager
def _opened(path: Path, choice: Choice) -> Iterator[Stack]:
    """Open a file that is whole and holds one image or stack of numbers, or chosen."""
    pages = _list_pages(path)
    # _multifile: an OME file may name any other file as a part of it
    with tifffile.TiffFile(path, _multifile=False) as tif:
        of_ome = _planes_of_ome(path, tif.ome_metadata or "")
        images, size = tif.series, path.stat().st_size
        for image in images:
            if image.dtype is None or image.dtype.kind not in "biuf":
                raise InputError(f"{path}: holds {image.dtype}, not numbers.")
            _refuse_colours(path, image.keyframe)
            if not _lies_within(image, size):
                raise _incomplete(path, "it declares more pixels than it holds")
        for promised, held in _promises(tif, of_ome):
            if promised > held:
                why = f"it promises {promised} slices and not all are in it"
                raise _incomplete(path, why)
        slices = _pages_of_stack(images, pages)
        chosen = 0
        if not slices and len(images) > 1 and choice.part:
            first = choice.part.partition(", ")[0]
            if first != _ANY:
                found = pick(path, "images", _images(images), first)
                chosen = int(found.key.removeprefix("image "))
        elif not slices:
            _refuse_several(path, images, pages)
        yield Stack(tif, slices, chosen)


def _refuse_colours(path: Path, page: tifffile.TiffPage) -> None:
    """Refuse pixels that are neither grey, RGB nor of a palette."""
    kind = page.photometric
    if kind in _LIGHT or (kind == _VIDEO and page.compression in _JPEG):
        return
    if kind == tifffile.PHOTOMETRIC.SEPARATED:
        raise InputError(
            f"{path}: holds amounts of printing inks (CMYK), not of light; save it as "
            "RGB or grey."
        )
    name = getattr(kind, "name", kind)
    raise InputError(
        f"{path}: holds colours as {name}, not as RGB; save it as RGB or grey."
    )


def _list_pages(path: Path) -> dict[int, Look]:
    """Walk along a file's chain of pages; in a ring tifffile would go for ever.

    Returns
    -------
    dict of a page's place in the file to the values of its tags `_SHARED`
    """
    size = path.stat().st_size
    pages: dict[int, Look] = {}
    with path.open("rb") as file:
        head = file.read(16)
        order = _ORDERS.get(head[:2], "little")
        version = int.from_bytes(head[2:4], order)
        if head[:2] not in _ORDERS or version not in (_CLASSIC, _BIG):
            raise InputError(
                f"{path}: is not a TIFF file, whatever its name says; save it as one."
            )
        big = version == _BIG
        count_size, pointer = (8, 8) if big else (2, 4)
        entry = struct.Struct("<>"[order == "big"] + ("HHQ8s" if big else "HHI4s"))
        place = int.from_bytes(head[8:16] if big else head[4:8], order)
        while place:
            if place in pages or len(pages) > _MOST_PAGES:
                raise _incomplete(path, "its pages form a ring")
            file.seek(place)
            count = int.from_bytes(file.read(count_size), order)
            end = place + count_size + count * entry.size + pointer
            if count > _MOST_TAGS or end > size:
                raise _incomplete(path, f"page {len(pages) + 1} is not found in it")
            tags = file.read(count * entry.size)
            pages[place] = _look(entry.iter_unpack(tags), order)
            place = int.from_bytes(file.read(pointer), order)
    if not pages:
        raise _incomplete(path, "it holds no page")
    return pages


def _look(
    entries: Iterator[tuple[int, int, int, bytes]], order: Literal["little", "big"]
) -> Look:
    """Give the values of a page's tags `_SHARED`, 0 where there is not one number."""
    found = {
        tag: int.from_bytes(value[: _NUMBERS[kind]], order)
        for tag, kind, count, value in entries
        if tag in _SHARED and count == 1 and kind in _NUMBERS
    }
    return tuple(found.get(tag, 0) for tag in _SHARED)


def _incomplete(path: Path, why: str) -> InputError:
    return InputError(
        f"{path}: is damaged or incomplete, {why}; copy or export it again."
    )


def _planes_of_ome(path: Path, about: str) -> int:
    """Count the planes that OME metadata promise; refuse one of several files."""
    try:
        root = ET.fromstring(about)
    except ET.ParseError:
        return 0  # tifffile does without it too
    planes = 0
    for element in root.iter():
        kind = element.tag.rpartition("}")[2]
        if kind == "Pixels":
            planes += math.prod(int(element.get(f"Size{axis}", 1)) for axis in "ZCT")
        other = element.get("FileName" if kind == "UUID" else "MetadataFile")
        own = element.text is not None and element.text == root.get("UUID")
        if other and not own and other.lower() != path.name.lower():
            raise InputError(
                f"{path}: is one of several files of an image ({other} is another); "
                "save the image as one file, for example with Fiji."
            )
    if planes > _MOST_PAGES:
        raise InputError(f"{path}: declares more planes than can be read.")
    return planes


def _lies_within(image: tifffile.TiffPageSeries, size: int) -> bool:
    """Whether all pixels of an image lie before the end of the file."""
    if image.dataoffset is not None:
        return bool(image.dataoffset + image.size * image.dtype.itemsize <= size)
    return all(_page_lies_within(page, image.keyframe, size) for page in image)


def _page_lies_within(page: Page | None, key: tifffile.TiffPage, size: int) -> bool:
    if page is None:
        return False
    parts = math.prod(key.chunked)
    offsets, counts = page.dataoffsets[:parts], page.databytecounts[:parts]
    if key.is_contiguous:
        return bool(offsets and 0 < offsets[0] <= size - key.nbytes)
    if key.compression == 1 and key.size * np.mean(key.bitspersample) > 8 * size:
        return False
    if not len(offsets) == len(counts) == parts:
        return False
    return all(o and n and o + n <= size for o, n in zip(offsets, counts, strict=True))


def _promises(tif: tifffile.TiffFile, of_ome: int) -> Iterator[tuple[int, int]]:
    """Give the number of slices that each description promises, and that are held."""
    keys = [image.keyframe for image in tif.series]
    held = [image.size // image.keyframe.size for image in tif.series]
    images = (tif.imagej_metadata or {}).get("images")
    if isinstance(images, int):  # Bio-Formats counts separate samples as images
        yield images // keys[0].shaped[0], sum(held)
    else:
        samples = [key.shaped[0] * key.shaped[-1] for key in keys]
        yield of_ome, sum(map(math.prod, zip(held, samples, strict=True)))
    for about, key, count in zip(tif.shaped_metadata or (), keys, held, strict=False):
        yield math.prod(about["shape"]) // key.size, count


def _pages_of_stack(images: Series, pages: Mapping[int, object]) -> list[Page]:
    """Give the slices, in order, of a stack that was written page by page."""
    keys = [image.keyframe for image in images]
    alike = len({(key.shape, key.dtype, key.photometric) for key in keys}) == 1
    single = all(
        image.kind == "generic" or (image.kind == "shaped" and len(image) == 1)
        for image in images
    )
    if len(images) == 1 or not alike or not single:
        return []
    found = {
        page.offset: page for image in images for page in image if page is not None
    }
    return [found[place] for place in pages] if found.keys() == pages.keys() else []


def _refuse_several(path: Path, images: Series, pages: Mapping[int, Look]) -> None:
    """Refuse a file that holds more than the one image that would be read."""
    levels = images[0].levels
    sizes = [image.shape for image in images]
    if len(images) == len(levels) == 1 and images[0].kind != "generic":
        sizes = [look[:2] for look in sorted(set(pages.values()))]
    read = sum(len(level) for level in levels if level.keyframe.offset in pages)
    if len(sizes) > 1 or read < len(pages):
        shapes = ", ".join(" x ".join(map(str, size)) for size in sizes[:4])
        what = f"more than one image, or pages that differ ({shapes})"
        if len(images) > 1:
            raise SeveralPartsError(path, what, _images(images))
        raise InputError(
            f"{path}: holds {what}; save the one you mean in a file of its own."
        )


FORMAT = ImageFormat(
    name=_NAME,
    title="TIFF",
    endings=(".tif", ".tiff"),
    sniff=sniff,
    read=unchosen(read_chosen),
    count_voxels=count_voxels,
    write=write,
    choosing=Choosing(parts_of, read_chosen),
)
