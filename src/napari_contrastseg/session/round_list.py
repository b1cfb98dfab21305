"""The list of rounds: which one is shown, and which weights training starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, overload

from napari_contrastseg.session.undo import RoundSelection

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.rounds import Round, RoundInfo


#: Newest rounds whose proposals are held as they came; those before them are packed.
AT_HAND: Final = 3


class RoundList(Sequence["Round"]):
    """Rounds, oldest first, and weights that are newer than the current round's.

    Attributes
    ----------
    current : Round or None
        Whose proposals are shown.
    absent : list of RoundInfo
        Rounds of the folder that could not be read just now.
    newer : dict of key to Model
        Weights that are no round's: pretrained, or of cancelled runs.
    """

    def __init__(self) -> None:
        self._rounds: list[Round] = []
        self.current: Round | None = None
        self.absent: list[RoundInfo] = []
        self.newer: dict[str, Model] = {}
        self._start: str | None = None

    def __len__(self) -> int:
        return len(self._rounds)

    @overload
    def __getitem__(self, index: int) -> Round: ...

    @overload
    def __getitem__(self, index: slice) -> list[Round]: ...

    def __getitem__(self, index: int | slice) -> Round | list[Round]:
        return self._rounds[index]

    @property
    def start(self) -> Model | None:
        """Weights newer than the current round's, if there are any."""
        return self.newer.get(self._start) if self._start is not None else None

    @property
    def weights(self) -> Model | None:
        """What the next training goes on from, and what is exported."""
        if self.start is not None or self.current is None:
            return self.start
        return self.current.model

    @property
    def selection(self) -> RoundSelection:
        """Which round and which newer weights are the current ones."""
        number = self.current.info.number if self.current is not None else None
        return RoundSelection(number, self._start)

    @property
    def next_number(self) -> int:
        """Number of the round that comes next."""
        infos = [r.info for r in self._rounds] + self.absent
        return 1 + max((info.number for info in infos), default=0)

    def numbered(self, number: int | None) -> Round | None:
        """Find a round by its number."""
        return next((r for r in self._rounds if r.info.number == number), None)

    def append(self, finished: Round) -> None:
        """Add the newest round; `select` makes it the current one."""
        self._rounds.append(finished)

    def remove(self, round_: Round) -> None:
        """Remove a round that could not be shown and is not the current one."""
        self._rounds.remove(round_)

    def add_weights(self, key: str, model: Model, wanted: Collection[str]) -> None:
        """Take newer weights as the current ones; of others only those in `wanted`."""
        self._start = key
        self.newer = {k: m for k, m in self.newer.items() if k in wanted} | {key: model}

    def select(self, selection: RoundSelection) -> None:
        """Make a round and newer weights the current ones, as far as they are there."""
        found = self.numbered(selection.round)
        if found is not None:
            found.proposals.unpack()
        self.current = found
        for earlier in self._rounds[:-AT_HAND]:
            if earlier is not found:
                earlier.proposals.pack()
        self._start = selection.start if selection.start in self.newer else None
