"""Read a stored result and see whether it answers the same request; never rewrite it.

A result keeps all settings as they were. A setting that came later is missing there and
stands for `Setting.before` of its field, or for the field's default.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json, to_plain
from napari_contrastseg.learning.plan.setting import values_before

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import Field
    from pathlib import Path


class Asked(Protocol):
    """A dataclass that asks for a result."""

    @property
    def recipe(self) -> str:
        """Recipe or peer, as it was typed."""

    @property
    def preset(self) -> str:
        """Preset of its settings."""


def settings_asked(asked: Asked) -> dict[str, Any]:
    """Give all settings of a request, as a result keeps them."""
    return dict(to_plain(peers.settings(asked.recipe, asked.preset)))


def stored_result(
    path: Path, request: dict[str, Any], asked: Asked
) -> dict[str, Any] | None:
    """Read the result of a request, if there is one.

    Parameters
    ----------
    request : dict
        All that decides the result, as its file keeps it.
    asked : Asked
        Where that came from; its fields name what an older file lacks.

    Raises
    ------
    InputError
        The file is the result of another request, or of none.
    """
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("request"), dict):
        raise InputError(
            f"{path}: is not a cell that says with which settings it was run; "
            "give another --out."
        )
    other = _difference(completed(found["request"], asked), request)
    if other is not None:
        raise InputError(
            f"{path}: was run with other settings ({other}); give another --out, or "
            "remove the file."
        )
    return found


def completed(request: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Add to a stored request what did not exist yet when it was written."""
    complete, stored = fill_in(request, asked), request.get("settings")
    if isinstance(stored, dict) and stored:  # some methods have no settings
        settings = peers.settings(asked.recipe, asked.preset)
        if is_dataclass(settings):
            complete["settings"] = fill_in(stored, settings)
    return complete


def fill_in(stored: Mapping[str, Any], today: Any) -> dict[str, Any]:
    """Add fields that are missing in stored values, as they were before they existed.

    Parameters
    ----------
    stored : dict
        Plain values by name of a field.
    today : dataclass instance
        With the fields of today; the values are not looked at.
    """
    complete, before = dict(stored), values_before(type(today))
    for field in fields(today):
        inner = getattr(today, field.name)
        if field.name not in stored:
            value = before.get(field.name, _default(field))
            if value is not MISSING:
                complete[field.name] = to_plain(value)
        elif is_dataclass(inner) and isinstance(stored[field.name], dict):
            complete[field.name] = fill_in(stored[field.name], inner)
    return complete


def _default(field: Field[Any]) -> Any:
    """Make a field's default; MISSING where there is none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _difference(
    old: dict[str, Any], new: dict[str, Any], where: str = ""
) -> str | None:
    """Say where two requests differ first."""
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found = _difference(a, b, f"{where}{key}.")
            if found is not None:
                return found
        elif a != b:
            return f"{where}{key}: {a}, now {b}"
    return None
