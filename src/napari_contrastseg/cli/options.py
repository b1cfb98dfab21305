"""What commands share: options, progress, the JSON report."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from tqdm import tqdm

from napari_contrastseg.io.choice import Choice
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder, replacing
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_contrastseg.learning.plan.stage import Budget, StageLength
    from napari_contrastseg.session.session import Session

Number = TypeVar("Number", int, float)


class GivenPath(click.Path):
    """A path that is not empty, as an unset variable of a script would be."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Refuse an empty path, which would stand for the folder one is in."""
        if not os.fspath(value):
            self.fail("is empty; give a path.", param, ctx)
        return super().convert(value, param, ctx)


class ReportPath(GivenPath):
    """A file for the report, or ``-``: it can be written, before hours of work."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """See that the file's folder can be made and written."""
        path = super().convert(value, param, ctx)
        if str(path) != "-":
            need_folder(path.parent)
        return path


class FiniteRange(click.FloatRange):
    """A range of finite numbers: nan is neither below a bound nor above it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse what is not finite before the range is looked at."""
        number = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return float(super().convert(value, param, ctx))


PATH = GivenPath(path_type=Path)
#: Length of a round that the window offers.
USUAL_MINUTES: Final = 2.0
_UNITS: Final = {"mm": 1.0, "um": 1e-3, "µm": 1e-3, "nm": 1e-6}
json_option = click.option(
    "--json",
    "json_file",
    type=ReportPath(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write one JSON object; - is stdout.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
devices_option = click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="GPUs that share every step; with --device cpu, processes.",
)
cluster_option = click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Compute on the workers of a Dask scheduler: tcp://localhost:8786. "
    "See: contrastseg worker.",
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace what is there."
)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True
)


#: More is a slip of the keyboard: a month of minutes, a hundred million steps.
MOST_MINUTES: Final = 30 * 24 * 60
MOST_STEPS: Final = 10**8


def budget_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --steps and --minutes."""
    steps = click.option(
        "--steps", type=click.IntRange(1, MOST_STEPS), help="Steps a stage."
    )
    minutes = click.option(
        "--minutes",
        type=FiniteRange(0, MOST_MINUTES, min_open=True),
        help="Minutes in all.",
    )
    return steps(minutes(command))


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add how files are read; the command gets it as `choice`."""

    @click.option(
        "--part",
        default="",
        metavar="NAME",
        help="Which image of a file of several: a series, a time point, a level; or "
        "'slices', for a folder of pictures.",
    )
    @click.option(
        "--upright",
        is_flag=True,
        help="Resample tilted or uneven slices to an even, upright grid.",
    )
    @click.option(
        "--unrelated",
        is_flag=True,
        help="Slices, or the pictures of a folder, have nothing to do with each other.",
    )
    @click.option(
        "--voxel-size",
        "size",
        metavar="Z,Y,X",
        help="Of files without a place, with a unit: 0.3,0.1,0.1um.",
    )
    @functools.wraps(command)
    def chosen(
        *, part: str, upright: bool, unrelated: bool, size: str | None, **options: Any
    ) -> None:
        choice = Choice(part, upright, unrelated, voxel_size(size))
        command(choice=choice, **options)

    return chosen


def emit(report: Any, json_file: Path | None) -> None:
    """Print a report as JSON to a file or, for ``-``, to stdout."""
    if json_file is None:
        return
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        # bytes of a file's name that are no UTF-8: as \udcff they can be read back
        text = json.dumps(report, indent=1, allow_nan=False)
    if str(json_file) == "-":
        click.echo(text)
        return
    with replacing(json_file) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _closed(events: Iterator[Any]) -> Iterator[None]:
    """Let a task give back what it holds, whatever ends it."""
    try:
        yield
    finally:
        if isinstance(events, Generator):
            events.close()


def follow(events: Iterator[Any]) -> Any:
    """Show a task's progress on stderr; returns its last event, the result."""
    result = None
    bar = tqdm(
        total=100,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        bar_format="{desc:<24}{percentage:3.0f}%|{bar:24}|{elapsed}<{remaining}{postfix}",
    )
    with bar, _closed(events):
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


