"""What is compared: files of others read by us, and masks of ours read by others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import nibabel as nib

from napari_contrastseg.bench.formats import inputs, others
from napari_contrastseg.bench.formats.exported import OUTPUTS, exported
from napari_contrastseg.bench.formats.reading import PLACES, Reading
from napari_contrastseg.io.images import read_volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_contrastseg.bench.formats.inputs import Made, Make
    from napari_contrastseg.bench.formats.reading import Place

    Run = Callable[[Path, Place], list[Reading]]


@dataclass(frozen=True)
class FormatCase:
    """One format, in one direction.

    Attributes
    ----------
    format, direction, other : str
        ``in``: read by us and by the library `other`; ``out``: written by us, and read
        by that library.
    run : (folder, place) -> list of Reading
        What is known, and what was read of it.
    places : tuple of str
        Of `PLACES`; formats that know no place have one.
    source : str
        The kind of image that a mask was made on.
    judged : str
        What is compared beside the values: the place in the world, or, of files that
        hold none, the voxel size.
    """

    format: str
    direction: str
    other: str
    run: Run
    places: tuple[str, ...] = tuple(PLACES)
    source: str = ""
    judged: str = "place"


def _in(
    title: str,
    other: str,
    make: Make,
    read: Callable[[Made], Reading],
    places: tuple[str, ...] = tuple(PLACES),
) -> FormatCase:
    def run(folder: Path, place: Place) -> list[Reading]:
        made = make(folder, place)
        ours = Reading.of_volume(read_volume(made.path))
        return [made.known, ours, read(made)]

    return FormatCase(title, "in", other, run, places)


#: Of images that say nothing of directions.
_ONE: Final = ("upright",)
_ITK: Final = "SimpleITK"
_READ: Final = [
    _in("NIfTI-1 .nii.gz", _ITK, inputs.nifti(".nii.gz"), others.itk),
    _in("NIfTI-1 micron", _ITK, inputs.nifti(".nii", unit="micron"), others.itk),
    _in(
        "NIfTI-1 .hdr/.img", _ITK, inputs.nifti(".hdr", nib.Nifti1Pair), others.itk
    ),
    _in(
        "NIfTI-2 .nii", "by hand", inputs.nifti(".nii", nib.Nifti2Image),
        others.second_nifti,
    ),
    _in("NRRD", _ITK, inputs.by_itk(".nrrd"), others.itk),
    _in("NRRD, packed", _ITK, inputs.by_itk(".nrrd", packed=True), others.itk),
    _in("NRRD, 3 channels", _ITK, inputs.by_itk(".nrrd", 3), others.itk),
    _in("NHDR", _ITK, inputs.by_itk(".nhdr"), others.itk),
    _in("MetaImage .mha", _ITK, inputs.by_itk(".mha", packed=True), others.itk),
    _in("MetaImage .mhd", _ITK, inputs.by_itk(".mhd"), others.itk),
    _in("DICOM series", _ITK, inputs.dicom, others.itk_series),
    _in(
        "TIFF of ImageJ, micron", "Pillow", inputs.imagej("micron", 1e-3),
        others.pages, _ONE,
    ),
    _in("TIFF of ImageJ, cm", "Pillow", inputs.imagej("cm", 10.0), others.pages, _ONE),
    _in(
        "TIFF of ImageJ, no unit", "Pillow", inputs.imagej("", None), others.pages, _ONE
    ),
    _in("OME-TIFF, BigTIFF", "Pillow", inputs.ome_tiff, others.pages, _ONE),
    _in("OME-Zarr 0.4", "zarr", inputs.ome_zarr("0.4"), others.ome_zarr, _ONE),
    _in("OME-Zarr 0.5", "zarr", inputs.ome_zarr("0.5"), others.ome_zarr, _ONE),
    _in("PNG", "Pillow", inputs.picture(".png"), others.pages, _ONE),
    _in("JPEG", "Pillow", inputs.picture(".jpg", quality=95), others.pages, _ONE),
]  # fmt: skip
#: Images that masks are made on; those of one place know at most their voxel size.
_LABELLED: Final[dict[str, tuple[Make, tuple[str, ...]]]] = {
    "NIfTI-1": (inputs.nifti(".nii.gz"), tuple(PLACES)),
    "NIfTI-1 micron": (inputs.nifti(".nii", unit="micron"), tuple(PLACES)),
    "NIfTI-2": (inputs.nifti(".nii", nib.Nifti2Image), tuple(PLACES)),
    "NRRD": (inputs.by_itk(".nrrd"), tuple(PLACES)),
    "MetaImage": (inputs.by_itk(".mha"), tuple(PLACES)),
    "DICOM series": (inputs.dicom, tuple(PLACES)),
    "TIFF of ImageJ, micron": (inputs.imagej("micron", 1e-3), _ONE),
    "TIFF of ImageJ, cm": (inputs.imagej("cm", 10.0), _ONE),
    "TIFF of ImageJ, no unit": (inputs.imagej("", None), _ONE),
    "OME-TIFF": (inputs.ome_tiff, _ONE),
    "OME-Zarr 0.4": (inputs.ome_zarr("0.4"), _ONE),
    "OME-Zarr 0.5": (inputs.ome_zarr("0.5"), _ONE),
    "PNG": (inputs.grey_picture, _ONE),
}
CASES: Final = [
    *_READ,
    *(
        FormatCase(
            output.title, "out", output.other, exported(make, output), places, source,
            output.judged,
        )
        for source, (make, places) in _LABELLED.items()
        for output in OUTPUTS
        if source in output.sources or not output.sources
    ),
]  # fmt: skip
