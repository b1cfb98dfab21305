"""Export DICOM SEG: masks of DICOM series, with coded classes, on their slices."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np

from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import free_name, replacing
from napari_contrastseg.io.formats.dicom import frames_of
from napari_contrastseg.io.geometry import SAME_PLACE
from napari_contrastseg.io.optional import need
from napari_contrastseg.learning.plan.setting import Setting
from napari_contrastseg.tasks.exported_masks import (
    CONTENT,
    classes_in,
    exported_masks,
    stems_of,
)
from napari_contrastseg.tasks.exports import Export, Output
from napari_contrastseg.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.dicom_frames import Frame
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.classes import AnnotationClass, Classes
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.tasks.exported_masks import ExportedMask

    Codes = Mapping[str, tuple[str, str, str]]

_ENDING: Final = ".seg.dcm"
_WHAT: Final = "DICOM segmentations"
_MAKER: Final = "napari-contrastseg"
#: Coding scheme, value, meaning; what is said of a class without a code.
_TISSUE: Final = ("SCT", "85756007", "Tissue")
_STRUCTURE: Final = ("SCT", "123037004", "Anatomical Structure")
_METHOD: Final = ("DCM", "123109", "Artificial Intelligence")
#: Signs of a DICOM label, at most.
_LONGEST: Final = 64
#: Signs of the number that makes a label differ.
_NUMBERED: Final = 6
_UNICODE: Final = "ISO_IR 192"
#: Fields of patient and study that DICOM wants, if only empty (its type 2).
_MAY_BE_EMPTY: Final = (
    "AccessionNumber", "PatientBirthDate", "PatientID", "PatientName", "PatientSex",
    "PositionReferenceIndicator", "ReferringPhysicianName", "StudyDate", "StudyID",
    "StudyTime",
)  # fmt: skip
#: Added to the images' series number.
_SERIES: Final = 1000
_TO_LPS: Final = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class DicomSegOptions:
    """What the segmentation holds, and what its classes are."""

    complete: Annotated[bool, CONTENT] = True
    codes: Annotated[
        str,
        Setting(
            "Coded types of classes, CLASS = SCHEME VALUE MEANING with semicolons "
            "between, as in: liver = SCT 10200004 Liver. Others are 'Tissue'."
        ),
    ] = ""


def missing(session: Session) -> str | None:
    """Say what there must be first."""
    if not session.all_records:
        return "Add a volume first"
    if not any(_is_dicom(r.volume) for r in session.all_records.values()):
        return "Add a volume that was read from DICOM first"
    return None if session.classes else "Add a class first"


def _is_dicom(volume: Volume) -> bool:
    source = volume.source
    return source.file_format == "dicom" and source.path is not None


def run(session: Session, options: DicomSegOptions, output: Output) -> Iterator[Path]:
    """Write a segmentation of each volume that was read from DICOM."""
    need("highdicom", _WHAT, "dicom")
    codes = _read_codes(options.codes, session)
    volumes = [record.volume for record in session.all_records.values()]
    kept = [s for s, v in zip(stems_of(session), volumes, strict=True) if _is_dicom(v)]
    paths = iter(output.claim(*(f"{stem}{_ENDING}" for stem in kept)))
    for one in exported_masks(session, complete=options.complete):
        if not _is_dicom(one.record.volume):
            continue
        path = next(paths)
        made = _segmentation(one, classes_in(session, one.mask), codes)
        with replacing(path) as temporary:
            made.save_as(temporary)
        yield path


def _read_codes(text: str, session: Session) -> Codes:
    """Read the option `codes`.

    Raises
    ------
    InputError
        A part of it is something else, or there is no such class.
    """
    found = {}
    known = {c.name for c in session.classes}
    for part in filter(str.strip, text.split(";")):
        name, equals, code = part.partition("=")
        words = code.split(maxsplit=2)
        if not equals or len(words) != 3:  # noqa: PLR2004
            raise InputError(
                f"codes: {part.strip()!r} is not of the form CLASS = SCHEME VALUE "
                "MEANING, for example: liver = SCT 10200004 Liver."
            )
        if name.strip() not in known:
            raise InputError(
                f"codes: there is no class {name.strip()!r}; there are "
                f"{', '.join(sorted(known)) or 'none'}."
            )
        found[name.strip()] = (words[0], words[1], words[2])
    return found


def _segmentation(one: ExportedMask, classes: Classes, codes: Codes) -> Any:
    """Make a segmentation of the slices of a series."""
    volume = one.record.volume
    hd, pydicom = need("highdicom", _WHAT, "dicom"), need("pydicom", _WHAT, "dicom")
    labels, affine = volume.x_first(one.mask)
    planes = _numbered(labels, classes).transpose(2, 1, 0)
    frames = _frames(volume)
    files = list(dict.fromkeys(frame.path for frame in frames))
    order = _order_in_source(frames, files, labels.shape, affine)
    place = {} if order is not None else _place(labels.shape, affine)
    planes = planes[order] if order is not None else planes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that break the standard
        try:
            sources = [pydicom.dcmread(f, stop_before_pixels=True) for f in files]
            for source in sources:
                _complete(source)
            return hd.seg.Segmentation(
                source_images=sources,
                pixel_array=np.ascontiguousarray(planes),
                segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
                segment_descriptions=[
                    _describe(number, label, c, codes)
                    for number, (label, c) in enumerate(_labels(classes), start=1)
                ],
                series_instance_uid=hd.UID(),
                series_number=int(sources[0].get("SeriesNumber") or 0) + _SERIES,
                sop_instance_uid=hd.UID(),
                instance_number=1,
                manufacturer=_MAKER,
                manufacturer_model_name=_MAKER,
                software_versions=__version__,
                device_serial_number="0",
                series_description="Segmentation",
                **place,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            cause = " ".join(str(error).split())
            raise InputError(
                f"{volume.id}: its DICOM files do not have what a segmentation needs "
                f"({cause[:160]}); export masks in another format."
            ) from error


def _complete(source: Any) -> None:
    """Let an image's header hold any letters, and what may be empty but not missing.

    Programs that take names of persons out of DICOM files often take the fields, too.
    """
    source.decode()
    source.SpecificCharacterSet = _UNICODE
    for word in _MAY_BE_EMPTY:
        if word not in source:
            setattr(source, word, "")


def _numbered(labels: NDArray[np.uint8], classes: Classes) -> NDArray[np.uint8]:
    """Give each class the number of its segment: 1, 2, 3 without gaps."""
    numbers = np.zeros(256, np.uint8)
    for number, c in enumerate(classes, start=1):
        numbers[c.id] = number
    return np.asarray(numbers[labels])


def _frames(volume: Volume) -> list[Frame]:
    source = volume.source
    assert source.path is not None
    if not source.path.exists():
        raise InputError(
            f"{volume.id}: its DICOM files are no longer at {source.path}, and a "
            "segmentation names them; put them back, or export another format."
        )
    return frames_of(source.path, Choice(source.part, source.upright))


def _order_in_source(
    frames: Sequence[Frame],
    files: Sequence[Path],
    shape: tuple[int, ...],
    affine: NDArray[np.float64],
) -> list[int] | None:
    """Give the slices in the order of the source's frames; None for another grid."""
    columns, rows, count = shape
    if len(frames) != count or any(f.shape != (rows, columns) for f in frames):
        return None
    lps = _TO_LPS @ affine[:3]
    size = np.linalg.norm(lps[:, :3], axis=0).min()
    for k, frame in enumerate(frames):
        at = lps[:, 2] * k + lps[:, 3]
        if frame.position is None:
            return None
        if np.linalg.norm(frame.position - at) > SAME_PLACE * size:
            return None
    if len(files) == count:
        return list(range(count))
    indices = [frame.index for frame in frames]
    whole = len(files) == 1 and sorted(indices) == list(range(count))
    return np.argsort(indices).tolist() if whole else None


