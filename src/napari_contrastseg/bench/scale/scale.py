"""Memory, time and speed with volumes larger than memory and with large pictures.

Each volume, and the picture, is gone through in a process of its own, with the bound
that the user sets (CONTRASTSEG_MEMORY); another process shows it in the window.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from napari_contrastseg.bench.compare.provenance import provenance
from napari_contrastseg.bench.scale.inputs import (
    volume_shape,
    write_picture,
    write_volume,
)
from napari_contrastseg.bench.scale.one_case import Case
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import replacing
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE, parsed_memory
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE, scratch_folder
from napari_contrastseg.tasks.events import Note, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEPS: Final = "napari_contrastseg.bench.scale.one_case"
_WINDOW: Final = "napari_contrastseg.bench.window.large_volume"
#: Above so many bytes only some slices are predicted, and how many.
WHOLE_UP_TO: Final = 2**30
SOME_SLICES: Final = 64
#: Bytes a voxel of scratch files and of what is written, at most.
BESIDE: Final = 16
_GIGABYTE: Final = 2**30


@dataclass(frozen=True)
class Scale:
    """What to measure.

    Attributes
    ----------
    sizes : tuple of float
        Of volumes, in GB.
    picture : int
        Pixels of the picture's sides; 0 for none.
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
        A file in which each measurement is kept as soon as it is there. A run that
        finds some there, with the same settings, goes on after them.
    """

    sizes: tuple[float, ...] = (1.0, 4.0)
    picture: int = 20_000
    steps: int = 50
    memory: str = "1 GB"
    limit: float | None = None
    window: bool = True
    slices: int | None = None
    keep: Path | None = None


def scale(asked: Scale) -> Iterator[Note | Progress | dict[str, Any]]:
    """Measure; yields a Note of the disk it needs, progress, and the report.

    Files lie in a folder of their own among the scratch files, which goes at the end,
    however that comes.

    Raises
    ------
    InputError
        The disk has no room, or what was kept is of other settings.
    """
    parsed_memory(asked.memory, "--memory")
    kept = _Kept(asked)
    need, parent = _bytes_needed(asked), scratch_folder()
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
        "volumes": [],
    }
    names = [*map(str, asked.sizes), *(["picture"] if asked.picture else [])]
    for number, name in enumerate(names):
        stage = name if name == "picture" else f"{name} GB"
        yield Progress(stage, number / len(names))
        found = _measured(asked, name, parent, kept)
        if name == "picture":
            report["picture"] = found
        else:
            report["volumes"].append(found)
    report["growth_mb_per_gb"] = _growth(report["volumes"])
    yield report


def _bytes_needed(asked: Scale) -> int:
    """Disk room of the largest case: they follow one another."""
    volumes = [int(size * _GIGABYTE) * (1 + BESIDE // 2) for size in asked.sizes]
    return max([*volumes, asked.picture**2 * (1 + BESIDE)])


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(
        dir=parent, prefix="contrastseg-scale-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


class _Kept:
    """Measurements, by what was measured; in a file, if there is to be one."""

    def __init__(self, asked: Scale) -> None:
        self._file = asked.keep
        alike = ("steps", "memory", "limit", "slices")
        self._asked = {name: getattr(asked, name) for name in alike}
        self._found: dict[str, dict[str, Any]] = {}
        if self._file is None or not self._file.is_file():
            return
        held = json.loads(self._file.read_text())
        if held["asked"] != self._asked:
            raise InputError(
                f"{self._file}: was measured with other settings ({held['asked']}); "
                "ask for these, or name another file."
            )
        self._found = held["found"]

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Give what was found, or measure it now."""
        if name not in self._found:
            self._found[name] = {"when": _now(), **measure()}
            if self._file is not None:
                held = {"asked": self._asked, "found": self._found}
                with replacing(self._file) as temporary:
                    temporary.write_text(json.dumps(held, indent=1))
        return self._found[name]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _measured(asked: Scale, name: str, parent: Path, kept: _Kept) -> dict[str, Any]:
    """Go through the steps with a volume or the picture, and show it in the window."""
    about: dict[str, Any] = {"shape": (1, asked.picture, asked.picture)}
    if name != "picture":
        shape = volume_shape(int(float(name) * _GIGABYTE))
        about = {"gb": float(name), "shape": shape}
    about |= kept.get(f"{name}: steps", lambda: _steps(asked, name, parent))
    if asked.window:
        found = kept.get(f"{name}: window", lambda: _in_window(asked, name, parent))
        about["window"] = found
    return about


def _steps(asked: Scale, name: str, parent: Path) -> dict[str, Any]:
    with _own_folder(parent) as folder:
        path = _written(asked, name, folder)
        kind = "picture" if name == "picture" else "volume"
        slices = None
        if kind == "volume":
            is_large = float(name) * _GIGABYTE > WHOLE_UP_TO
            slices = asked.slices or (SOME_SLICES if is_large else None)
        case = Case(kind, str(path), str(folder), asked.steps, slices)
        return _run(_STEPS, [json.dumps(asdict(case))], asked, folder)


def _in_window(asked: Scale, name: str, parent: Path) -> dict[str, Any]:
    with _own_folder(parent) as folder:
        path, result = _written(asked, name, folder), folder / "window.json"
        failed = _run(_WINDOW, [str(path), str(result)], asked, folder)
        return json.loads(result.read_text()) if result.is_file() else failed


def _written(asked: Scale, name: str, folder: Path) -> Path:
    """Make a volume or the picture."""
    if name == "picture":
        path = folder / "picture.tif"
        write_picture(path, asked.picture)
    else:
        path = folder / "volume.ome.zarr"
        write_volume(path, volume_shape(int(float(name) * _GIGABYTE)))
    return path


def _run(
    module: str, arguments: list[str], asked: Scale, folder: Path
) -> dict[str, Any]:
    """Run a module in a process of its own; the JSON it prints, or how it failed."""
    environment = {MEMORY_VARIABLE: asked.memory, SCRATCH_VARIABLE: str(folder)}
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        preexec_fn=None if asked.limit is None else lambda: _limit(asked.limit),
    )
    said = done.stdout.strip().splitlines()
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return {"failed": f"exit status {done.returncode}: {why[:300]}"}
    report = next((line for line in said[::-1] if line.startswith("{")), "{}")
    return dict(json.loads(report))


def _limit(gigabytes: float | None) -> None:
    """Let this process have so much data memory and no more, on Linux."""
    if gigabytes is not None and sys.platform == "linux":
        import resource  # noqa: PLC0415

        most = int(gigabytes * _GIGABYTE)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _growth(volumes: list[dict[str, Any]]) -> dict[str, float]:
    """MB by which each step's peak grows a GB of volume, from smallest to largest."""
    measured = sorted((v for v in volumes if "steps" in v), key=lambda v: v["gb"])
    if len(measured) < 2 or measured[0]["gb"] == measured[-1]["gb"]:  # noqa: PLR2004
        return {}
    small, large = measured[0], measured[-1]
    between = large["gb"] - small["gb"]
    return {
        name: round((step["peak_mb"] - small["steps"][name]["peak_mb"]) / between, 1)
        for name, step in large["steps"].items()
        if name in small["steps"]
    }


def _machine() -> dict[str, Any]:
    memory = psutil.virtual_memory().total / _GIGABYTE
    return {
        "system": sys.platform,
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
    }