def read_session(folder: Path, out: Path) -> tuple[Session, dict[str, list[str]]]:
    """Open a session to export it.

    Parameters
    ----------
    folder, out : Path
        Of the session, and where it is exported to.

    Returns
    -------
    The session, and for the report what of it is missing, which is said on stderr too.

    Raises
    ------
    InputError
        It is not a session, or damaged; or the output lies in its folder.
    """
    from napari_contrastseg.session.storage.load import open_folder  # noqa: PLC0415

    opened = open_folder(folder)
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{out}: lies in the session's folder, where only the session's own files "
            "are kept; choose another folder for the output."
        )
    for note in opened.notes:
        click.echo(f"contrastseg: {' '.join(note.split())}", err=True)
    return opened.session, {"notes": opened.notes} if opened.notes else {}


@contextmanager
def interrupted(kept: Callable[[], str]) -> Iterator[None]:
    """Say what an interruption leaves, and how to go on.

    Parameters
    ----------
    kept : callable
        Gives the words, once it has happened.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(kept()) from stop


def kept_cells(out: Path | None) -> str:
    """Say what is kept of a command that keeps one file a cell, if it has a folder."""
    if out is None:
        return "nothing is kept, as there is no --out for a file of each finished cell."
    return f"finished cells are kept in {out}; give the same command again to go on."


def kept_nothing() -> str:
    """Say that a command which writes at its end has kept nothing."""
    return "nothing is kept, as the report is written at the end; begin again."


def shown(score: float | None) -> str:
    """Write a score for people; there is none where no class occurs."""
    return "-" if score is None else f"{score:.3f}"


def run_window(module: str, *arguments: str) -> int:
    """Run a module of the window in a process of its own; its exit status."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        check=False,
        stderr=subprocess.DEVNULL,
    )
    return done.returncode


def ids(text: str | None) -> tuple[str, ...] | None:
    """Split ID,ID,..."""
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip())


def voxel_size(text: str | None) -> tuple[float, float, float] | None:
    """Read Z,Y,X with a unit at the end: ``0.3,0.1,0.1um``.

    Returns
    -------
    In mm.

    Raises
    ------
    InputError
        It is not three lengths above 0 and a unit.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([\d.,eE+\- ]+?)\s*(mm|um|µm|nm)", text.strip())
    try:
        sides = [float(side) * _UNITS[found[2]] for side in found[1].split(",")]  # type: ignore[index]
        z, y, x = sides
    except (TypeError, ValueError):
        z = y = x = math.nan
    if not all(0 < side < math.inf for side in (z, y, x)):
        raise InputError(
            f"--voxel-size {text!r}: give three lengths and their unit (mm, um or nm), "
            "like 0.3,0.1,0.1um."
        )
    return (z, y, x)


def numbers(option: str, text: str, kind: type[Number]) -> tuple[Number, ...]:
    """Split NUMBER,NUMBER,...

    Raises
    ------
    InputError
        One is not a number.
    """
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InputError(f"{option} {text!r}: give numbers with commas.") from None


def budget(
    steps: int | None, minutes: float | None, stages: Sequence[str] = ()
) -> Budget:
    """Make a budget of --steps or --minutes, and of --stage NAME=LENGTH.

    Raises
    ------
    InputError
        Both are given, or a length cannot be read.
    """
    from napari_contrastseg.learning.plan.stage import Budget  # noqa: PLC0415

    if steps is not None and minutes is not None:
        raise InputError("Give one of --steps and --minutes, not both.")
    return Budget(steps, minutes, tuple(_stage_length(text) for text in stages))


def one_budget(steps: int | None, minutes: float | None) -> Budget:
    """Make a budget for work within one volume: as the window's, two minutes.

    Raises
    ------
    InputError
        Both are given.
    """
    if steps is None and minutes is None:
        minutes = USUAL_MINUTES
    return budget(steps, minutes)


def _stage_length(text: str) -> StageLength:
    """Read NAME=200 (steps), NAME=1.5min or NAME=120epochs."""
    from napari_contrastseg.learning.plan.stage import StageLength  # noqa: PLC0415

    name, _, length = (part.strip() for part in text.rpartition("="))
    unit = next((u for u in ("min", "epochs") if length.endswith(u)), "")
    try:
        number = float(length.removesuffix(unit)) if unit else int(length)
        most = MOST_MINUTES if unit == "min" else MOST_STEPS
        if name and 0 < number <= most:
            return StageLength(
                name,
                None if unit else int(number),
                number if unit == "min" else None,
                number if unit == "epochs" else None,
            )
    except ValueError:
        pass
    raise InputError(
        f"--stage {text!r}: write a stage's name and its steps, minutes or epochs, "
        "like 'fine-tune=200', 'fine-tune=1.5min' or 'fine-tune=120epochs', of at most "
        f"{MOST_STEPS} steps or epochs or {MOST_MINUTES} minutes."
    )
