"""The commands behind the figures in the docs: bench."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_contrastseg.cli.bench_methods import (
    bench_curves,
    bench_local_contrast,
    bench_methods,
    bench_orders,
)
from napari_contrastseg.cli.bench_smart import bench_smart
from napari_contrastseg.cli.bench_within import bench_within
from napari_contrastseg.cli.options import (
    PATH,
    FiniteRange,
    device_option,
    emit,
    follow,
    interrupted,
    json_option,
    kept_nothing,
    numbers,
    run_window,
    seed_option,
)
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    Report = dict[str, Any]


@click.group()
def bench() -> None:
    """Programs behind the figures in the docs."""


def measurement(measure: Callable[..., Report]) -> Callable[..., None]:
    """Turn what measures into a command: prints the report, or writes it as JSON."""

    @json_option
    @functools.wraps(measure)
    def command(*, json_file: Path | None, **options: Any) -> None:
        with interrupted(kept_nothing):
            report = measure(**options)
        emit(report, json_file)
        if json_file is None:
            width = max((len(what) for what in report), default=0)
            for what, figures in report.items():
                click.echo(f"{what:<{width}}  {figures}")

    return command


def measure_window(module: str, *arguments: str) -> Report:
    """Run a measurement of the window in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        status = run_window(module, *arguments, str(result))
        if status or not result.is_file():
            raise InputError(
                "The window could not be measured; it needs a screen and OpenGL "
                "(contrastseg doctor says what is missing; xvfb-run gives a screen)."
            )
        return dict(json.loads(result.read_text()))


@bench.command("ui")
@click.option("--seconds", type=FiniteRange(1), default=20.0, show_default=True)
@measurement
def bench_ui(*, seconds: float) -> Report:
    """Measure how long the window waits: idle, answering strokes, and training.

    Training is measured in a thread and in a process of its own.
    """
    module = "napari_contrastseg.bench.window.responsiveness"
    return measure_window(module, str(seconds))


@bench.command("startup")
@measurement
def bench_startup() -> Report:
    """Measure the first import, and how long the dock takes to open."""
    return measure_window("napari_contrastseg.bench.window.startup")


@bench.command("faults")
@click.option("--kills", type=click.IntRange(0), default=200, show_default=True)
@click.option("--mapped", is_flag=True, help="All arrays on the disk, as large ones.")
@seed_option
@measurement
def bench_faults(*, kills: int, mapped: bool, seed: int) -> Report:
    """Try to lose work: kills, cut journals, full disks, memory that runs out."""
    from napari_contrastseg.bench.faults.faults import faults  # noqa: PLC0415

    return dict(follow(faults(kills, seed, mapped=mapped)))


@bench.command("tools")
@click.option("--size", type=click.IntRange(16), default=512, show_default=True)
@click.option("--slices", type=click.IntRange(3), default=40, show_default=True)
@seed_option
@measurement
def bench_tools(*, size: int, slices: int, seed: int) -> Report:
    """Measure each tool on a slice, and editing tools through all slices of a volume.

    Of the smart tools wall and processor time are given, over structures of many sizes.
    """
    from napari_contrastseg.bench.measure.tools import tools  # noqa: PLC0415
    from napari_contrastseg.bench.smart.times import times  # noqa: PLC0415

    report = dict(follow(tools(size, slices, seed)))
    return report | {"smart": times(size, seed)}


@bench.command("cluster")
@click.option("--workers", type=click.IntRange(2), default=2, show_default=True)
@measurement
def bench_cluster(*, workers: int) -> Report:
    """Compare a local cluster with one process, and kill its parts meanwhile."""
    from napari_contrastseg.bench.cluster.cluster import cluster  # noqa: PLC0415

    return dict(follow(cluster(workers)))


@bench.command("formats")
@json_option
def bench_formats(*, json_file: Path | None) -> None:
    """Read and write each format beside a second library: values, and corners."""
    from napari_contrastseg.bench.formats.table import table  # noqa: PLC0415

    with interrupted(kept_nothing):
        report = follow(table())
    emit(report, json_file)
    if json_file is None:
        for row in report["cases"]:
            of = f" of {row['source']}" if "source" in row else ""
            name = f"{row['format']}{of}, {row['direction']}, {row['place']}"
            off = "-" if row["corner_mm"] is None else f"{row['corner_mm']:.4f} mm"
            click.echo(f"{name:<64} {off:>12}  {row['verdict']}")
        click.echo(f"{report['wrong']} wrong")


@bench.command("leaks")
@click.option("--cycles", type=click.IntRange(1), default=50, show_default=True)
@click.option("--viewers", type=click.IntRange(1), default=20, show_default=True)
@measurement
def bench_leaks(*, cycles: int, viewers: int) -> Report:
    """Measure memory, threads and widgets after many runs and many windows."""
    module = "napari_contrastseg.bench.window.leaks"
    return measure_window(module, str(cycles), str(viewers))


