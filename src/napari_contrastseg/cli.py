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
from napari_contrastseg.tasks.train import Progress

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
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        sys.exit(1)


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
        bar_format="{desc:<18} {percentage:3.0f}%|{bar:30}| {elapsed}<{remaining} {postfix}",
    ) as bar:
        for event in events:
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

    request = files.DatasetTraining(
        dataset,
        out,
        recipe,
        preset,
        fold,
        files.Labels(slices, fraction, _ids(labelled)),
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
