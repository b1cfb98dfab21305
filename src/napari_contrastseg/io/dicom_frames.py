"""Frames of DICOM files: where each lies and how its values are meant; nothing else.

Only the fields named here are read. None that says who a person is leaves this module,
but for the description of a series, which is shown and never stored.
"""

from __future__ import annotations

import math
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.dicom_codecs import plugin_for
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import unreadable
from napari_contrastseg.io.lazy_image import check_image
from napari_contrastseg.io.limits import check_size
from napari_contrastseg.io.optional import need
from napari_contrastseg.io.scratch import zeros

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

_MOST_FILES: Final = 50_000
_MOST_FRAMES: Final = 100_000
_DEEPEST: Final = 8
_DIRECTORY: Final = "DICOMDIR"
_PREAMBLE: Final = slice(128, 132)
_ENDINGS: Final = (".dcm", ".dicom", ".ima")
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_DEFLATE_LIMIT: Final = 1040
#: Segmentation Storage, Label Map Segmentation Storage.
_SEGMENTATIONS: Final = (
    "1.2.840.10008.5.1.4.1.1.66.4",
    "1.2.840.10008.5.1.4.1.1.66.7",
)
_ALL_AT_ONCE: Final = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
_FIELDS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "InstanceNumber",
    "AcquisitionNumber",
    "EchoNumbers",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "PhotometricInterpretation",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "RescaleSlope",
    "RescaleIntercept",
    *_ALL_AT_ONCE,
)


@dataclass(frozen=True)
class Frame:
    """One slice of a DICOM file.

    Attributes
    ----------
    path, index : Path, int
        The file, and the frame within it.
    series, instance : str
        Identifiers; compared, never stored.
    number, description : int, str
        Of the series.
    order : tuple of float
        Sorts frames that lie at one place (times, echoes), and those without a place.
    shape : (rows, columns)
    samples, bits : int
    axes : (2, 3) float, or None
        Directions along a row and along a column, LPS.
    position : (3,) float, mm, or None
        Of the first pixel, LPS.
    spacing : (2,) float, mm, or None
        Between columns, and between rows.
    thickness : float or None
        Distance of slices that the file states.
    scale : (slope, intercept)
    """

    path: Path
    index: int
    series: str
    instance: str
    number: int
    description: str
    order: tuple[float, ...]
    shape: tuple[int, int]
    samples: int
    bits: int
    axes: NDArray[np.float64] | None
    position: NDArray[np.float64] | None
    spacing: NDArray[np.float64] | None
    thickness: float | None
    scale: tuple[float, float]


def is_dicom(head: bytes) -> bool:
    """Whether a file begins as DICOM files do."""
    return head[_PREAMBLE] == b"DICM"


def holds_dicom(folder: Path) -> bool:
    """Whether a folder itself holds DICOM files, or the directory of a medium."""
    try:
        with os.scandir(folder) as entries:
            files = (Path(entry) for entry in entries if entry.is_file())
            return any(_is_dicom_file(path) for path in files)
    except OSError:
        return False


def _is_dicom_file(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(_PREAMBLE.stop))
    except OSError:
        return False


def list_frames(path: Path) -> list[Frame]:
    """List the frames of a file, of a folder, or of the medium of a DICOMDIR.

    A DICOMDIR's references are not followed: the files are looked for in its folder.
    """
    if path.name.upper() == _DIRECTORY:
        return _frames_within(path.parent, deep=True)
    if path.is_dir():
        return _frames_within(path, deep=(path / _DIRECTORY).is_file())
    return list(_frames_of(path))


def segment_frames(path: Path) -> list[Frame]:
    """List the frames of a file that is a segmentation; none of any other."""
    if path.name.upper() == _DIRECTORY or not path.is_file():
        return []
    return list(_frames_of(path, segments=True))


def _frames_within(folder: Path, *, deep: bool) -> list[Frame]:
    found: list[Frame] = []
    files = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        depth = len(Path(place).relative_to(folder).parts)
        if not deep or depth >= _DEEPEST:
            folders.clear()
        folders.sort()
        for name in sorted(names):
            file = Path(place) / name
            if not deep:
                _refuse_left_out(file)
            if file.is_symlink() or not file.is_file() or not _is_dicom_file(file):
                continue
            if name.upper() == _DIRECTORY:
                continue
            files += 1
            if files > _MOST_FILES:
                raise InputError(f"{folder}: holds more than {_MOST_FILES} files.")
            with _named(file):
                found.extend(_frames_of(file))
    return found


