"""Annotation of one volume: ink, origin, slice status, rejections, locks, proposal."""

from __future__ import annotations

import math
import uuid
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.io.blocks import SMALL, VOXELS, small_blocks, small_blocks_of
from napari_contrastseg.io.scratch import copy_of, need_room, zeros
from napari_contrastseg.session.classes import BACKGROUND, NOTHING
from napari_contrastseg.session.packed_array import PackedArray
from napari_contrastseg.session.sources import NETWORK, Source, of_round
from napari_contrastseg.session.specks import Pieces, ReadInParts, find_pieces
from napari_contrastseg.session.targets import Status, along, least_confidence, truth
from napari_contrastseg.session.worked_parts import PartsCopy, WorkedParts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from napari_contrastseg.io.blocks import Key
    from napari_contrastseg.io.volume import Volume

#: The arrays that hold the human's work, and their types.
WORK: Final[dict[str, type[np.unsignedinteger[Any]]]] = {
    "ink": np.uint8,
    "origin": np.uint8,
    "status": np.uint8,
    "rejected": np.uint16,
    "locked": np.uint8,
}
#: Classes that are looked for one by one without asking which are there.
FEW: Final = 8
#: Those with one value a slice.
PER_SLICE: Final = ("status", "locked")
#: What the two proposal layers show.
Shown = tuple["NDArray[np.uint8]", "NDArray[np.uint8]"]
#: Bytes a voxel takes at most: the human's work, what is shown, and two proposals.
VOXEL_BYTES: Final = 12


@dataclass(frozen=True, eq=False)
class Proposal:
    """The machine's opinion of one volume, as it came; nobody changes it.

    Attributes
    ----------
    round : int
        What is rejected of it is noted under this number.
    prediction : (s0, s1, s2) uint8
        0 background, else a class id.
    confidence : (s0, s1, s2) float16
    source : str
        Name of what it comes from.
    """

    round: int
    prediction: NDArray[np.uint8]
    confidence: NDArray[np.float16]
    source: str = NETWORK

    def source_at(self, _index: int) -> Source:
        """Say what one slice comes from."""
        return of_round(self.round, self.source)

    def frozen(self) -> Proposal:
        """Give what stays as it is now."""
        return self


