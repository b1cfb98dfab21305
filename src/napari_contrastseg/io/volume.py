"""The volume: image channels on one voxel grid, with its place in the world."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path  # noqa: TC003  pydantic reads the annotation
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import SerializerFunctionWrapHandler, model_serializer

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import SAME_PLACE, corner_distance
from napari_contrastseg.io.lazy_image import unread, viewed
from napari_contrastseg.io.plural import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.segments import Segment

VolumeKind = Literal["volume", "stack"]

#: Array axes of every volume that knows its place in a patient: (z, y, x), indices
#: growing towards superior, posterior and left, as radiologists look at slices.
CANONICAL_AXES = ("S", "P", "L")

#: Relative difference of pixel sizes from which slices are resampled.
SPACING_TOLERANCE = 0.05

#: In place of a slice axis: the one of the coarsest spacing.
BY_SPACING = -1
#: Voxels of which any side is shorter, in mm, are measured in micrometres.
SMALL = 0.1

#: Cosine between two voxel axes from which an affine counts as sheared.
MAX_SHEAR_COSINE = 1e-2


@dataclass(frozen=True)
class Source:
    """Where a volume came from, and how its array order relates to the file's.

    Attributes
    ----------
    path : Path or None
        The image file; None for an array that was never a file.
    file_format : str
        Name of the file's format; ``array`` for what was never a file.
    orientation : tuple of (axis, flip) pairs, or None
        nibabel orientation from the file's array order to `CANONICAL_AXES`; None where
        nothing says where in a body the image lies.
    part : str
        Key of the part of the file that was chosen, see `io.choice`; ``""`` where it
        holds one image.
    upright : bool
        Whether tilted or uneven slices were resampled; the file's grid is another one.
    unit : {"mm", "pixel"}
        Of voxel sizes and distances: ``pixel`` where the file does not say how large
        a voxel is, at most how its sides are related.
    factor : (3,) float, or None
        By what the sides that the file gives in no unit were multiplied, along the
        volume's axes, where a person or another reader said how long they are.
    """

    path: Path | None = None
    file_format: str = "array"
    orientation: tuple[tuple[int, int], ...] | None = None
    part: str = ""
    upright: bool = False
    unit: Literal["mm", "pixel"] = "mm"
    factor: tuple[float, float, float] | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what most files have: sessions of before stay as they are."""
        usual = {"part": "", "upright": False, "unit": "mm", "factor": None}
        stored: dict[str, Any] = write(self)
        return {k: v for k, v in stored.items() if k not in usual or v != usual[k]}

    def to_volume_order(self, array: Any) -> Any:
        """Give a view of an array in the file's order in the volume's order."""
        if self.orientation is None:
            return array
        return turned(array, np.asarray(self.orientation))

    def to_file_order(self, array: Any) -> Any:
        """Undo `to_volume_order`."""
        if self.orientation is None:
            return array
        return turned(array, _invert(np.asarray(self.orientation, dtype=float)))

    def volume_axis(self, file_axis: int) -> int:
        """Volume axis that runs along an axis of the file's array."""
        if self.orientation is None:
            return file_axis
        return int(self.orientation[file_axis][0])

    def file_axis(self, volume_axis: int) -> int:
        """Axis of the file's array that a volume axis runs along."""
        every = [self.volume_axis(file_axis) for file_axis in range(3)]
        return every.index(volume_axis)


