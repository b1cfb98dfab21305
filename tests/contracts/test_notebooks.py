"""The notebooks of the docs run from the first cell to the last."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from napari_contrastseg import recipes

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))
#: What makes them short: steps instead of minutes, one case and one seed.
SHORT = [
    (r"^STEPS = \w+", "STEPS = 2"),
    (r"^CASES, SEEDS, STEPS = .*", "CASES, SEEDS, STEPS = 1, (0, 1), 2"),
    (r"\+easy_steps=\d+", "+easy_steps=1"),
    (r"max\(seconds, 2\) / 60", "0.03"),
    (r"\(24, 64, 64\)", "(24, 32, 32)"),
]
#: What it does is in the others, too; it trains six networks.
LONG = "compare_methods"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, id=p.stem, marks=pytest.mark.slow if p.stem == LONG else ())
        for p in NOTEBOOKS
    ],
)
def test_a_notebook_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__])
    cells = json.loads(path.read_text("utf-8"))["cells"]
    names: dict[str, Any] = {}
    try:
        for cell in cells:
            if cell["cell_type"] == "code":
                code = "".join(cell["source"])
                for pattern, short in SHORT:
                    code = re.sub(pattern, short, code, flags=re.MULTILINE)
                exec(code, names)
    finally:
        recipes.catalogue.cache_clear()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_output(path: Path) -> None:
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
