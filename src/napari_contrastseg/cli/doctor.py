"""The doctor command: check Python, libraries, GPU and OpenGL of this computer."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from napari_contrastseg.cli.options import emit, json_option

if TYPE_CHECKING:
    from pathlib import Path

#: Module that opens an OpenGL context and prints what it found.
OPENGL_CHECK = "napari_contrastseg.ui.plugin.check_opengl"
OPENGL_SECONDS = 60


@click.command()
@json_option
def doctor(json_file: Path | None) -> None:
    """Say what this machine has, and what to mend."""
    report = examine()
    emit(report, json_file)
    if json_file is None:
        for key, value in report.items():
            if key != "problems":
                click.echo(f"{key:<20} {value}")
        for problem in report["problems"] or ["none"]:
            click.echo(f"problem: {problem}")


def examine() -> dict[str, Any]:
    """Look at Python, torch, napari, GPU and OpenGL; say what to mend."""
    problems: list[str] = []
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "napari_contrastseg": _version("napari-contrastseg"),
        "torch": _version("torch"),
        "napari": _version("napari"),
    }
    report |= _compute(problems)
    report |= _window(problems)
    report["problems"] = problems
    return report


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _compute(problems: list[str]) -> dict[str, Any]:
    try:
        import torch
    except (ImportError, OSError) as error:
        problems.append(f"torch cannot be loaded ({error}); install it again.")
        return {"device": None, "gpu": None}
    from napari_contrastseg.learning.runtime.device import describe_device, pick_device  # noqa: PLC0415

    device = pick_device("auto")
    gpu = describe_device(device) if device.type == "cuda" else None
    if gpu is None and torch.version.cuda is not None:
        problems.append(
            "torch was built for CUDA but finds no GPU; check the driver with "
            "nvidia-smi."
        )
    return {
        "device": describe_device(device),
        "gpu": gpu,
        "cores": torch.get_num_threads(),
    }


def _window(problems: list[str]) -> dict[str, Any]:
    """Look at OpenGL and Qt, in a process that may die of them."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", OPENGL_CHECK],
            capture_output=True,
            text=True,
            timeout=OPENGL_SECONDS,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        report = {"opengl": str(found["opengl"]), "qt": str(found["qt"])}
    except (subprocess.SubprocessError, ValueError, IndexError, KeyError):
        problems.append(
            "The window cannot open here: no OpenGL or no screen. Install Mesa "
            "(libgl1, libegl1) and, without a screen, run under xvfb-run; training on "
            "the command line works all the same."
        )
        return {"opengl": None, "qt": None}
    problems.extend(qt_problems(report["qt"], sys.version_info[:2]))
    return report


def qt_problems(qt: str, python: tuple[int, int]) -> list[str]:
    """Say what is known to go wrong with a package that brings Qt."""
    if qt != "PySide6 6.12.0" or python >= (3, 12):
        return []
    return [
        "PySide6 6.12.0 crashes Python 3.11 after some minutes; install the version "
        "before it, pip install 'PySide6<6.12', or take Python 3.12."
    ]
