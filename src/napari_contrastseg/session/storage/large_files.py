"""Images, rounds and weights of a session folder: written once, read back.

::

    SESSION/images/<key>           image data, one array a channel
    SESSION/rounds/<key>/...       model and proposals of a round
    SESSION/predicted/<key>/...    proposals of a round for cases that were not open
    SESSION/weights/<key>/...      weights newer than the current round's
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.geometry import same_place
from napari_contrastseg.io.images import same_image_again
from napari_contrastseg.io.read_again import ReadAgain, read_when_asked
from napari_contrastseg.io.scratch import need_room
from napari_contrastseg.io.volume import BY_SPACING, Volume
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.rounds import Round, RoundInfo
from napari_contrastseg.session.storage.zarr_array import (
    dtype_of,
    read_array,
    refuse_links,
    write_array,
    write_once,
)
from napari_contrastseg.session.volume_record import VOXEL_BYTES, Proposal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.stored_volume import StoredVolume

PREDICTED: Final = "predicted"
_PROPOSAL: Final = {"prediction": np.uint8, "confidence": np.float16}


class LargeFileWriter:
    """Writes what is not there yet, whole or not at all, yielding now and then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_images(self, volume: Volume, names: tuple[str, ...]) -> Iterator[None]:
        """Write a volume's channels; none of an image that could not be read."""
        if is_missing(volume):
            return
        for name, data in zip(names, volume.data, strict=True):
            place = self.folder / "images" / name
            yield from write_once(place, partial(write_array, array=data))

    def write_round(self, finished: Round) -> Iterator[None]:
        """Write a round's model and proposals."""
        place = self.folder / "rounds" / finished.info.key
        yield from write_once(place, partial(_write_round, finished))

    def write_proposal(
        self, round_key: str, volume_id: str, proposal: Proposal
    ) -> Iterator[None]:
        """Write a round's proposal of a case that is not open."""
        place = self.folder / PREDICTED / round_key / _folder_name(volume_id)
        yield from write_once(place, partial(_write_proposal, proposal))

    def write_weights(self, key: str, model: Model) -> Iterator[None]:
        """Write weights that are newer than a round's."""

        def write(place: Path) -> Iterator[None]:
            from napari_contrastseg.learning.models.model import save_model  # noqa: PLC0415

            save_model(place, model)
            yield

        place = self.folder / "weights" / key
        if "/" in key:  # format 1 kept them in its states
            place = self.folder / key
        yield from write_once(place, write)


def _write_round(finished: Round, place: Path) -> Iterator[None]:
    from napari_contrastseg.learning.models.model import save_model  # noqa: PLC0415

    save_model(place / "model", finished.model)
    for volume_id, proposal in finished.proposals.items():
        yield from _write_proposal(proposal, place / _folder_name(volume_id))


def _write_proposal(proposal: Proposal, place: Path) -> Iterator[None]:
    for name in _PROPOSAL:
        yield from write_array(place / name, getattr(proposal, name))


