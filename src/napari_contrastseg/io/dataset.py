"""Data sets in nnU-Net's raw layout: imagesTr, labelsTr, dataset.json."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.choice import EVERYTHING
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import ending_of, endings, is_image
from napari_contrastseg.io.images import (
    file_names,
    read_labels,
    read_volume,
    stem_of,
    write_map,
    write_mask,
)
from napari_contrastseg.io.json import parse, read_json, write_json
from napari_contrastseg.io.plural import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.io.volume import Volume

MAX_CLASS = 254
#: The one value of many masks of one class.
WHITE = 255


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
        volume = read_image(case.images, case.id)
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


@dataclass(frozen=True)
class Description:
    """The part of a dataset.json that is read here."""

    labels: dict[str, int]
    file_ending: str
    channel_names: dict[str, str]


def read_dataset(root: Path) -> Dataset:
    """Read a data set's description and list its cases; images are not opened."""
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder.")
    about = root / "dataset.json"
    if not about.is_file():
        raise InputError(
            f"{root}: holds no dataset.json; a data set has imagesTr, labelsTr and "
            "dataset.json (nnU-Net's raw layout)."
        )
    classes, ignore, described = read_description(about)
    channels = _by_number(described.channel_names, about)
    cases = _list_cases(root, described.file_ending)
    return Dataset(root, classes, ignore, channels, described.file_ending, cases)


def read_description(about: Path) -> tuple[dict[int, str], int | None, Description]:
    """Read a dataset.json: its classes, the value to ignore, and the rest.

    Raises
    ------
    InputError
        It is damaged, or speaks of formats or numbers that are not read here.
    """
    described = parse(Description, _known(read_json(about)), str(about))
    if described.file_ending not in endings():
        raise InputError(
            f"{about}: file_ending {described.file_ending!r} is not read here; use "
            f"one of {', '.join(endings())}."
        )
    ignore = described.labels.pop("ignore", None)
    classes = {i: name for name, i in described.labels.items() if i}
    if any(not 0 < i <= MAX_CLASS for i in classes):
        raise InputError(f"{about}: class numbers must lie within 1 and {MAX_CLASS}.")
    return classes, ignore, described


def _by_number(names: Mapping[str, str], about: Path) -> tuple[str, ...]:
    """Sort channel names by their numbers."""
    wanted = [str(number) for number in range(len(names))]
    if not names or set(names) != set(wanted):
        raise InputError(
            f"{about}: numbers its channel_names {', '.join(names) or 'not at all'}; "
            "number them 0, 1, 2 and so on, as the files end in _0000, _0001, _0002."
        )
    return tuple(names[number] for number in wanted)


