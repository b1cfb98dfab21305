"""An array compressed in memory, as zstd blocks; for what is seldom looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

from napari_contrastseg.io.scratch import zeros

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bytes that are packed as one.
BLOCK_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, eq=False)
class PackedArray:
    """An array as zstd blocks of planes of its first axis."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: int
    blocks: tuple[bytes, ...]

    @classmethod
    def of(cls, array: NDArray[Any]) -> PackedArray:
        """Pack an array; it is only read."""
        plane = max(1, array.nbytes // max(1, len(array)))
        rows = max(1, BLOCK_BYTES // plane)
        blocks = tuple(
            bytes(imagecodecs.zstd_encode(array[at : at + rows].tobytes(), level=1))
            for at in range(0, len(array), rows)
        )
        return cls(array.shape, array.dtype, rows, blocks)

    def unpacked(self) -> NDArray[Any]:
        """Make the array again, apart from all others."""
        out = zeros(self.shape, self.dtype)
        for number, block in enumerate(self.blocks):
            part = out[number * self.rows : (number + 1) * self.rows]
            raw = imagecodecs.zstd_decode(block, out=part.nbytes)
            part[...] = np.frombuffer(raw, self.dtype).reshape(part.shape)
        return out

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(map(len, self.blocks))
