"""The command that compares methods within single volumes: bench within."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  click reads it

import click

from napari_contrastseg.cli.options import (
    PATH,
    budget_options,
    device_option,
    emit,
    follow,
    ids,
    interrupted,
    json_option,
    kept_cells,
    numbers,
    one_budget,
    seed_option,
)
from napari_contrastseg.io.errors import InputError

cases_option = click.option(
    "--cases", "case_ids", help="Volumes: ID,ID,...; all with labels by default."
)
axis_option = click.option(
    "--axis",
    type=click.IntRange(0, 2),
    default=2,
    show_default=True,
    help="Slice axis, of the files' arrays.",
)


@click.command("within")
@click.argument("dataset", type=PATH)
@cases_option
@click.option("--slices", required=True, help="Numbers of labelled slices: 3,5,8")
@click.option(
    "--methods",
    default="interpolation,recommended",
    show_default=True,
    help="Sources of proposals, random_forest and recipes: a,b,...; linear and cubic "
    "interpolation always stand beside.",
)
@budget_options
@click.option(
    "--scribbles", is_flag=True, help="Scribble on the slices, but for the empty ends."
)
@click.option(
    "--busy",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Processes that spin meanwhile.",
)
@axis_option
@click.option("--preset", default="sound", show_default=True, help="sound or literal.")
@click.option("--out", type=PATH, help="Folder for the cells; go on where it stopped.")
@device_option
@seed_option
@json_option
def bench_within(  # noqa: PLR0913  the options are the command
    *,
    dataset: Path,
    case_ids: str | None,
    slices: str,
    methods: str,
    steps: int | None,
    minutes: float | None,
    scribbles: bool,
    busy: int,
    axis: int,
    preset: str,
    out: Path | None,
    device: str,
    seed: int,
    json_file: Path | None,
) -> None:
    """Label a few slices of single volumes of DATASET and compare what methods say."""
    from napari_contrastseg.bench.within import within  # noqa: PLC0415
    from napari_contrastseg.bench.within.summary import table  # noqa: PLC0415

    length = one_budget(steps, minutes)
    request = within.WithinRequest(
        dataset,
        numbers("--slices", slices, int),
        ids(methods) or (),
        ids(case_ids),
        length.minutes,
        length.steps,
        scribbles,
        busy,
        axis,
        out,
        preset,
        device,
        seed,
    )
    with interrupted(lambda: kept_cells(out)):
        report = follow(within.within(request))
    emit(report, json_file)
    click.echo(table(report), err=json_file is not None)
    if report["failed"]:
        raise InputError(
            f"{len(report['failed'])} cells failed, the others are done: "
            f"{', '.join(report['failed'])}."
        )
