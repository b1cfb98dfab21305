"""Annotation session: volumes, classes, rounds, undo; all changes go through it."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import free_name
from napari_contrastseg.io.plural import plural
from napari_contrastseg.io.slice_axis import COARSEST, SliceAxis
from napari_contrastseg.io.volume import resized
from napari_contrastseg.session.classes import (
    PALETTE,
    AnnotationClass,
    Classes,
    class_name,
    with_changed_class,
    with_new_class,
)
from napari_contrastseg.session.derived_proposal import better_of
from napari_contrastseg.session.first_thresholds import (
    DEFAULT_THRESHOLD,
    first_thresholds,
)
from napari_contrastseg.session.journal_entries import (
    AxisChosen,
    CaseNoted,
    ClassesBegun,
    CohortSet,
    Did,
    KindSet,
    Redid,
    RoundAdded,
    ThresholdSet,
    Undid,
    VolumeAdded,
    VolumeClosed,
    VolumeOpened,
    VolumeRemoved,
    VoxelSizeSet,
    WeightsAdded,
)
from napari_contrastseg.session.round_list import RoundList
from napari_contrastseg.session.rounds import new_key
from napari_contrastseg.session.specks import Pieces, of_one_piece
from napari_contrastseg.session.undo import (
    Action,
    ArrayEdit,
    ClassesEdit,
    Edit,
    History,
    RoundEdit,
    RoundSelection,
    SpecksEdit,
)
from napari_contrastseg.session.volume_record import PER_SLICE, WORK, VolumeRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.io.cohort import Cohort
    from napari_contrastseg.io.read_again import ReadAgain
    from napari_contrastseg.io.volume import Volume, VolumeKind
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.case_note import CaseNote
    from napari_contrastseg.session.rounds import Round


class Session:
    """Volumes with ink, classes, thresholds, rounds, and one undo history.

    Attributes
    ----------
    slices : SliceAxis
        By which rule a volume that is added has its slice axis.
    thresholds : dict of class id, 0 for background, to confidence
        As far as a person chose one.
    first_thresholds : dict of class id to confidence
        Where the thresholds of the current proposals begin, if below the usual one.
    specks_chosen : dict of class id to bool
        Whether its specks are left out, as far as a person chose.
    in_training : frozenset of int
        Class ids that a run under way speaks of; no new class gets one of them.
    cohort : Cohort or None
        Cases that may be opened; one that is has the volume of its id.
    case_notes : dict of case id to CaseNote
        Of the cases that are done or were predicted.
    held : str
        Why a person may change nothing now, a sentence; "" where everything may be.
    records : dict of volume id to VolumeRecord
        What is open; all that is shown and proposed is about these.
    closed : dict of volume id to VolumeRecord
        Cases that were closed with labels: packed, and still part of training and
        export.

    Signals
    -------
    entry_added : an Entry
        Something changed; all entries in order make the session again.
    volumes_changed, classes_changed, rounds_changed, history_changed : ()
    cohort_changed : ()
        Another list of cases, or another note on one.
    work_changed : (volume id, slice numbers or None for all)
        Ink, status, rejections or an edited proposal changed.
    proposals_changed : ()
        A round brought new proposals.
    derived_changed : (volume id, slice numbers or None)
        Slices of a volume's proposal were derived from its labels; None: it has a
        proposal now and had none, or the other way round.
    """

    entry_added = Signal(object)
    volumes_changed = Signal()
    classes_changed = Signal()
    rounds_changed = Signal()
    history_changed = Signal()
    cohort_changed = Signal()
    proposals_changed = Signal()
    work_changed = Signal(str, object)
    derived_changed = Signal(str, object)

    def __init__(self, slices: SliceAxis = COARSEST) -> None:
        self.records: dict[str, VolumeRecord] = {}
        self.closed: dict[str, VolumeRecord] = {}
        self.classes: Classes = ()
        self.slices = slices
        self.thresholds: dict[int, float] = {}
        self.first_thresholds: dict[int, float] = {}
        self.specks_chosen: dict[int, bool] = {}
        self.rounds = RoundList()
        self.history = History()
        self.in_training: frozenset[int] = frozenset()
        self.cohort: Cohort | None = None
        self.case_notes: dict[str, CaseNote] = {}
        self.held = ""
        self._under_way: list[Edit] | None = None
        self.quiet = False

    def need_free(self) -> None:
        """Refuse a change by a person while it is held.

        Raises
        ------
        InputError
        """
        if self.held:
            raise InputError(self.held)

    @property
    def has_work(self) -> bool:
        """Whether there is anything that a human did or waited for."""
        return bool(self.rounds or self.closed or self.case_notes) or any(
            record.has_work for record in self.records.values()
        )

    @property
    def all_records(self) -> dict[str, VolumeRecord]:
        """Volumes with their labels, those that are closed included."""
        return self.records | self.closed

    @property
    def case_ids(self) -> frozenset[str]:
        """Ids of the cases that are listed, be they open or not."""
        return self.cohort.ids if self.cohort is not None else frozenset()

    @property
    def fingerprint(self) -> str:
        """Short text that follows from all that a human did, and from nothing else."""
        found = hashlib.blake2b(repr(self.classes).encode(), digest_size=12)
        records = list(self.all_records.items())
        if self.cohort is not None:  # cases are opened and closed in any order
            records.sort(key=lambda item: item[0])
        for _, record in records:
            for name in WORK:
                found.update(np.ascontiguousarray(record.array(name)).data)
        return found.hexdigest()

    # -- volumes ---------------------------------------------------------------

    def add_volume(self, volume: Volume, stored: tuple[str, ...] = ()) -> VolumeRecord:
        """Add a volume.

        Parameters
        ----------
        volume : Volume
        stored : tuple of str
            Names under which a session folder holds its channels already; it keeps its
            slice axis then, where others get theirs by the session's rule.

        Raises
        ------
        InputError
            The id is taken, or its channels differ from the other volumes'.
        """
        self.need_free()
        if volume.id in self.all_records:
            raise InputError(f"{volume.id}: is in the session already.")
        for other in self.all_records.values():
            if len(other.volume.data) != len(volume.data):
                raise InputError(
                    f"{volume.id}: has {plural(len(volume.data), 'channel')}, but "
                    f"{other.volume.id} has {len(other.volume.data)}; the volumes of a "
                    "session need the same channels: begin another session for it, or "
                    "select its channels in napari's layer list and add them together."
                )
        record = VolumeRecord(volume if stored else self.slices.on(volume), stored)
        self.records[volume.id] = record
        self.entry_added.emit(VolumeAdded(record.volume, record.stored))
        self.volumes_changed.emit()
        return record

    def add_volume_as_before(
        self, volume: Volume, stored: tuple[str, ...]
    ) -> VolumeRecord:
        """Add a volume of a session in which all have the slice axis of the first."""
        if not self.records and self.slices == COARSEST:
            self.slices = SliceAxis("array", volume.axis)
        return self.add_volume(self.slices.on(volume), stored)

    def free_id(self, wanted: str) -> str:
        """Return an id like `wanted` that no volume, case or round has; never empty."""
        known = {name for r in self.rounds for name in r.proposals}
        known |= set(self.all_records)
        known |= self.case_ids
        wanted = wanted.encode(errors="replace").decode()  # half of a pair is not text
        return free_name(wanted if wanted.strip() else "volume", known.__contains__)

    def remove_volume(self, volume_id: str) -> None:
        """Take a volume out, and its labels with it; undo does not bring them back.

        Raises
        ------
        InputError
            It is not there.
        """
        self.need_free()
        self._record(volume_id)
        del self.records[volume_id]
        self.history.forget(volume_id)
        self.entry_added.emit(VolumeRemoved(volume_id))
        self.volumes_changed.emit()

    def set_slices(self, slices: SliceAxis) -> None:
        """Choose the slice axes.

        Raises
        ------
        InputError
            Something is painted already: its slice status would lose its meaning.
        """
        if slices == self.slices:
            return
        self.need_free()
        labelled = any(record.has_ink for record in self.records.values())
        if labelled or self.rounds or self.closed:
            raise InputError(
                "The slice axis is fixed once something is labelled or predicted; "
                "press New in step Data to begin a session along another."
            )
        self.slices = slices
        for volume_id, record in list(self.records.items()):
            fresh = VolumeRecord(slices.on(record.volume), record.stored)
            self.records[volume_id] = fresh
            self.history.forget(volume_id)
        self.entry_added.emit(AxisChosen(slices))
        self.volumes_changed.emit()

    def set_voxel_size(
        self, volume_id: str, spacing: tuple[float, float, float]
    ) -> None:
        """Say how large a volume's voxels are, mm along each array axis.

        What is labelled stays, and with it the slice axis.

        Raises
        ------
        InputError
            A round has learned from the size before, or a side is not above 0.
        """
        self.need_free()
        record = self._record(volume_id)
        if self.rounds:
            raise InputError(
                "The voxel size is fixed once a round has run; press New in step Data "
                "to begin a session with another."
            )
        volume = resized(record.volume, spacing)
        axis = record.axis if record.has_ink else self.slices.of(volume)
        if axis == record.axis:
            record.volume = replace(volume, axis=axis)
        else:
            fresh = VolumeRecord(replace(volume, axis=axis), record.stored)
            self.records[volume_id] = fresh
            self.history.forget(volume_id)
        self.entry_added.emit(VoxelSizeSet(volume_id, spacing))
        self.volumes_changed.emit()

    def set_kind(self, volume_id: str, kind: VolumeKind) -> None:
        """Say whether a volume's slices are neighbours, or unrelated pictures."""
        record = self._record(volume_id)
        if record.volume.kind == kind:
            return
        self.need_free()
        record.volume = replace(record.volume, kind=kind)
        self.entry_added.emit(KindSet(volume_id, kind))
        self.volumes_changed.emit()

    # -- cases that may be opened ----------------------------------------------

    def set_cohort(self, cohort: Cohort | None) -> None:
        """Take a list of cases in place of the one before.

        Raises
        ------
        InputError
            A case that was closed with labels is not in it.
        """
        self.need_free()
        ids = cohort.ids if cohort is not None else frozenset[str]()
        left = next((name for name in self.closed if name not in ids), None)
        if left is not None:
            raise InputError(
                f"{left}: has labels and is not a case of that folder; press New in "
                "step Data to begin a session with it."
            )
        self.cohort = cohort
        self.case_notes = {k: n for k, n in self.case_notes.items() if k in ids}
        self.entry_added.emit(CohortSet(cohort))
        self.cohort_changed.emit()

    def note_case(self, case_id: str, note: CaseNote) -> None:
        """Note of a case that it is done, or what was predicted.

        Raises
        ------
        InputError
            The cohort has no such case.
        """
        if self.cohort is None or self.cohort.case(case_id) is None:
            raise InputError(f"{case_id}: there is no such case in the session.")
        self.case_notes[case_id] = note
        self.entry_added.emit(CaseNoted(case_id, note))
        self.cohort_changed.emit()

    def close_volume(
        self,
        volume_id: str,
        data: Sequence[NDArray[Any]] | Sequence[ReadAgain] | None = None,
    ) -> None:
        """Set a volume aside: packed where it has labels, else it goes.

        Its steps, and those about classes, cannot be undone from then on.

        Parameters
        ----------
        data : sequence of array, optional
            Its channels, read when they are needed.
        """
        self.need_free()
        record = self._record(volume_id)
        if not record.has_labels:
            self.remove_volume(volume_id)
            return
        if data is not None:
            record.volume = replace(record.volume, data=tuple(data))
        record.set_aside()
        self.closed[volume_id] = self.records.pop(volume_id)
        self.history.forget_closed(volume_id)
        self.entry_added.emit(VolumeClosed(volume_id))
        self.volumes_changed.emit()

    def open_volume(
        self, volume_id: str, data: Sequence[NDArray[Any]] | None = None
    ) -> VolumeRecord:
        """Work on a closed volume again, with the current round's proposal.

        Parameters
        ----------
        data : sequence of array, optional
            Its channels in memory.

        Raises
        ------
        InputError
            It is not closed, or there is no room for it; nothing has changed.
        """
        self.need_free()
        record = self.closed.get(volume_id)
        if record is None:
            raise InputError(f"{volume_id}: is not a closed case.")
        record.take_up()
        if data is not None:
            record.volume = replace(record.volume, data=tuple(data))
        self.records[volume_id] = self.closed.pop(volume_id)
        self.show_proposal(volume_id)
        self.entry_added.emit(VolumeOpened(volume_id))
        self.volumes_changed.emit()
        return record

    def show_proposal(self, volume_id: str) -> None:
        """Let a volume that the round did not see open have its proposal."""
        record, current = self.records[volume_id], self.rounds.current
        proposal = current.proposals.get(volume_id) if current is not None else None
        if proposal is None or proposal.prediction.shape != record.volume.shape:
            return
        record.propose(better_of(proposal, record.proposal))
        record.refresh(self.all_thresholds())

    # -- classes ---------------------------------------------------------------

    def _set_classes(self, label: str, classes: Classes) -> None:
        self.need_free()
        edit = ClassesEdit(self.classes, classes)
        self.classes = classes
        with self.action(label) as edits:
            edits.append(edit)
        self._announce_classes(edit)

    def begin_classes(self, first: AnnotationClass | None = None) -> int:
        """Begin the table of classes where it is empty; returns the first one's id.

        The program does so, and undo takes back only what the person did.
        """
        if not self.classes:
            edit = ClassesEdit((), (first,) if first else with_new_class(()))
            self.classes = edit.new
            self.entry_added.emit(ClassesBegun(self.classes[0]))
            self._announce_classes(edit)
        return self.classes[0].id

    def add_class(self, name: str | None = None) -> int:
        """Add a class; returns its id."""
        before = {c.id for c in self.classes}
        changed = with_new_class(self.classes, name, self.numbers_spoken_of)
        self._set_classes("add class", changed)
        return next(c.id for c in self.classes if c.id not in before)

    @property
    def numbers_spoken_of(self) -> frozenset[int]:
        """Class ids that models predict, or a run under way will."""
        models = (*(r.model for r in self.rounds), *self.newer_weights.values())
        spoken_of = {c.id for model in models for c in model.card.classes}
        return frozenset(spoken_of) | self.in_training

    def add_class_with_id(self, class_id: int) -> None:
        """Add a class with a number of its own, as an existing mask uses it."""
        colour = PALETTE[(class_id - 1) % len(PALETTE)]
        names = {c.name for c in self.classes}
        name = f"class {class_id}"
        while name in names:
            name += "'"
        added = AnnotationClass(class_id, name, colour)
        classes = tuple(sorted((*self.classes, added), key=lambda c: c.id))
        self._set_classes("add class", classes)

    def add_classes(self, added: Sequence[AnnotationClass]) -> None:
        """Add classes of existing masks, in place of those that have their numbers."""
        if not added:
            return
        ids = {c.id for c in added}
        kept = [c for c in self.classes if c.id not in ids]
        classes = tuple(sorted((*kept, *added), key=lambda c: c.id))
        names = [c.name for c in classes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"There is a class {twice!r} already; rename it first.")
        self._set_classes("add class", classes)

    def change_class(
        self,
        class_id: int,
        *,
        name: str | None = None,
        colour: str | None = None,
        locked: bool | None = None,
    ) -> None:
        """Rename, recolour, lock or unlock a class."""
        changed = with_changed_class(
            self.classes, class_id, name=name, colour=colour, locked=locked
        )
        if changed != self.classes:
            words = {None: "change class", True: "lock class", False: "unlock class"}
            self._set_classes(words[locked], changed)

    def delete_class(self, class_id: int) -> None:
        """Delete a class.

        Raises
        ------
        InputError
            It has ink.
        """
        painted = sum(r.painted(class_id) for r in self.all_records.values())
        found = next(c for c in self.classes if c.id == class_id)
        name = found.name
        if found.locked:
            raise InputError(f"Class {name!r} is locked; unlock it first.")
        if painted:
            raise InputError(
                f"Class {name!r} has {plural(painted, 'painted voxel')}; erase what is "
                "painted, or paint another class over it, before the class is deleted."
            )
        kept = tuple(c for c in self.classes if c.id != class_id)
        self._set_classes("delete class", kept)

    def class_name(self, class_id: int) -> str:
        """Name of a class, or ``background``."""
        return class_name(self.classes, class_id)

    def by_name(self, scores: Mapping[int, float]) -> dict[str, float]:
        """Give scores of class ids under the classes' names."""
        return {self.class_name(i): round(s, 4) for i, s in scores.items()}

    def threshold(self, class_id: int) -> float:
        """Confidence from which a prediction of a class (0 background) is trusted."""
        first = self.first_thresholds.get(class_id, DEFAULT_THRESHOLD)
        return self.thresholds.get(class_id, first)

    def find_first_thresholds(self) -> None:
        """Begin the thresholds where something of each class is sure."""
        proposals = [r.proposal for r in self.records.values() if r.proposal]
        self.first_thresholds = first_thresholds(
            (p.prediction, p.confidence) for p in proposals
        )

    def all_thresholds(self) -> Mapping[int, float]:
        """Thresholds of background (0) and of all classes."""
        return {i: self.threshold(i) for i in (0, *(c.id for c in self.classes))}

    def set_threshold(self, class_id: int, value: float) -> None:
        """Choose a class's threshold; `touch` brings the layers up to date."""
        self.need_free()
        self.thresholds[class_id] = float(value)
        self.entry_added.emit(ThresholdSet(class_id, float(value)))

    def touch(self, volume_id: str, slices: Sequence[int] | None = None) -> None:
        """Derive what layers show of a volume, all or some slices, and say so."""
        if self.quiet:
            return
        self.records[volume_id].refresh(self.all_thresholds(), slices)
        self.work_changed.emit(volume_id, slices)

    def say_derived(self, volume_id: str) -> None:
        """Say that a volume has changed whose layers are up to date already."""
        self.work_changed.emit(volume_id, None)

    # -- specks ----------------------------------------------------------------

    @property
    def without_specks(self) -> frozenset[int]:
        """Classes whose specks are left out: as chosen, else those of one piece."""
        whole = of_one_piece(r.pieces for r in self.records.values())
        chosen = self.specks_chosen
        return frozenset(c.id for c in self.classes if chosen.get(c.id, c.id in whole))

    def leave_out_specks(self, class_ids: Iterable[int], *, left_out: bool) -> None:
        """Leave specks of some classes out of the proposals, or show them."""
        chosen = self.specks_chosen | dict.fromkeys(class_ids, left_out)
        if chosen == self.specks_chosen:
            return
        self.need_free()
        edit = SpecksEdit(self.specks_chosen, chosen)
        self.specks_chosen = chosen
        with self.action("leave out specks" if left_out else "show specks") as edits:
            edits.append(edit)
        self.show_without_specks()

    def take_pieces(self, volume_id: str, pieces: Mapping[int, Pieces]) -> None:
        """Take up how the classes of a volume's proposal hang together."""
        self.records[volume_id].pieces = dict(pieces)
        self.show_without_specks()

    def show_without_specks(self) -> None:
        """Bring what proposals show in step with whose specks are left out."""
        left_out = self.without_specks
        for volume_id, record in self.records.items():
            changed = record.leave_out(left_out)
            if changed:
                self.touch(volume_id, changed)

    # -- rounds ----------------------------------------------------------------

    @property
    def newer_weights(self) -> dict[str, Model]:
        """Newer weights that are in use, or that undo may bring back; by key."""
        wanted = {self.rounds.selection.start, *self.history.weights_keys}
        return {key: m for key, m in self.rounds.newer.items() if key in wanted}

    def add_weights(self, model: Model, key: str | None = None) -> None:
        """Take weights that are newer than the current round's."""
        key = key or new_key("weights")
        self.rounds.add_weights(key, model, wanted=self.history.weights_keys)
        self.entry_added.emit(WeightsAdded(key, model))

    def add_round(self, finished: Round) -> None:
        """Take up a finished round; its proposals become the current ones.

        Undo never brings proposals back behind a newer round.

        Raises
        ------
        InputError
            There is no room to show them; nothing has changed.
        """
        self.rounds.append(finished)
        try:
            self.select(RoundSelection(finished.info.number, None))
        except InputError:
            self.rounds.remove(finished)
            raise
        self.history.forget_rounds()
        self.entry_added.emit(RoundAdded(finished.info, finished))
        self.proposals_changed.emit()
        self.rounds_changed.emit()

    def bring_back(self, number: int) -> None:
        """Make the proposals and the model of a round the current ones.

        Raises
        ------
        InputError
            There is no such round.
        """
        if self.rounds.numbered(number) is None:
            raise InputError(f"There is no round {number}.")
        edit = RoundEdit(self.rounds.selection, RoundSelection(number, None))
        if edit.old == edit.new:
            return
        self.need_free()
        self.select(edit.new)
        with self.action(f"bring back round {number}") as edits:
            edits.append(edit)
        self.proposals_changed.emit()

    def select(self, selection: RoundSelection) -> None:
        """Show a round's proposals, without a step of the history.

        Raises
        ------
        InputError
            There is no room to show them; nothing has changed.
        """
        before = self.rounds.selection
        self.rounds.select(selection)
        current, coming = self.rounds.current, []
        try:
            for volume_id, record in self.records.items():
                proposal = current.proposals.get(volume_id) if current else None
                fits = proposal and proposal.prediction.shape == record.volume.shape
                better = better_of(proposal if fits else None, record.proposal)
                coming.append((record, better, record.arrays_to_show(better)))
        except InputError:
            self.rounds.select(before)
            raise
        for record, better, shown in coming:
            record.propose(better, shown)
        self.find_first_thresholds()
        for record in self.records.values():
            record.refresh(self.all_thresholds())

    # -- undo ------------------------------------------------------------------

    def undo(self) -> str | None:
        """Take back the last thing done; returns its name."""
        self.need_free()
        action = self.history.pop()
        if action is not None:
            for edit in reversed(action.edits):
                self._apply(edit, backwards=True)
            self.entry_added.emit(Undid(action))
            self._announce(action)
        return action.label if action else None

    def redo(self) -> str | None:
        """Do again what was undone last; returns its name."""
        self.need_free()
        action = self.history.unpop()
        if action is not None:
            for edit in action.edits:
                self._apply(edit, backwards=False)
            self.entry_added.emit(Redid(action))
            self._announce(action)
        return action.label if action else None

    def replay(self, action: Action) -> None:
        """Do what was written down.

        Raises
        ------
        InputError
            It does not fit the session.
        """
        self.check_fits(action)
        for edit in action.edits:
            self._apply(edit, backwards=False)
        self.history.push(action)
        self.entry_added.emit(Did(action))
        self._announce(action)

    def check_fits(self, action: Action) -> None:
        """Refuse an action on volumes or voxels that are not there.

        Raises
        ------
        InputError
            Saying what is not.
        """
        for edit in action.edits:
            if isinstance(edit, ArrayEdit) and len(edit.places):
                size = self._record(edit.volume_id).array(edit.array).size
                if not edit.places.lie_within(size):
                    raise InputError(
                        f"{action.label!r} changes voxels that {edit.volume_id} does "
                        "not have."
                    )

    def _record(self, volume_id: str) -> VolumeRecord:
        if volume_id not in self.records:
            raise InputError(f"{volume_id}: there is no such volume in the session.")
        return self.records[volume_id]

    def _apply(self, edit: Edit, *, backwards: bool) -> None:
        if isinstance(edit, ClassesEdit):
            self.classes = edit.old if backwards else edit.new
        elif isinstance(edit, RoundEdit):
            self.select(edit.old if backwards else edit.new)
        elif isinstance(edit, SpecksEdit):
            self.specks_chosen = dict(edit.old if backwards else edit.new)
        elif edit.volume_id in self.records:
            values = edit.old if backwards else edit.new
            record, index = self.records[edit.volume_id], edit.index
            record.array(edit.array).reshape(-1)[index] = values
            if edit.array not in PER_SLICE:
                record.worked.note(index)

    def _announce(self, action: Action) -> None:
        for edit in action.edits:
            if isinstance(edit, ClassesEdit):
                self._announce_classes(edit)
            elif isinstance(edit, RoundEdit):
                self.proposals_changed.emit()
            elif isinstance(edit, SpecksEdit):
                self.show_without_specks()
        arrays = [e for e in action.edits if isinstance(e, ArrayEdit)]
        for volume_id in sorted(action.volumes & set(self.records)):
            record = self.records[volume_id]
            slices = [
                e.index if e.array in PER_SLICE else record.slices_of(e.index)
                for e in arrays
                if e.volume_id == volume_id
            ]
            self.touch(volume_id, np.unique(np.concatenate(slices)).tolist())
        self.history_changed.emit()

    def take_back(self, edits: Sequence[Edit]) -> None:
        """Undo edits that belong to no action of the history."""
        for edit in reversed(edits):
            self._apply(edit, backwards=True)

    @contextmanager
    def action(self, label: str) -> Iterator[list[Edit]]:
        """Collect the edits of one action of the person into the history.

        An action within another is part of it.

        Raises
        ------
        InputError
            It is held.
        """
        if self._under_way is not None:
            yield self._under_way
            return
        self.need_free()
        edits: list[Edit] = []
        self._under_way = edits
        try:
            yield edits
        except BaseException:  # half an action is none
            self.take_back(edits)
            if any(isinstance(edit, ClassesEdit) for edit in edits):
                self.classes_changed.emit()
            raise
        finally:
            self._under_way = None
        if edits:
            done = Action(label, tuple(edits))
            self.history.push(done)
            self.entry_added.emit(Did(done))
            self.history_changed.emit()

    def _announce_classes(self, edit: ClassesEdit) -> None:
        """Proposals show what is a class: one that was deleted is background."""
        if {c.id for c in edit.old} != {c.id for c in edit.new}:
            for volume_id, record in self.records.items():
                if record.proposal is not None:
                    self.touch(volume_id)
        self.classes_changed.emit()
