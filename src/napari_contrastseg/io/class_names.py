"""Which class of a mask is which of its truth: by name where both sides have names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.dataset_json import read_label_names
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: Of a class: its name as it is compared, or its number where it has none.
Key = str | int
#: What programs call a class that nobody named.
_NUMBERED: Final = re.compile(r"(class|label|segment)?[ _-]*\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """What is said of a mask's values.

    Attributes
    ----------
    where : Path
        Of the file that says so.
    names : dict of int to str
        Without those that only repeat a number.
    ignore : int
        Value of voxels that nobody annotated; -1 where there is none.
    """

    where: Path
    names: Mapping[int, str] = field(default_factory=dict)
    ignore: int = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _true_names(self.names))


@dataclass(frozen=True)
class _Predictions:
    """What `predict` leaves beside its masks."""

    classes: dict[int, str] = field(default_factory=dict)


def names_beside(masks: Path, *, of_data_set: bool) -> Named:
    """Read what the files beside masks say of their values.

    Parameters
    ----------
    masks : Path
        A folder, or one file.
    of_data_set : bool
        Whether dataset.json of the folder above speaks of them; it does of folders
        named as nnU-Net names those of labels in any case.

    Raises
    ------
    InputError
        A table is damaged.
    """
    folder = masks.parent if masks.is_file() else masks
    about = folder / "predictions.json"
    if about.is_file():
        said = parse(_Predictions, read_json(about), str(about))
        return Named(about, said.classes)
    above = of_data_set or folder.name.startswith("labels")
    for root in (folder, folder.parent) if above else (folder,):
        about = root / "dataset.json"
        if about.is_file():
            known = read_label_names(about)
            ignore = -1 if known.ignore is None else known.ignore
            return Named(about, known.classes, ignore)
    return Named(masks)


def names_in(volume: Volume, path: Path, beside: Named) -> Named:
    """Add what a mask's own file says of its values (NRRD, DICOM SEG).

    Raises
    ------
    InputError
        It calls a value otherwise than the file beside it.
    """
    own = Named(path, {s.value: s.name for s in volume.segments})
    if not own.names:
        return beside
    for value in own.names.keys() & beside.names.keys():
        if _alike(own.names[value]) != _alike(beside.names[value]):
            raise _contradiction(value, own, beside)
    return Named(path, {**beside.names, **own.names}, beside.ignore)


def match(
    mask: Named, truth: Named, values: tuple[Iterable[int], Iterable[int]]
) -> tuple[dict[int, Key], dict[int, Key]]:
    """Say which class each value of a mask and of its truth is.

    By name where both sides have names, else by number.

    Parameters
    ----------
    mask, truth : Named
    values : (iterable of int, iterable of int)
        Of the mask and of the truth, without the background.

    Raises
    ------
    InputError
        A value has a name on each side, and the other side has neither of them; or
        a side gives one name to two values.
    """
    for side in (mask, truth):
        _refuse_one_name_twice(side)
    mine, theirs = values
    if not (mask.names and truth.names):
        names = {**mask.names, **truth.names}
        first, second = (
            {v: _alike(names[v]) if v in names else v for v in side} for side in values
        )
        return first, second
    return _by_name(mine, mask, truth), _by_name(theirs, truth, mask)


def _by_name(values: Iterable[int], mine: Named, other: Named) -> dict[int, Key]:
    """Say which class each value of one side is, where both sides have names."""
    known_here = set(map(_alike, mine.names.values()))
    known_there = set(map(_alike, other.names.values()))
    found: dict[int, Key] = {}
    for value in values:
        here, there = mine.names.get(value), other.names.get(value)
        if here is not None:
            found[value] = _alike(here)
            free = there is not None and _alike(there) not in known_here
            if free and found[value] not in known_there:
                raise _contradiction(value, mine, other)
        elif there is None:
            found[value] = value
        elif _alike(there) in known_here:
            raise InputError(
                f"{mine.where}: gives the value {value} no name, and {there!r}, as "
                f"{other.where} calls it, is another value there; name all values in "
                "both."
            )
        else:
            found[value] = _alike(there)
    return found


def spelled(key: Key, *sides: Named) -> str:
    """Give a class its name as a side writes it, the first that has it."""
    for side in sides:
        for name in side.names.values():
            if _alike(name) == key:
                return name
    return str(key)


def renumbered(
    labels: NDArray[np.int64], keys: Mapping[int, Key], numbers: Mapping[Key, int]
) -> NDArray[np.int64]:
    """Give labels the numbers of their classes; values without a class become 0."""
    values = np.array(sorted(keys))
    table = np.array([numbers[keys[value]] for value in values.tolist()])
    if not values.size:
        return np.zeros_like(labels)
    place = np.searchsorted(values, labels).clip(max=values.size - 1)
    return np.where(values[place] == labels, table[place], 0)


def _true_names(names: Mapping[int, str]) -> dict[int, str]:
    """Leave out what is not a name: "", "1", "class 1" and "Segment_1"."""
    return {
        value: name
        for value, name in names.items()
        if name.strip() and not _NUMBERED.fullmatch(name.strip())
    }


def _alike(name: str) -> str:
    """Write a name as it is compared: case, blanks, - and _ make no difference."""
    return " ".join(re.split(r"[\s_-]+", name.casefold().strip()))


def _refuse_one_name_twice(side: Named) -> None:
    seen: dict[str, int] = {}
    for value, name in side.names.items():
        other = seen.setdefault(_alike(name), value)
        if other != value:
            raise InputError(
                f"{side.where}: calls the values {other} and {value} both {name!r}, so "
                "their classes cannot be told apart; rename one."
            )


def _contradiction(value: int, mine: Named, other: Named) -> InputError:
    return InputError(
        f"{mine.where}: calls the value {value} {mine.names[value]!r}, but "
        f"{other.where} calls it {other.names[value]!r}; if both are one class, give "
        "it one name in both, otherwise take masks of the same classes."
    )
