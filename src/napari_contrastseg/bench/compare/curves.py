"""Reports of `annotate-sim` joined over folds, and drawn in one figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.compare.summary import BASELINE
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse, read_json
from napari_contrastseg.query import strategy_named
from napari_contrastseg.tasks.splits import CASES_FOR_SLICES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    #: Recipe, preset, query strategy, and number of cases.
    Curve = tuple[str, str, str, int]

MINUTE: Final = 60.0
#: Query strategy that the others are compared with.
EVEN: Final = "even"


@dataclass(frozen=True)
class Point:
    """A number of labelled slices, and what came of it."""

    slices: int
    annotator_seconds: float
    mean_dice: float | None = None


@dataclass(frozen=True)
class Run:
    """A report of `annotate-sim`, as far as it is read here."""

    recipe: str
    fold: int
    suggest: str
    points: list[Point]
    preset: str = "sound"
    seed: int = 0
    dataset: str = ""
    cases: int = CASES_FOR_SLICES

    @property
    def curve(self) -> Curve:
        """Runs of one curve have these in common."""
        strategy = strategy_named(self.suggest).name  # earlier reports say queue
        return self.recipe, self.preset, strategy, self.cases

    @property
    def draw(self) -> tuple[int, int]:
        """Fold and seed: differences are paired by them."""
        return self.fold, self.seed


@dataclass
class _Joined:
    """What the runs of one curve say of one number of slices."""

    dice: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    to_even: list[float] = field(default_factory=list)


def read_runs(files: Sequence[Path]) -> list[Run]:
    """Read reports.

    Raises
    ------
    InputError
        One is not a report, is there twice, or is of another data set.
    """
    runs: list[Run] = []
    seen = set()
    for path in files:
        run = parse(Run, read_json(path), str(path))
        key = (*run.curve, run.fold, run.seed)
        if key in seen:
            raise InputError(
                f"{path}: is a second run of {run.recipe}, fold {run.fold}, seed "
                f"{run.seed}; leave one of them out."
            )
        if runs and run.dataset != runs[0].dataset:
            raise InputError(
                f"{path}: is of {run.dataset!r}, the first file of "
                f"{runs[0].dataset!r}; give reports of one data set."
            )
        seen.add(key)
        runs.append(run)
    return runs


def join(runs: Sequence[Run]) -> dict[str, Any]:
    """Average runs over folds and seeds, and hold them against others.

    Differences are paired: ``difference`` to the baseline's with the same fold, seed,
    preset, way to suggest and number of slices; ``to_even`` to the same recipe's with
    slices evenly spaced.
    """
    found = {
        (run.curve, run.draw, point.slices): point.mean_dice
        for run in runs
        for point in run.points
    }
    curves: dict[Curve, dict[int, _Joined]] = {}
    for run in runs:
        for point in run.points:
            if point.mean_dice is None:
                continue
            at = curves.setdefault(run.curve, {}).setdefault(point.slices, _Joined())
            at.dice.append(point.mean_dice)
            at.seconds.append(point.annotator_seconds)
            recipe, preset, suggest, cases = run.curve
            base = (BASELINE, preset, suggest, cases)
            even = (recipe, preset, EVEN, cases)
            for other, gaps in ((base, at.gaps), (even, at.to_even)):
                dice = found.get((other, run.draw, point.slices))
                if dice is not None and other != run.curve:
                    gaps.append(point.mean_dice - dice)
    return {
        "dataset": runs[0].dataset if runs else "",
        "curves": [
            {
                "recipe": recipe,
                "preset": preset,
                "suggest": suggest,
                "cases": cases,
                "points": [
                    {"slices": slices, **_averaged(joined)}
                    for slices, joined in sorted(points.items())
                ],
            }
            for (recipe, preset, suggest, cases), points in curves.items()
        ],
    }


def _averaged(found: _Joined) -> dict[str, Any]:
    return {
        "runs": len(found.dice),
        "mean_dice": round(float(np.mean(found.dice)), 5),
        "sd": _spread(found.dice),
        "annotator_seconds": round(float(np.mean(found.seconds)), 1),
        "difference": _mean(found.gaps),
        "difference_sd": _spread(found.gaps),
        "pairs": len(found.gaps),
        "to_even": _mean(found.to_even),
        "to_even_sd": _spread(found.to_even),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 5) if values else None


def _spread(values: Sequence[float]) -> float | None:
    return round(float(np.std(values, ddof=1)), 5) if len(values) > 1 else None


def plot(report: dict[str, Any], path: Path) -> None:
    """Draw Dice over labelled slices and over the annotator's minutes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for curve in report["curves"]:
        points = curve["points"]
        dice = np.array([p["mean_dice"] for p in points])
        spread = np.array([p["sd"] or 0.0 for p in points])
        label = curve["recipe"]
        if curve["suggest"] != EVEN:
            label = f"{label}, {curve['suggest']}"
        minutes = [p["annotator_seconds"] / MINUTE for p in points]
        for axis, along in ((left, [p["slices"] for p in points]), (right, minutes)):
            (line,) = axis.plot(along, dice, marker="o", label=label)
            if spread.any():
                axis.fill_between(
                    along,
                    dice - spread,
                    dice + spread,
                    color=line.get_color(),
                    alpha=0.15,
                    linewidth=0,
                )
    left.xaxis.get_major_locator().set_params(integer=True)
    left.set_xlabel("labelled slices")
    left.set_ylabel("mean Dice, test cases")
    right.set_xlabel("annotator, minutes")
    if report["curves"]:
        left.legend(frameon=False)
    figure.suptitle(report["dataset"])
    figure.savefig(path, dpi=120)
