"""Undo and redo history of a session, made of small edits.

An edit holds the places it changed with their old and new values, so that it can be
replayed on any array; the history is bounded by bytes, oldest first.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_contrastseg.session.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.session.classes import Classes

MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class ArrayEdit:
    """Changed places of one array of one volume.

    Attributes
    ----------
    volume_id : str
    array : str
        ``ink``, ``origin``, ``status``, ``rejected`` or ``locked``.
    places : Places
        Where, n of them.
    old, new : (n,) values
        Where all are the same, they take no memory.
    """

    volume_id: str
    array: str
    places: Places
    old: NDArray[Any]
    new: NDArray[Any]

    @classmethod
    def at(
        cls,
        volume_id: str,
        array: str,
        index: NDArray[np.int64],
        old: NDArray[Any],
        new: NDArray[Any],
    ) -> Self:
        """Make it of flat indices, ascending."""
        return cls(volume_id, array, Places.of(index), packed(old), packed(new))

    @property
    def index(self) -> NDArray[np.int64]:
        """Flat indices, (n,), ascending."""
        return self.places.flat()

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        values = (v.nbytes if v.strides != (0,) else 0 for v in (self.old, self.new))
        return self.places.nbytes + sum(values)


def packed(values: NDArray[Any]) -> NDArray[Any]:
    """Hold one value in place of many that are all the same."""
    if len(values) > 1 and (values == values[0]).all():
        return np.broadcast_to(values[0].copy(), values.shape)
    return values


@dataclass(frozen=True)
class ClassesEdit:
    """The table of classes before and after."""

    old: Classes
    new: Classes
    nbytes: int = 256


@dataclass(frozen=True)
class RoundSelection:
    """Which round is the current one, and which newer weights there are, by key."""

    round: int | None
    start: str | None


@dataclass(frozen=True)
class RoundEdit:
    """Another round was brought back."""

    old: RoundSelection
    new: RoundSelection
    nbytes: int = 256


@dataclass(frozen=True)
class SpecksEdit:
    """For which classes a person chose to leave out specks, or to show them."""

    old: Mapping[int, bool]
    new: Mapping[int, bool]
    nbytes: int = 256


Edit = ArrayEdit | ClassesEdit | RoundEdit | SpecksEdit


@dataclass(frozen=True)
class Action:
    """One thing a person did, with the words to name it in the window."""

    label: str
    edits: tuple[Edit, ...]

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(edit.nbytes for edit in self.edits)

    @property
    def volumes(self) -> set[str]:
        """Ids of the volumes whose arrays it changes."""
        return {e.volume_id for e in self.edits if isinstance(e, ArrayEdit)}


class History:
    """Done and undone actions."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._done: deque[Action] = deque()
        self._undone: list[Action] = []
        self._bytes = 0

    def push(self, action: Action) -> None:
        """Add what was just done; what had been undone can no longer be redone."""
        self._undone.clear()
        self._done.append(action)
        self._bytes += action.nbytes
        while self._bytes > self._max_bytes and len(self._done) > 1:
            self._bytes -= self._done.popleft().nbytes

    def pop(self) -> Action | None:
        """Take the last action, to be undone."""
        if not self._done:
            return None
        action = self._done.pop()
        self._bytes -= action.nbytes
        self._undone.append(action)
        return action

    def unpop(self) -> Action | None:
        """Take the last undone action, to be done again."""
        if not self._undone:
            return None
        action = self._undone.pop()
        self._bytes += action.nbytes
        self._done.append(action)
        return action

    @property
    def last(self) -> str | None:
        """What would be undone."""
        return self._done[-1].label if self._done else None

    @property
    def done(self) -> tuple[Action, ...]:
        """Actions that can be undone, oldest first."""
        return tuple(self._done)

    @property
    def undone(self) -> tuple[Action, ...]:
        """Actions that can be done again, the next one last."""
        return tuple(self._undone)

    @property
    def weights_keys(self) -> set[str]:
        """Keys of newer weights that undo and redo may bring back."""
        edits = (e for a in (*self._done, *self._undone) for e in a.edits)
        found = (
            s.start for e in edits if isinstance(e, RoundEdit) for s in (e.old, e.new)
        )
        return {key for key in found if key is not None}

    def add_done(self, action: Action) -> None:
        """Take up an action of a saved history that can be undone."""
        self._done.append(action)
        self._bytes += action.nbytes

    def add_undone(self, action: Action) -> None:
        """Take up an action of a saved history that can be done again."""
        self._undone.append(action)

    def forget(self, volume_id: str) -> None:
        """Drop the edits of one volume; other actions stay."""
        self._filter(
            lambda e: not (isinstance(e, ArrayEdit) and e.volume_id == volume_id)
        )

    def forget_closed(self, volume_id: str) -> None:
        """Drop the edits of a volume that was closed, and of classes it may need."""
        self.forget(volume_id)
        self._filter(lambda e: not isinstance(e, ClassesEdit))

    def forget_rounds(self) -> None:
        """Drop what was done about rounds: a newer one has come."""
        self._filter(lambda e: not isinstance(e, RoundEdit))

    def _filter(self, wanted: Callable[[Edit], bool]) -> None:
        def rest(action: Action) -> Action:
            return replace(action, edits=tuple(e for e in action.edits if wanted(e)))

        self._done = deque(a for a in map(rest, self._done) if a.edits)
        self._undone = [a for a in map(rest, self._undone) if a.edits]
        self._bytes = sum(action.nbytes for action in self._done)

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()
        self._bytes = 0


def array_edit(
    volume_id: str,
    name: str,
    array: NDArray[Any],
    where: NDArray[np.int64],
    value: NDArray[Any] | int,
) -> ArrayEdit | None:
    """Set places of an array and return the atom, or None where nothing changes."""
    flat = array.reshape(-1)
    old = flat[where]
    new = np.broadcast_to(np.asarray(value, dtype=array.dtype), old.shape)
    changed = old != new
    if not changed.any():
        return None
    index, old, new = where[changed], old[changed], new[changed]
    flat[index] = new
    return ArrayEdit.at(volume_id, name, index, old, new)
