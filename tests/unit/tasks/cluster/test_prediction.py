"""Predicting on a cluster: the same bytes, failures named, going on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.cluster import case_there, prediction
from napari_contrastseg.tasks.cluster.case_there import CaseTask, task_for
from napari_contrastseg.tasks.cluster.parcel import Parcel
from napari_contrastseg.tasks.cluster.place import submit
from napari_contrastseg.tasks.cluster.prediction import predict_on_cluster
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.file_prediction import FilePrediction, predict_files
from tests.kit.command_line import here

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def request_(dataset: Path, model: Path) -> FilePrediction:
    """Two cases."""
    return FilePrediction(
        model, dataset, model.parent / "alone", "phantom_000,phantom_003",
        confidence=True, device="cpu",
    )  # fmt: skip


def at(request: FilePrediction, out: Path) -> FilePrediction:
    return FilePrediction(
        request.model, request.source, out, request.cases, request.confidence,
        request.device,
    )  # fmt: skip


def masks(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.nii.gz")}


@pytest.mark.parametrize("shared", [pytest.param(True, marks=pytest.mark.slow), False])
def test_masks_and_maps_are_the_same_bytes_as_without_a_cluster(
    request_: FilePrediction,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    shared: bool,
) -> None:
    """Be the files read by path, or sent because the worker does not have them."""
    monkeypatch.setattr(Parcel, "_is_here", lambda _: shared)
    if not request_.out.exists():
        for _ in predict_files(request_):
            pass
    *_, report = predict_on_cluster(at(request_, tmp_path), address)
    assert isinstance(report, dict)
    assert report["cases"] == ["phantom_000", "phantom_003"]
    assert report["failed"] == {}
    assert len(masks(tmp_path)) == 4
    assert masks(tmp_path) == masks(request_.out)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in request_.out.iterdir()}


def test_a_case_that_fails_is_named_and_the_others_are_written(
    dataset: Path, model: Path, address: str, tmp_path: Path
) -> None:
    source = tmp_path / "images"
    source.mkdir()
    for name in ("phantom_000", "phantom_001"):
        shutil.copy(dataset / "imagesTr" / f"{name}_0000.nii.gz", source)
    (source / "broken_0000.nii.gz").write_bytes(b"no image")
    out = tmp_path / "out"
    said = here(
        "predict", model, source, "--out", out, "--cluster", address, "--json", "-"
    )
    assert said.status == 2
    assert "contrastseg: 1 case failed, the others are written" in said.err
    assert f"the first is broken: {source / 'broken_0000.nii.gz'}: " in said.err
    assert set(masks(out)) == {"phantom_000.nii.gz", "phantom_001.nii.gz"}


def test_the_same_command_does_what_an_interrupted_one_has_left(
    request_: FilePrediction, address: str, tmp_path: Path
) -> None:
    mine = at(request_, tmp_path)
    events = predict_on_cluster(mine, address)
    while not masks(tmp_path):
        next(events)
    events.close()
    (first,) = {name.split("_c")[0].split(".")[0] for name in masks(tmp_path)}
    before = (tmp_path / f"{first}.nii.gz").stat().st_mtime_ns
    said = [e.text for e in predict_on_cluster(mine, address) if isinstance(e, Note)]
    assert "1 of 2 cases are there already." in said
    assert (tmp_path / f"{first}.nii.gz").stat().st_mtime_ns == before
    assert len(masks(tmp_path)) == 4
    with pytest.raises(InputError, match="exists already"):
        list(predict_on_cluster(mine, address))


def test_a_lost_connection_is_one_sentence(
    request_: FilePrediction, address: str, tmp_path: Path, cluster: Any
) -> None:
    """As where the scheduler is gone, for the client."""
    events = predict_on_cluster(at(request_, tmp_path), address)
    next(events)
    (comm,) = [
        state.comm for name, state in cluster.scheduler.client_comms.items()
        if name.startswith("Client-") and name != cluster.scheduler.id
    ][-1:]  # fmt: skip
    cluster.loop.add_callback(comm.abort)
    with pytest.raises(InputError, match="connection to the scheduler is lost; what"):
        list(events)


@pytest.mark.parametrize("shared", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_large_case_is_predicted_in_parts_with_the_same_bytes(
    request_: FilePrediction,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    shared: bool,
) -> None:
    monkeypatch.setattr(Parcel, "_is_here", lambda _: shared)
    monkeypatch.setattr(case_there, "PART_VOXELS", 1)

    def in_three(*asked: Any) -> CaseTask:
        request, case, dataset, root = asked[:4]
        return task_for(request, case, dataset, root, 3)

    monkeypatch.setattr(prediction, "task_for", in_three)
    sent: list[str] = []

    def submitted(client: Any, function: Any, *arguments: Any, **how: Any) -> Any:
        sent.append(function.__name__)
        return submit(client, function, *arguments, **how)

    monkeypatch.setattr(prediction, "submit", submitted)
    if not request_.out.exists():
        for _ in predict_files(request_):
            pass
    *events, report = predict_on_cluster(at(request_, tmp_path), address)
    assert isinstance(report, dict)
    assert report["failed"] == {}
    assert sent.count("predict_part_there") == 6
    assert sent.count("join_there") == 2
    assert masks(tmp_path) == masks(request_.out)
    done = [event.fraction for event in events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 1
