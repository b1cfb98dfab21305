"""Every recipe has a page, and its tables say what the presets are."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.recipes import catalogue

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"
HEADINGS = [
    "What the paper does",
    "What its code does differently",
    "What we do",
    "Settings",
    "Published numbers",
    "Our numbers",
]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_recipe_tables", DOCS / "make_recipe_tables.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES: Any = _script()
NAMES = sorted(catalogue())


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_a_page_with_the_usual_headings(name: str) -> None:
    page = DOCS / "recipes" / f"{name}.md"
    assert page.exists(), f"docs/recipes/{name}.md is missing"
    found = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert found == HEADINGS


@pytest.mark.parametrize("name", ["index", *NAMES])
def test_the_tables_of_a_page_are_fresh(name: str) -> None:
    page = DOCS / "recipes" / f"{name}.md"
    fresh = TABLES.rewritten(page)
    assert page.read_text(encoding="utf-8") == fresh, (
        "run python docs/make_recipe_tables.py"
    )


def test_the_table_of_the_local_contrast_is_fresh() -> None:
    page = TABLES.LOCAL_CONTRAST
    assert page.read_text(encoding="utf-8") == TABLES.rewritten(page), (
        "run python docs/make_recipe_tables.py"
    )


def test_no_order_is_called_reproduced_that_is_not() -> None:
    """The text around the table of orders says no more than the table."""
    text = (DOCS / "recipes" / "index.md").read_text(encoding="utf-8")
    section = text.partition("## Do the papers' orders hold here?")[2]
    section, _, rest = section.partition("<!-- orders -->")
    table, _, after = rest.partition("<!-- /orders -->")
    verdicts = re.findall(r"\| (reproduced|not reproduced|not decided) \|", table)
    assert len(verdicts) == table.strip().count("\n") - 1
    if set(verdicts) == {"not decided"}:
        assert section.strip().startswith("Not decided.")
        assert "is reproduced" not in section + after
        assert "are reproduced" not in section + after


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_in_the_table_and_explained(name: str) -> None:
    recipe = catalogue()[name]
    rows = TABLES.settings_table(recipe).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {row[0].strip("`") for row in cells} == vars(recipe.presets["sound"]).keys()
    assert [row[0] for row in cells if not row[3]] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_in_the_navigation(name: str) -> None:
    assert f"recipes/{name}.md" in (DOCS.parent / "mkdocs.yml").read_text()


@pytest.mark.parametrize(
    "name", ["adversarial", "cross_image", "mc_net", "moco", "pixpro"]
)
def test_a_page_says_where_the_paper_was_not_read(name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "recipes" / f"{name}.md"
    text = " ".join(page.read_text("utf-8").split())
    assert "The paper's text was not at hand when this was written" in text
