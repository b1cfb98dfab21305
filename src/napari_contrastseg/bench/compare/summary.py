"""Cells of `bench methods` put together: means, paired differences, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.compare.published import published, rows_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

METRICS: Final = (
    "mean_dice",
    "pooled_dice",
    "hu_pooled_dice",
    "hd95_mm",
    "assd_mm",
    "seconds",
    "peak_mb",
)
#: Measured later than the others: cells may lack them, and the table has no column.
MORE_METRICS: Final = ("hd_mm", "hd95", "assd", "hd", "mean_iou", "mean_mae", "aupr")
#: How they are written in the table, where not as a Dice; mm may be of any order.
FORMATS: Final = {
    "hd95_mm": ".3g",
    "assd_mm": ".3g",
    "seconds": ".0f",
    "peak_mb": ".0f",
}
#: What every recipe is held against.
BASELINE: Final = "supervised"
DRAWS: Final = 10_000
#: Percentiles of a 95 % interval.
INTERVAL: Final = (2.5, 97.5)


def summarise(
    cells: Sequence[dict[str, Any]], dataset: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """Put cells together: fraction, then recipe, then figures over folds and seeds.

    Controls are left out: `bench.compare.orders` holds recipes against them.
    """
    groups: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for cell in cells:
        if not cell.get("control"):
            groups.setdefault((cell["fraction"], cell["recipe"]), []).append(cell)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (fraction, recipe), group in groups.items():
        labelled = sorted({cell["labelled_cases"] for cell in group})
        row: dict[str, Any] = {
            "folds": sorted({cell["fold"] for cell in group}),
            "seeds": sorted({cell.get("seed", 0) for cell in group}),
            "labelled_cases": labelled,
            "labelled_slices": sorted({cell["labelled_slices"] for cell in group}),
            **{metric: _over_folds(group, metric) for metric in METRICS},
        }
        more = [m for m in MORE_METRICS if any(m in cell for cell in group)]
        row |= {metric: _over_folds(group, metric) for metric in more}
        baseline = groups.get((fraction, BASELINE), [])
        if recipe != BASELINE and baseline:
            row["difference"] = difference(group, baseline)
        row["published"] = [
            entry
            for n in labelled
            for entry in published(dataset, n, recipe, group[0].get("preset", "sound"))
        ]
        found.setdefault(f"{fraction:g}", {})[recipe] = row
    return found


def _over_folds(
    group: Sequence[dict[str, Any]], metric: str
) -> dict[str, float | None]:
    """Mean and standard deviation over the cells that have a value."""
    found = (cell.get(metric) for cell in group)
    values = [value for value in found if value is not None]
    return {
        "mean": float(np.mean(values)) if values else None,
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def difference(
    group: Sequence[dict[str, Any]],
    baseline: Sequence[dict[str, Any]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Paired difference of the Dice of each test case, with a 95 % interval.

    A case's difference is the mean over the seeds that both have. A bootstrap clustered
    by fold: folds are drawn with replacement, then test cases within each; with one
    fold, cases alone. None where no fold and seed has both; one case alone has no
    interval.
    """
    theirs = {_run_of(cell): cell["test_cases"] for cell in baseline}
    by_fold: dict[int, dict[str, list[float]]] = {}
    seeds: dict[int, set[int]] = {}
    for cell in group:
        other = theirs.get(_run_of(cell), {})
        for name, dice in cell["test_cases"].items():
            if name in other:
                pairs = by_fold.setdefault(cell["fold"], {})
                pairs.setdefault(name, []).append(dice - other[name])
                seeds.setdefault(cell["fold"], set()).add(_run_of(cell)[1])
    if not by_fold:
        return None
    clusters = [
        np.asarray([np.mean(values) for values in pairs.values()])
        for pairs in by_fold.values()
    ]
    every = np.concatenate(clusters)
    interval = None
    if len(every) > 1:
        low, high = np.percentile(_bootstrap(clusters, draws, seed), INTERVAL)
        interval = [round(float(low), 5), round(float(high), 5)]
    return {
        "mean": round(float(every.mean()), 5),
        "interval": interval,
        "cases": len(every),
        "folds": len(clusters),
        "seeds": min(len(found) for found in seeds.values()),
    }


