"""Figures in the docs are those of the results: every claim of docs/claims.json.

A claim has the `page` and a `text` that stands on it, and for each of its `figures`
what it `says`, the `file` of docs/results it is from (or several, of which it is the
`of`: mean, median or max) and the `key` there: ``a/b/0``, and ``slices=3`` for that
entry of a list. `minus` is taken off, and `times` multiplies.
"""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

DOCS = Path(__file__).parents[2] / "docs"
CLAIMS = json.loads((DOCS / "claims.json").read_text(encoding="utf-8"))
OF: dict[str, Any] = {"mean": statistics.mean, "median": statistics.median, "max": max}


def one_line(text: str) -> str:
    return " ".join(text.split())


def found(value: Any, key: str) -> float:
    """Follow a key through what a file holds."""
    for part in key.split("/"):
        name, equals, wanted = part.partition("=")
        if equals:
            (value,) = [entry for entry in value if str(entry[name]) == wanted]
        else:
            value = value[int(part) if isinstance(value, list) else part]
    return float(value)


def value_of(figure: dict[str, Any]) -> float:
    files = figure["file"] if isinstance(figure["file"], list) else [figure["file"]]
    results = DOCS / "results"
    paths = sorted(path for name in files for path in results.glob(name))
    assert len(paths) >= len(files), files
    values = [
        found(json.loads(path.read_text(encoding="utf-8")), figure["key"])
        for path in paths
    ]
    if "of" not in figure:
        assert len(values) == 1, paths
    whole = float(OF[figure.get("of", "mean")](values))
    if "minus" in figure:
        whole -= value_of(figure["minus"])
    return whole * float(figure.get("times", 1))


def test_claims_are_what_the_results_hold(subtests: pytest.Subtests) -> None:
    for claim in CLAIMS:
        with subtests.test(claim["claim"]):
            check(claim)


def check(claim: dict[str, Any]) -> None:
    page = one_line((DOCS / claim["page"]).read_text(encoding="utf-8"))
    text = one_line(claim["text"])
    assert text in page, "the page has changed: update docs/claims.json"
    for figure in claim["figures"]:
        says = figure["says"]
        before, there, text = text.partition(says)
        assert there, f"{says} does not follow {before!r}"
        digits = len(says.partition(".")[2])
        off = abs(value_of(figure) - float(says.replace(",", "")))
        assert off <= 0.5 * 10**-digits + 1e-9, figure


def test_the_tables_of_figures_are_claimed() -> None:
    """A row that names a method and has a figure in it is held against the results."""
    for name in ("methods.md", "performance.md"):
        lines = (DOCS / name).read_text(encoding="utf-8").splitlines()
        claimed = {one_line(c["text"]) for c in CLAIMS if c["page"] == name}
        rows = [line for line in lines if re.match(r"\|.*`.*\|.*\d\.\d", line)]
        assert len(rows) >= 3
        for line in rows:
            assert one_line(line) in claimed, f"{line}: add it to docs/claims.json"