def turned(array: Any, ornt: NDArray[Any]) -> Any:
    """Exchange and mirror an array's axes, as an orientation of nibabel says.

    A view, also of an image that is read when it is asked for.
    """
    import nibabel as nib  # noqa: PLC0415  slow to load

    def change(plain: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(nib.orientations.apply_orientation(plain, ornt))

    return viewed(array, change)


def _invert(ornt: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert an orientation: output axis k came from input axis i with its flip."""
    inverse = np.empty_like(ornt)
    for axis, (target, flip) in enumerate(ornt):
        inverse[int(target)] = (axis, flip)
    return inverse


@dataclass(frozen=True, eq=False)
class Volume:
    """Image channels on one grid.

    Attributes
    ----------
    id : str
        Name that stays with the volume in sessions and on disk.
    data : tuple of (s0, s1, s2) array-likes
        One array a channel, all of one shape; read slice by slice.
    affine : (4, 4) float
        Voxel index to world, mm, RAS+ as in NIfTI.
    channels : tuple of str
    source : Source
    kind : {"volume", "stack"}
        Neighbouring slices of a volume are related; images of a stack are not.
    axis : int
        Array axis that slices are labelled along, each volume's own; `default_axis`
        unless another is given.
    segments : tuple of Segment
        Of a mask: what its file says of its values.

    Raises
    ------
    InputError
        The channels differ in shape, are not 3-D, are empty, or the affine is sheared.
    """

    id: str
    data: tuple[Any, ...]
    affine: NDArray[np.float64]
    channels: tuple[str, ...] = ("image",)
    source: Source = field(default_factory=Source)
    kind: VolumeKind = "volume"
    axis: int = BY_SPACING
    segments: tuple[Segment, ...] = ()

    def __post_init__(self) -> None:
        shapes = {tuple(channel.shape) for channel in self.data}
        if len(shapes) != 1:
            raise InputError(
                f"{self.id}: its channels have different shapes "
                f"{sorted(shapes)}; resample them to one grid first."
            )
        (shape,) = shapes
        if len(shape) != 3:  # noqa: PLR2004
            remedy = (
                "choose one time point or split it into channels first"
                if len(shape) > 3  # noqa: PLR2004
                else "give it an axis of length one in front (array[None])"
            )
            raise InputError(
                f"{self.id}: has {plural(len(shape), 'dimension')}, needs 3; {remedy}."
            )
        if 0 in self.shape:
            raise InputError(f"{self.id}: is empty, its shape is {self.shape}.")
        check_rectangular(self.affine, self.id)
        if self.axis == BY_SPACING:
            object.__setattr__(self, "axis", default_axis(self))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        return tuple(int(n) for n in self.data[0].shape)  # type: ignore[return-value]

    @property
    def anatomical(self) -> bool:
        """Whether the affine says where in a body the volume lies."""
        return self.source.orientation is not None

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel size in mm along each array axis, shape (3,)."""
        return spacing_of(self.affine)

    @property
    def body_axes(self) -> tuple[int, int, int]:
        """Array axes nearest to superior, posterior and left, in this order.

        0, 1 and 2 in canonical order, and of a volume that does not know its place.
        """
        if not self.anatomical:
            return (0, 1, 2)
        import nibabel as nib  # noqa: PLC0415  slow to load

        world = nib.orientations.io_orientation(self.affine)[:, 0].astype(int).tolist()
        return (world.index(2), world.index(1), world.index(0))

    def axis_of(self, plane: int) -> int:
        """Array axis that slices of a network lie along.

        0 stands for the slice axis; 1 and 2 for the others, in the order of
        `body_axes`.
        """
        others = (axis for axis in self.body_axes if axis != self.axis)
        return (self.axis, *others)[plane]

    @property
    def file_affine(self) -> NDArray[np.float64]:
        """Affine of the array in the file's order, see `Source.to_file_order`."""
        if self.source.orientation is None:
            return self.affine
        import nibabel as nib  # noqa: PLC0415  slow to load

        ornt = np.asarray(self.source.orientation, dtype=float)
        shape = self.source.to_file_order(np.empty(self.shape, np.bool_)).shape
        to_file = nib.orientations.inv_ornt_aff(ornt, shape)
        return np.asarray(self.affine @ np.linalg.inv(to_file))

    def x_first(self, array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Give a view of an array on this grid with x, or the file's i, first.

        As NIfTI, NRRD and ITK count voxels.

        Returns
        -------
        array
        affine : (4, 4) float
            Its voxel index to world, mm, RAS+.
        """
        if self.source.orientation is None:
            return array.transpose(2, 1, 0), self.affine[:, [2, 1, 0, 3]]
        return self.source.to_file_order(array), self.file_affine

    def distance(self, other: Volume) -> float:
        """Distance from a volume of this shape, of their farthest corners, in voxels.

        0 where one of the files does not know its place.
        """
        if not (self.anatomical and other.anatomical):
            return 0.0
        return corner_distance(self.shape, other.affine, self.affine)

    def same_place(self, other: Volume) -> bool:
        """Whether two volumes of files that know their place lie in the same one."""
        return self.distance(other) <= SAME_PLACE

    def slice(self, axis: int, index: int) -> NDArray[np.float64]:
        """Read one slice, shape (channels, rows, columns).

        In double precision: large offsets must not hide the contrast.
        """
        where: list[Any] = [slice(None)] * 3
        where[axis] = index
        key = tuple(where)
        parts = [self.part(n, key, np.float64) for n in range(len(self.data))]
        return np.stack(parts)

    def part(self, channel: int, key: Any = ..., dtype: Any = None) -> NDArray[Any]:
        """Read a part of a channel, all of it without a key.

        Raises
        ------
        UnreadError
            The array behind it is read when it is asked for, and now cannot be.
        """
        try:
            return np.asarray(self.data[channel][key], dtype=dtype)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise unread(self.id, error) from error


def spacing_of(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel size in mm along each array axis of a 4x4 affine."""
    return np.asarray(np.sqrt((affine[:3, :3] ** 2).sum(axis=0)), dtype=np.float64)


def lengths(volume: Volume) -> tuple[NDArray[np.float64], str]:
    """Give a volume's voxel size (z, y, x) and its unit: mm, µm or pixel.

    Small voxels are those of microscopes, which count in micrometres.
    """
    spacing = volume.spacing
    if volume.source.unit == "pixel":
        return spacing, "pixel"
    if spacing.min() < SMALL and not volume.anatomical:
        return spacing * 1e3, "µm"
    return spacing, "mm"


def check_rectangular(affine: NDArray[np.float64], name: str) -> None:
    """Refuse affines whose voxel axes are not at right angles, or are degenerate."""
    if not np.isfinite(affine).all() or (spacing_of(affine) <= 0).any():
        raise InputError(
            f"{name}: its affine has a voxel size of zero or no number; "
            "correct the header (for example with 3D Slicer) first."
        )
    worst = skew(affine)
    if worst > MAX_SHEAR_COSINE:
        raise InputError(
            f"{name}: its affine is sheared (two voxel axes are "
            f"{np.degrees(np.arccos(min(worst, 1.0))):.1f} degrees apart, not 90); "
            "resample it to a rectangular grid first."
        )


def skew(affine: NDArray[np.float64]) -> float:
    """Largest cosine between two voxel axes; 0 where all are at right angles."""
    spacing = spacing_of(affine)
    if not np.isfinite(affine).all() or (spacing <= 0).any():
        return 0.0
    axes = affine[:3, :3] / spacing
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def default_axis(volume: Volume) -> int:
    """Slice axis to begin with: the one of the coarsest spacing.

    Where spacings are alike, the one from feet to head, and of an array that does not
    know its place the first. Of a single picture it is the axis that has one slice,
    whatever the pixels' shape.
    """
    if 1 in volume.shape:
        return volume.shape.index(1)
    spacing = volume.spacing
    coarsest = int(np.argmax(spacing))
    distinct = spacing[coarsest] > 1.2 * np.median(spacing)
    return coarsest if distinct else volume.body_axes[0]


def spacing_note(volumes: Sequence[Volume], plane: int) -> str | None:
    """Say in one sentence which volume's pixel size differs, and what is done.

    Of slices along the axes that a network of this `plane` has (see `axis_of`).
    """
    pixels = np.array([np.delete(v.spacing, v.axis_of(plane)) for v in volumes])
    usual = np.median(pixels, axis=0)
    ratio = np.abs(pixels / usual - 1).max(axis=1)
    odd = int(ratio.argmax())
    if ratio[odd] <= SPACING_TOLERANCE:
        return None
    mine, theirs = (in_unit(p, volumes[odd].source.unit) for p in (pixels[odd], usual))
    return (
        f"{volumes[odd].id}: has pixels of {mine}, the cohort mostly {theirs}; its "
        "slices are resampled for the network and its masks brought back to its own "
        "grid, so check its header if you did not expect that."
    )


def in_unit(sizes: Iterable[float], unit: str) -> str:
    """Write sizes of pixels; without a unit where none is known."""
    written = " x ".join(f"{size:.3g}" for size in sizes)
    return f"{written} mm" if unit == "mm" else written


def resized(
    volume: Volume, spacing: Sequence[float], unit: Literal["mm", "pixel"] = "mm"
) -> Volume:
    """Give a volume another voxel size along each array axis, in mm if not said else.

    Its source keeps how it differs from what the file says.

    Raises
    ------
    InputError
        A size is not above 0.
    """
    if not all(0 < size < np.inf for size in spacing):
        raise InputError(f"{volume.id}: a voxel's sides must be longer than 0.")
    affine, ratio = volume.affine.copy(), np.asarray(spacing) / volume.spacing
    affine[:3, :3] *= ratio
    factor, was = volume.source.factor, volume.source.unit
    if factor is not None or was == "pixel":
        z, y, x = (float(f) for f in ratio * (np.ones(3) if factor is None else factor))
        factor = (z, y, x)
    source = replace(volume.source, unit=unit, factor=factor)
    return replace(volume, affine=affine, source=source)


def canonical(volume: Volume) -> Volume:
    """Reorient a volume in its file's order to `CANONICAL_AXES`, without copying."""
    import nibabel as nib  # noqa: PLC0415  slow to load

    here = nib.orientations.io_orientation(volume.affine)
    there = nib.orientations.axcodes2ornt(CANONICAL_AXES)
    ornt = nib.orientations.ornt_transform(here, there)
    affine = volume.affine @ nib.orientations.inv_ornt_aff(ornt, volume.shape)
    order = tuple((int(axis), int(flip)) for axis, flip in ornt)
    source = replace(volume.source, orientation=order)
    data = tuple(source.to_volume_order(channel) for channel in volume.data)
    return replace(volume, data=data, affine=affine, source=source, axis=BY_SPACING)


def array_affine(
    spacing: NDArray[np.float64], origin: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Affine of a (z, y, x) array that is in canonical order.

    Parameters
    ----------
    spacing, origin : (3,) float, mm
        In array order (z, y, x); y grows towards posterior, x towards left.
    """
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, -1], [0, -1, 0], [1, 0, 0]]) * spacing
    if origin is not None:
        affine[:3, 3] = (-origin[2], -origin[1], origin[0])
    return affine
