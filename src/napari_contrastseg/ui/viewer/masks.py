"""Existing masks in napari's layers: brought onto the image's grid, examined, taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels

from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import SAME_PLACE, corner_distance
from napari_contrastseg.io.nearest import onto_grid
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.whole_numbers import WholeNumbers, whole_numbers
from napari_contrastseg.session.mask_values import (
    MOST_VALUES,
    Examined,
    TooManyValuesError,
    examine,
)
from napari_contrastseg.session.masks import known_classes, write_mask
from napari_contrastseg.session.written_mask import WrittenMask, settle_mask
from napari_contrastseg.ui.viewer.image_layers import (
    MaskGrid,
    mask_distance,
    mask_grid,
    says_no_place,
    segments_of,
)
from napari_contrastseg.ui.viewer.layer_files import (
    refuse_part_of_file,
    volume_of_files,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_contrastseg.io.nearest import OnGrid
    from napari_contrastseg.io.segments import Segment
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.session.session import Session

_AXES: Final = 3


def may_be_mask(layer: Layer) -> bool:
    """Whether a layer is a Labels layer, or an image of numbers or bools."""
    return (
        isinstance(layer, Labels | Image)
        and not getattr(layer, "rgb", False)
        and np.dtype(layer.dtype).kind in "biuf"
    )


@dataclass(frozen=True, eq=False)
class FoundMask:
    """A layer's mask on the grid of a volume.

    Attributes
    ----------
    name : str
        Of the layer.
    volume_id : str
    labels : array of int or bool
    known : array of bool, or None
        Where the mask holds a value; None: everywhere.
    examined : Examined
        Its values, and what a person should decide.
    notes : tuple of str
        What was assumed, a sentence each.
    """

    name: str
    volume_id: str
    labels: NDArray[Any]
    known: NDArray[np.bool_] | None
    examined: Examined
    notes: tuple[str, ...] = ()


class UndecidedError(InputError):
    """A person should decide something before a mask is taken; nothing has changed."""

    def __init__(self, found: FoundMask) -> None:
        self.found = found
        super().__init__(" ".join([f"{found.name}:", *found.examined.questions]))


@dataclass(frozen=True, eq=False)
class _Placed:
    """A mask's values on a volume's grid, and what is to be said of its place."""

    labels: NDArray[Any]
    known: NDArray[np.bool_] | None = None
    segments: Sequence[Segment] = ()
    note: str = ""
    question: str = ""


def find_mask(
    session: Session, volume_id: str, layer: Layer, reference: Layer | None = None
) -> FoundMask:
    """Read a mask layer on a volume's grid, and examine its values.

    Parameters
    ----------
    session, volume_id, layer
    reference : Layer, optional
        Shows the volume.

    Raises
    ------
    InputError
        Nothing of it lies on the volume, it is not a mask, or a part of its file.
    """
    refuse_part_of_file(layer)
    placed = _place(layer, session.records[volume_id].volume, reference)
    whole = whole_numbers(layer.name, placed.labels)
    known = _both(placed.known, whole.known)
    classes = known_classes(session)
    try:
        examined = examine(whole.values, classes, placed.segments, known)
    except TooManyValuesError:
        raise InputError(
            f"{layer.name}: holds more than {MOST_VALUES} different values, so that it "
            "is an image and not a mask of classes."
        ) from None
    questions = (placed.question, _fractions(whole), *examined.questions)
    notes = (placed.note, _missing(whole), _rounding(whole))
    return FoundMask(
        layer.name,
        volume_id,
        whole.values,
        known,
        Examined(examined.values, tuple(filter(None, questions))),
        tuple(filter(None, notes)),
    )


def take_layer(
    session: Session,
    volume_id: str,
    layer: Layer,
    *,
    all_done: bool,
    reference: Layer | None = None,
) -> str:
    """Take a mask layer as a volume's ink at once, where there is nothing to decide.

    Returns
    -------
    str
        What was assumed, in sentences; empty where nothing was.

    Raises
    ------
    UndecidedError
        There is something to decide.
    InputError
        As of `find_mask` and `session.masks.take_mask`.
    """
    found = find_mask(session, volume_id, layer, reference)
    if found.examined.questions:
        raise UndecidedError(found)
    take_found(session, found, found.examined, all_done=all_done)
    return " ".join(found.notes)


def take_found(
    session: Session, found: FoundMask, decided: Examined, *, all_done: bool
) -> None:
    """Take a mask as ink, as it was decided."""
    settle_mask(session, write_found(session, found, decided, all_done=all_done))


def write_found(
    session: Session, found: FoundMask, decided: Examined, *, all_done: bool
) -> WrittenMask:
    """Write a mask as ink, to be settled; a thread may do it."""
    return write_mask(
        session,
        found.volume_id,
        found.labels,
        decided.values,
        done="all" if all_done else "labelled",
        known=found.known,
    )


# -- values --------------------------------------------------------------------


def _both(
    one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _fractions(whole: WholeNumbers) -> str:
    if not whole.fractions:
        return ""
    return f"{plural(whole.fractions, 'voxel')} hold fractions and would be rounded."


def _missing(whole: WholeNumbers) -> str:
    if not whole.missing:
        return ""
    return f"{plural(whole.missing, 'voxel')} of it hold no number and stay unlabelled."


def _rounding(whole: WholeNumbers) -> str:
    if not whole.rounded:
        return ""
    return f"{plural(whole.rounded, 'voxel')} of it were rounded to whole numbers."


# -- place ---------------------------------------------------------------------


def _place(layer: Layer, volume: Volume, image: Layer | None) -> _Placed:
    """Give a mask's values on a volume's grid.

    Raises
    ------
    InputError
        Nothing of it lies there, or nothing says where it lies and it has another
        shape.
    """
    found = _of_file(layer, volume)
    if found is not None:
        grid = MaskGrid(np.asarray(found.data[0]), found.affine, volume.affine)
        return _by_world(layer, grid, volume, found.segments)
    grid = mask_grid(layer, volume, image)
    segments = segments_of(layer)
    same_shape = grid.labels.shape == volume.shape
    if not same_shape:
        _refuse_axes(layer, grid.labels.shape, volume)
    usual = layer.ndim <= _AXES
    if usual and same_shape and mask_distance(layer, volume, image) <= SAME_PLACE:
        known = not says_no_place(layer) or volume.source.orientation is None
        note = "" if known else _assumed(layer, volume)
        return _Placed(grid.labels, None, segments, note)
    if says_no_place(layer):
        return _Placed(grid.labels, None, segments, _assumed(layer, volume))
    return _by_world(layer, grid, volume, segments)


def _refuse_axes(layer: Layer, shape: tuple[int, ...], volume: Volume) -> None:
    """Refuse a mask of another shape that cannot be brought onto the image's grid."""
    if says_no_place(layer):
        raise InputError(
            f"{layer.name}: has shape {shape}, the image {volume.id} has "
            f"{volume.shape}, and nothing says where the mask lies; it must be drawn "
            "on the image's grid, or opened from a file that knows its place."
        )
    if layer.ndim < _AXES:
        raise InputError(
            f"{layer.name}: is one slice, and {volume.id} has {volume.shape[0]}; a "
            "mask must have all slices, or be opened from a file that knows its place."
        )


