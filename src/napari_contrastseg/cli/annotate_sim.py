"""The command that simulates an annotator: annotate-sim."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  click reads it
from typing import TYPE_CHECKING

import click

from napari_contrastseg import query
from napari_contrastseg.cli.options import (
    PATH,
    FiniteRange,
    budget,
    budget_options,
    emit,
    follow,
    ids,
    interrupted,
    json_option,
    kept_cells,
    kept_nothing,
    one_budget,
    seed_option,
    shown,
)
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from napari_contrastseg.bench.simulate.annotator import TimeModel


@click.command("annotate-sim")
@click.argument("dataset", type=PATH)
@click.option("--recipe", required=True)
@click.option("--slices", required=True, help="Numbers of labelled slices: 3,6,12,24")
@click.option("--fold", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--suggest",
    type=click.Choice(query.names()),
    help="Query strategy that chooses the slices; queue is expected_error; even, the "
    "default: evenly spaced slices from the beginning for every point. With --within "
    f"the review queue's, {query.DEFAULT} by default.",
)
@click.option(
    "--cases",
    help="Training cases that the annotator has open: a number, the first three by "
    "default. With --within the volumes: ID,ID,...; all with labels by default.",
)
@click.option(
    "--within",
    is_flag=True,
    help="Go on in single volumes by the review queue, a round at each of --slices.",
)
@click.option(
    "--axis",
    type=click.IntRange(0, 2),
    help="With --within: slice axis of the files' arrays, the last by default.",
)
@click.option(
    "--accept-from",
    type=FiniteRange(0, 1),
    help="With --within: Dice from which a proposed slice is accepted as it is; 0.95 "
    "by default.",
)
@click.option(
    "--inner",
    is_flag=True,
    help="Test on training cases held back, to choose settings by.",
)
@click.option("--preset", default="sound", show_default=True)
@budget_options
@seed_option
@click.option(
    "--seconds-per-slice", type=FiniteRange(0), default=10.0, show_default=True
)
@click.option(
    "--seconds-per-voxel", type=FiniteRange(0), default=0.15, show_default=True
)
@click.option(
    "--seconds-per-correction", type=FiniteRange(0), default=5.0, show_default=True
)
@click.option(
    "--seconds-to-accept", type=FiniteRange(0), default=3.0, show_default=True
)
@click.option("--out", type=PATH, help="Folder for the JSON and a plot of each run.")
@json_option
def annotate_sim(  # noqa: PLR0913  the options are the command
    *,
    dataset: Path,
    recipe: str,
    slices: str,
    fold: int,
    suggest: str | None,
    cases: str | None,
    within: bool,
    axis: int | None,
    accept_from: float | None,
    inner: bool,
    preset: str,
    steps: int | None,
    minutes: float | None,
    seed: int,
    seconds_per_slice: float,
    seconds_per_voxel: float,
    seconds_per_correction: float,
    seconds_to_accept: float,
    out: Path | None,
    json_file: Path | None,
) -> None:
    """Simulate an annotator on DATASET: Dice over labelled slices and time."""
    from napari_contrastseg.bench.simulate.annotator import TimeModel  # noqa: PLC0415

    try:
        wanted = tuple(int(part) for part in slices.split(","))
    except ValueError:
        raise InputError(f"--slices {slices!r}: give numbers, like 3,6,12.") from None
    if min(wanted) < 1:
        raise InputError(f"--slices {slices!r}: each must be at least 1.")
    cost = TimeModel(
        seconds_per_slice, seconds_per_voxel, seconds_per_correction, seconds_to_accept
    )
    asked = _Asked(dataset, recipe, wanted, suggest, preset, seed, cost, out, json_file)
    if within:
        if inner or fold:
            raise InputError(
                "--within works on single volumes, so it has no --fold and no --inner; "
                "leave them out."
            )
        _go_on(asked, ids(cases), steps, minutes, axis, accept_from)
        return
    if axis is not None or accept_from is not None:
        raise InputError("--axis and --accept-from go with --within; add it.")
    _over_cases(asked, fold, _count(cases), steps, minutes, inner=inner)


@dataclass(frozen=True)
class _Asked:
    """What both ways to simulate are asked for."""

    dataset: Path
    recipe: str
    slices: tuple[int, ...]
    suggest: str | None
    preset: str
    seed: int
    time: TimeModel
    out: Path | None
    json_file: Path | None


def _count(cases: str | None) -> int | None:
    """Read how many cases the annotator has open."""
    if cases is None:
        return None
    if not cases.isdecimal() or int(cases) < 1:
        raise InputError(
            f"--cases {cases!r}: give a number from 1 on; names of volumes go with "
            "--within."
        )
    return int(cases)


def _over_cases(
    asked: _Asked,
    fold: int,
    cases: int | None,
    steps: int | None,
    minutes: float | None,
    *,
    inner: bool,
) -> None:
    """Label slices of training cases, and test on others."""
    from napari_contrastseg.bench.compare import curves  # noqa: PLC0415
    from napari_contrastseg.bench.compare.cells import as_name  # noqa: PLC0415
    from napari_contrastseg.bench.simulate import annotate  # noqa: PLC0415

    suggest, out = asked.suggest or annotate.EVEN, asked.out
    request = annotate.SimulationRequest(
        asked.dataset,
        asked.recipe,
        asked.slices,
        fold,
        suggest,
        asked.preset,
        budget(steps, minutes),
        asked.seed,
        asked.time,
        cases,
        inner,
    )
    parts = [asked.recipe, asked.preset, suggest, f"fold{fold}", f"seed{asked.seed}"]
    if cases is not None:
        parts.append(f"cases{cases}")
    if inner:
        parts.append("inner")
    name = as_name("-".join(parts))
    if out is None:
        with interrupted(kept_nothing):
            report = follow(annotate.annotate(request))
        emit(report, asked.json_file)
    else:
        annotate.need_plot(out)
        stored = out / f"{name}.json"
        report = annotate.stored_report(stored, request)
        if report is None:
            with interrupted(kept_nothing):
                report = follow(annotate.annotate(request))
            emit(report, stored)
        else:
            click.echo(f"contrastseg: {stored} is there already.", err=True)
        emit(report, asked.json_file)
        curves.plot(curves.join(curves.read_runs([stored])), out / f"{name}.png")
    for point in report["points"]:
        click.echo(
            f"{point['slices']:>4} slices  Dice {shown(point['mean_dice'])}  "
            f"annotator {point['annotator_seconds'] / 60:.1f} min  "
            f"expected and true Dice of slices: r {shown(point['dice_estimate_r'])}",
            err=True,
        )


def _go_on(
    asked: _Asked,
    cases: tuple[str, ...] | None,
    steps: int | None,
    minutes: float | None,
    axis: int | None,
    accept_from: float | None,
) -> None:
    """Let annotators go on in single volumes."""
    from napari_contrastseg.bench.within import annotate  # noqa: PLC0415
    from napari_contrastseg.bench.within.protocol import LAST_AXIS  # noqa: PLC0415

    length = one_budget(steps, minutes)
    request = annotate.GoingOnRequest(
        asked.dataset,
        asked.recipe,
        asked.slices,
        cases,
        asked.suggest or query.DEFAULT,
        length.minutes,
        length.steps,
        LAST_AXIS if axis is None else axis,
        asked.preset,
        asked.seed,
        annotate.ACCEPT_FROM if accept_from is None else accept_from,
        asked.time,
        asked.out,
    )
    with interrupted(lambda: kept_cells(asked.out)):
        report = follow(annotate.annotate_within(request))
    emit(report, asked.json_file)
    for point in report["points"]:
        click.echo(
            f"{point['slices']:>4} slices  Dice {shown(point['mean_dice'])}  "
            f"annotator {point['annotator_seconds'] / 60:.1f} min",
            err=True,
        )
    for level, figures in report["levels"].items():
        click.echo(
            f"Dice {level}: {shown(figures['minutes'])} min, the better of linear and "
            f"cubic {shown(figures['rival_minutes'])} min, ratio "
            f"{shown(figures['ratio'])} ({figures['cases']} volumes)",
            err=True,
        )
    if report["failed"]:
        raise InputError(
            f"{len(report['failed'])} volumes failed, the others are done: "
            f"{', '.join(report['failed'])}."
        )
