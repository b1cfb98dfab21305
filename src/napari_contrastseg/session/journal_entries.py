"""Journal entries: each kind of change of a session, how it is stored and applied.

A new kind of change is one more subclass of `Entry` in this file. The journal, the
autosave and the loader know none by name: they ask the entry.
"""

# ruff: noqa: D102  what each method does is said once, in Entry
from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from napari_contrastseg.io.cohort import Cohort
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse, to_plain
from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.io.volume import VolumeKind
from napari_contrastseg.session.case_note import CaseNote
from napari_contrastseg.session.classes import AnnotationClass
from napari_contrastseg.session.rounds import RoundInfo
from napari_contrastseg.session.stored_volume import StoredVolume, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.round_list import RoundList
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.undo import Action, History


@dataclass(frozen=True)
class StoredEntry:
    """An entry as the journal holds it.

    Attributes
    ----------
    kind : str
    values : any
        What JSON can hold.
    action : Action or None
        Its edits are the entry's arrays.
    """

    kind: str
    values: Any = None
    action: Action | None = None


class ChangedByEntries(Protocol):
    """What entries change: a `Session`, as far as they need to know it."""

    rounds: RoundList
    history: History

    def check_fits(self, action: Action) -> None: ...
    def replay(self, action: Action) -> None: ...
    def undo(self) -> object: ...
    def redo(self) -> object: ...
    def add_volume(self, volume: Volume, stored: tuple[str, ...] = ()) -> object: ...
    def remove_volume(self, volume_id: str) -> None: ...
    def add_volume_as_before(
        self, volume: Volume, stored: tuple[str, ...]
    ) -> object: ...
    def set_slices(self, slices: SliceAxis) -> None: ...
    def set_voxel_size(
        self, volume_id: str, spacing: tuple[float, float, float]
    ) -> None: ...
    def set_kind(self, volume_id: str, kind: VolumeKind) -> None: ...
    def begin_classes(self, first: AnnotationClass | None = None) -> int: ...
    def set_threshold(self, class_id: int, value: float) -> None: ...
    def add_round(self, finished: Round) -> None: ...
    def add_weights(self, model: Model, key: str | None = None) -> None: ...
    def set_cohort(self, cohort: Cohort | None) -> None: ...
    def note_case(self, case_id: str, note: CaseNote) -> None: ...
    def close_volume(self, volume_id: str) -> None: ...
    def open_volume(self, volume_id: str) -> object: ...


class FileReader(Protocol):
    """Reads what is too large for the journal and has files of its own."""

    def read_volume(self, stored: StoredVolume) -> Volume: ...
    def read_round(self, info: RoundInfo) -> Round | None: ...
    def read_weights(self, key: str) -> Model | None: ...


class FileWriter(Protocol):
    """Writes what is too large for the journal, a little at each step."""

    def write_images(
        self, volume: Volume, names: tuple[str, ...]
    ) -> Iterator[None]: ...
    def write_round(self, finished: Round) -> Iterator[None]: ...
    def write_weights(self, key: str, model: Model) -> Iterator[None]: ...


class Entry(ABC):
    """A change of a session; all of them in order make the session again.

    Attributes
    ----------
    kind : str
        Its name in journals, those of years ago too: it never changes.
    kinds : dict of kind to class
        All that there are.
    """

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Entry]]] = {}

    def __init_subclass__(cls) -> None:
        if "kind" in vars(cls):  # else it is what several kinds share
            if cls.kind in Entry.kinds:
                raise TypeError(f"two kinds of entry are called {cls.kind!r}")
            Entry.kinds[cls.kind] = cls

    @abstractmethod
    def stored(self) -> StoredEntry:
        """Give what the journal holds of it."""

    @classmethod
    @abstractmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        """Make the entry that was stored.

        Raises
        ------
        InputError
            What was stored makes none.
        """

    @abstractmethod
    def apply(self, session: ChangedByEntries) -> None:
        """Change a session that is as it was before the entry.

        Raises
        ------
        InputError
            The change does not fit the session.
        """

    def forget_outdated(self, saved: dict[str, str]) -> None:  # noqa: B027  most: none
        """Drop volumes, by id, whose saved arrays are no longer the session's."""

    def file_writer(self, files: FileWriter) -> Callable[[], Iterator[None]] | None:
        """Give what writes the entry's files; None: the journal holds all of it."""
        return None


def read_entry(stored: StoredEntry, files: FileReader) -> Entry:
    """Make an entry of any kind; as `Entry.read`."""
    return Entry.kinds[stored.kind].read(stored, files)


def _values(kind: type[Any], stored: StoredEntry) -> Any:
    return parse(kind, stored.values, f"entry {stored.kind!r}")


