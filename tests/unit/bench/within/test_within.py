"""bench within: cells are done once, and what makes no sense is refused first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_contrastseg import __version__
from napari_contrastseg.bench.within import cells, run_cells
from napari_contrastseg.bench.within.one_volume import read_one
from napari_contrastseg.bench.within.protocol import extent
from napari_contrastseg.bench.within.within import WithinRequest, within
from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.events import Note
from tests.kit.command_line import here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kit.command_line import Refused


def report_of(request: WithinRequest) -> tuple[list[str], dict[str, Any]]:
    *events, report = within(request)
    assert isinstance(report, dict)
    return [event.text for event in events if isinstance(event, Note)], report


def test_the_plain_ways_always_stand_beside(dataset: Path, tmp_path: Path) -> None:
    request = WithinRequest(dataset, (2, 4, 9), ("interpolation",), out=tmp_path / "o")
    said, report = report_of(request)
    assert report["axis"] == 2
    assert report["failed"] == {}
    assert {cell["method"] for cell in report["cells"]} == {
        "linear",
        "cubic",
        "interpolation",
    }
    assert {cell["case"] for cell in report["cells"]} == {"phantom_000", "phantom_001"}
    assert {cell["slices"] for cell in report["cells"]} == {2, 4}
    assert sum("9 is more than half" in text for text in said) == 2
    first = report["cells"][0]
    assert {"dice", "first_s", "final_s", "steps", "busy", "scribbles"} <= set(first)
    assert first["version"] == __version__
    assert 0 < first["first_s"] <= first["final_s"]
    assert set(first["dice_per_class"]) == {"core", "shell"}
    assert first["dice"] == pytest.approx(
        np.mean(list(first["dice_per_class"].values())), abs=1e-4
    )
    assert report["summary"]["cubic"]["4"] > 0.8

    again, same = report_of(request)
    assert again[-1] == "12 of 12 cells are there already."
    assert same["cells"] == report["cells"]
    some = next((tmp_path / "o").glob("phantom_001-linear*"))
    some.unlink()
    again, _ = report_of(request)
    assert "11 of 12 cells are there already." in again


def test_a_recipe_answers_as_a_round_of_the_window(
    dataset: Path, tmp_path: Path, ran: list[str]
) -> None:
    request = WithinRequest(
        dataset, (3,), ("supervised", "supervised+steps=5"), ("phantom_000",),
        steps=2, out=tmp_path / "o", device="cpu",
    )  # fmt: skip
    _, report = report_of(request)
    assert len(ran) == 2
    *_, found = report["cells"]
    assert found["method"] == "supervised+steps=5"
    assert found["steps"] == 2
    assert 0 < found["trained_s"] < found["first_s"] <= found["final_s"]
    assert found["stages"] == [{"name": "fine-tune", "steps": 2}]

    longer = WithinRequest(
        dataset, (3,), ("supervised",), ("phantom_000",), steps=3, out=tmp_path / "o"
    )
    _, report = report_of(longer)
    assert len(ran) == 3, "other steps are another cell"
    path = next((tmp_path / "o").glob("*-supervised-3slices-axis2-3steps*"))
    stored = json.loads(path.read_text())
    stored["request"]["steps"] = 4
    path.write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"other settings \(steps: 4, now 3\)"):
        report_of(longer)


def test_slices_and_scribbles_are_labelled_as_the_protocol_says(dataset: Path) -> None:
    truth = np.moveaxis(phantom(0, (14, 24, 24)).truth, 2, 0)
    reach = extent(truth)
    assert reach is not None
    one = read_one(read_dataset(dataset), "phantom_000", 2)
    assert one.extent == reach
    labelled = cells.label(one, 3, 0, scribbling=False)
    assert labelled == sorted({*reach.even(3), *reach.ends})
    known = one.planes(one.record.truth)
    assert np.flatnonzero((known >= 0).all(axis=(1, 2))).tolist() == labelled
    assert np.array_equal(known[labelled], truth[labelled])

    one = read_one(read_dataset(dataset), "phantom_000", 2)
    cells.label(one, 3, 0, scribbling=True)
    known, status = one.planes(one.record.truth), one.record.status
    assert (status[list(reach.even(3))] == Status.SPARSE).all()
    assert (status[list(reach.ends)] == Status.DONE).all()
    for index in reach.even(3):
        inked = known[index] >= 0
        assert 0 < inked.sum() < inked.size / 2
        assert np.array_equal(known[index][inked], truth[index][inked])


def test_scribbles_are_answered_too(dataset: Path, tmp_path: Path) -> None:
    request = WithinRequest(dataset, (3,), ("linear",), scribbles=True)
    _, report = report_of(request)
    assert report["scribbles"] is True
    assert report["summary"]["cubic"]["3"] > 0.3


def test_a_stack_is_converted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    label = np.zeros((30, 32, 32), np.uint8)
    label[:, 8:24, 8:24] = 255
    source = tmp_path / "stack"
    source.mkdir()
    tifffile.imwrite(source / "label.tif", label)
    tifffile.imwrite(
        source / "image.tif", label // 2 + rng.integers(0, 9, label.shape, np.uint8)
    )
    request = WithinRequest(source, (3,), ("linear",), axis=0, out=tmp_path / "out")
    _, report = report_of(request)
    assert {cell["case"] for cell in report["cells"]} == {"train", "test"}
    assert report["summary"]["linear"]["3"] == 1


def test_within_on_the_command_line(dataset: Path, tmp_path: Path) -> None:
    done = here(
        "bench", "within", dataset, "--cases", "phantom_000", "--slices", "2,3",
        "--methods", "linear", "--busy", 1, "--json", tmp_path / "report.json",
    )  # fmt: skip
    assert done.status == 0, done.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["busy"] == 1
    assert set(report["summary"]) == set(report["monotone"]) == {"linear", "cubic"}
    assert "cubic" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--methods", "magic"], "no method 'magic'"),
        (["--methods", ","], "names nothing"),
        (["--methods", "linear,linear"], "is there twice"),
        (["--methods", "nnunet"], "no method 'nnunet'"),
        (["--slices", "0"], "at least 1"),
        (["--slices", "3,3"], "is there twice"),
        (["--slices", "some"], "give numbers"),
        (["--slices", "999"], "no case has slices enough"),
        (["--cases", "nobody"], "no case 'nobody'"),
        (["--cases", "phantom_002"], "has no labels"),
        (["--minutes", "1", "--steps", "2"], "one of --steps and --minutes"),
        (["--preset", "x", "--methods", "supervised"], "no preset 'x'"),
    ],
)
def test_what_makes_no_sense_is_refused_first(
    dataset: Path, words: list[str], said: str, refused: Refused
) -> None:
    usual = [] if "--slices" in words else ["--slices", "3"]
    assert said in refused("bench", "within", dataset, *usual, *words)


def test_other_cells_go_on_when_one_fails(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burns(_jobs: object, _: int) -> Iterator[tuple[int, str | None]]:
        yield 0, "it burns"

    monkeypatch.setattr(run_cells, "run_parallel", burns)
    request = WithinRequest(
        dataset, (3,), ("supervised",), ("phantom_000",), out=tmp_path / "o"
    )
    _, report = report_of(request)
    assert list(report["failed"].values()) == ["it burns"]
    assert {cell["method"] for cell in report["cells"]} == {"linear", "cubic"}
