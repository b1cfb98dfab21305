"""annotate-sim on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kit.command_line import Refused, here

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("small_networks")
def test_annotate_sim(dataset: Path, tmp_path: Path) -> None:
    done = here(
        "annotate-sim", dataset, "--recipe", "supervised", "--slices", "3,5", "--steps",
        2, "--suggest", "queue", "--cases", 2, "--inner", "--out", tmp_path / "sim",
        "--json", "-",
    )  # fmt: skip
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert [p["slices"] for p in report["points"]] == [3, 5]
    assert report["cases"] == 2
    first, second = (p["annotator_seconds"] for p in report["points"])
    assert 30 < first < second
    assert report["dataset"].endswith("training cases held back")
    name = "supervised-sound-queue-fold0-seed0-cases2-inner"
    assert (tmp_path / "sim" / f"{name}.png").is_file()
    assert json.loads((tmp_path / "sim" / f"{name}.json").read_text()) == report
    keys = {"slices", "mean_dice", "seconds", "annotator_seconds", "dice_estimate_r"}
    assert keys <= set(report["points"][0])


@pytest.mark.parametrize(("seconds", "said"), [("nan", "not a finite"), ("-5", "x>=0")])
def test_times_that_are_none_are_refused(
    dataset: Path, seconds: str, said: str, refused: Refused
) -> None:
    words = ("annotate-sim", dataset, "--recipe", "supervised", "--slices", 3)
    assert said in refused(*words, "--seconds-per-slice", seconds)
    assert "not a finite" in refused("bench", "throughput", "--seconds", "inf")
