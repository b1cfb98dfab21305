"""Names of code on the recipes' pages exist in the module that the page cites."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "napari_contrastseg"
PAGES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
CITED = re.compile(r"`(\w+)` in\s+`((?:\w+/)+\w+\.py)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_cited_name_is_defined_in_its_module(page: Path) -> None:
    for name, module in CITED.findall(page.read_text(encoding="utf-8")):
        tree = ast.parse((SOURCE / module).read_text(encoding="utf-8"))
        defined = {
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        assert name in defined, f"{module} has no {name}"
