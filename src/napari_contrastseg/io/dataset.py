"""Data sets in nnU-Net's raw layout: imagesTr, labelsTr, dataset.json."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003  pydantic reads the annotation
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.choice import EVERYTHING, Choice, SeveralPartsError
from napari_contrastseg.io.class_names import Named, names_in
from napari_contrastseg.io.dataset_json import MAX_CLASS, read_description
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import unreadable
from napari_contrastseg.io.formats import ending_of
from napari_contrastseg.io.images import (
    file_names,
    read_labels,
    read_volume,
    write_map,
    write_mask,
)
from napari_contrastseg.io.inputs import case_name, channel_number, check_channel_files
from napari_contrastseg.io.json import write_json
from napari_contrastseg.io.own_files import RECORD, OwnFiles
from napari_contrastseg.io.plural import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume

#: The one value of many masks of one class.
WHITE: Final = 255
#: What describes a data set, and the ending of the files of one that is written.
_ABOUT: Final = "dataset.json"
_ENDING: Final = ".nii.gz"
#: Key of the part of a file that takes its fourth axis as channels.
_AS_CHANNELS: Final = "channels"


@dataclass(frozen=True)
class Case:
    """One volume of a data set: its image files, and its label file if it has one."""

    id: str
    images: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True)
class Dataset:
    """A folder in nnU-Net's raw layout.

    Attributes
    ----------
    root : Path
    classes : dict of int to str
        Foreground classes, id 1..254 to name.
    ignore : int or None
        Label value of voxels that nobody annotated.
    channels : tuple of str
        Names by number.
    ending : str
        File ending, ``.nii.gz`` for instance.
    cases : tuple of Case
        Sorted by id.
    """

    root: Path
    classes: dict[int, str]
    ignore: int | None
    channels: tuple[str, ...]
    ending: str
    cases: tuple[Case, ...]

    def case(self, case_id: str) -> Case:
        """Find a case by id, or say which there are."""
        for case in self.cases:
            if case.id == case_id:
                return case
        some = ", ".join(case.id for case in self.cases[:3])
        raise InputError(f"{self.root}: has no case {case_id!r}; it has {some}, ...")

    def check_channels(self, names: Iterable[str]) -> None:
        """Refuse cases that lack a channel which dataset.json or other cases have."""
        files = {case.id: case.images for case in self.cases}
        count = 1  # a single file a case may hold all the channels: colours
        if any(len(parts) > 1 for parts in files.values()):
            found = [channel_number(f) or 0 for parts in files.values() for f in parts]
            count = max(len(self.channels), 1 + max(found))
        check_channel_files({name: files[name] for name in names}, count)

    def read(self, case: Case) -> Volume:
        """Read a case's images, the channels under the data set's names.

        Raises
        ------
        InputError
            A file is missing or unreadable, or there are more channels or fewer than
            dataset.json names.
        """
        self.check_channels([case.id])
        volume = self._read_files(case)
        have, named = len(volume.data), len(self.channels)
        if have == named:
            return replace(volume, channels=self.channels)
        if len(case.images) == named:  # one name for a picture's colours
            return volume
        raise InputError(
            f"{case.images[0]}: case {case.id} has {plural(have, 'channel')}, "
            f"but dataset.json names {named} ({', '.join(self.channels)}); give it "
            "a file for each channel, and name each in channel_names."
        )

    def _read_files(self, case: Case) -> Volume:
        """Read a case's images; the fourth axis of a file may be its channels."""
        try:
            return read_image(case.images, case.id)
        except SeveralPartsError as several:
            as_channels = any(part.key == _AS_CHANNELS for part in several.parts)
            if len(self.channels) > 1 and as_channels:
                return read_image(case.images, case.id, Choice(_AS_CHANNELS))
            raise _one_volume_a_file(case.images[0]) from several

    def check_labels(self, names: Iterable[str]) -> None:
        """Refuse labels that lie beside their case, under a name that is not its own.

        Raises
        ------
        InputError
            A case of `names` has no label, and one begins with the case's name.
        """
        owned = {case.label for case in self.cases}
        strays = [f for f in _files_in(self.root / "labelsTr") if f not in owned]
        for case in map(self.case, names):
            if case.label is not None:
                continue
            own = re.compile(re.escape(case.id) + r"(?![a-z0-9])", re.IGNORECASE)
            for file in strays:
                if ending_of(file) and own.match(file.name):
                    raise InputError(
                        f"{file}: is the label of no case, and case {case.id} has "
                        f"none; save it as {case.id}{self.ending} if it is its label, "
                        "or move it elsewhere."
                    )

    def no_labels(self) -> InputError:
        """Say that none of the cases to train on has a label."""
        first = self.cases[0].id
        return InputError(
            f"{self.root}: no training case has labels in labelsTr; a label is named "
            f"as its case is, {first}{self.ending} for instance."
        )