class LargeFileReader:
    """Reads what `LargeFileWriter` wrote, or notes why it is not there.

    Parameters
    ----------
    folder : Path
        Of the session.
    session : Session
        Its volumes say which proposals a round has.
    sparse : bool
        Format 1 left out chunks of zeros.
    notes : list of str
        What could not be read is added here, a sentence each.
    """

    def __init__(
        self, folder: Path, session: Session, notes: list[str], *, sparse: bool
    ) -> None:
        self.folder = folder
        self._session = session
        self._notes = notes
        self._sparse = sparse

    def read(
        self,
        place: Path,
        shape: tuple[int, ...],
        dtype: type[Any] | None = None,
        into: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Read an array of the session's format, as `read_array`."""
        return read_array(place, shape, dtype, sparse=self._sparse, into=into)

    def read_volume(self, stored: StoredVolume) -> Volume:
        """Read a volume's image, from its source or not at all where it must be.

        That of a case of the cohort is read when somebody asks for it.

        Raises
        ------
        InputError
            There is no memory for its labels, or its images lie outside the folder.
        """
        need_room(stored.id, math.prod(stored.shape) * VOXEL_BYTES)
        images = self.folder / "images"
        places = [path_inside(images, name) for name in stored.images]
        try:
            data = self._channels(stored, places)
        except InputError as error:
            again = self._from_source(stored)
            if again is not None:
                return again
            self._notes.append(_without_image(stored.id, error))
            data = (MissingImage.of(stored.shape),) * len(stored.images)
        affine = np.asarray(stored.affine, dtype=np.float64)
        about = (stored.channels, stored.source, stored.kind)
        axis = BY_SPACING if stored.axis is None else stored.axis
        return Volume(stored.id, data, affine, *about, axis)

    def _channels(
        self, stored: StoredVolume, places: Sequence[Path]
    ) -> tuple[NDArray[Any], ...] | tuple[ReadAgain, ...]:
        def read() -> tuple[NDArray[Any], ...]:
            return tuple(self.read(place, stored.shape) for place in places)

        if stored.id not in self._session.case_ids:
            return read()
        dtypes = [dtype_of(place, stored.shape) for place in places]
        return read_when_asked(read, stored.shape, dtypes)

    def in_memory(self, volume: Volume) -> Volume:
        """Read the image of a volume now, where that was put off."""
        if not any(isinstance(channel, ReadAgain) for channel in volume.data):
            return volume
        try:
            data = tuple(np.asarray(channel) for channel in volume.data)
        except InputError as error:
            self._notes.append(_without_image(volume.id, error))
            data = (MissingImage.of(volume.shape),) * len(volume.data)
        return replace(volume, data=data)

    def _from_source(self, stored: StoredVolume) -> Volume | None:
        """Read an image that was not stored in time from where it came."""
        path = stored.source.path
        if path is None or not path.exists():
            return None
        try:
            again = same_image_again(stored.source, stored.id)
        except InputError:
            return None
        affine = np.asarray(stored.affine, dtype=np.float64)
        nothing = (MissingImage.of(stored.shape),)
        was = Volume(stored.id, nothing, affine, ("",), stored.source)
        again = in_order_of(again, was)
        if again.shape != stored.shape or len(again.data) != len(stored.images):
            return None
        if again.anatomical and not same_place(stored.shape, affine, again.affine):
            return None  # another image by now
        self._notes.append(f"{stored.id}: its image is read from {path} again.")
        again = replace(again, kind=stored.kind)
        return again if stored.axis is None else replace(again, axis=stored.axis)

    def read_round(self, info: RoundInfo) -> Round | None:
        """Read a round; None where it was not stored in time."""
        from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

        place = path_inside(self.folder / "rounds", info.key)
        try:
            refuse_links(place)
            proposals = {}
            for name, record in self._session.records.items():
                found = self.read_proposal(info, name, record.volume.shape)
                if found is not None:
                    proposals[name] = found
            return Round(info, load_model(place / "model"), Proposals(proposals))
        except InputError as error:
            self._notes.append(
                f"Round {info.number} cannot be read ({error}) It comes back when its "
                "files do."
            )
            return None

    def read_proposal(
        self, info: RoundInfo, volume_id: str, shape: tuple[int, ...]
    ) -> Proposal | None:
        """Read what a round proposes of one volume; None where it says nothing.

        Raises
        ------
        InputError
            It is damaged.
        """
        folders = [
            path_inside(self.folder / n, info.key) for n in ("rounds", PREDICTED)
        ]
        places = [folder / _folder_name(volume_id) for folder in folders]
        place = next((place for place in places if place.is_dir()), None)
        if place is None:
            return None
        refuse_links(place)
        arrays = {
            key: self.read(place / key, shape, dtype)
            for key, dtype in _PROPOSAL.items()
        }
        return Proposal(info.number, **arrays, source=info.source_of(volume_id))

    def read_weights(self, key: str) -> Model | None:
        """Read weights newer than a round's; None where they cannot be read."""
        from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415

        place = path_inside(self.folder / "weights", key)
        if "/" in key:  # format 1 kept them in its state
            place = path_inside(self.folder, key)
        try:
            refuse_links(place)
            return load_model(place)
        except InputError as error:
            self._notes.append(
                f"The newest weights cannot be read ({error}) Training goes on from "
                "the current round's."
            )
            return None


def _without_image(volume_id: str, error: InputError) -> str:
    return (
        f"{volume_id}: its labels are here, but not its image ({error}) It is shown "
        "black; what you label is saved."
    )


def path_inside(folder: Path, name: str) -> Path:
    """Make a path inside a folder; a name from the session file may lead anywhere.

    Raises
    ------
    InputError
        It leads out of the folder, or over a link.
    """
    parts = Path(name).parts
    if (
        "\0" in name
        or not parts
        or Path(name).is_absolute()
        or ".." in parts
        or "\\" in name
    ):
        raise InputError(f"{folder}: the session names a place outside its folder.")
    place = folder
    for part in parts:
        place /= part
        if place.is_symlink():
            raise InputError(f"{place}: is a link; sessions and models hold none.")
    return place


def _folder_name(volume_id: str) -> str:
    """Make a folder name that no two ids share, whatever they hold."""
    return "volume-" + hashlib.blake2b(volume_id.encode(), digest_size=12).hexdigest()


class MissingImage(np.ndarray[Any, np.dtype[np.uint8]]):
    """Zeros in place of an image that could not be read; it is never stored."""

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Self:
        """Make one that takes no memory."""
        return np.broadcast_to(np.zeros(1, np.uint8), shape).view(cls)


def is_missing(volume: Volume) -> bool:
    """Whether a volume is black because its image could not be read."""
    return isinstance(volume.data[0], MissingImage)


def need_images(volumes: Iterable[Volume]) -> None:
    """Refuse volumes that are black because their image could not be read.

    Raises
    ------
    InputError
        Naming the first.
    """
    for volume in volumes:
        if is_missing(volume):
            raise InputError(
                f"{volume.id}: its image could not be read with the session, so there "
                "is none to export; put it back where it was and open the session "
                "again."
            )
