"""What step Review says about sure and unsure proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.session.first_thresholds import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


def sure_words(session: Session) -> str:
    """Say what is filled and what has an outline alone, and where that begins and why.

    Empty where nothing is proposed.
    """
    if not any(record.proposal for record in session.records.values()):
        return ""
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
