"""``contrastseg``: the same tasks as in the window, printed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from napari_contrastseg import __version__
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json_file import replacing
from napari_contrastseg.tasks.train import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BAD_INPUT, INTERRUPTED = 2, 130

PATH = click.Path(path_type=Path)
json_option = click.option(
    "--json", "json_file", type=PATH, help="Write one JSON object; - is stdout."
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what is there."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True
)


def budget_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --steps and --minutes."""
    steps = click.option("--steps", type=click.IntRange(1), help="Steps a stage.")
    minutes = click.option(
        "--minutes", type=click.FloatRange(0, min_open=True), help="Minutes in all."
    )
    return steps(minutes(command))


def main() -> None:
    """Run the command line; never ends in a traceback for what a user did."""
    try:
        status = cli.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except InputError as error:
        _fail(str(error), BAD_INPUT)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "contrastseg"
        _fail(f"{error.format_message()} ({where} --help)", BAD_INPUT)
    except click.ClickException as error:
        _fail(error.format_message(), BAD_INPUT)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}", BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)


def _fail(message: str, status: int) -> None:
    print(f"contrastseg: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Label a few slices, train, predict, evaluate; the window is in napari."""


def emit(report: Any, json_file: Path | None) -> None:
    """Print a report as JSON to a file or, for ``-``, to stdout."""
    if json_file is None:
        return
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    if str(json_file) == "-":
        click.echo(text)
        return
    with replacing(json_file) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def follow(events: Iterable[Any]) -> Any:
    """Show a task's progress on stderr; returns its last event that is none."""
    result = None
    with tqdm(
        total=100,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        bar_format="{desc:<24}{percentage:3.0f}%|{bar:24}|{elapsed}<{remaining}{postfix}",
    ) as bar:
        for event in events:
            if isinstance(event, Note):
                bar.write(f"contrastseg: {event.text}", file=sys.stderr)
                continue
            if not isinstance(event, Progress):
                result = event
                continue
            bar.set_description_str(event.stage, refresh=False)
            if event.loss is not None:
                bar.set_postfix_str(f"loss {event.loss:.3f}", refresh=False)
            bar.update(100 * event.fraction - bar.n)
    return result


@cli.command()
@json_option
def recipes(json_file: Path | None) -> None:
    """List the methods that can be trained."""
    from napari_contrastseg.recipes import catalogue  # noqa: PLC0415

    found = [
        {
            "name": r.name,
            "presets": list(r.presets),
            "paper": r.paper,
            "summary": r.summary,
        }
        for r in catalogue().values()
    ]
    emit(found, json_file)
    if json_file is None:
        for entry in found:
            click.echo(f"{entry['name']:<14} {entry['summary']}")


@cli.command()
@click.argument("dataset", type=PATH)
@click.option("--recipe", required=True, help="See: contrastseg recipes.")
@click.option("--out", type=PATH, required=True, help="Folder for the model.")
@click.option("--preset", default="sound", show_default=True, help="sound or literal.")
@click.option("--fold", type=int, help="Keep a quarter of the cases for testing.")
@click.option("--slices", type=int, help="Labelled slices in all.")
@click.option("--fraction", type=float, help="Part of the training cases labelled.")
@click.option("--labelled", help="Labelled cases: ID,ID,...")
@click.option("--axis", type=click.IntRange(0, 2), help="Slice axis of the files.")
@budget_options
@device_option
@seed_option
@overwrite_option
@json_option
def train(  # noqa: PLR0913  the options are the command
    *,
    dataset: Path,
    recipe: str,
    out: Path,
    preset: str,
    fold: int | None,
    slices: int | None,
    fraction: float | None,
    labelled: str | None,
    axis: int | None,
    steps: int | None,
    minutes: float | None,
    device: str,
    seed: int,
    overwrite: bool,
    json_file: Path | None,
) -> None:
    """Train a model on DATASET (nnU-Net's raw layout)."""
    from napari_contrastseg.tasks import files  # noqa: PLC0415
    from napari_contrastseg.tasks.splits import Labels  # noqa: PLC0415

    request = files.DatasetTraining(
        dataset,
        out,
        recipe,
        preset,
        fold,
        Labels(slices, fraction, _ids(labelled)),
        axis,
        _budget(steps, minutes),
        device,
        seed,
        overwrite,
    )
    report = follow(files.train_on_dataset(request))
    emit(report, json_file)
    click.echo(f"model in {out}, {report['seconds']:.0f} s", err=True)


@cli.command()
@click.argument("model", type=PATH)
@click.argument("source", type=PATH, metavar="INPUT")
@click.option("--out", type=PATH, required=True, help="Folder for the masks.")
@click.option("--cases", help="test, all, or ID,ID,...")
@click.option("--confidence", is_flag=True, help="Also write confidence maps.")
@device_option
@overwrite_option
@json_option
def predict(
    *,
    model: Path,
    source: Path,
    out: Path,
    cases: str | None,
    confidence: bool,
    device: str,
    overwrite: bool,
    json_file: Path | None,
) -> None:
    """Predict INPUT (a data set, a folder or one image) with a MODEL."""
    from napari_contrastseg.tasks import files  # noqa: PLC0415

    request = files.FilePrediction(
        model, source, out, cases, confidence, device, overwrite
    )
    report = follow(files.predict_files(request))
    emit(report, json_file)
    click.echo(f"{len(report['cases'])} masks in {out}", err=True)


@cli.command()
@click.argument("predictions", type=PATH)
@click.argument("labels", type=PATH)
@json_option
def evaluate(predictions: Path, labels: Path, json_file: Path | None) -> None:
    """Score PREDICTIONS against LABELS on the native grid."""
    from napari_contrastseg.bench.scores import evaluate as score  # noqa: PLC0415

    report = score(predictions, labels)
    emit(report, json_file)
    if json_file is None:
        for name, value in report["dice"].items():
            click.echo(f"{name:<20} Dice {value:.3f}")
        click.echo(f"{'mean':<20} Dice {report['mean_dice']:.3f}")


@cli.command()
@click.option("--out", type=PATH, default=Path("contrastseg-demo"), show_default=True)
@click.option("--gui", is_flag=True, help="Open napari with all of it loaded.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@json_option
def demo(*, out: Path, gui: bool, seed: int, json_file: Path | None) -> None:
    """Do the main job on real MRI: label, train, correct, train again, export."""
    from napari_contrastseg.bench.demo import (  # noqa: PLC0415
        DemoRequest,
        describe,
    )
    from napari_contrastseg.bench.demo import demo as run_demo  # noqa: PLC0415

    report = follow(run_demo(DemoRequest(out, seed=seed)))
    emit(report, json_file)
    click.echo(describe(report), err=json_file is not None)
    if gui:
        _window("napari_contrastseg.ui.open_session", str(out / "session"))


@cli.command("annotate-sim")
@click.argument("dataset", type=PATH)
@click.option("--recipe", required=True)
@click.option("--slices", required=True, help="Numbers of labelled slices: 3,6,12,24")
@click.option("--fold", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--suggest",
    type=click.Choice(["even", "random", "queue"]),
    default="even",
    show_default=True,
    help="Who chooses the slices.",
)
@click.option("--preset", default="sound", show_default=True)
@budget_options
@seed_option
@click.option("--seconds-per-slice", type=float, default=10.0, show_default=True)
@click.option("--seconds-per-voxel", type=float, default=0.15, show_default=True)
@click.option("--seconds-per-correction", type=float, default=5.0, show_default=True)
@click.option("--seconds-to-accept", type=float, default=3.0, show_default=True)
@click.option("--out", type=PATH, help="Folder for the JSON and a plot.")
@json_option
def annotate_sim(  # noqa: PLR0913  the options are the command
    *,
    dataset: Path,
    recipe: str,
    slices: str,
    fold: int,
    suggest: Any,
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
    from napari_contrastseg.bench import annotate  # noqa: PLC0415
    from napari_contrastseg.bench.annotator import TimeModel  # noqa: PLC0415

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
        _budget(steps, minutes),
        seed,
        cost,
    )
    report = follow(annotate.annotate(request))
    emit(report, json_file)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        emit(report, out / "annotate-sim.json")
        annotate.plot(report, out / "annotate-sim.png")
    for point in report["points"]:
        click.echo(
            f"{point['slices']:>4} slices  Dice {point['mean_dice']:.3f}  "
            f"annotator {point['annotator_seconds'] / 60:.1f} min",
            err=True,
        )


@cli.command("export-dataset")
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


@cli.command()
@json_option
def doctor(json_file: Path | None) -> None:
    """Say what this machine has, and what to mend."""
    from napari_contrastseg.bench.doctor import doctor as look  # noqa: PLC0415

    report = look()
    emit(report, json_file)
    if json_file is None:
        for key, value in report.items():
            if key != "problems":
                click.echo(f"{key:<20} {value}")
        for problem in report["problems"] or ["none"]:
            click.echo(f"problem: {problem}")


@cli.group()
def bench() -> None:
    """Programs behind the figures in the docs."""


@bench.command("ui")
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True)
@json_option
def bench_ui(*, seconds: float, json_file: Path | None) -> None:
    """Measure how long the window's event loop waits, idle and while training."""
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "ui.json"
        done = _window("napari_contrastseg.ui.bench", str(seconds), str(result))
        if done or not result.is_file():
            raise InputError(
                "The window could not be measured; it needs a screen and OpenGL "
                "(contrastseg doctor says what is missing, xvfb-run lends a screen)."
            )
        report = json.loads(result.read_text())
    emit(report, json_file)
    if json_file is None:
        for when, figures in report.items():
            click.echo(f"{when:<10} {figures}")


def _window(module: str, *arguments: str) -> int:
    """Run a module of the window's room in a process of its own."""
    import subprocess  # noqa: PLC0415

    return subprocess.run(
        [sys.executable, "-m", module, *arguments], check=False
    ).returncode


def _ids(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _budget(steps: int | None, minutes: float | None) -> Any:
    from napari_contrastseg.learning.stage import Budget  # noqa: PLC0415

    if steps is not None and minutes is not None:
        raise InputError("Give one of --steps and --minutes, not both.")
    return Budget(steps, minutes)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
