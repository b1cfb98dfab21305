"""Masks of known labels on known images, exported as a person does, and read back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.formats import others
from napari_contrastseg.bench.formats.reading import Reading, upright
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.session.mask_ink import take_ink
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import Output, export_named, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.bench.formats.inputs import Make
    from napari_contrastseg.bench.formats.reading import Place

#: Classes by name; a number between them is nobody's, so that formats which number
#: classes on must say which is which.
_CLASSES: Final = {"core": 1, "outer shell": 3}
_NAME: Final = "a"


@dataclass(frozen=True)
class MaskOutput:
    """A format of masks.

    Attributes
    ----------
    title, other : str
        The library that reads it back.
    export : str
        Of `tasks.exports`.
    changes : dict
        Of the export's options.
    file : str
        What it writes.
    read : path -> (Reading, class numbers by name)
        An empty dictionary where the file names no classes: numbers are the session's.
    judged : {"place", "voxel size"}
    sources : tuple of str
        The images that it is written of; all where empty.
    """

    title: str
    other: str
    export: str
    changes: Mapping[str, str]
    file: str
    read: Callable[[Path], others.Named]
    judged: str = "place"
    sources: tuple[str, ...] = ()


def _unnamed(read: Callable[[Path], Reading]) -> Callable[[Path], others.Named]:
    return lambda path: (read(path), {})


OUTPUTS: Final = (
    MaskOutput(
        "NIfTI .nii.gz", "SimpleITK", "masks", {"ending": ".nii.gz"}, "a.nii.gz",
        _unnamed(others.itk_file),
    ),
    MaskOutput(
        "3D Slicer .seg.nrrd", "SimpleITK", "seg_nrrd", {}, "a.seg.nrrd",
        others.slicer_file,
    ),
    MaskOutput(
        "TIFF", "Pillow", "masks", {"ending": ".tif"}, "a.tif",
        _unnamed(others.tiff_file), "voxel size",
    ),
    MaskOutput(
        "OME-TIFF", "Pillow", "masks", {"ending": ".ome.tif"}, "a.ome.tif",
        _unnamed(others.tiff_file), "voxel size",
    ),
    MaskOutput(
        "OME-Zarr 0.4 labels", "zarr", "ome_zarr", {}, "a.ome.zarr", others.zarr_labels
    ),
    MaskOutput(
        "OME-Zarr 0.5 labels", "zarr", "ome_zarr", {"version": "0.5"}, "a.ome.zarr",
        others.zarr_labels,
    ),
    MaskOutput(
        "nnU-Net data set", "SimpleITK", "dataset", {}, "dataset", others.nnunet_folder
    ),
    MaskOutput(
        "DICOM SEG", "highdicom", "dicom_seg", {}, "a.seg.dcm",
        others.dicom_segmentation, sources=("DICOM series",),
    ),
)  # fmt: skip


def exported(make: Make, output: MaskOutput) -> Callable[[Path, Place], list[Reading]]:
    """Give a function that labels an image, exports its mask, and reads it back."""

    def run(folder: Path, place: Place) -> list[Reading]:
        made = make(folder, place)
        session = Session()
        record = session.add_volume(read_volume(made.path, name=_NAME))
        for name, number in _CLASSES.items():
            session.add_class_with_id(number)
            session.change_class(number, name=name)
        # painted where values are, not where an axis runs: nothing turns the mask here
        channels = len(record.volume.data)
        ink = _labels_of(np.asarray(record.volume.data[0]), channels)
        take_ink(session, _NAME, ink, done="all")
        export = export_named(output.export)
        options = options_of(export, output.changes)
        list(export.write(session, options, Output(folder / "out")))
        found, names = output.read(folder / "out" / output.file)
        wanted = replace(
            made.known, values=_labels_of(made.known.values[..., :1], channels)
        )
        if output.judged != "place":
            wanted = upright(wanted)
        return [wanted, replace(found, values=_renumbered(found.values, names))]

    return run


def _labels_of(values: NDArray[Any], channels: int) -> NDArray[np.uint8]:
    """Give each voxel a class by its value, which no other voxel has.

    Values rise along the array in memory; both classes are of several pieces, reach
    the first and the last slice, and have no symmetry.
    """
    where = values.astype(np.int64) // channels
    table = np.zeros(int(where.max()) + 1, np.uint8)
    table[[0, 1, 2, 5, 7, 30, 31, 35, 36, 62]] = _CLASSES["core"]
    table[[3, 8, 44, 45, 46, 49, 70, 71, 75, 95, 119]] = _CLASSES["outer shell"]
    return table[where]


def _renumbered(values: NDArray[Any], names: Mapping[str, int]) -> NDArray[np.uint8]:
    """Bring the class numbers of a file to those of the session, by their names."""
    if not names:
        return values
    found = np.zeros(values.shape, np.uint8)
    for name, number in _CLASSES.items():
        found[values == names[name]] = number
    strange = ~np.isin(values, [0, *(names[name] for name in _CLASSES)])
    found[strange] = 255
    return found
