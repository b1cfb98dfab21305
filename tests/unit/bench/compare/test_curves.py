"""Learning curves: joined over folds, held against even slices."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg import cli
from napari_contrastseg.bench.compare import curves
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse

if TYPE_CHECKING:
    from pathlib import Path


def a_report(recipe: str, fold: int, *dice: float | None) -> dict[str, Any]:
    points = [
        {"slices": 3 * (i + 1), "mean_dice": d, "annotator_seconds": 60.0 * (i + fold)}
        for i, d in enumerate(dice)
    ]
    return {
        "dataset": "set", "recipe": recipe, "preset": "sound", "fold": fold, "seed": 0,
        "suggest": "even", "points": points,
    }  # fmt: skip


def test_ways_to_suggest_are_held_against_even_slices() -> None:
    reports = [
        a_report("supervised", 0, 0.5, 0.6),
        a_report("supervised", 0, 0.6, 0.65) | {"suggest": "queue"},
        a_report("supervised", 1, 0.3) | {"suggest": "queue"},
    ]
    runs = [parse(curves.Run, report, "a report") for report in reports]
    even, queue = curves.join(runs)["curves"]
    assert even["points"][0]["to_even"] is None
    few, many = queue["points"]
    assert (few["runs"], few["to_even"], many["to_even"]) == (2, 0.1, 0.05)
    assert few["difference"] is None


def test_curves_are_joined_over_folds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reports = [
        a_report("supervised", 0, 0.5, 0.6),
        a_report("supervised", 1, 0.3, 0.4),
        a_report("hu2021", 0, 0.6, 0.65),
        a_report("hu2021", 1, 0.5, None),
    ]
    files = []
    for number, report in enumerate(reports):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(report))
    words = ["bench", "curves", *files, "--out", tmp_path / "out", "--json", "-"]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    first, second = json.loads(capsys.readouterr().out)["curves"]
    assert first["recipe"] == "supervised"
    assert [p["mean_dice"] for p in first["points"]] == [0.4, 0.5]
    assert first["points"][0]["difference"] is None
    few, many = second["points"]
    assert (few["runs"], few["pairs"], few["slices"]) == (2, 2, 3)
    assert few["difference"] == pytest.approx(0.15)
    assert few["difference_sd"] == pytest.approx(0.1 / np.sqrt(2), abs=1e-5)
    assert few["annotator_seconds"] == 30.0
    assert (many["runs"], many["difference"]) == (1, 0.05)
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000

    with pytest.raises(InputError, match="second run of supervised, fold 0"):
        curves.read_runs([files[0], files[0]])
    other = a_report("supervised", 2, 0.5) | {"dataset": "other"}
    files[1].write_text(json.dumps(other))
    with pytest.raises(InputError, match="one data set"):
        curves.read_runs(files)
    files[1].write_text('{"cells": []}')
    with pytest.raises(InputError, match=r"1\.json: recipe"):
        curves.read_runs(files)