def _refuse_left_out(file: Path) -> None:
    """Refuse what would be a slice, were it whole and no link.

    A scan that lacks its last slice looks like a scan that is one slice shorter.
    """
    if file.name.startswith("."):  # macOS keeps notes beside each file
        return
    if file.is_symlink():
        if _is_dicom_file(file):
            raise InputError(
                f"{file}: is a link, and links in a DICOM folder are not followed; put "
                "the file itself there, or move the link elsewhere."
            )
    elif file.suffix.lower() in _ENDINGS and file.is_file():
        with _named(file), file.open("rb") as opened:
            whole = is_dicom(opened.read(_PREAMBLE.stop))
        if not whole:
            raise InputError(
                f"{file}: does not begin as DICOM files do, though its name ends as "
                "theirs; copy or export it again, or move it elsewhere."
            )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the one file of a series that cannot be read."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except PermissionError as error:
        raise unreadable(path) from error
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: cannot be read as DICOM, it is damaged or incomplete "
            f"({cause[:120]}); copy or export it again, or move it elsewhere."
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without pydicom's warnings about values that break the standard."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _frames_of(path: Path, *, segments: bool = False) -> Iterator[Frame]:
    """Read the header of one file, if it is an image or a segmentation."""
    pydicom = need("pydicom", "DICOM files", "dicom")
    with _quietly():
        _refuse_bomb(path)
        about = pydicom.dcmread(
            path, stop_before_pixels=True, specific_tags=list(_FIELDS)
        )
        if not about.get("Rows") or not about.get("Columns"):
            _refuse_cut(path, about)
            return
        if (about.get("SOPClassUID") in _SEGMENTATIONS) != segments:
            return
        count = int(about.get("NumberOfFrames") or 1)
        if not 0 < count <= _MOST_FRAMES:
            raise InputError(f"{path}: declares {count} frames.")
        check_size(path, (count, int(about.Rows), int(about.Columns)))
        shared = _first(about, _ALL_AT_ONCE[0])
        each = about.get(_ALL_AT_ONCE[1]) or []
        if len(each) not in (0, count):
            raise InputError(f"{path}: declares {count} frames and places {len(each)}.")
        for index in range(count):
            own = each[index] if each else None
            yield _frame(path, index, about, [own, shared, about])


def _refuse_bomb(path: Path) -> None:
    """Refuse a file that is packed as a whole and may unpack to more than memory."""
    from pydicom.filereader import read_file_meta_info  # noqa: PLC0415

    if read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
        check_size(path, (path.stat().st_size * _DEFLATE_LIMIT,))


def _refuse_cut(path: Path, about: Any) -> None:
    """Refuse what should be an image and does not come to say how large it is."""
    meta = getattr(about, "file_meta", None) or {}
    kind = about.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID")
    if kind is None or "Image Storage" in kind.name:
        raise InputError(
            f"{path}: is damaged or incomplete, it does not say how large its image "
            "is; copy or export it again, or move it elsewhere."
        )


def _first(item: Any, name: str) -> Any:
    """Give the first item of a sequence, None where there is none."""
    found = item.get(name) if item is not None else None
    return found[0] if found else None


def _look_up(places: Sequence[Any], group: str, name: str) -> Any:
    """Find a field of a frame: in its own groups, in those of all, in the file."""
    for place in places:
        if place is None:
            continue
        item = _first(place, group) if group in place else None
        for one in (item, place):
            value = one.get(name) if one is not None else None
            if value is not None and value != "":
                return value
    return None


def _frame(path: Path, index: int, about: Any, places: list[Any]) -> Frame:
    axes = _look_up(places, "PlaneOrientationSequence", "ImageOrientationPatient")
    position = _look_up(places, "PlanePositionSequence", "ImagePositionPatient")
    measures = "PixelMeasuresSequence"
    spacing = _look_up(places, measures, "PixelSpacing") or about.get(
        "ImagerPixelSpacing"
    )
    between = _look_up(places, measures, "SpacingBetweenSlices")
    thick = _look_up(places, measures, "SliceThickness")
    values = "PixelValueTransformationSequence"
    slope = _look_up(places, values, "RescaleSlope")
    intercept = _look_up(places, values, "RescaleIntercept")
    moment = _look_up(places, "FrameContentSequence", "TemporalPositionIndex")
    order = (moment, *(about.get(name) for name in _FIELDS[6:10]))
    return Frame(
        path,
        index,
        str(about.get("SeriesInstanceUID", "")),
        str(about.get("SOPInstanceUID", "")),
        int(_number(about.get("SeriesNumber")) or 0),
        str(about.get("SeriesDescription") or ""),
        (*(_number(one) or 0.0 for one in order),
         _number(about.get("InstanceNumber")) or 0.0, float(index)),
        (int(about.Rows), int(about.Columns)),
        int(about.get("SamplesPerPixel") or 1),
        int(about.get("BitsAllocated") or 0),
        _directions(axes),
        _vector(position, 3),
        None if spacing is None else _vector(list(reversed(list(spacing))), 2),
        abs(_number(between) or _number(thick) or 0.0) or None,
        (_number(slope) or 1.0, _number(intercept) or 0.0),  # 0 as ITK: no scale
    )  # fmt: skip