@bench.command("contrast")
@click.option("--n", type=click.IntRange(2), default=8000, show_default=True)
@click.option("--dim", type=click.IntRange(1), default=32, show_default=True)
@click.option("--classes", type=click.IntRange(1), default=4, show_default=True)
@click.option("--growth", is_flag=True, help="Also measure up to n = 204,800.")
@click.option("--plot", type=PATH, help="Draw the growth to a PNG or SVG file.")
@device_option
@measurement
def bench_contrast(
    *, n: int, dim: int, classes: int, growth: bool, plot: Path | None, device: str
) -> Report:
    """Measure the exact contrast against SupConLoss: time, memory, agreement."""
    from napari_contrastseg.bench.measure import contrast  # noqa: PLC0415
    from napari_contrastseg.bench.simulate import annotate  # noqa: PLC0415

    if plot is not None:
        annotate.need_plot(plot.parent)
    wanted = growth or plot is not None
    report = dict(follow(contrast.contrast(n, dim, classes, device, growth=wanted)))
    if plot is not None:
        contrast.plot(report, plot)
    return report


@bench.command("embedding")
@click.option("--n", type=click.IntRange(100), default=5000, show_default=True)
@click.option("--dim", type=click.IntRange(2), default=64, show_default=True)
@click.option("--seconds", type=FiniteRange(1), default=20.0, show_default=True)
@seed_option
@measurement
def bench_embedding(*, n: int, dim: int, seconds: float, seed: int) -> Report:
    """Measure the live map against scikit-learn's t-SNE, and what it costs training."""
    from napari_contrastseg.bench.measure.embedding import embedding  # noqa: PLC0415

    return dict(follow(embedding(n, dim, seconds, seed)))


@bench.command("throughput")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True)
@click.option("--size", type=click.IntRange(16), default=64, show_default=True)
@click.option("--seconds", type=FiniteRange(1), default=20.0, show_default=True)
@click.option(
    "--busy",
    type=click.IntRange(0),
    help="Beside so many spinning programs, with our settings and without.",
)
@device_option
@measurement
def bench_throughput(
    *, batch: int, size: int, seconds: float, busy: int | None, device: str
) -> Report:
    """Measure the training step: against a MONAI script, or on a busy computer."""
    from napari_contrastseg.bench.measure.busy import beside  # noqa: PLC0415
    from napari_contrastseg.bench.measure.throughput import throughput  # noqa: PLC0415

    if busy is not None:
        return dict(follow(beside(busy, batch, size, device, seconds)))
    return dict(follow(throughput(batch, size, device, seconds)))


@bench.command("prediction")
@click.option(
    "--size",
    type=click.IntRange(64),
    default=1600,
    show_default=True,
    help="Pixels of the picture's sides.",
)
@click.option("--model", type=PATH, help="Folder of a model; else random weights.")
@click.option("--image", type=PATH, help="Its slices make the picture; else discs.")
@device_option
@measurement
def bench_prediction(
    *, size: int, model: Path | None, image: Path | None, device: str
) -> Report:
    """Predict a large picture by maps, tiles, parts, whole, and by MONAI's window."""
    from napari_contrastseg.bench.measure.prediction import prediction  # noqa: PLC0415

    return dict(follow(prediction(size, device, model=model, image=image)))


@bench.command("scale")
@click.option(
    "--sizes",
    default="1,4",
    show_default=True,
    help="Of volumes, in GB: GB,GB,...; 0 for none.",
)
@click.option(
    "--pictures",
    "--picture",
    default="20000",
    show_default=True,
    help="Pixels of the sides of pictures: SIDE,SIDE,...; 0 for none.",
)
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True)
@click.option("--memory", default="1 GB", show_default=True, help="The bound.")
@click.option(
    "--limit",
    type=FiniteRange(0.5),
    help="GB of data memory that each process may take (on Linux).",
)
@click.option("--window/--no-window", default=True, help="Show each in it as well.")
@click.option(
    "--slices",
    type=click.IntRange(1),
    help="How many to predict; by default all, above 1 GB 64.",
)
@click.option(
    "--keep",
    type=PATH,
    help="A file for each step as it ends; a later run goes on after those in it.",
)
@json_option
def bench_scale(
    *,
    sizes: str,
    pictures: str,
    steps: int,
    memory: str,
    limit: float | None,
    window: bool,
    slices: int | None,
    keep: Path | None,
    json_file: Path | None,
) -> None:
    """Go through a session with large volumes: memory, seconds, speed."""
    from napari_contrastseg.bench.scale.scale import Scale, scale  # noqa: PLC0415
    from napari_contrastseg.bench.scale.table import lines  # noqa: PLC0415

    many = tuple(size for size in numbers("--sizes", sizes, float) if size)
    sides = tuple(side for side in numbers("--pictures", pictures, int) if side)
    asked = Scale(many, sides, steps, memory, limit, window, slices, keep)
    with interrupted(lambda: _kept_steps(keep)):
        report = follow(scale(asked))
    emit(report, json_file)
    if json_file is None:
        for line in lines(report):
            click.echo(line)
    if report["failed"]:
        raise InputError(
            f"bench scale: what failed, and what comes after it, was not measured: "
            f"{'; '.join(report['failed'])}."
        )


def _kept_steps(keep: Path | None) -> str:
    """Say what is kept of the steps with large volumes."""
    if keep is None:
        return "nothing is kept, as there is no --keep for a file of finished steps."
    return f"finished steps are kept in {keep}; give the same command again to go on."


bench.add_command(bench_methods)
bench.add_command(bench_curves)
bench.add_command(bench_orders)
bench.add_command(bench_local_contrast)
bench.add_command(bench_within)
bench.add_command(bench_smart)
