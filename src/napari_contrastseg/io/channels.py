"""Split the colours and channels of pictures and stacks into a volume's channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_contrastseg.io.volume import Source, Volume, array_affine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_COLOURS: Final = ("red", "green", "blue")


def split(
    data: NDArray[Any], axes: str, transparency: Sequence[int] = ()
) -> list[NDArray[Any]]:
    """Split the axis of samples (S) or of channels (C), if any.

    Parameters
    ----------
    data : array
    axes : str
        A letter for each axis.
    transparency : sequence of int
        Samples that say how transparent a pixel is; they are left out.
    """
    if "S" in axes and data.shape[axes.index("S")] > 1:
        along = axes.index("S")
        kept = [i for i in range(data.shape[along]) if i not in transparency]
        return [data.take(i, axis=along) for i in kept]
    if "C" in axes:
        along = axes.index("C")
        return [data.take(i, axis=along) for i in range(data.shape[along])]
    return [data]


def volume_of(
    path: Path,
    file_format: str,
    name: str,
    channels: Sequence[NDArray[Any]],
    spacing: NDArray[np.float64],
) -> Volume:
    """Make a volume of channels (z, y, x) from a file that knows no place in a body."""
    return Volume(
        name,
        tuple(channels),
        array_affine(spacing),
        channels=_names(len(channels)),
        source=Source(path.absolute(), file_format),
        kind="stack" if len(channels[0]) == 1 else "volume",
    )


def _names(count: int) -> tuple[str, ...]:
    if count == 1:
        return ("image",)
    if count == len(_COLOURS):
        return _COLOURS
    return tuple(f"channel {i}" for i in range(count))
