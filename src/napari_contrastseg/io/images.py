"""Read and write image and mask files of every format; name them safely."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.channels import channel_names
from napari_contrastseg.io.choice import (
    EVERYTHING,
    Choice,
    NotUprightError,
    SeveralPartsError,
)
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import free_name, need_file, unreadable
from napari_contrastseg.io.formats import (
    HEAD,
    ImageFormat,
    catalogue,
    ending_of,
    format_of,
    titles,
)
from napari_contrastseg.io.formats.picture_folder import NAME
from napari_contrastseg.io.formats.picture_folder import write as write_pictures
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.palettes import palette_numbers
from napari_contrastseg.io.scratch import amount, as_type, scratch_folder, zeros
from napari_contrastseg.io.volume import BY_SPACING, resized
from napari_contrastseg.io.whole_numbers import LARGEST, MEANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Part
    from napari_contrastseg.io.volume import Source, Volume

#: Bytes of a file name that we make.
LONGEST_NAME: Final = 180
#: Names that Windows takes for devices, whatever follows the dot.
DEVICES: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10)}
)


def stem_of(path: Path) -> str:
    """File name without its (perhaps double) ending."""
    return path.name[: len(path.name) - len(ending_of(path))] or path.stem


def read_volume(
    path: Path,
    *,
    name: str | None = None,
    choice: Choice = EVERYTHING,
    as_one: bool = False,
) -> Volume:
    """Read an image file, or a folder that is one image (a DICOM series, OME-Zarr).

    Parameters
    ----------
    path : Path
        Of one of `io.formats`.
    name : str, optional
        The volume's id; the file's stem by default.
    choice : Choice
        Which of several images, and whether tilted slices are resampled.
    as_one : bool
        Whether a folder of pictures is one stack; so it is where a part is chosen.

    Returns
    -------
    Volume
        In canonical order (z, y, x); 2-D images have one slice.

    Raises
    ------
    SeveralPartsError
        It holds several images, and none was chosen.
    NotUprightError
        Its slices are tilted, missing or unevenly spaced.
    InputError
        The file is missing, unreadable, truncated, or of another kind.
    """
    file_format = format_of(path, as_one=as_one or choice.as_one)
    name = name or stem_of(path)
    with _explained(path, file_format, name):
        return as_chosen(_read(file_format, path, name, choice), choice)


def as_chosen(volume: Volume, choice: Choice) -> Volume:
    """Give a volume the kind and the voxel size that were chosen, if any were.

    Raises
    ------
    InputError
        It knows its own place, and with it its voxel size.
    """
    if choice.voxel_size is not None:
        if volume.anatomical:
            raise InputError(
                f"{volume.id}: its file states its place and voxel size; leave "
                "--voxel-size out, or correct its header."
            )
        volume = replace(resized(volume, choice.voxel_size), axis=BY_SPACING)
    return replace(volume, kind="stack") if choice.unrelated else volume


def _read(file_format: ImageFormat, path: Path, name: str, choice: Choice) -> Volume:
    if choice == EVERYTHING:
        return file_format.read(path, name)
    if file_format.choosing is not None:
        return file_format.choosing.read(path, name, choice)
    if choice.part:
        raise InputError(f"{path}: holds one image; do not choose a part of it.")
    return file_format.read(path, name)


def parts_of(path: Path) -> tuple[Part, ...]:
    """List the images that a file or folder holds, to choose one; none of one image.

    Of a folder of pictures: what they may be as one stack.

    Raises
    ------
    InputError
        As `read_volume`.
    """
    file_format = format_of(path, as_one=True)
    if file_format.choosing is None:
        return ()
    with _explained(path, file_format, stem_of(path)):
        found = file_format.choosing.parts(path)
    return found if len(found) > 1 else ()


def words_of_unpacking(path: Path, choice: Choice = EVERYTHING) -> str:
    """Say that reading a file unpacks it to the disk first, how much and where.

    Returns
    -------
    str
        A sentence; empty where that is not so.

    Raises
    ------
    InputError
        As `read_volume`.
    """
    file_format = format_of(path, as_one=True)
    if file_format.unpacked is None:
        return ""
    with _explained(path, file_format, stem_of(path)):
        nbytes = file_format.unpacked(path, choice)
    if not nbytes:
        return ""
    return (
        f"{path.name} is packed as a whole: its {amount(nbytes)} are unpacked to "
        f"{scratch_folder()} first, where they stay while it is open."
    )


def same_image_again(source: Source, name: str) -> Volume:
    """Read a volume from where it came, the part that was chosen then."""
    assert source.path is not None
    choice = Choice(source.part, source.upright)
    return read_volume(source.path, name=name, choice=choice)


def count_voxels(path: Path) -> int:
    """Count the voxels of one channel of an image file, without reading them.

    Raises
    ------
    InputError
        As `read_volume`, where a part of the file is missing or would be left out.
    """
    file_format = format_of(path, as_one=True)
    with _explained(path, file_format, stem_of(path)):
        return file_format.count_voxels(path)


@contextmanager
def _explained(path: Path, file_format: ImageFormat, name: str) -> Iterator[None]:
    """Say in one sentence, with the file's name, why it cannot be read."""
    try:
        if not path.is_dir():
            need_file(path)
            _refuse_other(path, file_format)
        yield
    except SeveralPartsError:
        raise
    except NotUprightError as error:
        raise NotUprightError(_naming(path, error.why, name)) from error
    except InputError as error:
        if str(path) in str(error):
            raise  # of its own kind
        raise InputError(_naming(path, str(error), name)) from error
    except MemoryError:
        raise
    except PermissionError as error:
        raise unreadable(path) from error
    except Exception as error:
        raise _damaged(path, file_format, error) from error


