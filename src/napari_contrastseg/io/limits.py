"""Check the sizes that files declare against the memory there is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a file may always declare, bytes.
ALWAYS_FINE: Final = 64 * 2**20


def check_size(name: object, shape: Sequence[int], dtype: Any = np.uint8) -> None:
    """Refuse an array that this computer's free memory cannot hold.

    Raises
    ------
    InputError
        Naming `name` (a file or volume), what it declares and what is free.
    """
    need = math.prod(int(n) for n in shape) * np.dtype(dtype).itemsize
    if any(int(n) < 0 for n in shape):
        raise InputError(f"{name}: declares a negative size {tuple(shape)}.")
    if need <= ALWAYS_FINE:
        return
    free = psutil.virtual_memory().available
    if need > free:
        raise InputError(
            f"{name}: declares {' x '.join(str(n) for n in shape)} voxels, "
            f"{need / 2**30:.1f} GB, and {free / 2**30:.1f} GB of memory are free; "
            "close other programs, crop it, or check the file."
        )