def read_dataset(root: Path) -> Dataset:
    """Read a data set's description and list its cases; images are not opened."""
    if root.is_file():
        raise InputError(f"{root}: is a file; give the folder of the data set.")
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder.")
    about = root / "dataset.json"
    if not about.is_file():
        raise InputError(
            f"{root}: holds no dataset.json; a data set has imagesTr, labelsTr and "
            "dataset.json (nnU-Net's raw layout)."
        )
    described = read_description(about)
    return Dataset(
        root,
        described.labels.classes,
        described.labels.ignore,
        described.channels,
        described.ending,
        _list_cases(root, described.ending),
    )


def _list_cases(root: Path, ending: str) -> tuple[Case, ...]:
    """List the cases; where no image has a channel number, each file is one."""
    files = _files_in(root / "imagesTr")
    images = [file for file in files if file.name.lower().endswith(ending)]
    if not images:
        others = sorted({ending_of(file) for file in files} - {""})
        found = f"; its files end in {', '.join(others)}" if others else ""
        raise InputError(
            f"{root / 'imagesTr'}: holds no images named CASE_0000{ending}{found} (the "
            "ending is the file_ending of dataset.json)."
        )
    numbered = [file for file in images if channel_number(file) is not None]
    found_by_name: dict[str, list[Path]] = {}
    for path in numbered or images:
        found_by_name.setdefault(case_name(path), []).append(path)
    labels = {  # links to nothing are among them, and refused when they are read
        file.name[: -len(ending)]: file
        for file in _files_in(root / "labelsTr")
        if file.name.lower().endswith(ending)
    }
    return tuple(
        Case(case_id, tuple(parts), labels.get(case_id))
        for case_id, parts in sorted(found_by_name.items())
    )


def _files_in(folder: Path) -> list[Path]:
    """List a folder's files, without macOS's ._CASE and what a killed program left."""
    try:
        return sorted(file for file in folder.iterdir() if file.name[0] != ".")
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise InputError(f"{folder}: is a file; it must be a folder.") from error
    except PermissionError as error:
        raise unreadable(folder) from error


def read_image(files: Sequence[Path], name: str, choice: Choice = EVERYTHING) -> Volume:
    """Read the channel files of one case as one volume."""
    parts = [read_volume(path, name=name, choice=choice) for path in files]
    parts = [
        on_grid_of(parts[0], files[0], part, path)
        for path, part in zip(files, parts, strict=True)
    ]
    data = tuple(channel for part in parts for channel in part.data)
    names = tuple(n for part in parts for n in part.channels)
    if len(parts) > 1:
        names = tuple(f"{n} {i}" for i, n in enumerate(names))
    return replace(parts[0], data=data, channels=names)


def read_truth(dataset: Dataset, case: Case, volume: Volume) -> NDArray[np.int16]:
    """Read a case's labels: -1 unknown, 0 background, k class, the volume's shape."""
    if case.label is None:
        return np.full(volume.shape, -1, dtype=np.int16)
    try:
        labels = read_labels(case.label, name=case.id)
    except SeveralPartsError as several:
        raise _one_volume_a_file(case.label) from several
    names_in(labels, case.label, Named(dataset.root / _ABOUT, dataset.classes))
    labels = on_grid_of(volume, case.images[0], labels, case.label)
    truth = np.asarray(labels.data[0]).copy()
    if dataset.ignore is not None:
        truth[truth == dataset.ignore] = -1
    there = set(np.unique(truth).tolist()) - {-1, 0}
    if there == {WHITE} and len(dataset.classes) == 1:
        (only,) = dataset.classes
        truth[truth == WHITE], there = only, {only}
    strange = there - {*dataset.classes}
    if strange:
        remedy = "add them to its labels"
        if max(strange) > MAX_CLASS:
            remedy = f"give them numbers from 1 to {MAX_CLASS} in the mask"
        raise InputError(
            f"{case.label}: holds the label values {sorted(strange)[:5]} that "
            f"{dataset.root / 'dataset.json'} does not name; {remedy}."
        )
    return truth.astype(np.int16)


