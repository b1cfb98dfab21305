"""Commands that learn and predict: recipes, train, predict, evaluate."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  click reads it
from typing import TYPE_CHECKING, Any

import click

from napari_contrastseg.cli.options import (
    PATH,
    budget,
    budget_options,
    cluster_option,
    device_option,
    devices_option,
    emit,
    follow,
    ids,
    interrupted,
    json_option,
    overwrite_option,
    reading_options,
    seed_option,
    shown,
)
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.plural import plural

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_contrastseg.io.choice import Choice
    from napari_contrastseg.learning.plan.stage import Purpose


@click.command()
@click.option("--settings", "recipe", metavar="NAME", help="List a recipe's settings.")
@json_option
def recipes(recipe: str | None, json_file: Path | None) -> None:
    """List the methods that can be trained, or the settings of one."""
    from napari_contrastseg.bench.compare.published import (  # noqa: PLC0415
        as_rows,
    )
    from napari_contrastseg.cli.setting_list import (  # noqa: PLC0415
        in_words,
        list_settings,
    )
    from napari_contrastseg.recipes import catalogue  # noqa: PLC0415

    if recipe is not None:
        settings = list_settings(recipe)
        emit(settings, json_file)
        if json_file is None:
            click.echo("\n".join(in_words(entry) for entry in settings))
        return
    found = [
        {
            "name": r.name,
            "presets": list(r.presets),
            "paper": r.paper,
            "summary": r.summary,
            "rows": as_rows(r.name),
        }
        for r in catalogue().values()
    ]
    emit(found, json_file)
    if json_file is None:
        for entry in found:
            click.echo(f"{entry['name']:<14} {entry['summary']}")


@click.command()
@click.argument("dataset", type=PATH)
@click.option(
    "--recipe",
    required=True,
    help="A name of `contrastseg recipes`; NAME+SETTING=VALUE; or NAME@OTHER, which "
    "begins from OTHER's pretraining.",
)
@click.option("--out", type=PATH, required=True, help="Folder for the model.")
@click.option(
    "--from",
    "start",
    type=PATH,
    metavar="MODEL",
    help="Begin from a model's weights, which stand for the pretraining.",
)
@click.option(
    "--only",
    type=click.Choice(["pretrain", "fine-tune"]),
    help="Only these stages; a model that was only pretrained is for --from.",
)
@click.option("--preset", default="sound", show_default=True, help="sound or literal.")
@click.option("--fold", type=int, help="Keep a quarter of the cases for testing.")
@click.option("--slices", type=int, help="Labelled slices in all.")
@click.option("--fraction", type=float, help="Part of the training cases labelled.")
@click.option("--labelled", help="Labelled cases: ID,ID,...")
@click.option(
    "--set",
    "changes",
    multiple=True,
    help="A recipe's setting: NAME=VALUE. See: contrastseg recipes --settings NAME.",
)
@click.option(
    "--axis",
    type=click.IntRange(0, 2),
    help="Slice axis of each file's own array; each volume's coarsest by default.",
)
@click.option(
    "--unrelated", is_flag=True, help="Slices have nothing to do with each other."
)
@budget_options
@click.option(
    "--stage",
    "lengths",
    multiple=True,
    help="Length of one stage: NAME=STEPS, NAME=1.5min or NAME=120epochs.",
)
@device_option
@devices_option
@cluster_option
@seed_option
@overwrite_option
@json_option
def train(  # noqa: PLR0913  the options are the command
    *,
    dataset: Path,
    recipe: str,
    out: Path,
    start: Path | None,
    only: Purpose | None,
    preset: str,
    fold: int | None,
    slices: int | None,
    fraction: float | None,
    labelled: str | None,
    changes: tuple[str, ...],
    axis: int | None,
    unrelated: bool,
    steps: int | None,
    minutes: float | None,
    lengths: tuple[str, ...],
    device: str,
    devices: int,
    cluster: str | None,
    seed: int,
    overwrite: bool,
    json_file: Path | None,
) -> None:
    """Train a model on DATASET (nnU-Net's raw layout)."""
    from napari_contrastseg.recipes import named_value  # noqa: PLC0415
    from napari_contrastseg.tasks import dataset as files  # noqa: PLC0415
    from napari_contrastseg.tasks.splits import Labels  # noqa: PLC0415

    request = files.DatasetTraining(
        dataset,
        out,
        recipe,
        preset,
        fold,
        Labels(slices, fraction, ids(labelled)),
        axis,
        budget(steps, minutes, lengths),
        device,
        seed,
        overwrite,
        dict(named_value(change, "--set") for change in changes),
        unrelated,
        devices,
        start,
        ("pretrain", "fine-tune") if only is None else (only,),
    )
    if start is not None and cluster is not None:
        raise InputError(
            "Give one of --from and --cluster: models are not sent to workers."
        )
    events: Generator[Any, None, None] = files.train_on_dataset(request)
    if cluster is not None:
        from napari_contrastseg.tasks.cluster.training import train_on_cluster  # noqa: PLC0415

        events = train_on_cluster(request, cluster)
    with interrupted(lambda: _kept_training(out)):
        report = follow(events)
    emit(report, json_file)
    click.echo(f"model in {out}, {report['seconds']:.0f} s", err=True)


def _kept_training(out: Path) -> str:
    """Say what is kept of a training that was interrupted."""
    from napari_contrastseg.tasks.dataset import CHECKPOINT  # noqa: PLC0415

    if not (out / CHECKPOINT).is_dir():
        return "there was no checkpoint yet, so nothing is kept."
    return (
        f"the last checkpoint is kept in {out}; give the same command again to go on "
        "from it, or --overwrite to begin from the start."
    )


@click.command()
@click.argument("model", type=PATH)
@click.argument("source", type=PATH, metavar="INPUT")
@click.option("--out", type=PATH, required=True, help="Folder for the masks.")
@click.option("--cases", help="test, all, or ID,ID,...")
@click.option("--confidence", is_flag=True, help="Also write confidence maps.")
@reading_options
@device_option
@cluster_option
@overwrite_option
@json_option
def predict(  # noqa: PLR0913  the options are the command
    *,
    model: Path,
    source: Path,
    out: Path,
    cases: str | None,
    confidence: bool,
    choice: Choice,
    device: str,
    cluster: str | None,
    overwrite: bool,
    json_file: Path | None,
) -> None:
    """Predict INPUT (a data set, a folder or one image) with a MODEL."""
    from napari_contrastseg.tasks import file_prediction as files  # noqa: PLC0415
    from napari_contrastseg.tasks.failed_cases import refuse_failed  # noqa: PLC0415

    request = files.FilePrediction(
        model,
        source,
        out,
        cases,
        confidence,
        device,
        overwrite,
        choice,
    )
    events: Generator[Any, None, None] = files.predict_files(request)
    if cluster is not None:
        from napari_contrastseg.tasks.cluster.prediction import predict_on_cluster  # noqa: PLC0415

        events = predict_on_cluster(request, cluster)
    with interrupted(lambda: _kept_masks(out, on_cluster=cluster is not None)):
        report = follow(events)
    emit(report, json_file)
    click.echo(f"{plural(len(report['cases']), 'mask')} in {out}", err=True)
    refuse_failed(report["failed"], len(report["cases"]))


def _kept_masks(out: Path, *, on_cluster: bool) -> str:
    """Say what is kept of a prediction that was interrupted."""
    if on_cluster:
        return (
            f"finished masks are kept in {out}; give the same command again for the "
            "others."
        )
    return (
        f"finished masks are kept in {out}; predict the other cases with --cases "
        "ID,ID,..., or all of them again with --overwrite."
    )


@click.command()
@click.argument("predictions", type=PATH)
@click.argument("labels", type=PATH)
@json_option
def evaluate(predictions: Path, labels: Path, json_file: Path | None) -> None:
    """Score PREDICTIONS against LABELS on the native grid.

    Classes are matched by name where both sides name them, else by number.
    """
    from napari_contrastseg.evaluation.mask_files import evaluate as score  # noqa: PLC0415

    report = score(predictions, labels)
    emit(report, json_file)
    for note in report.get("notes", ()):
        click.echo(f"contrastseg: {note}", err=True)
    if json_file is None:
        for name, value in report["dice"].items():
            click.echo(f"{name:<20} Dice {value:.3f}")
        click.echo(f"{'mean':<20} Dice {shown(report['mean_dice'])}")
        for name, key in (("IoU", "mean_iou"), ("MAE", "mean_mae"), ("AUPR", "aupr")):
            if report[key] is not None:
                click.echo(f"{'mean':<20} {name} {report[key]:.3f}")
        for name, key in (("HD95", "hd95"), ("ASSD", "assd"), ("HD", "hd")):
            if report[key] is not None:
                click.echo(f"{'mean':<20} {name} {report[key]:.4g} {report['unit']}")
