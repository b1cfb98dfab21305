"""What JSON holds of a volume: id, channels, affine, source, shape; no arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from napari_contrastseg.io.volume import Source, VolumeKind  # noqa: TC001  for pydantic

if TYPE_CHECKING:
    from napari_contrastseg.io.volume import Volume

#: Channels of a volume.
MOST: Final = 64


@dataclass(frozen=True)
class StoredVolume:
    """A volume of the session.

    Attributes
    ----------
    images : tuple of str
        Folder of each channel under ``images``.
    work : str
        Folder of its ink, origin, status, rejections and locks, under the session;
        ``""`` while there is none.
    axis : int or None
        Its slice axis; None in journals of before each volume had its own.
    closed : bool
        Whether it is a case that was closed.
    """

    id: str
    channels: tuple[str, ...]
    images: tuple[str, ...]
    affine: tuple[tuple[float, ...], ...]
    kind: VolumeKind
    source: Source
    shape: tuple[int, int, int]
    work: str = ""
    axis: int | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        if self.axis not in (None, 0, 1, 2):
            raise ValueError("an axis is 0, 1 or 2")
        rows = {len(row) for row in self.affine}
        if len(self.affine) != 4 or rows != {4}:  # noqa: PLR2004
            raise ValueError("an affine has four rows and columns")
        if min(self.shape) < 1 or len(self.images) != len(self.channels):
            raise ValueError("a volume has voxels, and an image for each channel")
        if len(set(self.images)) != len(self.images) > 0 or len(self.images) > MOST:
            raise ValueError("a volume's images differ")
        turned = self.source.orientation
        if turned is not None and (
            sorted(axis for axis, _ in turned) != [0, 1, 2]
            or any(flip not in (-1, 1) for _, flip in turned)
        ):
            raise ValueError("an orientation names each axis once")


def describe(
    volume: Volume, images: tuple[str, ...], work: str = "", *, closed: bool = False
) -> StoredVolume:
    """Describe a volume without its arrays."""
    rows = tuple(tuple(float(x) for x in row) for row in volume.affine)
    return StoredVolume(
        volume.id,
        volume.channels,
        images,
        rows,
        volume.kind,
        _writable(volume.source),
        volume.shape,
        work,
        volume.axis,
        closed,
    )


def _writable(source: Source) -> Source:
    """Leave out a path that is no text: JSON cannot hold it."""
    try:
        str(source.path).encode()
    except UnicodeEncodeError:
        return replace(source, path=None)
    return source
