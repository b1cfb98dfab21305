"""bench methods: cells are done once, and go on when one fails."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_contrastseg import cli
from napari_contrastseg.bench.compare import cells, methods
from napari_contrastseg.bench.compare.methods import MethodsRequest
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks.events import Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_contrastseg.bench.measure.subprocess_runner import Job
    from tests.kit.command_line import Refused

SHAPE = (8, 24, 24)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run cells in this process; the names of those that ran, `broken` ones fail."""
    names: list[str] = []

    def here(errands: Sequence[Job], _: int) -> Iterator[tuple[int, str | None]]:
        for number, errand in enumerate(errands):
            names.append(errand.log.stem)
            if "random_forest" in errand.log.stem and "broken" in names:
                yield number, "the forest burns"
                continue
            cells.main(*errand.arguments)
            yield number, None

    monkeypatch.setattr(methods, "run_parallel", here)
    return names


def test_cells_are_done_once(dataset: Path, tmp_path: Path, ran: list[str]) -> None:
    names = ("supervised", "random_forest")
    asked = MethodsRequest(
        dataset, tmp_path / "out", names, (0.2,), (0,), device="cpu", steps=1
    )
    *_, report = methods.methods(asked)
    assert isinstance(report, dict)
    assert len(ran) == 2
    assert report["failed"] == {}
    first, second = report["cells"]
    keys = {"recipe", "preset", "fraction", "fold", "hu_pooled_dice", "pooled_dice"}
    assert keys | {"mean_dice", "seconds", "peak_mb", "hd95_mm", "assd_mm"} <= set(
        first
    )
    assert first["labelled_cases"] == 1
    assert first["labelled_slices"] == SHAPE[0]
    assert first["stages"] == [{"name": "fine-tune", "steps": 1}]
    assert set(first["test_cases"]) == set(second["test_cases"])
    assert second["mean_dice"] > 0.7
    gap = report["summary"]["0.2"]["random_forest"]["difference"]
    pairs = [second["test_cases"][n] - x for n, x in first["test_cases"].items()]
    assert gap["mean"] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert "| random_forest |" in (tmp_path / "out" / "table.md").read_text()

    (tmp_path / "out" / f"{ran[0]}.json").unlink()
    (tmp_path / "out" / ".0a1b2c3d-part.json").write_text('{"half')
    again = list(methods.methods(asked))
    assert ran[2:] == ran[:1]
    assert Note("1 of 2 cells are there already.") in again
    assert isinstance(again[-1], dict)
    assert again[-1]["cells"][0]["mean_dice"] == first["mean_dice"]

    other = MethodsRequest(
        dataset, tmp_path / "out", names, (0.2,), (0,), device="cpu", steps=2
    )
    with pytest.raises(InputError, match=r"other settings \(steps: 1, now 2\)"):
        list(methods.methods(other))
    (tmp_path / "out" / f"{ran[0]}.json").write_text("[]")
    with pytest.raises(InputError, match="is not a cell"):
        list(methods.methods(asked))


def test_controls_are_run_after_their_recipe(
    dataset: Path, tmp_path: Path, ran: list[str]
) -> None:
    asked = MethodsRequest(
        dataset, tmp_path, ("simclr",), (0.2,), device="cpu", scale=0.001, controls=True
    )
    *_, report = methods.methods(asked)
    assert isinstance(report, dict)
    cell = "simclr-sound-0.2-fold0-seed0-short-x0.001"
    assert ran == [cell, f"{cell}-control-steps", f"{cell}-control-time"]
    recipe, steps, time = report["cells"]
    assert recipe["label_steps"] == steps["control_steps"] == steps["label_steps"] == 1
    assert (steps["recipe"], steps["control_of"]) == ("supervised", "simclr")
    paced = recipe["cpu_seconds"] / steps["cpu_seconds"]
    assert time["control_steps"] == max(1, round(paced))
    assert list(report["summary"]["0.2"]) == ["simclr"], "controls are no recipes"
    (row,) = report["orders"]
    assert row["verdict"] == "not decided"
    assert row["controls"]["time"]["steps"] == [time["control_steps"]]
    assert "control of equal time" in (tmp_path / "table.md").read_text()
    *_, again = methods.methods(asked)
    assert len(ran) == 3
    assert isinstance(again, dict)
    assert again["orders"] == report["orders"]


def test_other_cells_go_on_when_one_fails(
    dataset: Path,
    tmp_path: Path,
    ran: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran.append("broken")
    words = ["bench", "methods", dataset, "--recipes", "random_forest,supervised"]
    words += ["--fractions", "0.2", "--steps", "1", "--device", "cpu", "--out"]
    words += [tmp_path / "out", "--json", tmp_path / "report.json"]
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "1 cells failed, the others are done: random_forest-sound-0.2-fold0" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert [cell["recipe"] for cell in report["cells"]] == ["supervised"]
    assert list(report["failed"].values()) == ["the forest burns"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipes", "magic"], "no recipe or peer 'magic'"),
        (["--recipes", ","], "names nothing"),
        (["--recipes", "supervised,supervised"], "is there twice"),
        (["--fractions", "0"], "within 0 and 1"),
        (["--fractions", "0.1,2"], "within 0 and 1"),
        (["--fractions", "nan"], "within 0 and 1"),
        (["--fractions", "some"], "give numbers"),
        (["--folds", "-1"], "0 or above"),
        (["--folds", "0,1,0"], "is there twice"),
        (["--preset", "x"], "no preset 'x'"),
        (["--seed", "0,0"], "is there twice"),
        (["--seed", "-1"], "0 or above"),
        (["--steps", "3", "--controls"], "leaves nothing for --scale and --controls"),
        (["--recipes", "supervised,nnunet", "--device", "cpu"], "CUDA GPU"),
        (["--device", "cuda"], "No CUDA GPU"),
    ],
)
def test_what_makes_no_sense_is_refused_first(
    dataset: Path,
    tmp_path: Path,
    words: list[str],
    said: str,
    refused: Refused,
) -> None:
    out = tmp_path / "out"
    assert said in refused("bench", "methods", dataset, "--out", out, *words)
    assert not out.exists()


def test_a_fold_needs_test_cases(tmp_path: Path) -> None:
    sample = phantom(0, SHAPE)
    entry = LabelledVolume(sample.volume, sample.truth.astype(np.int16))
    write_dataset(tmp_path / "set", [entry], {1: "core", 2: "shell"})
    asked = MethodsRequest(tmp_path / "set", tmp_path / "out", ("supervised",))
    with pytest.raises(InputError, match="no test case with labels in fold 0"):
        next(iter(methods.methods(asked)))


def test_cells_at_once_follow_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, count in ((140, 8), (40, 3), (5, 1)):
        size = free * 2**30
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda size=size: (size, size))
        assert methods.usual_at_once("cuda") == count
    assert methods.usual_at_once("cpu") == 1
