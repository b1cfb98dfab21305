"""Settings of a recipe for ``contrastseg recipes --settings``."""

from __future__ import annotations

import json
from typing import Any

import click

from napari_contrastseg.io.json import to_plain
from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.recipes import recipe_named, settings_of


def list_settings(recipe: str) -> list[dict[str, Any]]:
    """Describe the settings of a recipe; defaults are those of the preset ``sound``.

    Raises
    ------
    InputError
        There is no such recipe.
    """
    settings = settings_of(recipe_named(recipe), "sound")
    defaults = to_plain(settings)
    return [
        {
            "name": name,
            "default": defaults[name],
            "min": entry.setting.min,
            "max": entry.setting.max,
            "choices": entry.choices(),
            "unit": entry.setting.unit,
            "values": entry.values(),
            "meaning": entry.setting.meaning,
        }
        for name, entry in setting_fields(type(settings)).items()
    ]


def in_words(entry: dict[str, Any]) -> str:
    """Write a setting as ``--set`` takes it, its values, and below what it means."""
    default = entry["default"]
    text = default if isinstance(default, str) else json.dumps(default)
    values = f"  [{entry['values']}]" if entry["values"] else ""
    meaning = click.wrap_text(entry["meaning"], 80, "    ", "    ")
    return f"{entry['name']}={text}{values}\n{meaning}"
