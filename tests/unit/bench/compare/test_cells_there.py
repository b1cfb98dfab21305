"""bench methods on a cluster: as here, once, and past a cell that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.bench.compare import cells_there, methods
from napari_contrastseg.bench.compare.methods import MethodsRequest
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import read_json
from napari_contrastseg.tasks.cluster.parcel import Parcel
from napari_contrastseg.tasks.events import Note
from tests.kit.clusters import one_worker

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from napari_contrastseg.bench.measure.subprocess_runner import Job


@pytest.mark.parametrize("shared", [True, False])
def test_cells_are_done_by_workers_and_a_failed_one_is_named(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    """Be the data set read by its path or sent; done cells are not done again."""
    ran: list[str] = []

    def run_here(job: Job, _: threading.Event) -> str | None:
        from napari_contrastseg.bench.compare import cells

        ran.append(job.arguments[0])
        if "mean_teacher" in job.arguments[0]:
            return "the teacher is ill"
        cells.main(*job.arguments)
        return None

    monkeypatch.setattr(cells_there, "run_job", run_here)
    monkeypatch.setattr(Parcel, "_is_here", lambda _: shared)
    names = ("mean_teacher", "random_forest")
    with one_worker() as cluster:
        asked = MethodsRequest(
            dataset, tmp_path, names, (0.2,), device="cpu", steps=1,
            cluster=str(cluster.scheduler_address),
        )  # fmt: skip
        *events, report = methods.methods(asked)
        *again, _ = methods.methods(asked)
    assert isinstance(report, dict)
    (failed,) = report["failed"].items()
    assert failed[0].startswith("mean_teacher")
    assert failed[1] == "the teacher is ill"
    (cell,) = report["cells"]
    assert cell["recipe"] == "random_forest"
    (path,) = tmp_path.glob("random_forest*.json")
    assert read_json(path)["request"]["dataset"] == dataset.name
    assert any("failed: the teacher" in e.text for e in events if isinstance(e, Note))
    assert Note("1 of 2 cells are there already.") in again
    assert sum("random_forest" in words for words in ran) == 1


@pytest.mark.slow
def test_controls_are_done_by_workers_too(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each after what it is made from has come back."""

    def run_here(job: Job, _: threading.Event) -> str | None:
        from napari_contrastseg.bench.compare import cells

        cells.main(*job.arguments)
        return None

    monkeypatch.setattr(cells_there, "run_job", run_here)
    with one_worker() as cluster:
        asked = MethodsRequest(
            dataset, tmp_path, ("simclr",), (0.2,), device="cpu", scale=0.001,
            controls=True, cluster=str(cluster.scheduler_address),
        )  # fmt: skip
        *_, report = methods.methods(asked)
    assert isinstance(report, dict)
    assert report["failed"] == {}
    assert [cell.get("control") for cell in report["cells"]] == [None, "steps", "time"]
    (row,) = report["orders"]
    assert row["controls"]["steps"]["steps"] == [report["cells"][0]["label_steps"]]


def test_an_address_that_may_not_be_used_is_refused(
    dataset: Path, tmp_path: Path
) -> None:
    asked = MethodsRequest(
        dataset, tmp_path, ("random_forest",), (0.2,), device="cpu",
        cluster="tcp://lab:8786",
    )  # fmt: skip
    with pytest.raises(InputError, match="without TLS anybody on the way"):
        list(methods.methods(asked))
