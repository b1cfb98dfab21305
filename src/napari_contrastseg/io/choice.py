"""Choose one image of a file that holds several: series, time points, levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

PartKind = Literal["image", "time", "level", "whole"]

#: Parts that a message names.
_NAMED: Final = 4


@dataclass(frozen=True)
class Part:
    """One of several images in a file or folder.

    Attributes
    ----------
    key : str
        What is written to choose it; sessions keep it, so that it names no person.
    title : str
        What people see beside the key.
    kind : {"image", "time", "level", "whole"}
        An image of its own, one time point of a series, one resolution of an image, or
        one way to take all of it.
    """

    key: str
    title: str = ""
    kind: PartKind = "image"

    def __str__(self) -> str:
        return f"'{self.key}' ({self.title})" if self.title else f"'{self.key}'"

    @property
    def moment(self) -> int:
        """Number of its time point; 0 where there is but one."""
        return int(self.key.rpartition("time ")[2]) if self.kind == "time" else 0


@dataclass(frozen=True)
class Choice:
    """What is to be read of a file.

    Attributes
    ----------
    part : str
        Key of the part; ``""`` where there is but one.
    upright : bool
        Whether slices that are tilted or unevenly spaced are resampled.
    unrelated : bool
        Whether slices are pictures that have nothing to do with their neighbours.
    voxel_size : (3,) float, mm, or None
        Along the file's array axes, where the file does not know its place in a body.
    """

    part: str = ""
    upright: bool = False
    unrelated: bool = False
    voxel_size: tuple[float, float, float] | None = None

    @property
    def as_one(self) -> bool:
        """Whether a folder of pictures is asked for as one image."""
        return bool(self.part) or self.unrelated


EVERYTHING: Final = Choice()


class SeveralPartsError(InputError):
    """A file holds several images, and none was chosen.

    Parameters
    ----------
    name, what, parts
        As of `pick`.

    Attributes
    ----------
    why : str
        What there is to choose from, without the way to choose.
    parts : tuple of Part
    """

    def __init__(self, name: object, what: str, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.why = f"{name}: holds {what}"
        super().__init__(
            f"{self.why}: {_named(parts)}; choose one (on the command line with "
            f"--part '{parts[0].key}')."
        )


def _named(parts: Sequence[Part]) -> str:
    """Name the first parts and the last one."""
    if len(parts) <= _NAMED:
        return ", ".join(map(str, parts))
    return ", ".join([*map(str, parts[: _NAMED - 1]), "...", str(parts[-1])])


class NotUprightError(InputError):
    """Slices are tilted, missing or unevenly spaced; resampling was not asked for.

    Attributes
    ----------
    why : str
        What is not even or upright, without the way on.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"{why}; have it resampled to an even, upright grid (on the command line "
            "with --upright)."
        )


def pick(name: object, what: str, parts: Sequence[Part], wanted: str) -> Part:
    """Find the part that is wanted, by its key or words of its title.

    Parameters
    ----------
    name : object
        Of the file, for messages.
    what : str
        What it holds, with its number: ``5 time points``.
    parts : sequence of Part
    wanted : str

    Raises
    ------
    SeveralPartsError
        None was chosen, and there are several.
    InputError
        There is none of that name, or several.
    """
    if not wanted:
        if len(parts) == 1:
            return parts[0]
        raise SeveralPartsError(name, what, parts)
    if not any(part.key for part in parts):
        raise InputError(f"{name}: holds one image; do not choose a part of it.")
    keys = [part for part in parts if part.key.casefold() == wanted.casefold()]
    found = keys or [p for p in parts if wanted.casefold() in str(p).casefold()]
    if len(found) != 1:
        why = "is the name of several parts" if found else "is not a part"
        raise InputError(
            f"{name}: '{wanted}' {why} of it; it holds {_named(found or parts)}."
        )
    return found[0]


def times(count: int) -> list[Part]:
    """Name the time points of a series; a single one has no name."""
    if count == 1:
        return [Part("")]
    return [Part(f"time {i}", kind="time") for i in range(count)]
