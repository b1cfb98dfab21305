"""Places of a scan's slices: in order, doubled, missing, uneven, or tilted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Of the usual distance of slices: what their places may be off, from rounding.
_OFF: Final = 0.1
#: Of that distance: slices nearer than this lie at one place.
_SAME: Final = 0.01
#: Distances that a message names.
_NAMED: Final = 4
#: Tilt in degrees that is none; as `volume.MAX_SHEAR_COSINE`.
_TILT: Final = 0.57


def groups_at_one_place(distances: NDArray[np.float64]) -> list[list[int]]:
    """Group slices by their distance along the normal, in order.

    Parameters
    ----------
    distances : (n,) float, mm
    """
    order = np.argsort(distances, kind="stable")
    steps = np.diff(distances[order])
    apart = steps[steps > 1e-4]  # noqa: PLR2004  mm; nothing is scanned finer
    least = _SAME * float(np.median(apart)) if apart.size else np.inf
    groups = [[int(order[0])]]
    for step, index in zip(steps, order[1:], strict=True):
        if step > max(least, 1e-4):
            groups.append([])
        groups[-1].append(int(index))
    return groups


def what_is_uneven(
    origins: NDArray[np.float64], normal: NDArray[np.float64]
) -> str | None:
    """Say in words how slices deviate from an even, upright stack; None if not at all.

    Parameters
    ----------
    origins : (n, 3) float, mm
        First pixel of each slice, in order along the normal.
    normal : (3,) float, unit
    """
    if len(origins) == 1:
        return None
    said = []
    along = origins[-1] - origins[0]
    tilt = np.degrees(np.arccos(min(abs(along @ normal) / np.linalg.norm(along), 1.0)))
    if tilt > _TILT:
        said.append(f"its slices are tilted by {tilt:.1f} degrees (gantry tilt)")
    gaps = np.diff((origins - origins[0]) @ normal)
    usual = float(np.median(gaps))
    even = origins[0] + np.outer(np.linspace(0, 1, len(origins)), along)
    if np.linalg.norm(origins - even, axis=1).max() > _OFF * usual:
        said.append(_uneven(gaps, usual))
    return " and ".join(said) or None


def _uneven(gaps: NDArray[np.float64], usual: float) -> str:
    many = gaps / usual
    wide = np.flatnonzero(many > 1 + _OFF)
    whole = np.abs(many - many.round()).max() <= _OFF
    if whole and 0 < len(wide) <= len(gaps) // 4:
        first, missing = int(wide[0]), int((many[wide].round() - 1).sum())
        return (
            f"{missing} of its slices are missing (the first after slice {first}, "
            f"where {gaps[first]:.4g} mm lie between slices; usually {usual:.4g} do)"
        )
    said = sorted({f"{gap:.3g}" for gap in gaps}, key=float)
    between = f"{said[0]} to {said[-1]}"
    if len(said) <= _NAMED:
        between = " or ".join(filter(None, (", ".join(said[:-1]), said[-1])))
    return f"its slices are unevenly spaced, {between} mm apart"


def usual_least(gaps: NDArray[np.float64]) -> float:
    """Give the smallest distance of slices that comes more than once.

    Parameters
    ----------
    gaps : (n,) float, mm
    """
    close = np.abs(gaps[:, None] - gaps) <= _OFF * gaps[:, None]
    often = gaps[close.sum(axis=1) > 1]
    return float((often if often.size else gaps).min())


def on_one_line(origins: NDArray[np.float64], size: float) -> bool:
    """Whether slices can be resampled: their origins lie along one line.

    Parameters
    ----------
    origins : (n, 3) float, mm
    size : float, mm
        Of a pixel; half of it is near enough.
    """
    along = origins[-1] - origins[0]
    along = along / np.linalg.norm(along)
    apart = origins - origins[0]
    across = apart - np.outer(apart @ along, along)
    return bool(np.linalg.norm(across, axis=1).max() <= size / 2)
