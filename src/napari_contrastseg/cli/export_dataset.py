"""The command that writes a session as a data set: export-dataset."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  click reads it

import click

from napari_contrastseg.cli.options import (
    PATH,
    emit,
    interrupted,
    json_option,
    overwrite_option,
    read_session,
)
from napari_contrastseg.io.plural import plural


@click.command("export-dataset")
@click.argument("session", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder for the data set.")
@overwrite_option
@json_option
def export_dataset(
    *, session: Path, out: Path, overwrite: bool, json_file: Path | None
) -> None:
    """Write a SESSION's truth as a data set, unknown voxels as `ignore`.

    --overwrite replaces a data set that was written so before, and nothing else.
    """
    from napari_contrastseg.tasks.exports.dataset import export_dataset as task  # noqa: PLC0415

    opened, notes = read_session(session, out)
    with interrupted(lambda: _kept(out)):
        report = task(opened, out, overwrite=overwrite)
    emit(report | notes, json_file)
    if report["deleted"]:
        click.echo(
            f"contrastseg: deleted {plural(len(report['deleted']), 'file')} of an "
            "earlier export, of cases that are not in this session.",
            err=True,
        )


def _kept(out: Path) -> str:
    """Say what is kept of a data set whose export was interrupted."""
    from napari_contrastseg.io.own_files import RECORD  # noqa: PLC0415

    if not (out / RECORD).exists():
        return "nothing was written; give the same command again."
    before = (out / "dataset.json").exists()
    return (
        f"the data set in {out} {'may be that of before' if before else 'is not whole'}"
        "; give the same command again, with --overwrite."
    )
