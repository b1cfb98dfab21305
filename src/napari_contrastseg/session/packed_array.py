"""An array compressed in memory, as zstd blocks; for what is seldom looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import imagecodecs
import numpy as np

from napari_contrastseg.io.blocks import small_blocks
from napari_contrastseg.io.scratch import zeros

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.io.blocks import Key

#: Bytes that are packed as one.
BLOCK_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, eq=False)
class PackedArray:
    """An array as zstd blocks."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: tuple[bytes, ...]

    @classmethod
    def of(cls, array: NDArray[Any]) -> PackedArray:
        """Pack an array; it is only read."""
        packed = tuple(
            bytes(imagecodecs.zstd_encode(array[key].tobytes(), level=1))
            for key in _keys(array.shape, array.dtype)
        )
        return cls(array.shape, array.dtype, packed)

    def unpacked(self) -> NDArray[Any]:
        """Make the array again, apart from all others."""
        out = zeros(self.shape, self.dtype)
        keys = _keys(self.shape, self.dtype)
        for key, block in zip(keys, self.blocks, strict=True):
            part = out[key]
            raw = imagecodecs.zstd_decode(block, out=part.nbytes)
            part[...] = np.frombuffer(raw, self.dtype).reshape(part.shape)
        return out

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(map(len, self.blocks))


def _keys(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[Key]:
    return small_blocks(shape, BLOCK_BYTES // dtype.itemsize)
