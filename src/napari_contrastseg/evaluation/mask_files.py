"""Score files of masks against files of labels, case by case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.evaluation.scores import Scores
from napari_contrastseg.io.class_names import (
    Key,
    Named,
    match,
    names_beside,
    names_in,
    renumbered,
    spelled,
)
from napari_contrastseg.io.dataset import WHITE, on_grid_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import ending_of, is_image
from napari_contrastseg.io.images import read_labels, read_volume, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

    #: Which class each value of a mask is, and each of its truth.
    Keys = tuple[dict[int, Key], dict[int, Key]]


def evaluate(predictions: Path, labels: Path) -> dict[str, Any]:
    """Score a folder of masks (or one file) against a folder of labels (or one file).

    Classes are matched by name where both sides have names, else by number; the
    report's ``matched`` says which, and its ``notes`` what was assumed.

    Raises
    ------
    InputError
        A label is missing, a mask lies on another grid than its label, or the two
        sides give other names to one number.
    """
    pairs = _pairs(predictions, labels)
    beside = (
        names_beside(predictions, of_data_set=False),
        names_beside(_folder_of_labels(labels), of_data_set=True),
    )
    read = [_read_pair(*pair, beside) for pair in pairs]
    keys = _white_as_1([pair.keys() for pair in read])
    numbers = _one_number_each(keys)
    sides = [side for pair in read for side in reversed(pair.names)]
    classes = {number: spelled(key, *sides) for key, number in numbers.items()}
    scores = Scores(dict(sorted(classes.items())))
    for pair, of_pair, (path, label) in zip(read, keys, pairs, strict=True):
        mask, truth = pair.renumbered(of_pair, numbers)
        grid = pair.truth
        sure = _confidence(path, grid, label) if len(classes) == 1 else None
        scores.add(mask, truth, grid.spacing.tolist(), grid.source.unit, sure)
    return scores.summary() | _matching([pair.names for pair in read])


@dataclass(frozen=True, eq=False)
class _Pair:
    """A mask and its label in one order, and what is said of their values."""

    mask: Volume
    truth: Volume
    names: tuple[Named, Named]

    def keys(self) -> Keys:
        """Say which class each value is."""
        mine, theirs = self.names
        unknown = set() if theirs.ignore in mine.names else {theirs.ignore}
        values = (
            _values_in(self.mask.data[0]) - {0, mine.ignore, *unknown},
            _values_in(self.truth.data[0]) - {0, theirs.ignore},
        )
        return match(mine, theirs, values)

    def renumbered(
        self, keys: Keys, numbers: Mapping[Key, int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give both under the numbers of their classes; -1 to what is ignored."""
        mask = renumbered(self.mask.data[0], keys[0], numbers)
        truth = renumbered(self.truth.data[0], keys[1], numbers)
        truth[self.truth.data[0] == self.names[1].ignore] = -1
        return mask, truth


def _one_number_each(keys: Sequence[Keys]) -> dict[Key, int]:
    """Give each class one number in all cases: the labels', as far as it is free."""
    numbers: dict[Key, int] = {}
    for side in (1, 0):
        for of_pair in keys:
            for value, key in sorted(of_pair[side].items()):
                if key not in numbers:
                    taken = value in numbers.values()
                    numbers[key] = max(numbers.values()) + 1 if taken else value
    return numbers


def _matching(names: Iterable[tuple[Named, Named]]) -> dict[str, Any]:
    """Say how classes were matched, and what was assumed, for the report."""
    named = {(bool(m.names), bool(t.names)): (m, t) for m, t in names}
    notes = []
    for (has, _), (mask, truth) in named.items():
        if bool(mask.names) != bool(truth.names):
            lacks, says = (truth, mask) if has else (mask, truth)
            notes.append(
                f"{lacks.where}: nothing names its classes, so they were matched by "
                f"number with those of {says.where}."
            )
    by_name = set(named) == {(True, True)}
    found: dict[str, Any] = {"matched": "name" if by_name else "number"}
    return found | ({"notes": notes} if notes else {})


def _values_in(labels: NDArray[np.int64]) -> set[int]:
    return {int(value) for value in np.unique(labels)}


def _folder_of_labels(labels: Path) -> Path:
    """Give the folder of labels of a data set that is given as a whole."""
    inside = labels / "labelsTr"
    return inside if inside.is_dir() else labels


def _confidence(mask: Path, truth: Volume, label: Path) -> NDArray[Any] | None:
    """Read the confidence map that `predict --confidence` left beside a mask."""
    name = f"{stem_of(mask)}_confidence{ending_of(mask) or '.tif'}"
    path = mask.with_name(name)
    if not path.exists():
        return None
    found = on_grid_of(truth, label, read_volume(path), path)
    return np.asarray(found.data[0])


def _white_as_1(keys: Sequence[Keys]) -> Sequence[Keys]:
    """Take masks of 0 and 255 on one side as those of 0 and 1 on the other."""
    mine, theirs = (
        {value for pair in keys for value in pair[side]} for side in range(2)
    )
    if {1} not in (mine, theirs) or {WHITE} not in (mine, theirs):
        return keys
    there = {key for pair in keys for side in pair for key in side.values()}
    names = [key for key in there if isinstance(key, str)]
    if len(names) > 1:
        return keys  # two classes
    only = names[0] if names else 1
    return [(dict.fromkeys(m, only), dict.fromkeys(t, only)) for m, t in keys]


def _read_pair(mask: Path, truth: Path, beside: tuple[Named, Named]) -> _Pair:
    """Read a mask and its label, in one order."""
    label = read_labels(truth)
    made = on_grid_of(label, truth, read_labels(mask), mask)
    names = names_in(made, mask, beside[0]), names_in(label, truth, beside[1])
    return _Pair(made, label, names)


def _pairs(predictions: Path, labels: Path) -> list[tuple[Path, Path]]:
    for path in (predictions, labels):
        if not path.exists():
            raise InputError(f"{path}: there is no such file or folder.")
    if (labels / "labelsTr").is_dir():
        labels = labels / "labelsTr"
    if _is_one(predictions):
        truth = labels if _is_one(labels) else _label_for(predictions, labels)
        return [(predictions, truth)]
    masks = [
        p
        for p in sorted(predictions.iterdir())
        if ending_of(p)
        and not stem_of(p).endswith("_confidence")
        and not p.name.startswith(".")
    ]
    if not masks:
        raise InputError(f"{predictions}: holds no masks.")
    for mask in masks:
        _the_only_one([other for other in masks if stem_of(other) == stem_of(mask)])
    if _is_one(labels):
        raise InputError(f"{labels}: is one file, but {predictions} is a folder.")
    return [(mask, _label_for(mask, labels)) for mask in masks]


def _is_one(path: Path) -> bool:
    """Whether a path is one image: a file, or a folder that is one (OME-Zarr)."""
    return path.is_file() or is_image(path)


def _label_for(mask: Path, labels: Path) -> Path:
    found = [
        path
        for path in sorted(labels.iterdir())
        if ending_of(path) and stem_of(path) == stem_of(mask)
    ]
    if not found:
        raise InputError(f"{labels}: has no label for {mask.name}; nothing was scored.")
    return _the_only_one(found)


def _the_only_one(files: list[Path]) -> Path:
    """Refuse a second mask of a case: nothing says which of them is meant."""
    first, *others = files
    if others:
        raise InputError(
            f"{others[0]}: is a second mask of the case that {first.name} is of; keep "
            "one of them in that folder."
        )
    return first
