"""Images of closed cases: read from the session's folder, else from where they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.cohort import read_case
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.read_again import read_when_asked
from napari_contrastseg.session.storage.zarr_array import read_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.io.cohort import Cohort
    from napari_contrastseg.io.read_again import ReadAgain
    from napari_contrastseg.session.volume_record import VolumeRecord


def read_later(
    record: VolumeRecord,
    cohort: Callable[[], Cohort | None],
    folder: Callable[[], Path | None],
) -> tuple[ReadAgain, ...]:
    """Give the channels of a volume that is about to be closed, to be read later.

    Parameters
    ----------
    record : VolumeRecord
    cohort : callable
        Gives the list that its case is in at that time: its folder may be moved.
    folder : callable
        Gives the session's folder at that time, if there is one.
    """
    volume, stored = record.volume, record.stored
    name, shape, source = volume.id, volume.shape, volume.source

    def read() -> Sequence[NDArray[Any]]:
        place = folder()
        try:
            if place is not None:
                return [read_array(place / "images" / key, shape) for key in stored]
        except InputError:
            pass  # it was not written yet
        listed = cohort()
        case = listed.case(name) if listed is not None else None
        assert listed is not None
        assert case is not None, "it has labels, so no list without it is taken"
        again = read_case(listed, case, Choice(source.part, source.upright))
        if again.shape != shape or len(again.data) != len(stored):
            raise InputError(
                f"{case.images[0]}: is another image by now; put back the one that "
                f"{name} was labelled on."
            )
        return again.data

    return read_when_asked(read, shape, [channel.dtype for channel in volume.data])
