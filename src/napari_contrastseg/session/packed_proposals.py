"""Compress the proposals of earlier rounds in memory; they are seldom looked at."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_contrastseg.session.packed_array import PackedArray
from napari_contrastseg.session.volume_record import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, eq=False)
class _PackedProposal:
    round: int
    prediction: PackedArray
    confidence: PackedArray
    source: str

    @classmethod
    def of(cls, proposal: Proposal) -> _PackedProposal:
        return cls(
            proposal.round,
            PackedArray.of(proposal.prediction),
            PackedArray.of(proposal.confidence),
            proposal.source,
        )

    def unpacked(self) -> Proposal:
        return Proposal(
            self.round,
            self.prediction.unpacked(),
            self.confidence.unpacked(),
            self.source,
        )

    @property
    def nbytes(self) -> int:
        return self.prediction.nbytes + self.confidence.nbytes


class Proposals(Mapping[str, Proposal]):
    """A round's proposals by volume id, as they came or packed.

    One that is asked for while it is packed is unpacked for the asker alone.
    """

    def __init__(self, proposals: Mapping[str, Proposal]) -> None:
        self._held: dict[str, Proposal | _PackedProposal] = dict(proposals)
        self._lock = threading.Lock()
        self._packed = False

    def __getitem__(self, volume_id: str) -> Proposal:
        found = self._held[volume_id]
        return found if isinstance(found, Proposal) else found.unpacked()

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, volume_id: object) -> bool:
        return volume_id in self._held

    @property
    def nbytes(self) -> int:
        """Memory that they take."""
        return sum(
            p.prediction.nbytes + p.confidence.nbytes for p in self._held.values()
        )

    def add(self, volume_id: str, proposal: Proposal) -> None:
        """Take up the proposal of a volume that was just opened."""
        with self._lock:
            self._held[volume_id] = proposal

    def pack(self, *, wait: bool = False) -> None:
        """Hold them in little memory: packed on a thread of its own, unless we wait."""
        with self._lock:
            if self._packed:
                return
            self._packed = True
        if wait:
            self._pack()
        else:
            name = "contrastseg-packing"
            threading.Thread(target=self._pack, name=name, daemon=True).start()

    def unpack(self) -> None:
        """Hold them as they came, for they are the current ones again."""
        with self._lock:
            self._packed = False
            for name, held in self._held.items():
                if isinstance(held, _PackedProposal):
                    self._held[name] = held.unpacked()

    def _pack(self) -> None:
        for name in list(self._held):
            held = self._held[name]
            if isinstance(held, _PackedProposal):
                continue
            try:
                packed = _PackedProposal.of(held)
            except MemoryError:  # the next round will try again
                self._packed = False
                return
            with self._lock:
                if not self._packed:
                    return  # wanted again meanwhile
                self._held[name] = packed
