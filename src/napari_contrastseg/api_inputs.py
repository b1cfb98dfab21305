"""Check what a script gives to the Python API: arrays, names, slices, lengths."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np

from napari_contrastseg.io.class_names import Named, match, names_in, renumbered
from napari_contrastseg.io.dataset import WHITE, on_grid_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.learning.data.targets import values_in
from napari_contrastseg.learning.plan.stage import Budget

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_contrastseg.session.session import Session

_DEVICES: Final = ("auto", "cpu", "cuda")
_MOST_SEEDS: Final = 2**32


def array_of(given: ArrayLike, what: str) -> NDArray[Any]:
    """Make an array of real numbers.

    Raises
    ------
    InputError
        It is ragged, or holds something else.
    """
    try:
        found = np.asarray(given)
    except ValueError as error:
        raise InputError(f"{what} is not an array: {error}.") from error
    if found.ndim and found.dtype.kind not in "biuf":
        raise InputError(f"{what} holds {found.dtype} values, not real numbers.")
    return found


def images_of(given: object) -> list[Any]:
    """List images; one alone counts as a list of one."""
    if isinstance(given, str | Path | Volume):
        return [given]
    return _listed(given, "images")


def class_names(given: object) -> list[str]:
    """List names of classes; one alone counts as a list of one.

    Raises
    ------
    InputError
        One is not a text.
    """
    names = [given] if isinstance(given, str) else _listed(given, "classes")
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"classes: {name!r} is not a name; give texts.")
    return names


def slices_of(given: object, name: str, count: int) -> list[int]:
    """List numbers of slices, each once.

    Raises
    ------
    InputError
        One is not a whole number, or not one of the image's `count`.
    """
    numbers = []
    for index in _listed(given, "slices"):
        if not _is_whole(index):
            raise InputError(
                f"slices: {index!r} is not the number of a slice; give whole numbers "
                "such as [3, 7]."
            )
        if not 0 <= index < count:
            raise InputError(f"{name}: has slices 0 to {count - 1}, not {index}.")
        numbers.append(int(index))
    return list(dict.fromkeys(numbers))


def labels_of(
    given: Path | str | ArrayLike, session: Session, name: str
) -> NDArray[Any]:
    """Read labels of an image, or check an array; a file must lie on its grid.

    Where there is one class, and 255 is the only label, that is the class: masks of
    other programs are white.

    Raises
    ------
    InputError
        It has another shape than the image, a label that no class can have, or one
        that its file calls otherwise than the session does.
    """
    volume = session.records[name].volume
    if isinstance(given, str | Path):
        path = Path(given)
        there = volume.source.path or Path(volume.id)
        read = on_grid_of(volume, there, read_labels(path), path)
        found = _numbers_here(read, path, session)
    else:
        found = _whole(array_of(given, "The mask"))
    if found.shape != volume.shape:
        raise InputError(
            f"The mask has shape {found.shape}, the image {name} has {volume.shape}; "
            "it must be drawn on the image's grid."
        )
    values = values_in(found)
    if WHITE in values and values <= {-1, 0, WHITE} and len(session.classes) == 1:
        found, values = np.where(found == WHITE, session.classes[0].id, found), set()
    if WHITE in values or min(values, default=0) < -1:
        wrong = WHITE if WHITE in values else min(values)
        raise InputError(
            f"The mask holds the label value {wrong}, which no class has; write 0 for "
            "background and -1 for unknown."
        )
    return found


def _numbers_here(mask: Volume, path: Path, session: Session) -> NDArray[Any]:
    """Give a mask's labels, under the session's numbers where its file names them."""
    labels = np.asarray(mask.data[0])
    said = names_in(mask, path, Named(path))
    if not said.names:
        return labels
    known = Named(Path("this session"), {c.id: c.name for c in session.classes})
    values = values_in(labels) - {0}
    theirs, ours = match(said, known, (values, [c.id for c in session.classes]))
    numbers = {key: value for value, key in ours.items()}
    strange = next((value for value in theirs if theirs[value] not in numbers), None)
    if strange is not None:
        raise InputError(
            f"{path}: holds {said.names.get(strange, strange)!r} (label {strange}), "
            "which is not a class of this session; add that class first."
        )
    return renumbered(labels, theirs, numbers)


def budget_of(steps: object, minutes: object) -> Budget:
    """Make a budget of steps, of minutes, or of neither.

    Raises
    ------
    InputError
        Both are given, or one is not a number above 0.
    """
    if steps is not None and minutes is not None:
        raise InputError("Give one of steps and minutes, not both.")
    if steps is not None:
        if not _is_whole(steps) or steps < 1:
            raise InputError(f"steps is {steps!r}; give a whole number from 1.")
        return Budget(steps=int(steps))
    if minutes is None:
        return Budget()
    length = float(minutes) if isinstance(minutes, Real) else math.nan
    if not 0 < length < math.inf:
        raise InputError(f"minutes is {minutes!r}; give a number above 0.")
    return Budget(minutes=length)


def check_device(device: object) -> None:
    """Raise InputError where there is no such choice of a device."""
    if device not in _DEVICES:
        raise InputError(f"device is {device!r}; choose one of {', '.join(_DEVICES)}.")


def check_seed(seed: object) -> None:
    """Raise InputError where it cannot be one."""
    if not (_is_whole(seed) and 0 <= seed < _MOST_SEEDS):
        raise InputError(f"seed is {seed!r}; give a whole number from 0 to 2^32 - 1.")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _listed(given: object, what: str) -> list[Any]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"{what} is {given!r}; give a list.")
    return list(given)


def _whole(found: NDArray[Any]) -> NDArray[np.int64]:
    """Give an array's values as whole numbers, which they are.

    Raises
    ------
    InputError
        They are fractions, too large, or not numbers.
    """
    limit = np.iinfo(np.int64).max
    whole = found.dtype.kind != "f" or bool((np.rint(found) == found).all())
    if not whole:
        raise InputError("Labels must be whole numbers.")
    if found.size and float(np.abs(found).max()) >= limit:
        raise InputError(f"The mask holds the value {found.max()}, too large here.")
    return found.astype(np.int64)