@dataclass(eq=False)
class VolumeRecord:
    """A volume with the human's work on it.

    Attributes
    ----------
    ink : (s0, s1, s2) uint8
    origin : (s0, s1, s2) uint8
        An `Origin` for each voxel.
    status : (slices,) uint8
        A `Status` for each slice.
    rejected : (s0, s1, s2) uint16
        Round in which the voxel was rejected; 0: it was not.
    locked : (slices,) uint8
        1 where a slice is locked: nothing changes its ink or status.
    worked : WorkedParts
        Where `ink`, `origin` and `rejected` may hold something. Who writes them notes
        it there.
    stored : tuple of str
        Names under which a session folder holds the image's channels.
    proposal : Proposal or None
        The best there is: the current round's, or one derived from labels.
    prediction : (s0, s1, s2) uint8
        What the prediction layer shows: the truth, and elsewhere the proposal. Derived
        by `refresh`, never stored.
    pseudo : (s0, s1, s2) uint8
        What the pseudo-label layer shows: ink, and elsewhere what is sure enough; 0
        not sure, 255 background. Derived like `prediction`.
    pieces : dict of class id to Pieces
        How each class of the proposal hangs together, once somebody has looked.
    specks : (n,) int64
        Flat indices of specks that neither layer shows.
    """

    volume: Volume
    ink: NDArray[np.uint8] = field(init=False)
    origin: NDArray[np.uint8] = field(init=False)
    status: NDArray[np.uint8] = field(init=False)
    rejected: NDArray[np.uint16] = field(init=False)
    locked: NDArray[np.uint8] = field(init=False)
    worked: WorkedParts = field(init=False)
    stored: tuple[str, ...] = ()
    proposal: Proposal | None = None
    prediction: NDArray[np.uint8] = field(init=False)
    pseudo: NDArray[np.uint8] = field(init=False)
    pieces: dict[int, Pieces] = field(init=False)
    specks: NDArray[np.int64] = field(init=False)
    _packed: dict[str, PackedArray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        shape = self.volume.shape
        need_room(self.volume.id, math.prod(shape) * VOXEL_BYTES)
        self.ink = zeros(shape, np.uint8)
        self.origin = zeros(shape, np.uint8)
        self.status = np.zeros(shape[self.axis], np.uint8)
        self.rejected = zeros(shape, np.uint16)
        self.locked = np.zeros(shape[self.axis], np.uint8)
        self.worked = WorkedParts(shape)
        if not self.stored:
            key = uuid.uuid4().hex[:16]
            self.stored = tuple(f"{key}-{i}" for i in range(len(self.volume.data)))
        self.propose(None)

    def propose(self, proposal: Proposal | None, shown: Shown | None = None) -> None:
        """Take another proposal, with fresh arrays to show it; then `refresh` them."""
        self.prediction, self.pseudo = shown or self.arrays_to_show(proposal)
        self.proposal = proposal
        self.pieces, self.specks = {}, np.empty(0, np.int64)

    def arrays_to_show(self, proposal: Proposal | None) -> Shown:
        """Make the arrays in which a proposal will be shown.

        Raises
        ------
        InputError
            Neither memory nor the disk has room for them.
        """
        shape = self.volume.shape if proposal is not None else (0, 0, 0)
        return zeros(shape, np.uint8), zeros(shape, np.uint8)

    @property
    def axis(self) -> int:
        """Slice axis, the volume's own."""
        return self.volume.axis

    @property
    def truth(self) -> NDArray[np.int16]:
        """-1 unknown, 0 background, k class."""
        known, ink = zeros(self.volume.shape, np.int16), self.ink
        for key in self.blocks():
            known[key] = self.truth_in(key, ink)
        return known

    def truth_in(self, key: Key, ink: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Give `truth` in a block; `ink` is the record's own, unpacked once."""
        return truth(ink[key], self.status[key[self.axis]], self.axis)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NDArray[Any]:
            """Unpack an array for the asker alone, who may only read it."""
            packed = self.__dict__.get("_packed", {})
            if name not in packed:
                raise AttributeError(name)
            array = packed[name].unpacked()
            array.flags.writeable = False
            return array

    @property
    def is_aside(self) -> bool:
        """Whether its arrays are packed, to be read alone."""
        return bool(self._packed)

    @property
    def has_labels(self) -> bool:
        """Whether there is any work of a person on it."""
        return bool(self.locked.any()) or self.has_work

    @property
    def has_work(self) -> bool:
        """Whether anything is painted, done or rejected."""
        return self.has_ink or self._holds("rejected")

    @property
    def has_ink(self) -> bool:
        """Whether anything is painted or done."""
        return bool(self.status.any()) or self._holds("ink")

    def _holds(self, name: str) -> bool:
        """Whether an array holds anything."""
        array = self.array(name)
        return any(array[piece].any() for piece in self.worked.pieces())

    def note_all_work(self) -> None:
        """Find out where work is, after all was written at once."""
        self.worked.note_all(self.array(n) for n in WORK if n not in PER_SLICE)

    def copied(self, name: str) -> PartsCopy:
        """Copy an array of work, as far as it may hold something."""
        return PartsCopy(self.array(name), self.worked)

    def set_aside(self) -> None:
        """Pack what has a value for each voxel, and let go of the proposal."""
        self.propose(None)
        names = [name for name in WORK if name not in PER_SLICE]
        self._packed = {name: PackedArray.of(self.array(name)) for name in names}
        for name in names:
            delattr(self, name)

    def take_up(self) -> None:
        """Unpack all that was packed, to be changed again."""
        for name, packed in self._packed.items():
            setattr(self, name, packed.unpacked())
        self._packed = {}

    def frozen(self) -> VolumeRecord:
        """Copy what training reads: `ink`, `status` and `rejected`; share the rest."""
        twin = copy(self)
        twin.status, twin.worked = self.status.copy(), self.worked.copy()
        if self.is_aside:  # what is packed never changes
            return twin
        twin.ink, twin.rejected = (self._twin(n) for n in ("ink", "rejected"))
        return twin

    def frozen_to_export(self) -> VolumeRecord:
        """Copy all that an export may read; it may derive proposals in the copy."""
        twin = self.frozen()
        twin.origin, twin.locked = self._twin("origin"), self.locked.copy()
        twin.prediction = copy_of(self.prediction)
        twin.pseudo = zeros(self.pseudo.shape, np.uint8)  # nobody looks at it
        twin.proposal = self.proposal.frozen() if self.proposal is not None else None
        return twin

    def _twin(self, name: str) -> NDArray[Any]:
        """Copy an array of work, as an array."""
        array = self.array(name)
        twin = zeros(array.shape, array.dtype)
        for piece in self.worked.pieces():
            twin[piece] = array[piece]
        return twin

    def array(self, name: str) -> NDArray[Any]:
        """Return one of the arrays by its name."""
        found: NDArray[Any] = getattr(self, name)
        return found

    def painted(self, class_id: int) -> int:
        """Count the voxels that a person has painted with a class."""
        return sum(int(np.count_nonzero(plane == class_id)) for plane in self.ink)

    def window(self, index: int) -> tuple[Any, ...]:
        """Key of one slice of the volume's arrays."""
        key: list[Any] = [slice(None)] * 3
        key[self.axis] = index
        return tuple(key)

    def blocks(
        self, slices: Iterable[int] | None = None, voxels: int = SMALL
    ) -> Iterator[Key]:
        """Give keys of blocks: of these slices, or of the whole volume."""
        whole = [slice(0, n) for n in self.volume.shape]
        if slices is None:
            yield from small_blocks(self.volume.shape, voxels)
            return
        for index in map(int, slices):
            whole[self.axis] = slice(index, index + 1)
            yield from small_blocks_of(whole, voxels)

    def along_axis(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slice number of each flat voxel index."""
        shape = self.volume.shape
        return flat // math.prod(shape[self.axis + 1 :]) % shape[self.axis]

    def slices_of(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slice numbers that flat voxel indices lie in, each once."""
        places = self.along_axis(flat)
        return np.flatnonzero(np.bincount(places, minlength=len(self.status)))

    def flat_parts(self, index: int) -> Iterator[NDArray[np.int64]]:
        """Flat indices of the voxels of one slice, block by block."""
        for key in self.blocks([index], VOXELS):
            axes = np.ix_(*(np.arange(part.start, part.stop) for part in key))
            yield np.ravel_multi_index(axes, self.volume.shape).reshape(-1)

    def flat_where(self, index: int, there: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Flat indices, ascending, of the pixels of one slice that are there."""
        places = list(np.nonzero(there))
        places.insert(self.axis, np.full(len(places[0]), index))
        return np.ravel_multi_index(tuple(places), self.volume.shape)

    def refresh(
        self, thresholds: Mapping[int, float], slices: Iterable[int] | None = None
    ) -> None:
        """Derive what the proposal layers show, for some slices or the whole volume.

        Human work shows through, so that what was settled is never contradicted.
        """
        if self.proposal is None:
            return
        looks = _Looks.of(thresholds)
        done = self.status == Status.DONE
        for key in self.blocks(slices):
            self._derive(key, along(done[key[self.axis]], self.axis), looks)
        self._drop_specks(slices)

    def _drop_specks(self, slices: Iterable[int] | None) -> None:
        """Leave specks out of what the layers show; what a person did there stays."""
        flat = self.specks
        if not len(flat):
            return
        along_axis = self.along_axis(flat)
        machine = self.ink.reshape(-1)[flat] == NOTHING
        machine &= self.status[along_axis] != Status.DONE
        if slices is not None:
            machine &= np.isin(along_axis, list(slices))
        self.prediction.reshape(-1)[flat[machine]] = NOTHING
        self.pseudo.reshape(-1)[flat[machine]] = NOTHING

    def leave_out(self, classes: Iterable[int]) -> list[int]:
        """Leave out these classes' specks alone; returns the slices that change."""
        left_out = set(classes)
        found = [p.specks for k, p in self.pieces.items() if k in left_out]
        flat = np.sort(np.concatenate([np.empty(0, np.int64), *found]))
        changed = np.setxor1d(flat, self.specks, assume_unique=True)
        self.specks = flat
        return [int(index) for index in self.slices_of(changed)]

    def look_at_pieces(self, classes: Iterable[int]) -> dict[int, Pieces]:
        """Find how each class hangs together; reads alone, so a thread may do it.

        What was rejected counts: it is hidden, but must not tear a structure apart.
        """
        proposal = self.proposal
        if proposal is None or self.volume.kind == "stack":
            return {}  # neighbours in a stack have nothing to do with each other
        shape, done = self.volume.shape, self.status == Status.DONE

        def settled(key: tuple[slice, ...]) -> NDArray[np.bool_]:
            here = along(done[key[self.axis]], self.axis)
            return np.asarray((self.ink[key] != NOTHING) | here)

        def labels(key: tuple[slice, ...]) -> NDArray[np.uint8]:
            found = np.where(settled(key), self.ink[key], proposal.prediction[key])
            found[found == BACKGROUND] = NOTHING
            return found

        both = ReadInParts(shape, labels), ReadInParts(shape, settled)
        return find_pieces(*both, self.axis, classes)

    def _derive(self, key: Key, done: NDArray[np.bool_], looks: _Looks) -> None:
        """Derive some part of the prediction and of the pseudo-label layer."""
        assert self.proposal is not None
        ink, guess = self.ink[key], self.proposal.prediction[key]
        confidence, rejected = self.proposal.confidence[key], self.rejected[key]
        full, pseudo = self.prediction[key], self.pseudo[key]  # views
        sure = confidence.view(np.uint16)
        full[...], pseudo[...] = 0, 0
        for class_id in looks.of_these(guess):
            here = (guess == class_id).view(np.uint8)
            full += here * class_id
            pseudo += (here & (sure >= looks.least[class_id])) * class_id
        pseudo += ((full == NOTHING) & (sure >= looks.least[NOTHING])) * np.uint8(
            BACKGROUND
        )
        if rejected.any():
            pseudo[rejected > 0] = NOTHING
            full[rejected == self.proposal.round] = NOTHING
        human = (ink != NOTHING) | done
        if human.any():
            np.copyto(pseudo, ink, where=human)
            np.copyto(full, np.where(ink == BACKGROUND, NOTHING, ink), where=human)


@dataclass(frozen=True, eq=False)
class _Looks:
    """When a voxel of each class is a pseudo-label; other values are background.

    Attributes
    ----------
    classes : tuple of uint8, any number
        Without background.
    least : uint16
        Confidence for each number, (256,): the bits of a float16, which for numbers
        from 0 on are in the numbers' order. NumPy compares float16 in software, which
        takes most of the time of `refresh` in a large volume; integers are fast.
    """

    classes: tuple[np.uint8, ...]
    least: NDArray[np.uint16]

    @classmethod
    def of(cls, thresholds: Mapping[int, float]) -> _Looks:
        """Make it for the thresholds of all classes, 0 for background."""
        classes = tuple(np.uint8(class_id) for class_id in thresholds if class_id)
        exact = np.maximum(least_confidence(thresholds), 0)
        half = exact.astype(np.float16)
        half = np.where(half < exact, np.nextafter(half, np.float16(np.inf)), half)
        return cls(classes, half.view(np.uint16))

    def of_these(self, guess: NDArray[np.uint8]) -> tuple[np.uint8, ...]:
        """Give the classes to look for; of many those that are there."""
        if len(self.classes) <= FEW:
            return self.classes
        there = np.bincount(guess.reshape(-1), minlength=256)
        return tuple(class_id for class_id in self.classes if there[class_id])


def mask_of(record: VolumeRecord, *, complete: bool) -> NDArray[np.uint8]:
    """Make the mask that is exported: class ids, 0 for background.

    Parameters
    ----------
    complete : bool
        Where nobody labelled, take the current prediction; else background.
    """
    if complete and record.proposal is not None:
        return copy_of(record.prediction)
    mask, ink = zeros(record.volume.shape, np.uint8), record.ink
    for key in record.blocks():
        mask[key] = np.maximum(record.truth_in(key, ink), 0)
    return mask