def _one_volume_a_file(path: Path) -> InputError:
    return InputError(
        f"{path}: holds several images, and a data set has one in a file; save one of "
        "them, or each as a case of its own."
    )


def on_grid_of(first: Volume, first_path: Path, part: Volume, path: Path) -> Volume:
    """Bring a volume that lies on another's grid into the other's array order.

    Raises
    ------
    InputError
        It has another shape or place, or only one of them says where it lies.
    """
    if first.anatomical != part.anatomical:
        knows, lacks = (path, first_path) if part.anatomical else (first_path, path)
        raise InputError(
            f"{lacks}: does not say where it lies in the body, but {knows} does, so "
            "one may be the mirror image of the other; save both in one format, for "
            "example as NIfTI."
        )
    part = in_order_of(part, first)
    if part.shape != first.shape:
        raise InputError(
            f"{path}: has shape {part.source.to_file_order(part.data[0]).shape}, but "
            f"{first_path.name} has "
            f"{first.source.to_file_order(first.data[0]).shape}; they must be on one "
            "grid, so resample one of them."
        )
    if not part.same_place(first):
        raise InputError(
            f"{path}: lies elsewhere in the world than {first_path.name} (a corner is "
            f"{part.distance(first):.3g} voxels off); they must be on one grid, so "
            "resample one of them."
        )
    return part


@dataclass(frozen=True, eq=False)
class LabelledVolume:
    """A volume and its truth, as one entry of a data set that is written."""

    volume: Volume
    truth: NDArray[np.int16]


def write_dataset(
    root: Path, entries: Sequence[LabelledVolume], classes: Mapping[int, str]
) -> list[Path]:
    """Write volumes and truth as a NIfTI data set, unknown voxels as ``ignore``.

    The ``ignore`` label gets the number after the last class, as nnU-Net wants it;
    classes are numbered on without gaps for the same reason.

    Raises
    ------
    InputError
        Two classes have one name, or a file cannot be written.
    """
    _refuse_one_name_twice(classes)
    order = sorted(classes)
    ignore = len(order) + 1
    written = []
    names = file_names(entry.volume.id for entry in entries)
    for entry in entries:
        volume = entry.volume
        files = [root / file for file in _files_of(entry, names[volume.id])]
        for index, path in enumerate(files[: len(volume.data)]):
            write_map(path, volume.part(index), volume)
        mask = np.zeros(volume.shape, np.uint8)
        for number, class_id in enumerate(order, start=1):
            mask[entry.truth == class_id] = number
        mask[entry.truth < 0] = ignore
        for path in files[len(volume.data) :]:
            write_mask(path, mask, volume)
        written += files
    labels = {"background": 0} | {classes[c]: n for n, c in enumerate(order, start=1)}
    about = root / _ABOUT
    channels = entries[0].volume.channels
    write_json(
        about,
        {
            "channel_names": {str(i): name for i, name in enumerate(channels)},
            "labels": labels | {"ignore": ignore},
            "numTraining": len(entries),
            "file_ending": _ENDING,
        },
    )
    return [*written, about]


def replace_dataset(
    root: Path, entries: Sequence[LabelledVolume], classes: Mapping[int, str]
) -> tuple[list[Path], list[Path]]:
    """Write a data set in the place of one that was written there so before.

    Returns
    -------
    written, deleted : list of Path
        Deleted are files of cases that are not among these.

    Raises
    ------
    InputError
        The folder holds files of a data set that were not written so, and none is
        replaced; or as `write_dataset`.
    """
    _refuse_one_name_twice(classes)
    names = file_names(entry.volume.id for entry in entries)
    files = [f for entry in entries for f in _files_of(entry, names[entry.volume.id])]
    own = OwnFiles(root)
    own.begin([*files, _ABOUT])
    written = write_dataset(root, entries, classes)
    return [*written, root / RECORD], own.end([*files, _ABOUT])


def _refuse_one_name_twice(classes: Mapping[int, str]) -> None:
    named = [*classes.values(), "background", "ignore"]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"Two classes would be called {twice!r} (background and ignore are taken); "
            "rename one of them."
        )


def _files_of(entry: LabelledVolume, name: str) -> list[str]:
    """Name the files of a case below the folder: its channels, its label if any."""
    channels = range(len(entry.volume.data))
    files = [f"imagesTr/{name}_{index:04d}{_ENDING}" for index in channels]
    if (entry.truth >= 0).any():
        files.append(f"labelsTr/{name}{_ENDING}")
    return files
