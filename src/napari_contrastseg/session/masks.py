"""Take an existing mask as ink: its classes and its voxels, as one action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.going_on import step_of
from napari_contrastseg.session.mask_ink import write_ink
from napari_contrastseg.session.mask_values import KnownClasses, as_truth
from napari_contrastseg.session.written_mask import WrittenMask, settle_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.session.mask_values import MaskValue
    from napari_contrastseg.session.session import Session


def known_classes(session: Session) -> KnownClasses:
    """Give the session's classes as a mask is examined with them."""
    spoken_of = session.numbers_spoken_of
    unused = frozenset(
        c.id
        for c in session.classes
        if c.name == f"class {c.id}"
        and c.id not in spoken_of
        and not c.locked
        and c.original is None
        and not any(r.painted(c.id) for r in session.all_records.values())
    )
    gone = spoken_of - {c.id for c in session.classes}
    return KnownClasses(session.classes, unused, gone)


def take_mask(
    session: Session,
    volume_id: str,
    labels: NDArray[Any],
    values: Sequence[MaskValue],
    *,
    done: Literal["all", "labelled"],
    known: NDArray[np.bool_] | None = None,
) -> None:
    """Take a mask on the volume's grid as ink, each value as what was decided.

    Parameters
    ----------
    session, volume_id
    labels : array of int
    values : sequence of MaskValue
    done : {"all", "labelled"}
        As of `take_ink`.
    known : array of bool, optional
        Where the mask holds a value.

    Raises
    ------
    InputError
        All slices are locked, or the classes are others by now; nothing has changed.
    """
    written = write_mask(session, volume_id, labels, values, done=done, known=known)
    settle_mask(session, written)


def write_mask(
    session: Session,
    volume_id: str,
    labels: NDArray[Any],
    values: Sequence[MaskValue],
    *,
    done: Literal["all", "labelled"],
    known: NDArray[np.bool_] | None = None,
) -> WrittenMask:
    """Write a mask as `take_mask`, so that a thread may do it: nobody hears of it.

    The session is held until `settle_mask`, or `unwrite_mask`.
    """
    record = session.records[volume_id]
    if record.locked.all():
        raise InputError(f"{volume_id}: all its slices are locked; unlock some first.")
    with step_of(0, 2):
        truth = as_truth(labels, values, known)
    entries = (one.becomes.entry for one in values)
    new = {e.id: e for e in entries if e is not None and e not in session.classes}
    with step_of(1, 2):
        edits = write_ink(session, volume_id, truth, done=done, coming=new)
    record.refresh(session.all_thresholds())
    return WrittenMask("take mask", volume_id, tuple(new.values()), tuple(edits))
