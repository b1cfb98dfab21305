"""Examine a mask: its values, and which class each becomes. Nothing is changed here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.going_on import went_on
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.data.targets import UNKNOWN
from napari_contrastseg.session.classes import (
    BACKGROUND,
    MAX_CLASS,
    PALETTE,
    AnnotationClass,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.segments import Segment
    from napari_contrastseg.session.classes import Classes

#: More new values than this may be objects of one class: a person is asked.
MOST_CLASSES: Final = 20
#: Most different values.
MOST_VALUES: Final = 100_000
#: Values further apart than this are counted one by one.
_COUNTED: Final = 2**20
#: Largest number that masks are written with.
_LARGEST: Final = 2**32 - 1
_NUMBERS: Final = range(1, MAX_CLASS + 1)


class Role(Enum):
    """What a value of a mask stands for."""

    EXISTING = "existing class"
    NEW = "new class"
    BACKGROUND = "background"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Becomes:
    """What becomes of the voxels of one value.

    Attributes
    ----------
    role : Role
    entry : AnnotationClass or None
        The class, existing or new; one without use may get the value as the number
        that it had, or lose its place to a new one.
    """

    role: Role
    entry: AnnotationClass | None = None

    @property
    def number(self) -> int:
        """The class, 0 for background, -1 for voxels of which nothing is known."""
        if self.entry is not None:
            return self.entry.id
        return 0 if self.role is Role.BACKGROUND else UNKNOWN


AS_BACKGROUND: Final = Becomes(Role.BACKGROUND)
AS_IGNORED: Final = Becomes(Role.IGNORED)


@dataclass(frozen=True)
class MaskValue:
    """One value of a mask, how many voxels have it, and what they become.

    `name` is the file's, ``""`` where it says none.
    """

    value: int
    voxels: int
    becomes: Becomes
    name: str = ""


@dataclass(frozen=True)
class KnownClasses:
    """Classes that there are.

    Attributes
    ----------
    classes : tuple of AnnotationClass
    unused : set of int
        Those that a person has neither named nor painted; a new one takes their place.
    taken : set of int
        Numbers that no new class may get.
    """

    classes: Classes
    unused: frozenset[int] = frozenset()
    taken: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Examined:
    """What was found, and is proposed.

    Attributes
    ----------
    values : tuple of MaskValue
        Ascending.
    questions : tuple of str
        What a person should decide, a sentence each; none: the proposal stands.
    """

    values: tuple[MaskValue, ...]
    questions: tuple[str, ...] = ()


class TooManyValuesError(ValueError):
    """A mask holds too many different values."""


def examine(
    labels: NDArray[Any],
    classes: KnownClasses,
    segments: Sequence[Segment] = (),
    known: NDArray[np.bool_] | None = None,
) -> Examined:
    """Count a mask's values and propose what each becomes.

    Parameters
    ----------
    labels : array of int or bool
    classes : KnownClasses
    segments : sequence of Segment
        What its file says of its values.
    known : array of bool, optional
        Where there is a value.

    Raises
    ------
    TooManyValuesError
        It holds more than `MOST_VALUES` different values.
    """
    counts = count_values(labels, known)
    names = {segment.value: segment for segment in segments}
    proposed = _proposed(counts, classes, names)
    values = tuple(
        MaskValue(
            value,
            counts[value],
            proposed[value],
            names[value].name if value in names else "",
        )
        for value in sorted(counts)
    )
    return Examined(values, _questions(values, classes))


def count_values(
    labels: NDArray[Any], known: NDArray[np.bool_] | None = None
) -> dict[int, int]:
    """Count the voxels of each value, block by block."""
    found: Counter[int] = Counter()
    keys = list(small_blocks(labels.shape))
    for number, key in enumerate(keys):
        went_on(number / len(keys))
        here = labels[key]
        values = here.reshape(-1) if known is None else here[known[key]]
        if not values.size:
            continue
        low = int(values.min())
        if int(values.max()) - low < _COUNTED:
            many = np.bincount(values.astype(np.int64) - low)
            some = np.flatnonzero(many)
            some, often = some + low, many[some]
        else:
            some, often = np.unique(values, return_counts=True)
        found.update(dict(zip(some.tolist(), often.tolist(), strict=True)))
        if len(found) > MOST_VALUES:
            raise TooManyValuesError(f"more than {MOST_VALUES} values")
    return dict(found)


def as_truth(
    labels: NDArray[Any],
    values: Sequence[MaskValue],
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.int16]:
    """Give each voxel what its value becomes: a class, 0 background, -1 unknown.

    Values that are not listed become unknown.
    """
    ordered = sorted(values, key=lambda one: one.value)
    numbers = np.array([one.value for one in ordered] or [0], np.int64)
    meant = np.array([one.becomes.number for one in ordered] or [UNKNOWN], np.int16)
    truth = zeros(labels.shape, np.int16)
    keys = list(small_blocks(labels.shape))
    for number, key in enumerate(keys):
        went_on(number / len(keys))
        whole = labels[key].astype(np.int64)
        place = np.searchsorted(numbers, whole).clip(max=len(numbers) - 1)
        listed = numbers[place] == whole
        if known is not None:
            listed &= known[key]
        truth[key] = np.where(listed, meant[place], UNKNOWN)
    return truth


def decide(
    values: Iterable[MaskValue], chosen: Collection[int], becomes: Becomes
) -> tuple[MaskValue, ...]:
    """Let some values become one thing."""
    return tuple(
        replace(one, becomes=becomes) if one.value in chosen else one for one in values
    )


def keep_decisions(
    fresh: Sequence[MaskValue], decided: Sequence[MaskValue], classes: KnownClasses
) -> tuple[MaskValue, ...]:
    """Take over what was decided, as far as the classes still allow it."""
    now = {c.id: c for c in classes.classes}
    before = {one.value: one.becomes for one in decided}
    kept, lost = [], set()
    for one in fresh:
        becomes = before.get(one.value, one.becomes)
        entry = becomes.entry
        if becomes.role is Role.EXISTING and entry is not None and entry.id in now:
            known = now[entry.id]
            if known.id in classes.unused:
                known = replace(known, original=entry.original)
            becomes = Becomes(Role.EXISTING, known)
        elif entry is not None:
            free = entry.id not in now or entry.id in classes.unused
            free = free and entry.id not in classes.taken
            if becomes.role is Role.EXISTING or not free:
                lost.add(one.value)
        kept.append(replace(one, becomes=becomes))
    return decide_new(kept, lost, classes) if lost else tuple(kept)


def decide_new(
    values: Sequence[MaskValue], chosen: Collection[int], classes: KnownClasses
) -> tuple[MaskValue, ...]:
    """Let some values become a new class each, as far as there are numbers."""
    made = _new_beside(values, chosen, classes, chosen)
    return tuple(
        replace(one, becomes=made.get(one.value, AS_IGNORED))
        if one.value in chosen
        else one
        for one in values
    )


def decide_one_new(
    values: Sequence[MaskValue], chosen: Collection[int], classes: KnownClasses
) -> tuple[MaskValue, ...]:
    """Let some values become one new class, called by the first of them."""
    first = min(chosen)
    made = _new_beside(values, chosen, classes, [first]).get(first, AS_IGNORED)
    if made.entry is not None and len(chosen) > 1:
        made = replace(made, entry=replace(made.entry, original=None))
    return decide(values, chosen, made)


def _new_beside(
    values: Sequence[MaskValue],
    chosen: Collection[int],
    classes: KnownClasses,
    which: Collection[int],
) -> dict[int, Becomes]:
    """Make new classes of some values, beside what those not chosen become."""
    kept = [one.becomes.entry for one in values if one.value not in chosen]
    others = [entry for entry in kept if entry is not None]
    wanted = {one.value: one for one in values if one.value in which}
    entries = {v: one.becomes.entry for v, one in wanted.items()}
    new = {v for v, one in wanted.items() if one.becomes.role is Role.NEW}
    return _new_classes(
        {v: one.voxels for v, one in wanted.items()},
        replace(classes, taken=classes.taken | {entry.id for entry in others}),
        {v: one.name for v, one in wanted.items()},
        {v: e.colour for v, e in entries.items() if e is not None and v in new},
        _names(classes) | {entry.name for entry in others},
    )


def _names(classes: KnownClasses) -> set[str]:
    return {c.name for c in classes.classes if c.id not in classes.unused}


# -- the proposal --------------------------------------------------------------


def _proposed(
    counts: Mapping[int, int], classes: KnownClasses, names: Mapping[int, Segment]
) -> dict[int, Becomes]:
    found: dict[int, Becomes] = {}
    only = _only_value(counts)
    for value in counts:
        segment = names.get(value)
        becomes = _known_class(value, segment.name if segment else "", classes)
        if value == 0 and segment is None:
            found[value] = AS_BACKGROUND
        elif becomes is not None:
            found[value] = becomes
        elif only == value and value >= BACKGROUND and segment is None:
            found[value] = _as_class_1(value, classes)
        elif (value == BACKGROUND or value < 0) and segment is None:
            found[value] = AS_IGNORED
    rest = {value: n for value, n in counts.items() if value not in found}
    used = frozenset(b.entry.id for b in found.values() if b.entry is not None)
    found |= _new_classes(
        rest,
        replace(classes, taken=classes.taken | used),
        {v: s.name for v, s in names.items()},
        {v: s.colour for v, s in names.items()},
        _names(classes),
    )
    return {value: found.get(value, AS_IGNORED) for value in counts}


def _only_value(counts: Mapping[int, int]) -> int | None:
    """Give the one value beside 0, if there is one."""
    labelled = [value for value in counts if value != 0]
    return labelled[0] if len(labelled) == 1 else None


def _known_class(value: int, name: str, classes: KnownClasses) -> Becomes | None:
    """Find the class that a value had before, is called by, or has the number of."""
    for entry in classes.classes:
        if entry.original == value:
            return Becomes(Role.EXISTING, entry)
    if name:
        same = (c for c in classes.classes if c.name.casefold() == name.casefold())
        found = next(same, None)
        return None if found is None else Becomes(Role.EXISTING, found)
    for entry in classes.classes:
        if entry.id == value and entry.original is None:
            return Becomes(Role.EXISTING, entry)
    return None


def _as_class_1(value: int, classes: KnownClasses) -> Becomes:
    """Let the one value of a mask of 0 and 255 become class 1."""
    first = next((c for c in classes.classes if c.id == 1), None)
    if first is not None:
        return as_class(first, [value], classes)
    original = value if value <= _LARGEST else None
    entry = AnnotationClass(1, "class 1", PALETTE[0], original=original)
    return Becomes(Role.NEW, entry)


def as_class(
    entry: AnnotationClass, values: Collection[int], classes: KnownClasses
) -> Becomes:
    """Let values become an existing class; one without use gets the number of one."""
    only = next(iter(values)) if len(values) == 1 else None
    unused = entry.id in classes.unused
    if unused and only is not None and 0 < only <= _LARGEST and only != entry.id:
        entry = replace(entry, original=only)
    return Becomes(Role.EXISTING, entry)


def _new_classes(
    counts: Mapping[int, int],
    classes: KnownClasses,
    names: Mapping[int, str],
    colours: Mapping[int, str],
    used_names: Collection[str],
) -> dict[int, Becomes]:
    """Make a class of each value, of those with most voxels where not all fit."""
    ids = {c.id for c in classes.classes} - classes.unused | set(classes.taken)
    by_size = sorted(counts, key=lambda value: (-counts[value], value))
    chosen = by_size[: sum(i not in ids for i in _NUMBERS)]
    wanted = {v for v in chosen if v in _NUMBERS and v not in ids}
    free = [i for i in _NUMBERS if i not in ids and i not in wanted]
    taken_names = set(used_names)
    made: dict[int, Becomes] = {}
    for value in chosen:
        number = value if value in wanted else free.pop(0)
        name = names.get(value) or f"class {value}"
        while name in taken_names:
            name += "'"
        taken_names.add(name)
        colour = colours.get(value) or PALETTE[(number - 1) % len(PALETTE)]
        original = value if value != number and 0 < value <= _LARGEST else None
        entry = AnnotationClass(number, name, colour, original=original)
        made[value] = Becomes(Role.NEW, entry)
    return made


def _questions(values: Sequence[MaskValue], classes: KnownClasses) -> tuple[str, ...]:
    """Say what of the proposal a person should look at."""
    said = []
    new = [v for v in values if v.becomes.role is Role.NEW]
    odd = [v.value for v in values if not 0 <= v.value <= MAX_CLASS and not v.name]
    labelled = [v for v in values if v.value != 0]
    if odd and len(labelled) == 1 and labelled[0].becomes.entry is not None:
        entry = labelled[0].becomes.entry
        said.append(f"Its one value, {odd[0]}, would become {entry.name}.")
    elif odd:
        said.append(
            f"It holds {_listed(odd)}; classes have the numbers 1 to {MAX_CLASS}."
        )
    left = [v for v in labelled if v.becomes is AS_IGNORED and v.value > 0]
    left = [v for v in left if v.value != BACKGROUND]
    if left:
        said.append(
            f"There are not enough numbers for {plural(len(left), 'value')}, those "
            "with fewest voxels."
        )
    elif len([v for v in new if not v.name]) > MOST_CLASSES:
        said.append(
            f"It holds {len(new)} new values: classes, or objects of one class?"
        )
    clashes = [c.id for c in classes.classes if c.id not in classes.unused]
    named = [v for v in new if v.name and v.value in clashes]
    if named:
        other = next(c.name for c in classes.classes if c.id == named[0].value)
        said.append(
            f"Its value {named[0].value} is called {named[0].name}, the class of that "
            f"number {other}."
        )
    return tuple(said)


def _listed(values: Sequence[int]) -> str:
    """Name the first values."""
    few = 3
    words = ", ".join(str(value) for value in values[:few])
    more = len(values) - few
    return f"the value{'s' * (len(values) > 1)} {words}" + (
        f" and {more} more" if more > 0 else ""
    )
