"""What step Review says about sure and unsure proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.io.plural import plural
from napari_contrastseg.session.first_thresholds import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from napari_contrastseg.session.ink_edits import Changed
    from napari_contrastseg.session.review import Layer
    from napari_contrastseg.session.session import Session


def sure_words(session: Session, shown: Layer | None, *, proposed: bool = True) -> str:
    """Say what the colours of a proposal mean, and from which confidence on, and why.

    Empty where nothing is proposed; `proposed` says whether the shown volume has any.
    """
    if not any(record.proposal for record in session.records.values()):
        return ""
    if shown is None and not proposed:
        return "Nothing is proposed for this volume yet."
    if shown is None:
        return "The proposal is hidden, so nothing can be accepted."
    if shown == "pseudo":
        return "Filled is sure, blue is surely background, and the rest is hidden."
    low = {
        session.class_name(i): value
        for i, value in session.all_thresholds().items()
        if value == session.first_thresholds.get(i) and i not in session.thresholds
    }
    if not low:
        return "Filled is sure, only outlined is unsure."
    names = ", ".join(f"{name} from {value:.2f}" for name, value in low.items())
    return (
        f"Filled is sure ({names}, as little reaches {DEFAULT_THRESHOLD:.2f}), only "
        "outlined is unsure."
    )


def accepted_words(index: int, changed: Changed, shown: Layer) -> str:
    """Say what accepting a slice did; the beginning is all that a notice shows."""
    count = plural(changed.voxels, "voxel")
    if shown == "pseudo":
        return f"Slice {index}: {count} accepted, not done."
    if changed.voxels:
        return f"Slice {index} is done: {count} accepted."
    return f"Slice {index} is done: the rest is background."
