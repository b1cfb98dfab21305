"""Commands that compare methods: bench methods, bench curves."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  click reads it
from typing import Any

import click

from napari_contrastseg.cli.options import (
    PATH,
    FiniteRange,
    cluster_option,
    device_option,
    emit,
    follow,
    ids,
    interrupted,
    json_option,
    kept_cells,
    numbers,
    shown,
)
from napari_contrastseg.io.errors import InputError


@click.command("methods")
@click.argument("dataset", type=PATH)
@click.option(
    "--recipes", help="Recipes and peers: a,b,...; the usual ones by default."
)
@click.option("--fractions", default="0.05,0.1,0.2", show_default=True)
@click.option("--folds", default="0", show_default=True)
@click.option("--out", type=PATH, required=True, help="Folder for the cells.")
@click.option(
    "--budget",
    type=click.Choice(["full", "short"]),
    default="short",
    show_default=True,
    help="The recipe's own steps, or 600 a stage at most.",
)
@click.option("--preset", default="sound", show_default=True, help="sound or literal.")
@click.option("--steps", type=click.IntRange(1), help="Steps a stage, for trying out.")
@click.option(
    "--scale",
    type=FiniteRange(0, 1, min_open=True),
    help="Part of the budget's steps that every stage takes.",
)
@click.option(
    "--controls",
    is_flag=True,
    help="Run two controls of each recipe: supervised with its network and settings, "
    "for as many steps that see labels, and for as much time.",
)
@click.option(
    "--inner",
    is_flag=True,
    help="Test on training cases held back, to choose settings by.",
)
@click.option(
    "--from",
    "start",
    type=PATH,
    metavar="MODEL",
    help="Begin every cell from a model's weights, of other data maybe, in place of "
    "the recipe's pretraining.",
)
@click.option(
    "--cells-at-once",
    type=click.IntRange(1),
    help="By free memory on CUDA, else 1; a cluster's workers do one each.",
)
@cluster_option
@device_option
@click.option("--seed", default="0", show_default=True, help="Or several: 0,1,...")
@json_option
def bench_methods(  # noqa: PLR0913  the options are the command
    *,
    dataset: Path,
    recipes: str | None,
    fractions: str,
    folds: str,
    out: Path,
    budget: Any,
    preset: str,
    steps: int | None,
    scale: float | None,
    controls: bool,
    inner: bool,
    start: Path | None,
    cells_at_once: int | None,
    cluster: str | None,
    device: str,
    seed: str,
    json_file: Path | None,
) -> None:
    """Compare recipes and peers on DATASET; what is done already is not done again."""
    from napari_contrastseg.bench.compare import methods  # noqa: PLC0415

    if cluster is not None and cells_at_once is not None:
        raise InputError(
            "Give one of --cells-at-once and --cluster: each worker does one cell."
        )
    named = ids(recipes)
    if named == ():
        raise InputError("--recipes: names nothing; give at least one.")
    request = methods.MethodsRequest(
        dataset,
        out,
        named or (),
        numbers("--fractions", fractions, float),
        numbers("--folds", folds, int),
        budget,
        preset,
        device,
        cells_at_once,
        steps,
        inner,
        start,
        numbers("--seed", seed, int),
        scale,
        controls,
        cluster,
    )
    with interrupted(lambda: kept_cells(out)):
        report = follow(methods.methods(request))
    text = report.pop("table")
    emit(report, json_file)
    click.echo(text, err=json_file is not None)
    if report["failed"]:
        more = "" if cluster else f"; their .log files in {out} say more"
        raise InputError(
            f"{len(report['failed'])} cells failed, the others are done: "
            f"{', '.join(report['failed'])}{more}."
        )


@click.command("orders")
@click.argument("folder", type=PATH)
@json_option
def bench_orders(*, folder: Path, json_file: Path | None) -> None:
    """Hold recipes against their controls: a table of the results below FOLDER."""
    from napari_contrastseg.bench.compare.orders import (  # noqa: PLC0415
        orders_in,
        orders_table,
    )

    rows = orders_in(folder)
    emit({"orders": rows}, json_file)
    click.echo(orders_table(rows), err=json_file is not None)


@click.command("local-contrast")
@click.argument("folder", type=PATH)
@json_option
def bench_local_contrast(*, folder: Path, json_file: Path | None) -> None:
    """Say when supervised local contrast helps, by the results below FOLDER."""
    from napari_contrastseg.bench.compare.local_contrast import (  # noqa: PLC0415
        pairs_in,
        pairs_table,
    )

    rows = pairs_in(folder)
    emit({"pairs": rows}, json_file)
    click.echo(pairs_table(rows), err=json_file is not None)


@click.command("curves")
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, required=True, help="Folder for the figure.")
@json_option
def bench_curves(*, files: tuple[Path, ...], out: Path, json_file: Path | None) -> None:
    """Join reports of annotate-sim (FILES): means over folds, in one figure."""
    from napari_contrastseg.bench.compare import curves  # noqa: PLC0415
    from napari_contrastseg.bench.simulate.annotate import need_plot  # noqa: PLC0415

    report = curves.join(curves.read_runs(files))
    need_plot(out)
    out.mkdir(parents=True, exist_ok=True)
    emit(report, json_file)
    emit(report, out / "curves.json")
    curves.plot(report, out / "curves.png")
    for curve in report["curves"]:
        for point in curve["points"]:
            gap = point["difference"]
            beside = "" if gap is None else f"  against supervised {gap:+.3f}"
            click.echo(
                f"{curve['recipe']:<14} {curve['suggest']:<7} {point['slices']:>4} "
                f"slices  Dice {shown(point['mean_dice'])}{beside}",
                err=True,
            )
