"""Commands behind the claims: demo, annotate-sim, export-dataset, doctor, bench."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from napari_contrastseg import query
from napari_contrastseg.cli.options import (
    PATH,
    budget,
    budget_options,
    device_option,
    emit,
    follow,
    json_option,
    overwrite_option,
    run_window,
    seed_option,
    shown,
)
from napari_contrastseg.io.errors import InputError


@click.command()
@click.option("--out", type=PATH, default=Path("contrastseg-demo"), show_default=True)
@click.option("--gui", is_flag=True, help="Open napari with all of it loaded.")
@click.option("--recipe", help="Another recipe than the demo's own.")
@seed_option
@json_option
def demo(
    *, out: Path, gui: bool, recipe: str | None, seed: int, json_file: Path | None
) -> None:
    """Do the main job on real MRI: label, train, correct, train again, export."""
    from napari_contrastseg.bench.demo import (  # noqa: PLC0415
        RECIPE,
        DemoRequest,
        describe,
    )
    from napari_contrastseg.bench.demo import demo as run_demo  # noqa: PLC0415

    report = follow(run_demo(DemoRequest(out, recipe or RECIPE, seed=seed)))
    emit(report, json_file)
    click.echo(describe(report), err=json_file is not None)
    if gui and run_window(
        "napari_contrastseg.ui.plugin.open_session", str(out / "session")
    ):
        raise InputError(
            "napari could not be opened; contrastseg doctor says what is missing. The "
            f"session is in {out / 'session'}."
        )


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
    help="Query strategy that chooses the slices; queue is expected_error.",
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
    parts += [f"cases{cases}"] * (cases is not None) + ["inner"] * inner
    name = as_name("-".join(parts))
    if out is not None:
        annotate.need_plot(out)
    report = follow(annotate.annotate(request))
    emit(report, json_file)
    if out is not None:
        emit(report, out / f"{name}.json")
        runs = curves.read_runs([out / f"{name}.json"])
        curves.plot(curves.join(runs), out / f"{name}.png")
    for point in report["points"]:
        click.echo(
            f"{point['slices']:>4} slices  Dice {shown(point['mean_dice'])}  "
            f"annotator {point['annotator_seconds'] / 60:.1f} min  "
            f"expected and true Dice of slices: r {shown(point['dice_estimate_r'])}",
            err=True,
        )


@click.command("export-dataset")
@click.argument("session", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the data set.")
@overwrite_option
@json_option
def export_dataset(
    *, session: Path, out: Path, overwrite: bool, json_file: Path | None
) -> None:
    """Write a SESSION's truth as a data set, unknown voxels as `ignore`."""
    from napari_contrastseg.tasks.export import export_dataset as task  # noqa: PLC0415

    emit(task(session, out, overwrite=overwrite), json_file)


@click.command()
@json_option
def doctor(json_file: Path | None) -> None:
    """Say what this machine has, and what to mend."""
    from napari_contrastseg.cli.doctor import doctor as look  # noqa: PLC0415

    report = look()
    emit(report, json_file)
    if json_file is None:
        for key, value in report.items():
            if key != "problems":
                click.echo(f"{key:<20} {value}")
        for problem in report["problems"] or ["none"]:
            click.echo(f"problem: {problem}")


@click.group()
def bench() -> None:
    """Programs behind the figures in the docs."""


def _measured(module: str, *arguments: str) -> dict[str, Any]:
    """Run a measurement of the window in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        done = run_window(module, *arguments, str(result))
        if done or not result.is_file():
            raise InputError(
                "The window could not be measured; it needs a screen and OpenGL "
                "(contrastseg doctor says what is missing, xvfb-run lends a screen)."
            )
        return dict(json.loads(result.read_text()))


@bench.command("ui")
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True)
@json_option
def bench_ui(*, seconds: float, json_file: Path | None) -> None:
    """Measure how long the window's event loop waits, idle and while training."""
    report = _measured("napari_contrastseg.bench.window.responsiveness", str(seconds))
    emit(report, json_file)
    if json_file is None:
        for when, figures in report.items():
            click.echo(f"{when:<10} {figures}")


