"""Split the colours and channels of pictures and stacks into a volume's channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from napari_contrastseg.io.choice import EVERYTHING
from napari_contrastseg.io.volume import Source, Volume, array_affine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.io.choice import Choice

#: Channels of a volume, as many as sessions store.
MOST_CHANNELS: Final = 64
_COLOURS: Final = ("red", "green", "blue")


def split(data: Any, axes: str, transparency: Sequence[int] = ()) -> list[Any]:
    """Split the axis of samples (S) or of channels (C), if any, without copying.

    Parameters
    ----------
    data : array or LazyImage
    axes : str
        A letter for each axis.
    transparency : sequence of int
        Samples that say how transparent a pixel is; they are left out.
    """
    if "S" in axes and data.shape[axes.index("S")] > 1:
        along = axes.index("S")
        kept = [i for i in range(data.shape[along]) if i not in transparency]
        return [at(data, along, i) for i in kept]
    if "C" in axes:
        along = axes.index("C")
        return [at(data, along, i) for i in range(data.shape[along])]
    return [data]


def at(data: Any, axis: int, position: int) -> Any:
    """Give the part of an array at a position along an axis, without copying."""
    return data[(slice(None),) * axis + (position,)]


def volume_of(
    path: Path,
    file_format: str,
    name: str,
    channels: Sequence[NDArray[Any]],
    spacing: NDArray[np.float64],
    *,
    names: Sequence[str] = (),
    unit: Literal["mm", "pixel"] = "mm",
    choice: Choice = EVERYTHING,
    affine: NDArray[np.float64] | None = None,
) -> Volume:
    """Make a volume of channels (z, y, x) from a file that knows no place in a body.

    Parameters
    ----------
    path, file_format, name, channels
        As of `Source` and `Volume`.
    spacing : (3,) float
        In mm, or in no unit where `unit` is ``pixel``.
    names : sequence of str
        Of the channels; colours or numbers where there are none.
    unit : {"mm", "pixel"}
    choice : Choice
        What was chosen of the file.
    affine : (4, 4) float, optional
        In place of the spacing.
    """
    return Volume(
        name,
        tuple(channels),
        array_affine(spacing) if affine is None else affine,
        channels=tuple(names) or channel_names(len(channels)),
        source=Source(path.absolute(), file_format, part=choice.part, unit=unit),
        kind="stack" if len(channels[0]) == 1 else "volume",
    )


def channel_names(count: int) -> tuple[str, ...]:
    """Name channels of which nothing is said: three are colours."""
    if count == 1:
        return ("image",)
    if count == len(_COLOURS):
        return _COLOURS
    return tuple(f"channel {i}" for i in range(count))