def _assumed(layer: Layer, volume: Volume) -> str:
    return (
        f"{layer.name} does not say where it lies, so it was taken voxel by voxel "
        f"in the order in which {volume.id} is shown; if it looks turned or "
        "mirrored now, undo this and open the mask's own file."
    )


def _of_file(layer: Layer, volume: Volume) -> Volume | None:
    """Read the mask that another reader opened, where both files know their place."""
    found = volume_of_files([layer])
    if found is None or not (found.anatomical and volume.anatomical):
        return None
    return in_order_of(found, volume) if len(found.data) == 1 else None


def _by_world(
    layer: Layer, grid: MaskGrid, volume: Volume, segments: Sequence[Segment]
) -> _Placed:
    """Give a mask on a volume's grid, voxel by voxel or the nearest of its voxels."""
    off = ""
    if grid.labels.shape == volume.shape:
        distance = corner_distance(volume.shape, grid.image, grid.mask)
        if distance <= SAME_PLACE:
            return _Placed(grid.labels, None, segments)
        off = (
            f" (a corner is {distance:.3g} voxels off by position, direction or voxel "
            "size)"
        )
    found = onto_grid(grid.labels, grid.mask, volume.shape, grid.image)
    if not found.overlap:
        what = "label" if grid.labels.any() else "voxel"
        raise InputError(
            f"{layer.name}: lies elsewhere than {volume.id}{off}, not one {what} of it "
            "within the image; choose the mask of this image."
        )
    if not found.known.any() or (grid.labels.any() and not found.labels.any()):
        raise InputError(
            f"{layer.name}: is so small beside {volume.id}{off} that no voxel of the "
            "image takes one of its labels; check its voxel size and unit."
        )
    known = None if segments or found.known.all() else found.known
    return _Placed(found.labels, known, segments, "", _elsewhere(volume, off, found))


def _elsewhere(volume: Volume, off: str, found: OnGrid) -> str:
    """Say what becomes of a mask on another grid, and how much of it overlaps."""
    percent = np.floor(found.overlap * 1000) / 10
    share = f"{percent:g} %" if percent else "less than 0.1 %"
    where = "elsewhere than" if off else "on another grid than"
    said = (
        f"It lies {where} {volume.id}{off}: each voxel of the image takes the nearest "
        f"label, and {share} of the labels lie within the image."
    )
    covered = found.known.any(axis=_other_axes(volume.axis))
    outside = int(covered.size - covered.sum())
    if outside:
        said += f" {plural(outside, 'slice')} outside of the mask stay as they are."
    return said


def _other_axes(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(_AXES) if other != axis)