def _known(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    names = Description.__dataclass_fields__
    return {key: value[key] for key in names if key in value}


def _list_cases(root: Path, ending: str) -> tuple[Case, ...]:
    found: dict[str, list[Path]] = {}
    for path in sorted((root / "imagesTr").glob(f"*_[0-9][0-9][0-9][0-9]{ending}")):
        if path.name.startswith("."):
            continue  # macOS's ._CASE, and what a killed program left
        found.setdefault(_case_name(path), []).append(path)
    if not found:
        raise InputError(
            f"{root / 'imagesTr'}: holds no images named CASE_0000{ending}."
        )
    cases = []
    for case_id, images in sorted(found.items()):
        label = root / "labelsTr" / f"{case_id}{ending}"
        there = os.path.lexists(label)  # a link to nothing is refused when it is read
        cases.append(Case(case_id, tuple(images), label if there else None))
    return tuple(cases)


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
    labels = read_labels(case.label, name=case.id)
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
        raise InputError(
            f"{case.label}: holds the label values {sorted(strange)[:5]} that "
            f"{dataset.root / 'dataset.json'} does not name; add them to its labels."
        )
    return truth.astype(np.int16)


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
    """
    named = [*classes.values(), "background", "ignore"]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"Two classes would be called {twice!r} (background and ignore are taken); "
            "rename one of them."
        )
    ending = ".nii.gz"
    order = sorted(classes)
    ignore = len(order) + 1
    written = []
    names = file_names(entry.volume.id for entry in entries)
    for entry in entries:
        volume, name = entry.volume, names[entry.volume.id]
        for index, channel in enumerate(volume.data):
            path = root / "imagesTr" / f"{name}_{index:04d}{ending}"
            write_map(path, np.asarray(channel), volume)
            written.append(path)
        mask = np.zeros(volume.shape, np.uint8)
        for number, class_id in enumerate(order, start=1):
            mask[entry.truth == class_id] = number
        mask[entry.truth < 0] = ignore
        if (entry.truth >= 0).any():
            path = root / "labelsTr" / f"{name}{ending}"
            write_mask(path, mask, volume)
            written.append(path)
    labels = {"background": 0} | {classes[c]: n for n, c in enumerate(order, start=1)}
    about = root / "dataset.json"
    channels = entries[0].volume.channels
    write_json(
        about,
        {
            "channel_names": {str(i): name for i, name in enumerate(channels)},
            "labels": labels | {"ignore": ignore},
            "numTraining": len(entries),
            "file_ending": ending,
        },
    )
    return [*written, about]


def find_inputs(path: Path, channels: int) -> dict[str, tuple[Path, ...]]:
    """List the images that INPUT names: one file, or a folder of images.

    Returns
    -------
    dict of case id to its channel files
    """
    if path.is_file() or (path.is_dir() and is_image(path)):
        return {_case_name(path): (path,)}
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder.")
    files = sorted(p for p in path.iterdir() if is_image(p) and p.name[0] != ".")
    files = [p for p in files if not _is_second_half(p)]
    if not files:
        raise InputError(f"{path}: holds no images ({', '.join(endings())}).")
    cases: dict[str, tuple[Path, ...]] = {}
    for file in files:
        key = _case_name(file)
        cases[key] = (*cases.get(key, ()), file)
    if channels == 1 and any(len(parts) > 1 for parts in cases.values()):
        single: dict[str, tuple[Path, ...]] = {stem_of(file): (file,) for file in files}
        twice = next((f for f in files if single[stem_of(f)] != (f,)), None)
        if twice is not None:
            raise InputError(
                f"{twice}: there are two images of this name; keep them in folders of "
                "their own."
            )
        return single
    return cases


def _is_second_half(path: Path) -> bool:
    """Whether a file holds the voxels of a header that is a file beside it."""
    return path.suffix.lower() == ".img" and path.with_suffix(".hdr").exists()


def channel_number(path: Path) -> int | None:
    """Read nnU-Net's channel number at the end of an image file's name, if any."""
    stem = stem_of(path)
    numbered = len(stem) > 5 and stem[-5] == "_" and stem[-4:].isdecimal()  # noqa: PLR2004
    return int(stem[-4:]) if numbered else None


def _case_name(path: Path) -> str:
    """Case id of an image file: its stem without nnU-Net's channel number."""
    stem = stem_of(path)
    return stem if channel_number(path) is None else stem[:-5]


def check_channel_files(cases: Mapping[str, Sequence[Path]], count: int) -> None:
    """Refuse cases that have not one file for each of the channels 0 .. count - 1.

    Raises
    ------
    InputError
        Names the case and the file that is missing, or one that is too many.
    """
    for name, files in cases.items():
        have = [channel_number(file) for file in files]
        missing = next((number for number in range(count) if number not in have), None)
        if missing is not None:
            file = f"{name}_{missing:04d}{ending_of(files[0])}"
            raise InputError(
                f"{files[0].parent / file}: this channel file of case {name} is "
                "missing, and all cases need the same channels; add it, or move case "
                f"{name} elsewhere."
            )
        wanted = set(range(count))
        for number, path in zip(have, files, strict=True):
            if number not in wanted:
                raise InputError(
                    f"{path}: is one file too many for case {name}; keep one for each "
                    "channel, numbered _0000, _0001 and so on."
                )
            wanted.remove(number)