# -- what the person did, undid and did again ----------------------------------------


@dataclass(frozen=True)
class _WithAction(Entry):
    """An entry whose action is stored with it."""

    action: Action

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, action=self.action)

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        if stored.action is None:
            raise InputError(f"entry {stored.kind!r}: has no action.")
        return cls(stored.action)


@dataclass(frozen=True)
class CanUndo(_WithAction):
    """An action that was done before the journal began; undo reaches it."""

    kind = "past"

    def apply(self, session: ChangedByEntries) -> None:
        session.check_fits(self.action)
        session.history.add_done(self.action)


@dataclass(frozen=True)
class CanRedo(_WithAction):
    """An action that was undone before the journal began; redo reaches it."""

    kind = "future"

    def apply(self, session: ChangedByEntries) -> None:
        session.check_fits(self.action)
        session.history.add_undone(self.action)


@dataclass(frozen=True)
class Did(_WithAction):
    """The person did something."""

    kind = "did"

    def apply(self, session: ChangedByEntries) -> None:
        session.replay(self.action)

    def forget_outdated(self, saved: dict[str, str]) -> None:
        for volume_id in self.action.volumes:
            saved.pop(volume_id, None)


@dataclass(frozen=True)
class _OfHistory(Entry):
    """An entry whose action the history knows; it is None until it was applied."""

    action: Action | None = None

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind)

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls()

    def forget_outdated(self, saved: dict[str, str]) -> None:
        for volume_id in self.action.volumes if self.action is not None else ():
            saved.pop(volume_id, None)


@dataclass(frozen=True)
class Undid(_OfHistory):
    """The last action was taken back."""

    kind = "undid"

    def apply(self, session: ChangedByEntries) -> None:
        session.undo()


@dataclass(frozen=True)
class Redid(_OfHistory):
    """The action that was undone last was done again."""

    kind = "redid"

    def apply(self, session: ChangedByEntries) -> None:
        session.redo()


# -- what is not a step of the undo history -------------------------------------------


@dataclass(frozen=True, eq=False)
class VolumeAdded(Entry):
    """A volume joined the cohort; `images` names its channels' folders.

    Attributes
    ----------
    own_axis : bool
        Whether the volume has a slice axis of its own; in journals of before all had
        the first one's.
    """

    kind = "volume"
    volume: Volume
    images: tuple[str, ...]
    own_axis: bool = True

    def stored(self) -> StoredEntry:
        plain = to_plain(describe(self.volume, self.images))
        del plain["closed"]  # it is open
        if not self.own_axis:  # as it was before, without what came together or later
            del plain["axis"]
            for name in ("part", "upright", "unit", "factor"):
                plain["source"].pop(name, None)
        return StoredEntry(self.kind, plain)

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        found = _values(StoredVolume, stored)
        return cls(files.read_volume(found), found.images, found.axis is not None)

    def apply(self, session: ChangedByEntries) -> None:
        if self.own_axis:
            session.add_volume(self.volume, self.images)
        else:
            session.add_volume_as_before(self.volume, self.images)

    def file_writer(self, files: FileWriter) -> Callable[[], Iterator[None]]:
        return partial(files.write_images, self.volume, self.images)


@dataclass(frozen=True)
class VolumeRemoved(Entry):
    """A volume left the cohort."""

    kind = "removed"
    volume_id: str

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, self.volume_id)

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(_values(str, stored))

    def apply(self, session: ChangedByEntries) -> None:
        session.remove_volume(self.volume_id)

    def forget_outdated(self, saved: dict[str, str]) -> None:
        saved.pop(self.volume_id, None)


@dataclass(frozen=True)
class ClassesBegun(Entry):
    """The program made the first class."""

    kind = "first class"
    first: AnnotationClass

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, to_plain(self.first))

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(_values(AnnotationClass, stored))

    def apply(self, session: ChangedByEntries) -> None:
        session.begin_classes(self.first)


@dataclass(frozen=True)
class AxisChosen(Entry):
    """Other slice axes; nothing was painted yet."""

    kind = "axis"
    slices: SliceAxis

    def stored(self) -> StoredEntry:
        if self.slices.rule == "array":  # a number alone, as when all had one axis
            return StoredEntry(self.kind, self.slices.number)
        return StoredEntry(self.kind, to_plain(self.slices))

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        if isinstance(stored.values, int):
            stored = replace(stored, values={"rule": "array", "number": stored.values})
        return cls(_values(SliceAxis, stored))

    def apply(self, session: ChangedByEntries) -> None:
        session.set_slices(self.slices)

    def forget_outdated(self, saved: dict[str, str]) -> None:
        saved.clear()


