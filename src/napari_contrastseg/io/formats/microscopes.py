"""Files of microscopes (CZI, LIF, ND2), with whatever readers bioio finds installed."""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.channels import MOST_CHANNELS, volume_of
from napari_contrastseg.io.choice import Part, pick, times
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import Choosing, ImageFormat, unchosen
from napari_contrastseg.io.lazy_image import check_image, filled_image, is_lazy
from napari_contrastseg.io.optional import need
from napari_contrastseg.io.plural import plural

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.volume import Volume

_NAME: Final = "bioio"
_MAGIC: Final = (b"ZISRAWFILE", b"\xda\xce\xbe\x0a")
_MICROMETRE: Final = 1e-3


def sniff(head: bytes) -> bool:
    """Whether a file begins as CZI or ND2 files do."""
    return head.startswith(_MAGIC)


def read_chosen(path: Path, name: str, choice: Choice) -> Volume:
    """Read one scene, or one time point of it.

    Raises
    ------
    InputError
        bioio, or a reader of it for such files, is not installed.
    """
    with _opened(path) as image:
        scenes, parts = list(image.scenes), _parts(image)
        what = plural(len(parts), "image") + " (scenes or times)"
        part = pick(path, what, parts, choice.part)
        scene = part.key.partition(", ")[0]
        number = int(scene.removeprefix("scene ") or 0)
        image.set_scene(scenes[number])
        order = str(image.dims.order)
        sizes = dict(zip(order, image.dims.shape, strict=True))
        letter = "S" if sizes.get("S", 1) > 1 else "C"
        if sizes.get(letter, 1) > MOST_CHANNELS:
            raise InputError(f"{path}: has {sizes[letter]} channels.")
        data = _read(path, image, f"{letter}ZYX", part.moment)
        names = tuple(map(str, image.channel_names or ())) if letter == "C" else ()
        pixels = image.physical_pixel_sizes
    lengths = [pixels.Z, pixels.Y, pixels.X]
    known = all(lengths[1:]) and (lengths[0] or data.shape[1] == 1)
    spacing = np.array([float(n or lengths[2] or 1.0) for n in lengths])
    return volume_of(
        path,
        _NAME,
        name,
        list(data),
        spacing * _MICROMETRE if known else spacing,
        names=names if len(names) == len(data) and all(names) else (),
        unit="mm" if known else "pixel",
        choice=choice,
    )


def _read(path: Path, image: Any, axes: str, moment: int) -> NDArray[Any]:
    """Read a time point; plane by plane to the disk where it is large."""
    sizes = dict(zip(str(image.dims.order), image.dims.shape, strict=True))
    shape = [sizes.get(axis, 1) for axis in axes]
    check_image(path, shape, image.dtype)
    if not is_lazy(shape, image.dtype):
        return np.asarray(image.get_image_data(axes, T=moment))
    data = image.get_image_dask_data(axes, T=moment)
    return filled_image(shape, image.dtype, lambda where: np.asarray(data[where]))


def parts_of(path: Path) -> tuple[Part, ...]:
    """List scenes, and the time points of each."""
    with _opened(path) as image:
        return tuple(_parts(image))


def _parts(image: Any) -> list[Part]:
    found = []
    several = len(image.scenes) > 1
    for number, scene in enumerate(image.scenes):
        image.set_scene(scene)
        key = f"scene {number}" if several else ""
        count = dict(zip(image.dims.order, image.dims.shape, strict=True)).get("T", 1)
        if count == 1:
            found.append(Part(key, str(scene) if several else ""))
            continue
        for moment in times(count):
            words = f"{key or 'scene 0'}, {moment.key}"
            found.append(Part(words, str(scene), "time"))
    return found


def count_voxels(path: Path) -> int:
    """Count the voxels of one channel, of all time points of the first scene."""
    with _opened(path) as image:
        image.set_scene(image.scenes[0])
        sizes = zip(image.dims.order, image.dims.shape, strict=True)
        return math.prod(int(size) for axis, size in sizes if axis not in "CS")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with the reader that bioio finds for it."""
    bioio = need("bioio", "Files of microscopes (CZI, LIF, ND2)", "microscopy")
    kind = path.suffix.lower().removeprefix(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = bioio.BioImage(path)
        except Exception as error:
            if "Unsupported" not in type(error).__name__:
                raise
            raise InputError(
                f"{path}: needs a reader of bioio for such files: pip install "
                f"bioio-{kind}."
            ) from error
        yield image


FORMAT = ImageFormat(
    name=_NAME,
    title="microscope's",
    endings=(".czi", ".lif", ".nd2"),
    sniff=sniff,
    read=unchosen(read_chosen),
    count_voxels=count_voxels,
    in_napari=True,
    mask_ending=".tif",
    choosing=Choosing(parts_of, read_chosen),
)
