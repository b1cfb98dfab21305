"""Training on a cluster: the same weights, checkpoints here, cancelling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.tasks.cluster import run_there, training
from napari_contrastseg.tasks.cluster.parcel import Parcel
from napari_contrastseg.tasks.cluster.training import train_on_cluster
from napari_contrastseg.tasks.dataset import (
    CHECKPOINT,
    DatasetTraining,
    train_on_dataset,
)
from napari_contrastseg.tasks.events import Note, Progress
from napari_contrastseg.tasks.splits import Labels

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("distributed")


SMALL = {"network": '{"widths": [4, 8, 8]}'}


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "PAUSE", 0.02)


def asked(dataset: Path, out: Path, steps: int = 4) -> DatasetTraining:
    return DatasetTraining(
        dataset, out, "supervised", fold=0, labels=Labels(slices=3),
        budget=Budget(steps), device="cpu", changes=SMALL,
    )  # fmt: skip


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def alone(dataset: Path) -> Path:
    """A model that was trained in this process."""
    out = dataset.parent / "alone"
    for _ in train_on_dataset(asked(dataset, out)):
        pass
    return out


@pytest.mark.parametrize("shared", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_weights_are_those_of_this_process_bit_for_bit(
    dataset: Path,
    alone: Path,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    shared: bool,
) -> None:
    """Be the data set read by its path or sent."""
    monkeypatch.setattr(Parcel, "_is_here", lambda _: shared)
    *events, report = train_on_cluster(asked(dataset, tmp_path), address)
    assert weights(tmp_path) == weights(alone)
    assert isinstance(report, dict)
    assert report["model"] == str(tmp_path)
    assert report["stages"][0]["steps"] == 4
    assert any(isinstance(event, Note | Progress) for event in events)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in alone.iterdir()}


def test_a_cancelled_run_leaves_its_checkpoint_here_and_goes_on_anywhere(
    dataset: Path, alone: Path, address: str, tmp_path: Path
) -> None:
    """On another worker after a while, or in this process."""
    mine = asked(dataset, tmp_path / "m", 12)
    events = train_on_cluster(mine, address)
    while not isinstance(next(events), Progress):
        pass
    events.close()
    assert (mine.out / CHECKPOINT / "checkpoint.json").is_file()
    assert not (mine.out / "model.json").exists()
    with pytest.raises(InputError, match=r"m: holds an unfinished run with other"):
        list(train_on_cluster(replace(mine, seed=1), address))
    notes = [e.text for e in train_on_cluster(mine, address) if isinstance(e, Note)]
    assert any(note.startswith("Going on with the unfinished run") for note in notes)
    assert not (mine.out / CHECKPOINT).exists()
    for _ in train_on_dataset(replace(mine, out=tmp_path / "whole")):
        pass
    assert weights(mine.out) == weights(tmp_path / "whole")


def test_what_is_wrong_is_said_with_the_askers_paths(
    dataset: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Parcel, "_is_here", lambda _: False)
    mine = replace(asked(dataset, tmp_path / "m"), labels=Labels(cases=("nobody",)))
    with pytest.raises(InputError, match=f"not a labelled training case of {dataset} "):
        list(train_on_cluster(mine, address))
    assert not (tmp_path / "m").exists()


def test_a_gpu_that_no_worker_has_is_refused(
    dataset: Path, address: str, tmp_path: Path
) -> None:
    mine: Any = replace(asked(dataset, tmp_path / "m"), device="cuda")
    with pytest.raises(InputError, match="No worker of the cluster has a CUDA GPU"):
        list(train_on_cluster(mine, address))


def test_a_run_that_nobody_asked_about_ends_and_keeps_its_checkpoint(
    dataset: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the asker's computer was asleep."""
    mine = asked(dataset, tmp_path / "m")
    monkeypatch.setattr(run_there, "ABANDONED", -1.0)
    with pytest.raises(InputError, match="the run was ended, as nobody had asked"):
        list(train_on_cluster(mine, address))
    assert not (mine.out / "model.json").exists()
    assert (mine.out / CHECKPOINT / "checkpoint.json").is_file()
