"""Write the tables of docs/reference/settings.md: python docs/make_settings.py.

Preferences come from the manifest, settings from the recipes' and exports' own classes.
`tests/contracts/test_settings_page.py` fails while a table is stale.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from make_recipe_tables import _between, _table, shown

from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.learning.plan.shared_settings import RecipeSettings
from napari_contrastseg.recipes import catalogue
from napari_contrastseg.tasks import exports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.learning.plan.setting import SettingField

PAGE = Path(__file__).parent / "reference" / "settings.md"
MANIFEST = Path(__file__).parents[1] / "src" / "napari_contrastseg" / "napari.yaml"
HEADS = ("setting", "default", "unit", "meaning", "values")


def rewritten() -> str:
    """The page's text with its tables as the code is now."""
    text = PAGE.read_text(encoding="utf-8")
    text = _between(text, "preferences", preferences())
    text = _between(text, "shared", shared())
    text = _between(text, "recipes", recipes())
    return _between(text, "exports", export_options())


def preferences() -> str:
    """What napari's Preferences hold, as the manifest says."""
    contributed = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["contributions"]
    rows = [
        (
            f"{group['title']}: {found['title']}",
            f"`{found['default']}`" if found["default"] != "" else "",
            ", ".join(f"`{value}`" for value in found.get("enum", ())),
            found["description"],
        )
        for group in contributed["configurations"].values()
        for found in group["properties"].values()
    ]
    return _table(("preference", "default", "values", "meaning"), rows)


def shared() -> str:
    """Settings that every recipe has."""
    default = RecipeSettings()
    return _table(HEADS, list(_rows(default, setting_fields(RecipeSettings))))


def recipes() -> str:
    """Each recipe's own settings, and those that it gives another default."""
    common, usual = setting_fields(RecipeSettings), RecipeSettings()
    parts = []
    for recipe in catalogue().values():
        settings = recipe.presets["sound"]
        found = setting_fields(type(settings))
        own = {
            name: field
            for name, field in found.items()
            if name not in common or getattr(settings, name) != getattr(usual, name)
        }
        parts.append(f"### {recipe.name}")
        parts.append(f"{recipe.summary} [Its page](../recipes/{recipe.name}.md).")
        if own:
            parts.append(_table(HEADS, list(_rows(settings, own))))
    return "\n\n".join(parts)


def export_options() -> str:
    """Options of each export."""
    rows = []
    for export in exports.catalogue().values():
        found = setting_fields(type(export.options))
        own = list(_rows(export.options, found)) or [("none", "", "", "", "")]
        rows += [(f"`{export.name}`", *row) for row in own]
    return _table(("export", *HEADS), rows)


def _rows(
    settings: Any, found: dict[str, SettingField]
) -> Iterator[tuple[str, str, str, str, str]]:
    for name, field in found.items():
        yield (
            f"`{name}`",
            _linked(shown(getattr(settings, name))),
            field.setting.unit,
            _quoted(field.setting.meaning),
            _quoted(replace(field, setting=replace(field.setting, unit="")).values()),
        )


def _linked(value: str) -> str:
    """A default with links as they are from this page; "" where it is empty."""
    return "" if value == "``" else value.replace("](index", "](../recipes/index")


def _quoted(words: str) -> str:
    return re.sub(r"\bnull\b", "`null`", words)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(rewritten(), encoding="utf-8")


if __name__ == "__main__":
    main()