@dataclass(frozen=True)
class VoxelSizeSet(Entry):
    """A person said how large a volume's voxels are, mm along each array axis."""

    kind = "size"
    volume_id: str
    spacing: tuple[float, float, float]

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, [self.volume_id, list(self.spacing)])

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(*_values(tuple[str, tuple[float, float, float]], stored))

    def apply(self, session: ChangedByEntries) -> None:
        session.set_voxel_size(self.volume_id, self.spacing)

    def forget_outdated(self, saved: dict[str, str]) -> None:
        saved.pop(self.volume_id, None)


@dataclass(frozen=True)
class KindSet(Entry):
    """A person said whether a volume's slices are neighbours."""

    kind = "kind"
    volume_id: str
    volume_kind: VolumeKind

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, [self.volume_id, self.volume_kind])

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(*_values(tuple[str, VolumeKind], stored))

    def apply(self, session: ChangedByEntries) -> None:
        session.set_kind(self.volume_id, self.volume_kind)


@dataclass(frozen=True)
class ThresholdSet(Entry):
    """A class's confidence threshold."""

    kind = "threshold"
    class_id: int
    value: float

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, [self.class_id, self.value])

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(*_values(tuple[int, float], stored))

    def apply(self, session: ChangedByEntries) -> None:
        session.set_threshold(self.class_id, self.value)


@dataclass(frozen=True, eq=False)
class RoundAdded(Entry):
    """A round is finished; its proposals are the current ones.

    Attributes
    ----------
    info : RoundInfo
    round : Round or None
        None where its files cannot be read just now.
    """

    kind = "round"
    info: RoundInfo
    round: Round | None

    def stored(self) -> StoredEntry:
        plain = to_plain(self.info)
        if not self.info.joined:  # as it was before any could be
            del plain["joined"]
        return StoredEntry(self.kind, plain)

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        info = _values(RoundInfo, stored)
        return cls(info, files.read_round(info))

    def apply(self, session: ChangedByEntries) -> None:
        if self.round is not None:
            session.add_round(self.round)
        else:
            session.rounds.absent.append(self.info)
            session.history.forget_rounds()

    def file_writer(self, files: FileWriter) -> Callable[[], Iterator[None]] | None:
        if self.round is None:
            return None
        return partial(files.write_round, self.round)


@dataclass(frozen=True, eq=False)
class WeightsAdded(Entry):
    """Weights newer than the current round's: a pretraining's, a cancelled run's.

    Attributes
    ----------
    key : str
    model : Model or None
        None where its files cannot be read.
    """

    kind = "weights"
    key: str
    model: Model | None

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, self.key)

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        key = _values(str, stored)
        return cls(key, files.read_weights(key))

    def apply(self, session: ChangedByEntries) -> None:
        if self.model is not None:
            session.add_weights(self.model, self.key)

    def file_writer(self, files: FileWriter) -> Callable[[], Iterator[None]] | None:
        if self.model is None:
            return None
        return partial(files.write_weights, self.key, self.model)


@dataclass(frozen=True)
class CohortSet(Entry):
    """Another list of cases to open, or none; volumes that are open stay."""

    kind = "cohort"
    cohort: Cohort | None

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, to_plain(self.cohort) if self.cohort else {})

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(_values(Cohort, stored) if stored.values != {} else None)

    def apply(self, session: ChangedByEntries) -> None:
        session.set_cohort(self.cohort)


@dataclass(frozen=True)
class CaseNoted(Entry):
    """A case of the cohort is done, or was predicted."""

    kind = "case"
    case_id: str
    note: CaseNote

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, [self.case_id, to_plain(self.note)])

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(*_values(tuple[str, CaseNote], stored))

    def apply(self, session: ChangedByEntries) -> None:
        session.note_case(self.case_id, self.note)


@dataclass(frozen=True)
class _OfVolume(Entry):
    """An entry that says what happened to a volume, and nothing more."""

    volume_id: str

    def stored(self) -> StoredEntry:
        return StoredEntry(self.kind, self.volume_id)

    @classmethod
    def read(cls, stored: StoredEntry, files: FileReader) -> Self:
        return cls(_values(str, stored))


@dataclass(frozen=True)
class VolumeClosed(_OfVolume):
    """A volume was set aside, with all that was done on it."""

    kind = "closed"

    def apply(self, session: ChangedByEntries) -> None:
        session.close_volume(self.volume_id)


@dataclass(frozen=True)
class VolumeOpened(_OfVolume):
    """A volume that had been closed is worked on again."""

    kind = "opened"

    def apply(self, session: ChangedByEntries) -> None:
        session.open_volume(self.volume_id)
