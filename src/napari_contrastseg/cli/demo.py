"""The demo command: the main job on real MRI, from labels to masks."""

from __future__ import annotations

from pathlib import Path

import click

from napari_contrastseg.cli.options import (
    PATH,
    emit,
    follow,
    interrupted,
    json_option,
    kept_nothing,
    run_window,
    seed_option,
)
from napari_contrastseg.io.errors import InputError


@click.command()
@click.option("--out", type=PATH, default=Path("contrastseg-demo"), show_default=True)
@click.option("--gui", is_flag=True, help="Open napari with all of it loaded.")
@click.option("--recipe", help="Another recipe than the default.")
@seed_option
@json_option
def demo(
    *, out: Path, gui: bool, recipe: str | None, seed: int, json_file: Path | None
) -> None:
    """Do the main job on real MRI: label, train, correct, train again, export."""
    from napari_contrastseg.bench.demo import DemoRequest, describe  # noqa: PLC0415
    from napari_contrastseg.bench.demo import demo as run_demo  # noqa: PLC0415
    from napari_contrastseg.recipes import DEFAULT  # noqa: PLC0415

    with interrupted(kept_nothing):
        report = follow(run_demo(DemoRequest(out, recipe or DEFAULT, seed=seed)))
    emit(report, json_file)
    click.echo(describe(report), err=json_file is not None)
    if gui and run_window(
        "napari_contrastseg.ui.plugin.open_session", str(out / "session")
    ):
        raise InputError(
            "napari could not be opened; contrastseg doctor says what is missing. The "
            f"session is in {out / 'session'}."
        )
