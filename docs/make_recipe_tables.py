"""Write the tables of docs/recipes: python docs/make_recipe_tables.py.

Only what stands between two markers is replaced. `tests/contracts/test_recipe_docs.py`
fails while a table is stale.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_contrastseg.bench.compare.local_contrast import pairs_in, pairs_table
from napari_contrastseg.bench.compare.orders import orders_in, orders_table
from napari_contrastseg.bench.compare.published import tables
from napari_contrastseg.bench.compare.summary import summarise
from napari_contrastseg.learning.data.view import INTENSITY_ONLY, STRONG, Augmentation
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.learning.plan.shared_settings import RecipeSettings
from napari_contrastseg.recipes import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_contrastseg.bench.compare.published import Row
    from napari_contrastseg.learning.plan.stage import Recipe

PAGES = Path(__file__).parent / "recipes"
INDEX = PAGES / "index.md"
LOCAL_CONTRAST = PAGES.parent / "supervised-local-contrast.md"
CELLS = Path(__file__).parent / "results" / "methods"
#: Whose tables stand whole on a recipe's page.
OWN_PAPER = {
    "hu2021": "Hu et al. 2021",
    "cssl2021": "Pandey et al. 2021",
    "clcc2022": "Zhao et al. 2022",
    "chaitanya2020": "Chaitanya et al. 2020",
    "ideal2023": "Basak et al. 2023",
}
#: Pictures without a voxel size: their distances are in pixels.
WITHOUT_SPACING = ("Kvasir-SEG",)
#: Millimetres.
NANOMETRES_BELOW = 1e-3
NAMED = {"strong": STRONG, "intensity only": INTENSITY_ONLY}


def page_of(recipe: Recipe) -> Path:
    """Where a recipe is described."""
    return PAGES / f"{recipe.name}.md"


def rewritten(page: Path) -> str:
    """A page's text with its tables as the presets are now."""
    text = page.read_text(encoding="utf-8")
    if page == LOCAL_CONTRAST:
        return _between(text, "pairs", pairs_table(pairs_in(CELLS)))
    if page == INDEX:
        text = _between(text, "recipes", _recipes())
        text = _between(text, "rows", _rows())
        text = _between(text, "orders", orders_table(orders_in(CELLS)))
        return _between(text, "augmentations", _augmentations())
    text = _between(text, "settings", settings_table(catalogue()[page.stem]))
    text = _between(text, "published", published_tables(page.stem))
    return _between(text, "numbers", numbers(page.stem))


def settings_table(recipe: Recipe) -> str:
    """Every setting with its values in both presets; a recipe's own come first."""
    sound, literal = (recipe.presets[name] for name in ("sound", "literal"))
    found = setting_fields(type(sound))
    common = setting_fields(RecipeSettings)
    rows = [
        (
            f"`{name}`",
            shown(getattr(sound, name)),
            shown(getattr(literal, name)),
            re.sub(r"\bnull\b", "`null`", found[name].setting.meaning),
            re.sub(r"\bnull\b", "`null`", found[name].values()),
        )
        for name in sorted(found, key=lambda name: name in common)
    ]
    return _table(("setting", "sound", "literal", "meaning", "values"), rows)


def numbers(recipe: str) -> str:
    """What `bench methods` found, from the cells that docs/results holds."""
    rows = []
    for (dataset, *how), by_fraction in _summaries().items():
        for fraction, found in by_fraction.items():
            if recipe not in found:
                continue
            row, percent = found[recipe], f"{float(fraction):.0%}"
            folds = ", ".join(str(fold) for fold in row["folds"])
            gap = row.get("difference")
            rows.append(
                (
                    dataset,
                    percent,
                    ", ".join(how),
                    folds,
                    *(
                        _mean(row[metric], 3)
                        for metric in ("hu_pooled_dice", "mean_dice")
                    ),
                    _distance(_known(row), dataset),
                    f"{gap['mean']:+.3f}" if gap else "",
                )
            )
    if not rows:
        return "Not run yet; [results](../results/README.md) has the commands."
    heads = ("data", "labelled", "preset, budget, device", "folds", "Hu pooled Dice")
    more = ("Dice", "HD95", "to supervised")
    return _table((*heads, *more), rows)


def _known(row: dict[str, Any]) -> dict[str, float | None]:
    """HD95 in mm, or in pixels where that is all that is known."""
    known: dict[str, float | None] = row["hd95_mm"]
    return row.get("hd95", known) if known["mean"] is None else known


