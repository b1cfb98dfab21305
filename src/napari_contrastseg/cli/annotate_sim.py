"""The command that simulates an annotator: annotate-sim."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  click reads it

import click

from napari_contrastseg import query
from napari_contrastseg.cli.options import (
    PATH,
    budget,
    budget_options,
    emit,
    follow,
    json_option,
    seed_option,
    shown,
)
from napari_contrastseg.io.errors import InputError


@click.command("annotate-sim")
@click.argument("dataset", type=PATH)
@click.option("--recipe", required=True)
@click.option("--slices", required=True, help="Numbers of labelled slices: 3,6,12,24")
@click.option("--fold", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--suggest",
    type=click.Choice(query.names()),
    default="even",
    show_default=True,
    help="Query strategy that chooses the slices; queue is expected_error; even: "
    "evenly spaced slices from the beginning for every point.",
)
@click.option(
    "--cases",
    type=click.IntRange(1),
    help="Training cases that the annotator has open; the first three by default.",
)
@click.option(
    "--inner",
    is_flag=True,
    help="Test on training cases held back, to choose settings by.",
)
@click.option("--preset", default="sound", show_default=True)
@budget_options
@seed_option
@click.option("--seconds-per-slice", type=float, default=10.0, show_default=True)
@click.option("--seconds-per-voxel", type=float, default=0.15, show_default=True)
@click.option("--seconds-per-correction", type=float, default=5.0, show_default=True)
@click.option("--seconds-to-accept", type=float, default=3.0, show_default=True)
@click.option("--out", type=PATH, help="Folder for the JSON and a plot of each run.")
@json_option
def annotate_sim(  # noqa: PLR0913  the options are the command
    *,
    dataset: Path,
    recipe: str,
    slices: str,
    fold: int,
    suggest: str,
    cases: int | None,
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
    from napari_contrastseg.bench.compare import curves  # noqa: PLC0415
    from napari_contrastseg.bench.compare.cells import as_name  # noqa: PLC0415
    from napari_contrastseg.bench.simulate import annotate  # noqa: PLC0415
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
    request = annotate.SimulationRequest(
        dataset,
        recipe,
        wanted,
        fold,
        suggest,
        preset,
        budget(steps, minutes),
        seed,
        cost,
        cases,
        inner,
    )
    parts = [recipe, preset, suggest, f"fold{fold}", f"seed{seed}"]
    if cases is not None:
        parts.append(f"cases{cases}")
    if inner:
        parts.append("inner")
    name = as_name("-".join(parts))
    if out is None:
        report = follow(annotate.annotate(request))
        emit(report, json_file)
    else:
        annotate.need_plot(out)
        stored = out / f"{name}.json"
        report = annotate.stored_report(stored, request)
        if report is None:
            report = follow(annotate.annotate(request))
            emit(report, stored)
        else:
            click.echo(f"contrastseg: {stored} is there already.", err=True)
        emit(report, json_file)
        curves.plot(curves.join(curves.read_runs([stored])), out / f"{name}.png")
    for point in report["points"]:
        click.echo(
            f"{point['slices']:>4} slices  Dice {shown(point['mean_dice'])}  "
            f"annotator {point['annotator_seconds'] / 60:.1f} min  "
            f"expected and true Dice of slices: r {shown(point['dice_estimate_r'])}",
            err=True,
        )
