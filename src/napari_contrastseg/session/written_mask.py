"""A mask that a thread has written into the ink, before it is a step of the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_contrastseg.session.classes import AnnotationClass
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.undo import Edit


@dataclass(frozen=True, eq=False)
class WrittenMask:
    """A mask that is in the ink already, but not in the history.

    The session is held until `settle_mask`, or `unwrite_mask`.

    Attributes
    ----------
    label : str
        Name of the action that it will be.
    volume_id : str
    classes : tuple of AnnotationClass
        Those that the session has not yet.
    edits : tuple of Edit
    """

    label: str
    volume_id: str
    classes: tuple[AnnotationClass, ...]
    edits: tuple[Edit, ...]


def settle_mask(session: Session, written: WrittenMask) -> None:
    """Make a mask that was written an action of the history.

    Raises
    ------
    InputError
        The classes are others by now; nothing has changed.
    """
    try:
        with session.action(written.label) as edits:
            session.add_classes(written.classes)
            edits.extend(written.edits)
    except BaseException:
        unwrite_mask(session, written)
        raise
    session.say_derived(written.volume_id)


def unwrite_mask(session: Session, written: WrittenMask) -> None:
    """Take a mask back that was written and not settled."""
    session.take_back(written.edits)
