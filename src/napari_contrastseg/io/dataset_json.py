"""dataset.json of nnU-Net and of the Decathlon: classes, channels, ending of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.formats import endings
from napari_contrastseg.io.json import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Class numbers of a data set, at most.
MAX_CLASS: Final = 254
#: Of files, where nothing is said: the Decathlon and nnU-Net's first version have no
#: other.
_ENDING: Final = ".nii.gz"
_BACKGROUND: Final = "background"
_IGNORE: Final = "ignore"


@dataclass(frozen=True)
class Labels:
    """What label values mean.

    Attributes
    ----------
    classes : dict of int to str
        Foreground classes, id 1..254 to name.
    ignore : int or None
        Value of voxels that nobody annotated.
    """

    classes: dict[int, str]
    ignore: int | None


@dataclass(frozen=True)
class Description:
    """What a dataset.json says.

    Attributes
    ----------
    labels : Labels
    channels : tuple of str
        Names by number.
    ending : str
        File ending, in lower case and with its dot.
    """

    labels: Labels
    channels: tuple[str, ...]
    ending: str


def read_description(about: Path) -> Description:
    """Read a dataset.json.

    Raises
    ------
    InputError
        It is damaged, or speaks of formats or numbers that are not read here.
    """
    found = _object(about)
    return Description(
        _labels(found, about), _channels(found, about), _ending(found, about)
    )


def read_label_names(about: Path) -> Labels:
    """Read of a dataset.json what label values mean; raises as `read_description`."""
    return _labels(_object(about), about)


def _object(about: Path) -> Mapping[str, Any]:
    found = read_json(about)
    if not isinstance(found, dict):
        raise InputError(
            f"{about}: holds no JSON object with labels and channel_names; write it as "
            "nnU-Net does."
        )
    return found


def _labels(found: Mapping[str, Any], about: Path) -> Labels:
    numbers = {
        name: _number(name, value, about)
        for name, value in _by_name(found.get("labels"), about).items()
    }
    names = {number: name for name, number in numbers.items()}
    for name, number in numbers.items():
        if names[number] != name:
            raise InputError(
                f"{about}: gives the labels {name!r} and {names[number]!r} one number, "
                f"{number}; give each its own, in the masks too."
            )
    for name, number in numbers.items():
        _refuse_odd_name(name, number, about)
    ignore = numbers.pop(_IGNORE, None)
    for name, number in numbers.items():
        if not 0 <= number <= MAX_CLASS:
            raise InputError(
                f"{about}: gives class {name!r} the number {number}; class numbers "
                f"must lie within 1 and {MAX_CLASS}, so renumber it, in the masks too."
            )
    return Labels({i: name for name, i in numbers.items() if i}, ignore)


def _refuse_odd_name(name: str, number: int, about: Path) -> None:
    """Refuse names that would be read as something else than was meant."""
    plain = name.strip().lower()
    if not plain:
        raise InputError(f"{about}: has no name for the label {number}; give it one.")
    if plain == _BACKGROUND and number:
        raise InputError(
            f"{about}: gives {name!r} the number {number}; background is 0, in the "
            "masks too."
        )
    if plain == _IGNORE and name != _IGNORE:
        raise InputError(
            f"{about}: has a label {name!r}; write {_IGNORE!r} if it marks voxels that "
            "nobody annotated, else choose another name."
        )


def _by_name(labels: Any, about: Path) -> Mapping[str, Any]:
    """Give values by names; nnU-Net's first version, as the Decathlon, turned it."""
    if isinstance(labels, list):
        labels = {str(number): name for number, name in enumerate(labels)}
    if not isinstance(labels, dict) or not labels:
        raise InputError(
            f"{about}: names no labels; list them with their numbers, as in "
            '"labels": {"background": 0, "liver": 1}.'
        )
    numbered = all(name.isdecimal() for name in labels)
    if not numbered or not all(isinstance(value, str) for value in labels.values()):
        return labels
    twice = next((n for n in labels.values() if [*labels.values()].count(n) > 1), None)
    if twice is not None:
        raise InputError(f"{about}: has two labels of the name {twice!r}; rename one.")
    return {name: number for number, name in labels.items()}


def _number(name: str, value: Any, about: Path) -> int:
    if isinstance(value, list):
        raise InputError(
            f"{about}: makes {name!r} a region of several label values, which are not "
            "read here; give each class one number."
        )
    text = value if isinstance(value, str) else str(value).removesuffix(".0")
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal():
        raise InputError(
            f"{about}: gives label {name!r} the value {str(value)[:40]}; it must be a "
            "whole number, 0 or above."
        )
    return int(text[:20])


def _channels(found: Mapping[str, Any], about: Path) -> tuple[str, ...]:
    """Sort the channels' names by their numbers."""
    names = found.get("channel_names", found.get("modality"))
    if isinstance(names, list):
        names = {str(number): name for number, name in enumerate(names)}
    if names is None or not isinstance(names, dict):
        raise InputError(
            f"{about}: has no channel_names; name the channels by the numbers of their "
            'files, as in "channel_names": {"0": "CT"}.'
        )
    wanted = [str(number) for number in range(len(names))]
    if not names or set(names) != set(wanted):
        raise InputError(
            f"{about}: numbers its channel_names {', '.join(names) or 'not at all'}; "
            "number them 0, 1, 2 and so on, as the files end in _0000, _0001, _0002."
        )
    return tuple(str(names[number]) for number in wanted)


def _ending(found: Mapping[str, Any], about: Path) -> str:
    said = str(found.get("file_ending", _ENDING))
    ending = f".{said.lower().removeprefix('.')}"
    if ending not in endings():
        raise InputError(
            f"{about}: file_ending {said!r} is not read here; use one of "
            f"{', '.join(endings())}."
        )
    return ending
