"""The page of settings says what the code has."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = DOCS / "reference" / "settings.md"


def test_the_tables_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import make_settings  # type: ignore[import-not-found]

    assert PAGE.read_text("utf-8") == make_settings.rewritten(), (
        "run python docs/make_settings.py"
    )


def test_every_environment_variable_is_on_the_page() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    used = {
        name
        for path in sources
        for name in re.findall(r"\bCONTRASTSEG_[A-Z]+\b", path.read_text("utf-8"))
    }
    listed = set(re.findall(r"\bCONTRASTSEG_[A-Z]+\b", PAGE.read_text("utf-8")))
    assert used == listed


def test_every_function_of_the_python_api_is_in_the_reference() -> None:
    import napari_contrastseg as cs

    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    listed = set(re.findall(r"^::: [\w.]+\.(\w+)$", page, re.MULTILINE))
    assert listed == set(cs.__all__) - {"__version__"}
