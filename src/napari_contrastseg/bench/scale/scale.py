"""Memory, time and speed with volumes larger than memory and with large pictures.

Each volume, and the picture, is gone through in a process of its own, with the bound
that the user sets (CONTRASTSEG_MEMORY); another process shows it in the window, and a
third one in napari without the dock.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from napari_contrastseg.bench.compare.provenance import provenance
from napari_contrastseg.bench.measure.subprocess_runner import EndedError, printed_by
from napari_contrastseg.bench.scale.inputs import (
    volume_shape,
    write_picture,
    write_volume,
)
from napari_contrastseg.bench.scale.kept_work import is_kept
from napari_contrastseg.bench.scale.one_case import Case, steps_of
from napari_contrastseg.bench.scale.table import step_line
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE, parsed_memory
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE, scratch_folder
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS: Final = "napari_contrastseg.bench.scale.one_case"
_WINDOW: Final = "napari_contrastseg.bench.window.large_volume"
#: Above so many bytes only some slices are predicted, and how many.
WHOLE_UP_TO: Final = 2**30
SOME_SLICES: Final = 64
#: Bytes a voxel of scratch files and of what is written, at most.
BESIDE: Final = 16
_GIGABYTE: Final = 2**30
#: GB of the smallest volume, and pixels of a side of the smallest picture.
LEAST_SIZE: Final = 1e-4
LEAST_SIDE: Final = 64
#: What is done in the window.
_IN_WINDOW: Final = ("open", "add", "paint", "look")
#: Parts of the report that are measured in a window, and whose window that is.
_WINDOWS: Final = {"window": "dock", "napari": "napari"}


@dataclass(frozen=True)
class Scale:
    """What to measure.

    Attributes
    ----------
    sizes : tuple of float
        Of volumes, in GB.
    pictures : tuple of int
        Pixels of the sides of pictures.
    steps : int
        Training steps.
    memory : str
        The bound, as CONTRASTSEG_MEMORY names it.
    limit : float or None
        GB of data memory that each process may take, where the system can say so.
    window : bool
        Whether to show each in the window as well.
    slices : int or None
        Slices to predict; else all, and some of volumes above 1 GB.
    keep : Path or None
        A file in which each step is kept as soon as it is done. A run that finds some
        there, with the same settings, goes on after them, with the images and sessions
        that lie beside the file until all their steps are done.
    """

    sizes: tuple[float, ...] = (1.0, 4.0)
    pictures: tuple[int, ...] = (20_000,)
    steps: int = 50
    memory: str = "1 GB"
    limit: float | None = None
    window: bool = True
    slices: int | None = None
    keep: Path | None = None


def scale(asked: Scale) -> Iterator[Note | Progress | dict[str, Any]]:
    """Measure; yields Notes of the disk it needs and of steps, progress, the report.

    Files lie in a folder of their own among the scratch files, which goes at the end,
    however that comes, or beside what is kept, until all steps are done.

    Raises
    ------
    InputError
        There is nothing to measure or a size is too small, the disk has no room, what
        was kept is of other settings, or the session that it goes on from was removed.
    """
    _check_sizes(asked)
    parsed_memory(asked.memory, "--memory")
    kept = _Kept(asked)
    need, parent = _bytes_needed(asked), _parent(asked)
    free = shutil.disk_usage(parent).free
    words = f"{need / _GIGABYTE:.1f} GB in {parent}, where {free / _GIGABYTE:.1f} are"
    if free < need:
        raise InputError(
            f"bench scale needs up to {words} free; give smaller --sizes, or set "
            f"{SCRATCH_VARIABLE} to a folder on a larger disk."
        )
    yield Note(f"bench scale needs up to {words} free.")
    report: dict[str, Any] = {
        "machine": _machine(),
        **provenance(),
        "memory": asked.memory,
        "limit_gb": asked.limit,
        "sizes": [],
        "pictures": [],
        "failed": [],
    }
    inputs = [_Input(gb=gb) for gb in asked.sizes]
    inputs += [_Input(side=side) for side in asked.pictures]
    for number, one in enumerate(inputs):
        yield Progress(one.name, number / len(inputs))
        yield from _measure(asked, one, parent, kept)
        found = kept.of(one.name)
        report["pictures" if one.side else "sizes"].append(
            one.about | _main_figures(found) | found
        )
        report["failed"] += [
            f"{one.name}, {part}, {step}"
            for part, steps in found.items()
            for step, what in steps.items()
            if "failed" in what
        ]
    report["growth_mb_per_gb"] = _growth(report["sizes"])
    yield report


@dataclass(frozen=True)
class _Input:
    """A volume of so many GB, or a picture with sides of so many pixels."""

    gb: float = 0
    side: int = 0

    @property
    def name(self) -> str:
        return f"{self.side} px" if self.side else f"{self.gb:g} GB"

    @property
    def kind(self) -> str:
        return "picture" if self.side else "volume"

    @property
    def shape(self) -> tuple[int, int, int]:
        if self.side:
            return (1, self.side, self.side)
        return volume_shape(int(self.gb * _GIGABYTE))

    @property
    def about(self) -> dict[str, Any]:
        return (
            {"side": self.side} if self.side else {"gb": self.gb, "shape": self.shape}
        )

    def written(self, folder: Path) -> Path:
        """Make the file, if it is not there yet."""
        path = folder / ("picture.tif" if self.side else "volume.ome.zarr")
        if path.exists():
            return path
        part = folder / f"part-{path.name}"
        if self.side:
            write_picture(part, self.side)
        else:
            write_volume(part, self.shape)
        return part.rename(path)


def _check_sizes(asked: Scale) -> None:
    for option, sizes, least in (
        ("--sizes", asked.sizes, LEAST_SIZE),
        ("--pictures", asked.pictures, LEAST_SIDE),
    ):
        if not all(least <= size < math.inf for size in sizes):
            raise InputError(
                f"bench scale {option}: give numbers from {least:g} on, or 0 for none."
            )
    if not asked.sizes and not asked.pictures:
        raise InputError("bench scale: give --sizes or --pictures above 0.")


def _parent(asked: Scale) -> Path:
    """Where large files go."""
    if asked.keep is None:
        return scratch_folder()
    asked.keep.parent.mkdir(parents=True, exist_ok=True)
    return asked.keep.parent


def _bytes_needed(asked: Scale) -> int:
    """Disk room of the largest case: they follow one another."""
    volumes = [int(size * _GIGABYTE) * (1 + BESIDE // 2) for size in asked.sizes]
    pictures = [side**2 * (1 + BESIDE) for side in asked.pictures]
    return max([0, *volumes, *pictures])


@contextmanager
def _own_folder(asked: Scale, name: str, parent: Path) -> Iterator[Path]:
    """Give a folder for a case: of this run, or of all that go on with each other."""
    if asked.keep is not None:
        kept = _kept_folder(asked.keep, name)
        kept.mkdir(exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(
        dir=parent, prefix="contrastseg-scale-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _kept_folder(keep: Path, name: str) -> Path:
    return keep.with_name(f"{keep.stem} {name}.work")


class _Kept:
    """What was found of each case, step by step; in a file, if there is to be one.

    What failed is in the report alone, so that a later run tries it again.
    """

    def __init__(self, asked: Scale) -> None:
        self._file, self._commit = asked.keep, provenance()["commit"]
        alike = ("steps", "memory", "limit", "slices")
        self._asked = {name: getattr(asked, name) for name in alike}
        self._found: dict[str, dict[str, Any]] = {}
        if self._file is None or not self._file.is_file():
            return
        held = _held(self._file)
        if held["asked"] != self._asked:
            raise InputError(
                f"{self._file}: was measured with other settings "
                f"({held['asked']}); ask for these, or name another file."
            )
        for name, parts in held["found"].items():
            for part, steps in parts.items():
                done = {k: f for k, f in steps.items() if "failed" not in f}
                self._found.setdefault(name, {})[part] = done

    def done(self, name: str, part: str) -> tuple[str, ...]:
        """Give the steps of a part of a case that were done."""
        steps = self._found.get(name, {}).get(part, {})
        return tuple(key for key, found in steps.items() if "failed" not in found)

    def has(self, name: str, part: str, steps: tuple[str, ...]) -> bool:
        """Say whether all steps of a part of a case were done."""
        return set(steps) <= set(self.done(name, part))

    def take(self, name: str, part: str, step: str, found: dict[str, Any]) -> None:
        """Take up what was found, and the commit: later steps may be of another."""
        found = found | {"commit": self._commit}
        self._found.setdefault(name, {}).setdefault(part, {})[step] = found
        if self._file is not None and "failed" not in found:
            held = {"asked": self._asked, "found": self._found}
            with replacing(self._file) as temporary:
                temporary.write_text(json.dumps(held, indent=1))

    def of(self, name: str) -> dict[str, Any]:
        """Give what was found of a case."""
        return dict(self._found.get(name, {}))


def _held(path: Path) -> dict[str, Any]:
    """Read a file of finished steps.

    Raises
    ------
    InputError
        It is another file.
    """
    try:
        held: dict[str, Any] = json.loads(path.read_text())
        if {"asked", "found"} <= held.keys():
            return held
    except (ValueError, AttributeError):
        pass
    raise InputError(f"{path}: holds no finished steps; name another file for --keep.")


def _measure(asked: Scale, one: _Input, parent: Path, kept: _Kept) -> Iterator[Note]:
    """Go through the steps with a volume or the picture, then show it in the window.

    Yields a Note of each step that was not kept before.
    """
    wanted = {"steps": tuple(steps_of(one.kind))}
    if asked.window:
        wanted |= dict.fromkeys(_WINDOWS, _IN_WINDOW)

    def lacking() -> list[str]:
        return [part for part in wanted if not kept.has(one.name, part, wanted[part])]

    if lacking():
        with _own_folder(asked, one.name, parent) as folder:
            if "steps" in lacking():
                _check_kept(asked, folder, kept.done(one.name, "steps"))
            path = one.written(folder)
            for part in lacking():
                yield from _measure_part(asked, one, part, path, kept)
    if asked.keep is not None and not lacking():
        shutil.rmtree(_kept_folder(asked.keep, one.name), ignore_errors=True)


def _check_kept(asked: Scale, folder: Path, done: tuple[str, ...]) -> None:
    """Refuse to go on after steps whose work was removed."""
    if done and not is_kept(folder):
        raise InputError(
            f"{asked.keep}: holds the steps {', '.join(done)}, but the session that "
            f"they made is no longer in {folder}; name another file for --keep."
        )


def _measure_part(
    asked: Scale, one: _Input, part: str, path: Path, kept: _Kept
) -> Iterator[Note]:
    """Go through the steps that are not kept, without or in the window."""
    done = kept.done(one.name, part)
    if part == "steps":
        found = _steps(asked, one, path, done)
    else:
        found = _in_window(asked, _WINDOWS[part], path, done)
    try:
        for step in found:
            kept.take(one.name, part, step["step"], step["found"])
            yield Note(step_line(one.name, part, step["step"], step["found"]))
    except EndedError as ended:
        kept.take(one.name, part, "ended", {"failed": str(ended)})
        yield Note(f"{one.name}, {part}: {ended}")


def _steps(
    asked: Scale, one: _Input, path: Path, done: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    slices = None
    if not one.side:
        is_large = one.gb * _GIGABYTE > WHOLE_UP_TO
        slices = asked.slices or (SOME_SLICES if is_large else None)
    case = Case(
        one.kind, str(path), str(path.parent), asked.steps, slices,
        keeps=asked.keep is not None, limit=asked.limit or 0, done=done,
    )  # fmt: skip
    return _run(_STEPS, [json.dumps(asdict(case))], asked, path.parent)


def _in_window(
    asked: Scale, who: str, path: Path, done: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    lacking = [step for step in _IN_WINDOW if step not in done]
    arguments = [str(path), str(asked.limit or 0), who, *lacking]
    return _run(_WINDOW, arguments, asked, path.parent)


def _run(
    module: str, arguments: list[str], asked: Scale, folder: Path
) -> Iterator[dict[str, Any]]:
    """Run a module in a process of its own; yields the steps that it prints."""
    environment = {MEMORY_VARIABLE: asked.memory, SCRATCH_VARIABLE: str(folder)}
    return printed_by(module, arguments, environment)


def _main_figures(found: dict[str, Any]) -> dict[str, float | None]:
    """Give what is asked first of a case, of the window where it was shown.

    ``peak_mb`` is the most of all steps; None stands for what was not measured.
    """
    steps, window = found.get("steps", {}), found.get("window", {})
    acts = window or steps

    def of(part: dict[str, Any], step: str, key: str) -> Any:
        return part.get(step, {}).get(key)

    def most(part: dict[str, Any], key: str) -> Any:
        return max((one[key] for one in part.values() if key in one), default=None)

    return {
        "add_s": of(acts, "add", "seconds"),
        "stroke_ms": of(acts, "paint", "stroke_ms"),
        "slice_ms": of(window, "look", "scroll_ms"),
        "predict_voxels_s": of(steps, "predict", "voxels_per_s"),
        "longest_stop_ms": most(window, "longest_stop_ms"),
        "peak_mb": most(steps, "peak_mb"),
    }


def _growth(volumes: list[dict[str, Any]]) -> dict[str, float]:
    """MB by which each step's peak grows a GB of volume, from smallest to largest."""
    measured = sorted((v for v in volumes if "steps" in v), key=lambda v: v["gb"])
    if len(measured) < 2 or measured[0]["gb"] == measured[-1]["gb"]:  # noqa: PLR2004
        return {}
    small, large = measured[0]["steps"], measured[-1]["steps"]
    between = measured[-1]["gb"] - measured[0]["gb"]
    return {
        name: round((large[name]["peak_mb"] - small[name]["peak_mb"]) / between, 1)
        for name in large
        if "peak_mb" in large[name] and "peak_mb" in small.get(name, {})
    }


def _machine() -> dict[str, Any]:
    memory = psutil.virtual_memory().total / _GIGABYTE
    return {
        "system": sys.platform,
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
    }
