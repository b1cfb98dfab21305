"""annotate-sim --within: one file a volume, ours beside the rival's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kit.command_line import here

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kit.command_line import Refused


@pytest.mark.usefixtures("ran")
def test_annotators_go_on_and_are_asked_once(dataset: Path, tmp_path: Path) -> None:
    words = (
        "annotate-sim", dataset, "--within", "--cases", "phantom_000", "--recipe",
        "supervised", "--slices", "2,3", "--steps", 2, "--out", tmp_path / "o",
    )  # fmt: skip
    done = here(*words, "--json", "-")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    keys = {"slices", "mean_dice", "seconds", "annotator_seconds", "dice_estimate_r"}
    assert [point["slices"] for point in report["points"]] == [2, 3]
    assert keys <= set(report["points"][0])
    assert {"recipe", "fold", "seed", "suggest", "levels", "rounds"} <= set(report)
    assert [cell["method"] for cell in report["cells"]] == [
        "linear",
        "cubic",
        "supervised",
    ]
    ours = report["cells"][-1]
    assert [row["settled"] for row in ours["rounds"]] == [2, 3]
    assert set(report["levels"]) == {"0.85", "0.9", "0.95"}
    assert report["levels"]["0.95"]["cases"] == 1
    assert list(report["rounds"]["gains"]) == ["2"]

    again = here(*words, "--json", "-")
    assert "3 of 3 cells are there already" in again.err
    assert json.loads(again.out) == report


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--within", "--recipe", "linear"], "no recipe 'linear'"),
        (["--within", "--recipe", "supervised", "--slices", "5,3"], "rising"),
        (["--within", "--recipe", "supervised", "--slices", "9"], "more than half"),
        (["--within", "--recipe", "supervised", "--cases", "x"], "no case 'x'"),
        (["--within", "--recipe", "supervised", "--fold", "1"], "no --fold"),
        (["--within", "--recipe", "supervised", "--inner"], "no --inner"),
        (["--recipe", "supervised", "--cases", "x"], "go with --within"),
        (["--recipe", "supervised", "--cases", "0"], "from 1 on"),
        (["--recipe", "supervised", "--axis", "0"], "go with --within"),
    ],
)
def test_what_makes_no_sense_is_refused(
    dataset: Path, words: list[str], said: str, refused: Refused
) -> None:
    usual = [] if "--slices" in words else ["--slices", "3"]
    assert said in refused("annotate-sim", dataset, *usual, *words)
