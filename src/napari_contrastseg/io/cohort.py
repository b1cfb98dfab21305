"""A cohort: the cases of a folder or of an nnU-Net data set, none of them opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003  pydantic reads the annotation
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.choice import EVERYTHING, Choice
from napari_contrastseg.io.dataset import Case, read_dataset, read_image, read_truth
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.inputs import case_name, channel_number, find_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.io.volume import Volume

#: Cases that a list may hold.
MOST: Final = 100_000


@dataclass(frozen=True)
class Cohort:
    """A list of cases that may be opened one by one.

    Attributes
    ----------
    root : Path
        The folder that they were found in.
    cases : tuple of Case
        Under the ids that their volumes have in the session; no two are alike.
    """

    root: Path
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.cases) or len(self.cases) > MOST:
            raise ValueError("the cases of a cohort differ")
        if not all(case.id and case.images for case in self.cases):
            raise ValueError("a case has a name and an image")

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all cases."""
        return frozenset(case.id for case in self.cases)

    def case(self, case_id: str) -> Case | None:
        """Find a case by its id."""
        return next((case for case in self.cases if case.id == case_id), None)

    def named(self, name: Callable[[Case], str]) -> Cohort:
        """Give the cases other ids."""
        return replace(
            self, cases=tuple(replace(case, id=name(case)) for case in self.cases)
        )


@dataclass(frozen=True, eq=False)
class CaseLabels:
    """What a case's label file says.

    Attributes
    ----------
    truth : (s0, s1, s2) int16
        -1 unknown, 0 background, k class.
    classes : dict of class id to name
        Those of the data set.
    """

    truth: NDArray[np.int16]
    classes: Mapping[int, str]


def find_cohort(folder: Path) -> Cohort:
    """List the cases of a folder; no image is read.

    With a dataset.json it is a data set in nnU-Net's layout. Otherwise each image is a
    case; files named CASE_0000, CASE_0001 and so on are channels of one case, if all
    cases have the same ones.

    Raises
    ------
    InputError
        There are no images in it.
    """
    folder = folder.absolute()
    if is_dataset(folder):
        cases: Iterable[Case] = read_dataset(folder).cases
    elif folder.is_file():
        raise InputError(
            f"{folder}: is a file; choose the folder that holds the cases."
        )
    else:
        alone = find_inputs(folder, 1)
        count = _channels([file for files in alone.values() for file in files])
        found = find_inputs(folder, count) if count > 1 else alone
        cases = (Case(name, files, None) for name, files in sorted(found.items()))
    made = tuple(map(_as_text, cases))
    if len(made) > MOST:
        raise InputError(f"{folder}: holds more than {MOST} cases; split it.")
    return Cohort(folder, made)


def is_dataset(folder: Path) -> bool:
    """Whether a folder is a data set in nnU-Net's layout."""
    return (folder / "dataset.json").is_file()


def _channels(files: list[Path]) -> int:
    """Count the channel files of each case; 1 where their names do not agree on it."""
    numbers: dict[str, list[int | None]] = {}
    for file in files:
        numbers.setdefault(case_name(file), []).append(channel_number(file))
    first = next(iter(numbers.values()))
    agree = all(found == list(range(len(first))) for found in numbers.values())
    return len(first) if agree else 1


def _as_text(case: Case) -> Case:
    """Refuse a name that is no text: a session could not keep it."""
    try:
        for path in case.images:
            str(path).encode()
    except UnicodeEncodeError as error:
        name = str(case.images[0]).encode(errors="replace").decode()
        raise InputError(f"{name}: its name is not text; rename the file.") from error
    return case


def read_case(cohort: Cohort, case: Case, choice: Choice = EVERYTHING) -> Volume:
    """Read a case's images as a volume of its id.

    Raises
    ------
    SeveralPartsError, NotUprightError
        A file holds several images, or tilted slices; as `io.images.read_volume`.
    InputError
        A file is missing or cannot be read.
    """
    if choice != EVERYTHING or not is_dataset(cohort.root):
        return read_image(case.images, case.id, choice)
    dataset = read_dataset(cohort.root)
    return replace(dataset.read(_listed(dataset, case)), id=case.id)


def read_case_labels(cohort: Cohort, case: Case, volume: Volume) -> CaseLabels | None:
    """Read a case's label file; None where it has none.

    Raises
    ------
    InputError
        It cannot be read, or does not fit the image.
    """
    if case.label is None:
        return None
    dataset = read_dataset(cohort.root)
    truth = read_truth(dataset, _listed(dataset, case), volume)
    return CaseLabels(truth, dataset.classes)


def _listed(dataset: Dataset, case: Case) -> Case:
    """Find a case of the session's list in the data set, where ids may be others."""
    for one in dataset.cases:
        if one.images == case.images:
            return one
    raise InputError(
        f"{case.images[0]}: is no longer an image of the data set; put it back, or "
        "open the folder again."
    )
