"""Sessions of volumes that lie in the world in every way, with labels known to nibabel.

Images and labels are written by nibabel, so that what comes out of an export can be
compared with them by another library, without any code of ours between.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from napari_contrastseg.io.images import read_labels, read_volume
from napari_contrastseg.session.mask_ink import take_ink
from napari_contrastseg.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (9, 7, 5)
SPACING = (0.75, 1.5, 3.0)


def _affine(
    columns: tuple[int, int, int],
    signs: tuple[int, int, int],
    spacing: tuple[float, float, float] = SPACING,
    degrees: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float64]:
    """File axis k runs along world axis `columns[k]`, turned about x, then about z."""
    about_x, about_z = np.radians(degrees)
    cx, sx, cz, sz = np.cos(about_x), np.sin(about_x), np.cos(about_z), np.sin(about_z)
    turn = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, cx, -sx], [0, sx, cx]]
    )
    straight = np.zeros((3, 3))
    for axis in range(3):
        straight[columns[axis], axis] = signs[axis] * spacing[axis]
    affine = np.eye(4)
    affine[:3, :3] = turn @ straight
    affine[:3, 3] = (-31.5, 12.25, 104.0)
    return affine


PLACES: Mapping[str, NDArray[np.float64]] = {
    "anisotropic": _affine((0, 1, 2), (1, 1, 1)),
    "as ITK stores axial scans": _affine((0, 1, 2), (-1, -1, 1)),
    "flipped": _affine((0, 1, 2), (1, -1, -1)),
    "permuted": _affine((2, 0, 1), (-1, 1, 1)),
    "oblique": _affine((0, 1, 2), (-1, -1, 1), degrees=(25.0, 10.0)),
    "oblique and permuted": _affine((1, 2, 0), (1, -1, -1), degrees=(-35.0, 12.0)),
}


@dataclass(frozen=True, eq=False)
class Placed:
    """A session of one volume, and what nibabel wrote of it.

    Attributes
    ----------
    session : Session
    labels : (i, j, k) uint8
        In the order of the image's file.
    affine : (4, 4) float
        Index of the file's array to world, mm, RAS+.
    image : Path
    """

    session: Session
    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]
    image: Path


def labels_of(shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    """Two classes without any symmetry; class 1 in two pieces."""
    labels = np.zeros(shape, np.uint8)
    labels[1:4, 2:4, 1] = 1
    labels[6, 5, 3] = 1
    labels[4:8, 1:3, 2:4] = 2
    labels[8, 6, 4] = 2
    return labels


def placed(folder: Path, affine: NDArray[np.float64]) -> Placed:
    """Make a session of an image file at some place, all slices done."""
    labels, image, mask = labels_of(), folder / "case.nii.gz", folder / "mask.nii.gz"
    values = np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.float32)
    for path, array in ((image, values), (mask, labels)):
        made = nib.Nifti1Image(array, affine)
        made.header.set_xyzt_units("mm")
        made.to_filename(path)
    session = Session()
    session.add_volume(read_volume(image))
    session.add_class("core")
    session.add_class("outer shell")
    ink = np.asarray(read_labels(mask).data[0])
    take_ink(session, "case", ink, done="all")
    return Placed(session, labels, affine, image)


def corners(
    shape: tuple[int, ...], to_world: Callable[[tuple[float, ...]], Any]
) -> NDArray[np.float64]:
    """World positions of the outer corners of the outermost voxels."""
    outer = product(*((-0.5, n - 0.5) for n in shape))
    return np.array([to_world(corner) for corner in outer], dtype=np.float64)


def corners_by_nibabel(
    shape: tuple[int, ...], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Corners in mm, RAS+."""
    return corners(shape, lambda c: nib.affines.apply_affine(affine, c))


def corners_by_itk(image: sitk.Image) -> NDArray[np.float64]:
    """Corners in mm, RAS+; ITK itself counts to the left and to the back."""
    lps = corners(image.GetSize(), image.TransformContinuousIndexToPhysicalPoint)
    return lps * (-1, -1, 1)


def values_by_itk(image: sitk.Image) -> NDArray[Any]:
    """Values with x first."""
    return np.asarray(sitk.GetArrayFromImage(image)).T
