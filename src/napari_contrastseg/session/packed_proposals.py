"""Compress the proposals of earlier rounds in memory; they are seldom looked at."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.session.volume_record import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Bytes that are packed as one.
BLOCK_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, eq=False)
class _PackedArray:
    """An array as zstd blocks of planes of its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: int
    blocks: tuple[bytes, ...]

    @classmethod
    def of(cls, array: NDArray[Any]) -> _PackedArray:
        plane = max(1, array.nbytes // max(1, len(array)))
        rows = max(1, BLOCK_BYTES // plane)
        blocks = tuple(
            bytes(imagecodecs.zstd_encode(array[at : at + rows].tobytes(), level=1))
            for at in range(0, len(array), rows)
        )
        return cls(array.shape, array.dtype, rows, blocks)

    def unpacked(self) -> NDArray[Any]:
        out = zeros(self.shape, self.dtype)
        for number, block in enumerate(self.blocks):
            part = out[number * self.rows : (number + 1) * self.rows]
            raw = imagecodecs.zstd_decode(block, out=part.nbytes)
            part[...] = np.frombuffer(raw, self.dtype).reshape(part.shape)
        return out

    @property
    def nbytes(self) -> int:
        return sum(map(len, self.blocks))


@dataclass(frozen=True, eq=False)
class _PackedProposal:
    round: int
    prediction: _PackedArray
    confidence: _PackedArray
    source: str

    @classmethod
    def of(cls, proposal: Proposal) -> _PackedProposal:
        return cls(
            proposal.round,
            _PackedArray.of(proposal.prediction),
            _PackedArray.of(proposal.confidence),
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
