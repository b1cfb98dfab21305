"""The rounds of a session: which is the current one, and what training goes on from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.events import RoundAdded, WeightsAdded
from napari_contrastseg.session.rounds import new_key
from napari_contrastseg.session.undo import RoundEdit, RoundSelection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from psygnal import SignalInstance

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.rounds import Round, RoundInfo
    from napari_contrastseg.session.undo import Edit, History
    from napari_contrastseg.session.volume_record import VolumeRecord


#: Newest rounds whose proposals are held as they came; those before them are packed.
AT_HAND: Final = 3


class RoundList:
    """The part of a `Session` that holds rounds and weights.

    Attributes
    ----------
    rounds : list of Round
    current : Round or None
        Whose proposals are shown.
    absent : list of RoundInfo
        Rounds of the folder that could not be read just now.
    in_training : frozenset of int
        Class ids that a run under way speaks of; no new class gets one of them.
    """

    if TYPE_CHECKING:
        records: dict[str, VolumeRecord]
        history: History
        recorded: SignalInstance
        proposals_changed: SignalInstance
        rounds_changed: SignalInstance

        def all_thresholds(self) -> Mapping[int, float]: ...  # noqa: D102
        def action(self, label: str) -> AbstractContextManager[list[Edit]]: ...  # noqa: D102

    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self.current: Round | None = None
        self.absent: list[RoundInfo] = []
        self._start: str | None = None
        self._newer: dict[str, Model] = {}
        self.in_training: frozenset[int] = frozenset()

    @property
    def start(self) -> Model | None:
        """Weights newer than the current round's: pretrained, or of a cancelled run."""
        return self._newer.get(self._start) if self._start is not None else None

    @property
    def newer(self) -> dict[str, Model]:
        """Weights that `start` was, is, or may be again by undo; by key."""
        named = {self._start}
        for action in (*self.history.done, *self.history.undone):
            for edit in action.edits:
                if isinstance(edit, RoundEdit):
                    named |= {edit.old.start, edit.new.start}
        return {key: m for key, m in self._newer.items() if key in named}

    @property
    def weights(self) -> Model | None:
        """What the next training goes on from, and what is exported."""
        if self.start is not None or self.current is None:
            return self.start
        return self.current.model

    @property
    def standing(self) -> RoundSelection:
        """Which round and which newer weights are the current ones."""
        number = self.current.info.number if self.current is not None else None
        return RoundSelection(number, self._start)

    def add_weights(self, model: Model, key: str | None = None) -> None:
        """Take weights that are newer than the current round's."""
        self._start = key or new_key("weights")
        self._newer = {**self.newer, self._start: model}
        self.recorded.emit(WeightsAdded(self._start, model))

    def restore(self, standing: RoundSelection, newer: Mapping[str, Model]) -> None:
        """Take up what was written down; rounds and volumes are there already."""
        self._newer = dict(newer)
        self._stand(standing)

    @property
    def next_round(self) -> int:
        """Number of the round that comes next."""
        infos = [r.info for r in self.rounds] + self.absent
        return 1 + max((info.number for info in infos), default=0)

    def add_round(self, finished: Round) -> None:
        """Take up a finished round; its proposals become the current ones.

        Undo never brings proposals back behind a newer round.
        """
        self.rounds.append(finished)
        self.history.forget_rounds()
        self._stand(RoundSelection(finished.info.number, None))
        self.recorded.emit(RoundAdded(finished.info, finished))
        self.proposals_changed.emit()
        self.rounds_changed.emit()

    def bring_back(self, number: int) -> None:
        """Make the proposals and the model of a round the current ones.

        Raises
        ------
        InputError
            There is no such round.
        """
        if all(r.info.number != number for r in self.rounds):
            raise InputError(f"There is no round {number}.")
        edit = RoundEdit(self.standing, RoundSelection(number, None))
        if edit.old == edit.new:
            return
        self._stand(edit.new)
        with self.action(f"bring back round {number}") as edits:
            edits.append(edit)
        self.proposals_changed.emit()

    def _stand(self, standing: RoundSelection) -> None:
        """Make a round and newer weights the current ones, as far as they are there."""
        found = next((r for r in self.rounds if r.info.number == standing.round), None)
        if found is not None:
            found.proposals.unpack()
        self.current = found
        for earlier in self.rounds[:-AT_HAND]:
            if earlier is not found:
                earlier.proposals.pack()
        self._start = standing.start if standing.start in self._newer else None
        for volume_id, record in self.records.items():
            proposal = found.proposals.get(volume_id) if found else None
            fits = proposal and proposal.prediction.shape == record.volume.shape
            record.propose(proposal if fits else None)
            record.refresh(self.all_thresholds())
