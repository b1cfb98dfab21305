"""What a person set once in napari's Preferences: memory, scratch folder, rounds.

The manifest contributes the settings, napari shows and stores them. They hold where no
environment variable says otherwise, and take effect when the dock is opened.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari.settings import get_plugin_settings
from npe2.manifest.schema import discovery_blocked

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.memory_bound import MEMORY_VARIABLE, parsed_memory
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE
from napari_contrastseg.tasks.cluster.address import read_address
from napari_contrastseg.tasks.executors.choice import ROUNDS_VARIABLE
from napari_contrastseg.ui.notify import notify_error
from napari_contrastseg.ui.shortcuts import PLUGIN

#: Variables that were set here, for the processes that are started too.
_OURS: Final[set[str]] = set()


@dataclass(frozen=True)
class LearnPreferences:
    """How step Learn begins."""

    minutes: float = 2.0
    device: str = "auto"
    cluster: str = ""


def take_preferences() -> LearnPreferences:
    """Put the settings into effect; returns how step Learn begins."""
    try:
        with discovery_blocked():  # napari has read all plugins' manifests already
            stored: Any = get_plugin_settings(PLUGIN)
    except KeyError:  # napari has not found the plugin's manifest
        return LearnPreferences()
    _set(MEMORY_VARIABLE, _checked_memory(stored.computer.memory))
    _set(SCRATCH_VARIABLE, _checked_folder(stored.computer.scratch))
    _set(ROUNDS_VARIABLE, stored.rounds.place)
    rounds = stored.rounds
    cluster = _checked_address(rounds.cluster)
    return LearnPreferences(rounds.minutes, rounds.device, cluster)


def _set(variable: str, value: str) -> None:
    """Set a variable unless the person's environment has it."""
    if variable in os.environ and variable not in _OURS:
        return
    if value:
        os.environ[variable] = value
        _OURS.add(variable)
    elif variable in _OURS:
        os.environ.pop(variable, None)
        _OURS.discard(variable)


def _checked_memory(text: str) -> str:
    """Give an amount of memory, or "" where it is none, which is said."""
    if not text.strip():
        return ""
    try:
        parsed_memory(text, "Memory for large volumes, in napari's Preferences")
    except InputError as error:
        notify_error(str(error))
        return ""
    return text.strip()


def _checked_address(text: str) -> str:
    """Give an address, or "" where it may not be used, which is said."""
    if not text.strip():
        return ""
    try:
        return str(read_address(text))
    except InputError as error:
        notify_error(f"Address where rounds run, in napari's Preferences: {error}")
        return ""


def _checked_folder(text: str) -> str:
    """Give a folder, or "" where there is none, which is said."""
    if not text.strip():
        return ""
    folder = Path(text.strip()).expanduser()
    if not folder.is_dir():
        notify_error(
            "The folder for scratch files in napari's Preferences is not there; choose "
            f"another than {folder}."
        )
        return ""
    return str(folder)
