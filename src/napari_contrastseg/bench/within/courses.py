"""Courses of annotators put together: minutes to levels of Dice, rounds compared."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.within.plain import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Dice of a whole volume to which minutes are counted.
LEVELS: Final = (0.85, 0.9, 0.95)
MINUTE: Final = 60.0
#: Dice that a round may lose in a single volume and still count as none the worse.
ALLOWED: Final = 0.01


def minutes_to(level: float, points: Sequence[Mapping[str, Any]]) -> float | None:
    """Annotator minutes until the whole volume has this Dice; None where it never has.

    A Dice that falls below it again later does not count.
    """
    reached = None
    for point in reversed(points):
        if point["dice"] < level:
            break
        reached = point["annotator_seconds"]
    return None if reached is None else round(reached / MINUTE, 3)


def summarise(cells: Sequence[Mapping[str, Any]], recipe: str) -> dict[str, Any]:
    """Put cells together.

    Returns
    -------
    dict
        ``levels``: mean minutes to each Dice, the rival's beside (each volume's quicker
        one of the plain ways) and their ratio, over the volumes where both get there;
        ``points``: means over the volumes after each round; ``rounds``: what rounds
        gained over the one before.
    """
    ours = {c["case"]: c for c in cells if c["method"] == recipe}
    plain = [c for c in cells if c["method"] in PLAIN]
    return {
        "levels": {f"{level:g}": _level(f"{level:g}", ours, plain) for level in LEVELS},
        "points": _points(ours),
        "rounds": rounds_compared({name: c["rounds"] for name, c in ours.items()}),
    }


def _level(
    level: str,
    ours: Mapping[str, Mapping[str, Any]],
    plain: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    rival: dict[str, float] = {}
    for cell in plain:
        minutes = cell["minutes_to"][level]
        if minutes is not None:
            case = cell["case"]
            rival[case] = min(minutes, rival.get(case, minutes))
    own = {name: cell["minutes_to"][level] for name, cell in ours.items()}
    both = [n for n, minutes in own.items() if minutes is not None and n in rival]
    mine = float(np.mean([own[n] for n in both])) if both else None
    theirs = float(np.mean([rival[n] for n in both])) if both else None
    return {
        "minutes": mine and round(mine, 3),
        "rival_minutes": theirs and round(theirs, 3),
        "ratio": round(mine / theirs, 4) if mine and theirs else None,
        "cases": len(both),
        "not_reached": sorted(n for n, minutes in own.items() if minutes is None),
        "rival_not_reached": sorted(set(ours) - set(rival)),
    }


def _points(ours: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Means over the volumes after each round."""
    every = [cell["rounds"] for cell in ours.values()]
    found = []
    for number in range(max(map(len, every), default=0)):
        there = [rounds[number] for rounds in every if len(rounds) > number]

        def mean(key: str, rows: Sequence[Mapping[str, Any]] = there) -> float:
            return round(float(np.mean([row[key] for row in rows])), 4)

        found.append(
            {
                "slices": there[0]["settled"],
                "mean_dice": mean("dice"),
                "dice_before": mean("dice_before"),
                "seconds": mean("final_s"),
                "annotator_seconds": mean("annotator_seconds"),
                "dice_estimate_r": None,
                "cases": len(there),
            }
        )
    return found


def rounds_compared(
    rounds: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """Hold each round against the one before, by Dice of the whole volume.

    Returns
    -------
    dict
        ``gains``: mean gain of round 2, 3, ... over the volumes that have both;
        ``open_gains``: the same on the slices that were open at the later one alone;
        ``gains_over_shown``: mean gain of round 1, 2, ... over what was shown before;
        ``any_mean_fell``; ``worst``: the volume, round and gain of the smallest gain;
        ``fell``: volumes where a round lost more than `ALLOWED`.
    """
    gains: dict[int, list[float]] = {}
    alone: dict[int, list[float]] = {}
    shown: dict[int, list[float]] = {}
    worst: dict[str, Any] | None = None
    fell = set()
    for name, rows in rounds.items():
        for number, row in enumerate(rows, start=1):
            shown.setdefault(number, []).append(row["dice"] - row["dice_before"])
        for number, (before, after) in enumerate(pairwise(rows), start=2):
            gain = after["dice"] - before["dice"]
            gains.setdefault(number, []).append(gain)
            if None not in (after["open_before"], after["open_dice"]):
                alone.setdefault(number, []).append(
                    after["open_dice"] - after["open_before"]
                )
            if gain < -ALLOWED:
                fell.add(name)
            if worst is None or gain < worst["gain"]:
                worst = {"case": name, "round": number, "gain": round(gain, 5)}
    means = _means(gains)
    return {
        "gains": means,
        "open_gains": _means(alone),
        "gains_over_shown": _means(shown),
        "any_mean_fell": any(gain < 0 for gain in means.values()),
        "worst": worst,
        "fell": sorted(fell),
    }


def _means(values: Mapping[int, Sequence[float]]) -> dict[str, float]:
    return {str(n): round(float(np.mean(v)), 5) for n, v in sorted(values.items())}
