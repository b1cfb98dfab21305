"""Annotation classes: number, name, colour, keyboard shortcut, lock."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import SerializerFunctionWrapHandler, model_serializer

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Ink value of voxels that nobody painted.
NOTHING: Final = 0
#: Ink value of background painted on purpose.
BACKGROUND: Final = 255
MAX_CLASS: Final = 254
MAX_KEY: Final = 9
#: Colours that stay apart for most kinds of colour vision (Okabe and Ito), repeated.
PALETTE: Final = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#cc79a7",
    "#d55e00",
    "#0072b2",
    "#b58cf0",
    "#9ad34c",
)
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class AnnotationClass:
    """A class of the session.

    Attributes
    ----------
    id : int
        1..254.
    name : str
    colour : str
        ``#rrggbb``.
    locked : bool
        Its ink can be neither painted over nor erased, and no brush paints with it;
        accepting may still add it where nothing was painted.
    original : int or None
        Number in the mask that it came from, where that is another one.
    """

    id: int
    name: str
    colour: str
    locked: bool = False
    original: int | None = field(default=None, repr=False)  # not what is learned

    def __post_init__(self) -> None:
        if not 0 < self.id <= MAX_CLASS:
            raise InputError(f"Class number {self.id}: must lie within 1 and 254.")
        if not self.name.strip():
            raise InputError(f"Class {self.id}: needs a name.")
        if not _COLOUR.fullmatch(self.colour):
            raise InputError(
                f"Class {self.id}: {self.colour!r} is not a colour, #rrggbb."
            )

    @model_serializer(mode="wrap")
    def _without_original(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what few classes have: sessions of before stay as they are."""
        stored: dict[str, Any] = write(self)
        return {k: v for k, v in stored.items() if k != "original" or v is not None}

    @property
    def key(self) -> str | None:
        """Key that chooses the class, if it has one."""
        return f"Alt+{self.id}" if self.id <= MAX_KEY else None


Classes = tuple[AnnotationClass, ...]


def class_name(classes: Classes, class_id: int) -> str:
    """Name of a class, or ``background``."""
    if class_id in (0, BACKGROUND):
        return "background"
    return next((c.name for c in classes if c.id == class_id), str(class_id))


def with_new_class(
    classes: Classes, name: str | None = None, taken: frozenset[int] = frozenset()
) -> Classes:
    """Add a class with the next free number, a name and a colour of its own.

    Numbers in `taken` are passed over: earlier rounds predict a deleted class by them.

    Raises
    ------
    InputError
        All 254 numbers are taken, or the name is.
    """
    used = {c.id for c in classes} | taken
    free = next((i for i in range(1, MAX_CLASS + 1) if i not in used), None)
    if free is None:
        raise InputError("There are 254 classes already; delete one first.")
    name = (name or f"class {free}").strip()
    _need_free_name(classes, name)
    colour = PALETTE[(free - 1) % len(PALETTE)]
    added = AnnotationClass(free, name, colour)
    return tuple(sorted((*classes, added), key=lambda c: c.id))


def _need_free_name(others: Iterable[AnnotationClass], name: str) -> None:
    """Refuse the name of another class, and that of what belongs to none.

    Raises
    ------
    InputError
    """
    if name.strip().lower() == class_name((), BACKGROUND):
        raise InputError(
            f"{name!r} is what belongs to no class, and is there already; give another "
            "name."
        )
    if any(c.name == name for c in others):
        raise InputError(f"There is a class {name!r} already; give another name.")


def with_changed_class(
    classes: Classes,
    class_id: int,
    *,
    name: str | None = None,
    colour: str | None = None,
    locked: bool | None = None,
) -> Classes:
    """Rename, recolour, lock or unlock a class; None leaves as it is."""
    if name is not None:
        _need_free_name([c for c in classes if c.id != class_id], name)
    return tuple(
        replace(
            c,
            name=name or c.name,
            colour=colour or c.colour,
            locked=c.locked if locked is None else locked,
        )
        if c.id == class_id
        else c
        for c in classes
    )