def _distance(value: dict[str, float | None], dataset: str) -> str:
    """Write a distance in a unit that is known and readable."""
    if value["mean"] is None:
        return ""
    if dataset in WITHOUT_SPACING:
        return f"{_mean(value, 1)} pixels"
    if value["mean"] < NANOMETRES_BELOW:
        scaled = {k: None if v is None else v * 1e6 for k, v in value.items()}
        return f"{_mean(scaled, 0)} nm"
    return f"{_mean(value, 2)} mm"


def published_tables(recipe: str) -> str:
    """Tables of the recipe's own paper, and its rows in those of others."""
    parts = []
    for table in tables():
        own = OWN_PAPER.get(recipe) == table.paper
        rows = [row for row in table.rows if own or row.recipe == recipe]
        if not rows:
            continue
        parts.append(
            f"{table.paper}, table {table.table}: {table.data}; {table.metric}."
        )
        heads = ("method", *table.columns, "here")
        cells = [(row.name, *row.values, _runs(row)) for row in rows]
        parts.append(_table(heads, cells))
    return "\n\n".join(parts) or "None of the five papers prints any."


def _runs(row: Row) -> str:
    return f"`{row.variant}`" if row.variant else "[none](index.md#rows-of-the-papers)"


def _rows() -> str:
    """Every method of the papers' tables once, and what runs it."""
    found: dict[tuple[str, str], str] = {}
    for table in tables():
        for row in table.rows:
            runs = f"`{row.variant}`" if row.variant else str(row.why)
            found.setdefault((table.paper, row.name), runs)
    heads = ("paper", "method", "runs as, or why not")
    return _table(heads, [(*key, runs) for key, runs in found.items()])


@cache
def _summaries() -> dict[tuple[str, ...], dict[str, Any]]:
    """Sum up the cells: by data set and how it was run, then by labelled fraction."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for path in sorted(CELLS.rglob("*-seed*.json")):
        cell = json.loads(path.read_text(encoding="utf-8"))
        asked = cell["request"]
        if any(asked.get(k) for k in ("inner", "steps", "seed", "scale", "control")):
            continue
        which = ("dataset", "preset", "budget", "device")
        key = tuple(str(asked.get(k, cell.get(k))) for k in which)
        groups.setdefault(key, []).append(cell)
    return {key: summarise(cells, key[0]) for key, cells in groups.items()}


def _mean(value: dict[str, float | None], digits: int) -> str:
    if value["mean"] is None:
        return ""
    spread = "" if value["sd"] is None else f" ({value['sd']:.{digits}f})"
    return f"{value['mean']:.{digits}f}{spread}"


def shown(value: Any) -> str:
    """A value as `--set` takes it; networks and augmentations in words."""
    if isinstance(value, Augmentation):
        for name, known in NAMED.items():
            if value == known:
                return f"[{name}](index.md#augmentations)"
        return _fields(value, ()) or "none"
    if isinstance(value, NetworkSpec):
        return _fields(value, ("widths", "norm", "decoder_norm"))
    return f"`{_plain(value)}`"


def _fields(value: Any, always: Sequence[str]) -> str:
    """Fields that differ from their defaults, and some that are always shown."""
    parts = [
        f"{field.name} {_plain(getattr(value, field.name))}"
        for field in fields(value)
        if field.name in always or getattr(value, field.name) != field.default
    ]
    return "; ".join(parts)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _recipes() -> str:
    """One row a recipe; a page that is not there is not linked."""
    rows = [
        (
            f"[`{r.name}`]({r.name}.md)" if page_of(r).exists() else f"`{r.name}`",
            r.title,
            r.summary,
            r.paper or "none",
            "yes" if r.unlabelled else "no",
            "yes" if r.pretrains else "no",
        )
        for r in catalogue().values()
    ]
    heads = ("recipe", "in the window", "in a line", "paper", "unlabelled", "pretrains")
    return _table(heads, rows)


def _augmentations() -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for field in fields(Augmentation):
            values = (getattr(known, field.name) for known in NAMED.values())
            cells = (shown(value) if value else "off" for value in values)
            yield (f"`{field.name}`", *cells)

    return _table(("change", *NAMED), list(rows()))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _between(text: str, marker: str, table: str) -> str:
    opened, closed = f"<!-- {marker} -->", f"<!-- /{marker} -->"
    before, found, rest = text.partition(opened)
    _, ended, after = rest.partition(closed)
    if not found or not ended:
        raise ValueError(f"a page lacks {opened} or {closed}")
    return f"{before}{opened}\n\n{table}\n\n{closed}{after}"


def main() -> None:
    """Rewrite the pages that there are."""
    pages = [
        INDEX,
        LOCAL_CONTRAST,
        *(page_of(recipe) for recipe in catalogue().values()),
    ]
    for page in pages:
        if page.exists():
            page.write_text(rewritten(page), encoding="utf-8")


if __name__ == "__main__":
    main()
