"""The command that writes a session's work: export."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  click reads it
from typing import Any

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


@click.command()
@click.argument("session", type=PATH, required=False)
@click.option("--as", "name", help="What to write; --list names all.")
@click.option("--out", type=PATH, help="Folder to write to.")
@click.option(
    "--set", "changes", multiple=True, help="An option of the export: OPTION=VALUE."
)
@click.option("--list", "listed", is_flag=True, help="List the exports; write nothing.")
@overwrite_option
@json_option
def export(
    *,
    session: Path | None,
    name: str | None,
    out: Path | None,
    changes: tuple[str, ...],
    listed: bool,
    overwrite: bool,
    json_file: Path | None,
) -> None:
    """Write a SESSION as masks, as a model, as a data set."""
    from napari_contrastseg.io.json import to_plain  # noqa: PLC0415
    from napari_contrastseg.recipes import named_value  # noqa: PLC0415
    from napari_contrastseg.session.derived import (  # noqa: PLC0415
        counts_of_sources,
        words_of_sources,
    )
    from napari_contrastseg.tasks.exports import (  # noqa: PLC0415
        Output,
        export_named,
        options_of,
    )

    if listed:
        _list(json_file)
        return
    if session is None or name is None or out is None:
        raise click.UsageError("Give SESSION, --as NAME and --out DIR, or --list.")
    chosen = export_named(name)
    options = options_of(chosen, dict(named_value(c, "--set") for c in changes))
    opened, notes = read_session(session, out)
    written: list[Path] = []
    with interrupted(lambda: _kept_files(written, out)):
        for path in chosen.write(opened, options, Output(out, overwrite)):
            written.append(path)  # noqa: PERF402  known if it is interrupted
    report = {
        "export": name,
        "options": to_plain(options),
        "files": [str(path) for path in written],
    } | notes
    rest = words_of_sources(opened) if getattr(options, "complete", False) else ""
    if rest:
        records = opened.records.items()
        report["sources"] = {n: counts_of_sources(record) for n, record in records}
    emit(report, json_file)
    for path in written:
        click.echo(str(path), err=True)
    for said in filter(None, (rest, chosen.note(opened, options))):
        click.echo(said, err=True)


def _kept_files(written: list[Path], out: Path) -> str:
    """Say what is kept of an export that was interrupted."""
    again = "give the same command again with --overwrite for all."
    if not written:
        return f"nothing finished is kept; {again}"
    return f"{plural(len(written), 'finished file')} kept in {out}; {again}"


def _list(json_file: Path | None) -> None:
    from napari_contrastseg.io.json import to_plain  # noqa: PLC0415
    from napari_contrastseg.learning.plan.setting import setting_fields  # noqa: PLC0415
    from napari_contrastseg.tasks.exports import catalogue  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    for entry in catalogue().values():
        default = to_plain(entry.options)
        options = []
        for name, field in setting_fields(type(entry.options)).items():
            choices, meaning = field.choices(), field.setting.meaning
            about = {"name": name, "default": default[name], "help": meaning}
            options.append(about | ({"choices": choices} if choices else {}))
        found.append({"name": entry.name, "summary": entry.summary, "options": options})
    emit(found, json_file)
    if json_file is not None:
        return
    for export in found:
        click.echo(f"{export['name']:<14} {export['summary']}")
        for option in export["options"]:
            words = f"{option['name']}={_typed(option['default'])}"
            click.echo(f"    --set {words:<20} {option['help']}")
            if "choices" in option:
                typed = ", ".join(_typed(choice) for choice in option["choices"])
                click.echo(f"{'':31}One of {typed}.")


def _typed(value: Any) -> str:
    """Write a value as it is typed after --set."""
    return value if isinstance(value, str) else json.dumps(value)