def _number(value: Any) -> float | None:
    """Read a number, the first of several; None where it is none."""
    if isinstance(value, (list, tuple)) or hasattr(value, "append"):
        value = value[0] if len(value) else None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _vector(value: Any, count: int) -> NDArray[np.float64] | None:
    if value is None or len(value) != count:
        return None
    found = np.array([float(number) for number in value])
    return found if np.isfinite(found).all() else None


def _directions(value: Any) -> NDArray[np.float64] | None:
    """Give unit vectors along a row and along a column."""
    both = _vector(value, 6)
    if both is None:
        return None
    rows: NDArray[np.float64] = both.reshape(2, 3)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if (np.abs(lengths - 1) > 0.1).any() or abs(rows[0] @ rows[1]) > 0.1:  # noqa: PLR2004
        return None
    return np.asarray(rows / lengths)


def read_frames(frames: Sequence[Frame]) -> list[NDArray[Any]]:
    """Read frames of one shape, an array (i, j, k) a channel, values as they are meant.

    Raises
    ------
    InputError
        There is no memory for them, or no library that unpacks them.
    """
    first = frames[0]
    columns_rows = first.shape[::-1]
    shape = (first.samples, len(frames), *columns_rows)
    check_image(first.path.parent, shape, np.float32)
    made: list[NDArray[Any]] = []
    dtype = _dtype({frame.scale for frame in frames})
    opened: tuple[Path, Any] | None = None
    with _quietly():
        for k, frame in enumerate(frames):
            with _named(frame.path):
                if opened is None or opened[0] != frame.path:
                    opened = (frame.path, _open(frame.path))
                planes = _planes(opened[1], frame)
            if not made:
                held = planes[0].dtype if dtype is None else dtype
                size = (len(frames), *first.shape)
                made = [zeros(size, held) for _ in planes]
            for channel, plane in zip(made, planes, strict=True):
                slope, intercept = frame.scale
                channel[k] = plane if dtype is None else plane * slope + intercept
    return [channel.transpose() for channel in made]


def _dtype(scales: set[tuple[float, float]]) -> Any:
    """Type of rescaled values; None where nothing is rescaled."""
    if scales == {(1.0, 0.0)}:
        return None
    whole = all(number.is_integer() for scale in scales for number in scale)
    return np.int32 if whole else np.float32


def _open(path: Path) -> Any:
    pydicom = need("pydicom", "DICOM files", "dicom")
    return pydicom.dcmread(path)


def read_bits(path: Path, frames: Sequence[Frame]) -> NDArray[Any]:
    """Read all frames of a file of one bit a pixel, (i, j, k) in the file's order.

    They are unpacked together: a frame may begin within a byte.
    """
    rows, columns = frames[0].shape
    check_size(path, (2, len(frames), rows, columns), np.uint8)
    with _quietly():
        array = _decoded(_open(path), path, None)
    return array.reshape(-1, rows, columns).transpose(2, 1, 0)


def _planes(dataset: Any, frame: Frame) -> list[NDArray[Any]]:
    """Decode one frame, an array (rows, columns) a channel."""
    array = _decoded(dataset, frame.path, frame.index)
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        array = _dark_to_bright(array, int(dataset.BitsStored))
    if dataset.get("ModalityLUTSequence"):
        array = need("pydicom.pixels", "DICOM files", "dicom").apply_modality_lut(
            array, dataset
        )
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        array = need("pydicom.pixels", "DICOM files", "dicom").apply_color_lut(
            array, dataset
        )
    if array.shape[:2] != frame.shape:
        raise InputError(f"{frame.path}: holds pixels of another shape than it says.")
    return [array] if array.ndim == 2 else list(np.moveaxis(array, -1, 0))  # noqa: PLR2004


def _dark_to_bright(array: NDArray[Any], bits: int) -> NDArray[Any]:
    """Turn values whose smallest is white into those whose largest is, as ITK does."""
    largest = -1 if array.dtype.kind == "i" else 2**bits - 1
    return np.asarray(array.dtype.type(largest) - array)


def _decoded(dataset: Any, path: Path, index: int | None) -> NDArray[Any]:
    """Decode one frame, or all."""
    pixels = need("pydicom.pixels", "DICOM files", "dicom")
    try:
        plugin = plugin_for(str(dataset.file_meta.TransferSyntaxUID))
        array = pixels.pixel_array(dataset, index=index, decoding_plugin=plugin)
    except (RuntimeError, NotImplementedError) as error:
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise InputError(
            f"{path}: its pixels ({syntax}) cannot be unpacked, they are damaged "
            f"or packed in an unknown way ({' '.join(str(error).split())[:120]}); "
            "export it again, without compression."
        ) from error
    return np.asarray(array)
