"""Cells of `bench within` put together: means, error beside linear's, more labels."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.within.plain import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    #: Dice by method, number of slices and case.
    Table = dict[str, dict[int, dict[str, float]]]

#: Dice that more labels may cost in the mean and still count as no loss.
ALLOWED: Final = 0.005


def summarise(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put cells together.

    Returns
    -------
    dict
        ``summary``, mean Dice, ``cases``, how many, ``error_to_linear``, the mean error
        (1 - Dice) as a part of that of linear interpolation on the same cases,
        ``first_s`` and ``final_s``, mean seconds: all by method and number of slices;
        ``best_plain``, the higher mean of the plain ways by number of slices;
        ``monotone``, by method.
    """
    table: Table = {}
    for cell in cells:
        if cell["dice"] is not None:
            counts = table.setdefault(cell["method"], {})
            counts.setdefault(cell["slices"], {})[cell["case"]] = cell["dice"]
    return {
        "summary": _each(table, lambda _, __, cases: _mean(cases)),
        "cases": _each(table, lambda _, __, cases: len(cases)),
        "error_to_linear": _each(
            table,
            lambda _, count, cases: error_beside(
                cases, table.get("linear", {}).get(count, {})
            ),
        ),
        "first_s": _seconds(cells, "first_s"),
        "final_s": _seconds(cells, "final_s"),
        "best_plain": best_plain(table),
        "monotone": {m: is_monotone(counts) for m, counts in table.items()},
    }


def error_beside(dice: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Mean error as a part of another method's, on the cases that both have."""
    both = [case for case in dice if case in other]
    left = sum(1 - other[case] for case in both)
    if not left:
        return None
    return round(sum(1 - dice[case] for case in both) / left, 4)


def best_plain(table: Table) -> dict[str, float]:
    """Find the best mean Dice of the plain ways, by number of slices."""
    found: dict[str, float] = {}
    for way in PLAIN:
        for count, cases in sorted(table.get(way, {}).items()):
            found[str(count)] = max(_mean(cases), found.get(str(count), 0.0))
    return found


def is_monotone(counts: Mapping[int, Mapping[str, float]]) -> bool:
    """Whether more slices never cost more than `ALLOWED` in the mean.

    Means are over the cases that both numbers of slices have.
    """
    for fewer, more in combinations(sorted(counts), 2):
        both = counts[fewer].keys() & counts[more].keys()
        gains = [counts[more][case] - counts[fewer][case] for case in both]
        if gains and np.mean(gains) < -ALLOWED - 1e-9:
            return False
    return True


def table(summary: Mapping[str, Any]) -> str:
    """Write the means for people: a line a method, a column a number of slices."""
    means = summary["summary"]
    counts = sorted({int(n) for row in means.values() for n in row})
    width = max(6, *(len(method) for method in means)) if means else 6
    lines = ["  ".join(["slices".ljust(width), *(f"{n:>15}" for n in counts)])]
    for method, row in means.items():
        fields = []
        for count in (str(n) for n in counts):
            if count not in row:
                fields.append(f"{'-':>15}")
                continue
            seconds = summary["final_s"][method][count]
            fields.append(f"{row[count]:.3f} {seconds:>7.1f} s".rjust(15))
        lines.append("  ".join([method.ljust(width), *fields]))
    return "\n".join(lines)


def _each(table: Table, figure: Any) -> dict[str, dict[str, Any]]:
    return {
        method: {
            str(count): figure(method, count, cases)
            for count, cases in sorted(counts.items())
        }
        for method, counts in table.items()
    }


def _mean(cases: Mapping[str, float]) -> float:
    return round(float(np.mean(list(cases.values()))), 5)


def _seconds(
    cells: Sequence[Mapping[str, Any]], key: str
) -> dict[str, dict[str, float]]:
    groups: dict[str, dict[str, list[float]]] = {}
    for cell in cells:
        counts = groups.setdefault(cell["method"], {})
        counts.setdefault(str(cell["slices"]), []).append(cell[key])
    return {
        method: {n: round(float(np.mean(v)), 3) for n, v in counts.items()}
        for method, counts in groups.items()
    }