def _run_of(cell: dict[str, Any]) -> tuple[int, int]:
    """Fold and seed of a cell."""
    return cell["fold"], cell.get("seed", 0)


def _bootstrap(
    clusters: Sequence[NDArray[np.float64]], draws: int, seed: int
) -> NDArray[np.float64]:
    """Means of resampled clusters, (draws,)."""
    rng = np.random.default_rng(seed)
    count, sizes = len(clusters), {len(cluster) for cluster in clusters}
    if len(sizes) == 1:  # all at once; the numbers are drawn as below
        size = sizes.pop()
        below = np.repeat([count, size], [count, count * size])
        drawn = rng.integers(0, np.broadcast_to(below, (draws, len(below))))
        picks, cases = np.split(drawn, [count], axis=1)
        found = np.stack(clusters)[picks[..., None], cases.reshape(draws, count, size)]
        return np.asarray(found.reshape(draws, -1).mean(axis=1))
    means = np.empty(draws)
    for draw in range(draws):
        picked = [clusters[i] for i in rng.integers(0, count, count)]
        parts = [p[rng.integers(0, len(p), len(p))] for p in picked]
        means[draw] = np.concatenate(parts).mean()
    return means


def table(
    summary: dict[str, dict[str, dict[str, Any]]], dataset: str, about: str
) -> str:
    """Write the summary as Markdown."""
    lines = [
        f"# {dataset}",
        "",
        about,
        "",
        "Mean (standard deviation over folds and seeds). Difference: paired Dice of "
        f"test cases against `{BASELINE}`, with a 95 % interval (bootstrap clustered "
        "by fold).",
        "",
        "| labelled | recipe | folds, seeds | Dice | pooled | Hu pooled | HD95 mm "
        "| ASSD mm | s | MB | difference | papers |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    papers: list[str] = []
    for fraction, rows in summary.items():
        counts: set[int] = set()
        for recipe, row in rows.items():
            lines.append(f"| {_row(fraction, recipe, row)} |")
            counts |= set(row["labelled_cases"])
        for labelled in sorted(counts):
            papers += [
                f"| {labelled} | {entry['paper']} | {entry['row']} "
                f"| {entry['value']:.3f} | {entry['metric']} |"
                for entry in rows_beside(dataset, labelled)
            ]
    if papers:
        lines += ["", "What the papers print (their data, splits and code):", ""]
        lines += ["| labelled cases | paper | method | Dice | most like our |"]
        lines += ["|---|---|---|---|---|", *papers]
    return "\n".join(lines) + "\n"


def _row(fraction: str, recipe: str, row: dict[str, Any]) -> str:
    counts = (
        f"{'-'.join(str(n) for n in sorted({values[0], values[-1]}))} {what}"
        for what, values in (
            ("cases", row["labelled_cases"]),
            ("slices", row["labelled_slices"]),
        )
    )
    runs = f"{len(row['folds'])}, {len(row['seeds'])}"
    cells = [f"{fraction}: {', '.join(counts)}", recipe, runs]
    cells += [_shown(row[m], FORMATS.get(m, ".3f")) for m in METRICS]
    gap = row.get("difference")
    cells.append(shown_difference(gap) if gap else "-")
    said = (f"{e['value']:.3f} ({e['paper']}, {e['metric']})" for e in row["published"])
    cells.append("; ".join(said) or "-")
    return " | ".join(cells)


def shown_difference(gap: dict[str, Any]) -> str:
    """Write a mean with its interval; of one case there is none."""
    if gap["interval"] is None:
        return f"{gap['mean']:+.3f} (one case)"
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(gap["mean"], *gap["interval"])


def _shown(value: dict[str, float | None], form: str) -> str:
    mean, spread = value["mean"], value["sd"]
    if mean is None:
        return "-"
    return f"{mean:{form}}" + ("" if spread is None else f" ({spread:{form}})")