@bench.command("faults")
@click.option("--kills", type=click.IntRange(0), default=200, show_default=True)
@seed_option
@json_option
def bench_faults(*, kills: int, seed: int, json_file: Path | None) -> None:
    """Try to lose work: kills, cut journals, full disks, memory that runs out."""
    from napari_contrastseg.bench.faults.faults import faults  # noqa: PLC0415

    report = follow(faults(kills, seed))
    emit(report, json_file)
    if json_file is None:
        for what, figures in report.items():
            click.echo(f"{what:<26} {figures}")


@bench.command("leaks")
@click.option("--cycles", type=click.IntRange(1), default=50, show_default=True)
@click.option("--viewers", type=click.IntRange(1), default=20, show_default=True)
@json_option
def bench_leaks(*, cycles: int, viewers: int, json_file: Path | None) -> None:
    """Measure memory, threads and widgets after many runs and many windows."""
    report = _measured(
        "napari_contrastseg.bench.window.leaks", str(cycles), str(viewers)
    )
    emit(report, json_file)
    if json_file is None:
        for what, figures in report.items():
            click.echo(f"{what:<20} {figures}")


@bench.command("contrast")
@click.option("--n", type=click.IntRange(2), default=8000, show_default=True)
@click.option("--dim", type=click.IntRange(1), default=32, show_default=True)
@click.option("--classes", type=click.IntRange(1), default=4, show_default=True)
@click.option("--growth", is_flag=True, help="Also measure up to n = 204,800.")
@click.option("--plot", type=PATH, help="Draw the growth to a PNG or SVG file.")
@device_option
@json_option
def bench_contrast(
    *,
    n: int,
    dim: int,
    classes: int,
    growth: bool,
    plot: Path | None,
    device: str,
    json_file: Path | None,
) -> None:
    """Measure the exact contrast against SupConLoss: time, memory, agreement."""
    from napari_contrastseg.bench.measure import contrast  # noqa: PLC0415
    from napari_contrastseg.bench.simulate import annotate  # noqa: PLC0415

    if plot is not None:
        annotate.need_plot(plot.parent)
    wanted = growth or plot is not None
    report = follow(contrast.contrast(n, dim, classes, device, growth=wanted))
    emit(report, json_file)
    if plot is not None:
        contrast.plot(report, plot)
    if json_file is None:
        for what, figures in report.items():
            click.echo(f"{what:<20} {figures}")


@bench.command("embedding")
@click.option("--n", type=click.IntRange(100), default=5000, show_default=True)
@click.option("--dim", type=click.IntRange(2), default=64, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True)
@seed_option
@json_option
def bench_embedding(
    *, n: int, dim: int, seconds: float, seed: int, json_file: Path | None
) -> None:
    """Measure the live map against scikit-learn's t-SNE, and what it costs training."""
    from napari_contrastseg.bench.measure.embedding import embedding  # noqa: PLC0415

    report = follow(embedding(n, dim, seconds, seed))
    emit(report, json_file)
    if json_file is None:
        for what, figures in report.items():
            click.echo(f"{what:<20} {figures}")


@bench.command("throughput")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True)
@click.option("--size", type=click.IntRange(16), default=64, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True)
@device_option
@json_option
def bench_throughput(
    *, batch: int, size: int, seconds: float, device: str, json_file: Path | None
) -> None:
    """Measure slices a second of the training step against a MONAI script."""
    from napari_contrastseg.bench.measure.throughput import throughput  # noqa: PLC0415

    report = follow(throughput(batch, size, device, seconds))
    emit(report, json_file)
    if json_file is None:
        for what, figures in report.items():
            click.echo(f"{what:<24} {figures}")