def _naming(path: Path, why: str, name: str) -> str:
    """Name the file in place of the volume."""
    return why if str(path) in why else f"{path}: {why.removeprefix(f'{name}: ')}"


def _damaged(path: Path, file_format: ImageFormat, error: Exception) -> InputError:
    """Say that a file is damaged; or of no kind we know, by its first bytes."""
    cause = " ".join(str(error).split()) or type(error).__name__
    broke_off = isinstance(error, EOFError)
    if not broke_off and path.is_file() and not file_format.sniff(_head(path)):
        return InputError(
            f"{path}: does not begin as {file_format.title} files do ({cause[:120]}); "
            f"export it as {file_format.title}, or copy it again if it was one."
        )
    return InputError(
        f"{path}: cannot be read as {file_format.title}, it is damaged or "
        f"incomplete ({cause[:120]}); copy or export it again."
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _refuse_other(path: Path, file_format: ImageFormat) -> None:
    """Refuse an empty file, and one that begins as files of another format do."""
    head = _head(path)
    if not head:
        raise InputError(f"{path}: is an empty file; copy or export it again.")
    if file_format.sniff(head):
        return
    for other in catalogue().values():
        if other.sniff(head):
            raise InputError(
                f"{path}: is a {other.title} file, but its name ends as that of a "
                f"{file_format.title} file; rename it to end in {other.endings[0]}."
            )


def read_labels(
    path: Path, *, name: str | None = None, choice: Choice = EVERYTHING
) -> Volume:
    """Read a file of integer class labels; as `read_volume`, one integer channel."""
    volume = _with_classes(path, read_volume(path, name=name, choice=choice))
    if len(volume.data) != 1:
        raise InputError(f"{path}: is a colour image, not a mask of class numbers.")
    labels = _class_numbers(path, np.asarray(volume.data[0]))
    if labels.min() < 0:
        raise InputError(f"{path}: holds negative label values; use 0 and above.")
    return replace(volume, data=(labels,))


def _class_numbers(path: Path, values: NDArray[Any]) -> NDArray[np.int64]:
    """Give whole numbers block by block, on the disk where memory has no room."""
    labels = zeros(values.shape, np.int64)
    whole = values.dtype.kind in "iub"
    keys = list(small_blocks(values.shape))
    for number, key in enumerate(keys):
        went_on(number / len(keys))
        part = values[key]
        rounded = part if whole else np.rint(part)
        if not whole and not np.isfinite(part).all():
            raise InputError(
                f"{path}: holds voxels that are no number (NaN or infinite); give them "
                "a class number, 0 for background."
            )
        if not whole and np.abs(rounded - part).max(initial=0) > MEANT:
            raise InputError(
                f"{path}: holds fractions, so it is not a mask of class numbers; "
                "choose one, or write it as whole numbers."
            )
        if rounded.size and rounded.max() > LARGEST:
            raise InputError(
                f"{path}: holds the label value {rounded.max():g}, too large here; "
                "renumber its labels."
            )
        labels[key] = rounded
    return labels


def _with_classes(path: Path, volume: Volume) -> Volume:
    """Give a picture of a palette its numbers in place of its colours."""
    numbers = palette_numbers(path) if len(volume.data) > 1 else None
    if numbers is None or numbers.size != math.prod(volume.shape):
        return volume
    data = (numbers.reshape(volume.shape),)
    return replace(volume, data=data, channels=channel_names(1))


def write_mask(path: Path, mask: NDArray[Any], volume: Volume) -> None:
    """Write integer labels with the geometry of the volume they were made on.

    Parameters
    ----------
    path : Path
        Its ending chooses the format; without one it is a folder, of a picture each.
    mask : (s0, s1, s2) int
        In the volume's array order.
    volume : Volume
        A NIfTI source lends its array order and affine, and its data type where
        that is an integer type; other sources lend their spacing.

    Raises
    ------
    InputError
        The shapes differ, or the file cannot be written.
    """
    if tuple(mask.shape) != volume.shape:
        raise InputError(f"{path}: mask {mask.shape} does not fit {volume.shape}.")
    _refuse_source(path, volume)
    _writer(path, volume)(path, as_type(mask, _smallest(path, mask)), volume)


def _smallest(path: Path, mask: NDArray[Any]) -> np.dtype[Any]:
    """Find the smallest type of whole numbers that holds a mask's values.

    Raises
    ------
    InputError
        None of 32 bits does.
    """
    low, high = int(mask.min(initial=0)), int(mask.max(initial=0))
    kinds = ("i2", "i4") if low < 0 else ("u1", "u2", "u4")
    for kind in map(np.dtype, kinds):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    raise InputError(f"{path}: the mask holds values up to {high}, too large for it.")


def write_map(path: Path, values: NDArray[Any], volume: Volume) -> None:
    """Write real values (a confidence) as float32, as `write_mask`."""
    need_real_values(path)
    _refuse_source(path, volume)
    _writer(path, volume)(path, as_type(values, np.float32), volume)


def _writer(path: Path, volume: Volume) -> Callable[[Path, NDArray[Any], Volume], None]:
    if not ending_of(path) and (volume.source.file_format == NAME or not path.suffix):
        return write_pictures
    found = format_of(path)
    if found.write is None or ending_of(path) not in found.written:
        raise InputError(
            f"{path}: {found.title} files of this ending are only read here; write "
            f"{titles()} instead."
        )
    return found.write


def need_real_values(path: Path, remedy: str = "") -> None:
    """Refuse a file whose format holds whole numbers alone.

    Parameters
    ----------
    path : Path
    remedy : str
        What else to do, after a semicolon.
    """
    if not format_of(path).real_values:
        others = titles(real_values=True)
        raise InputError(f"{path}: real values need a {others} file{remedy}.")


def refuse_image_itself(path: Path, images: Iterable[Path]) -> None:
    """Never write over an image that is read, whatever else may be replaced.

    Raises
    ------
    InputError
        The output is one of the images.
    """
    for image in images:
        if path.exists() and image.exists() and path.samefile(image):
            raise InputError(
                f"{path}: is the image itself; choose another folder for the output."
            )


def _refuse_source(path: Path, volume: Volume) -> None:
    source = volume.source.path
    refuse_image_itself(path, () if source is None else (source,))


def file_names(ids: Iterable[str]) -> dict[str, str]:
    """Make file names, without ending, of volumes' ids; see `file_stems`."""
    ids = list(ids)
    return dict(zip(ids, file_stems(ids), strict=True))


def file_stems(names: Iterable[str]) -> list[str]:
    """Make file names, without ending; each different, whatever their case."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        safe = "".join(c if c.isalnum() or c in "-_. ()[]" else "_" for c in name)
        safe = safe.encode()[:LONGEST_NAME].decode(errors="ignore")
        safe = safe.strip(". ") or "volume"
        if safe.partition(".")[0].rstrip().upper() in DEVICES:
            safe = f"_{safe}"
        found.append(free_name(safe, lambda one: one.lower() in taken))
        taken.add(found[-1].lower())
    return found