def _place(shape: tuple[int, ...], affine: NDArray[np.float64]) -> dict[str, Any]:
    """Say where slices lie that are not those of the source."""
    hd = need("highdicom", _WHAT, "dicom")
    lps = _TO_LPS @ affine[:3]
    sides = np.linalg.norm(lps[:, :3], axis=0)
    axes = (lps[:, :2] / sides[:2]).T.ravel().tolist()
    patient = hd.CoordinateSystemNames.PATIENT
    first = [(lps[:, 2] * k + lps[:, 3]).tolist() for k in range(shape[2])]
    return {
        "plane_positions": [hd.PlanePositionSequence(patient, at) for at in first],
        "plane_orientation": hd.PlaneOrientationSequence(patient, axes),
        "pixel_measures": hd.PixelMeasuresSequence(
            pixel_spacing=(sides[1], sides[0]),
            slice_thickness=sides[2],
            spacing_between_slices=sides[2],
        ),
    }


def _labels(classes: Classes) -> list[tuple[str, AnnotationClass]]:
    """Give each class a label of its own that DICOM can hold."""
    found: dict[str, AnnotationClass] = {}
    for one in classes:
        signs = (c if c.isprintable() and c != "\\" else " " for c in one.name)
        plain = " ".join("".join(signs).split()) or f"class {one.id}"
        short = plain[:_LONGEST]
        if short in found:
            short = free_name(plain[: _LONGEST - _NUMBERED], found.__contains__)
        found[short] = one
    return list(found.items())


def _describe(number: int, label: str, c: AnnotationClass, codes: Codes) -> Any:
    name = c.name
    hd = need("highdicom", _WHAT, "dicom")
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=_code(_STRUCTURE if name in codes else _TISSUE),
        segmented_property_type=_code(codes.get(name, _TISSUE)),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            _MAKER, _code(_METHOD), __version__
        ),
        display_color=hd.color.CIELabColor.from_rgb(*bytes.fromhex(c.colour[1:])),
    )


def _code(scheme_value_meaning: tuple[str, str, str]) -> Any:
    scheme, value, meaning = scheme_value_meaning
    coded = need("highdicom", _WHAT, "dicom").sr.CodedConcept
    return coded(value, scheme, meaning[:_LONGEST])


EXPORT = Export(
    name="dicom_seg",
    title="DICOM segmentation",
    summary="One .seg.dcm for each volume that was read from DICOM, with coded classes",
    options=DicomSegOptions(),
    missing=missing,
    run=run,
)
