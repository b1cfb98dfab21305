"""A computer that runs out of memory: recognised everywhere, said in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_contrastseg.io import images
from napari_contrastseg.io.errors import ComputerMemoryError, DeviceMemoryError
from napari_contrastseg.io.formats import nifti
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.models.model import load_model, save_model
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.device import memory_error
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.tasks import splits
from napari_contrastseg.tasks import train as axes
from napari_contrastseg.tasks.drive import Failed, drive
from napari_contrastseg.tasks.events import Note, TrainingBegan
from napari_contrastseg.tasks.predict import PredictRequest, predict
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit import golden
from tests.kit.nifti import save

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.tasks.requests import TrainRequest
    from tests.kit.command_line import Refused

SAID = "The memory of this computer ran out"


def torch_asks_for_too_much(*_: Any, **__: Any) -> Any:
    """Raise what torch raises on a CPU, with torch's own words."""
    return torch.empty(2**62, dtype=torch.uint8)


def numpy_asks_for_too_much(*_: Any, **__: Any) -> Any:
    return np.empty(2**60, np.uint8)


Asks = Callable[..., Any]
both = pytest.mark.parametrize(
    "too_much", [torch_asks_for_too_much, numpy_asks_for_too_much]
)


@pytest.fixture
def asked() -> TrainRequest:
    return golden.request("supervised", steps=2)


def caught(raises: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as seen:  # noqa: PT011  whatever it is
        raises()
    return seen.value


@both
def test_the_computers_own_shortage_is_told_from_a_gpus(too_much: Asks) -> None:
    found = memory_error(caught(too_much), "cpu", " in stage 'x'")
    assert isinstance(found, ComputerMemoryError)
    assert str(found) == (
        f"{SAID} in stage 'x'; close other programs, or choose coarser pixels or "
        "smaller volumes."
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `create`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.56 GB, other"),
    ],
)
def test_a_gpus_shortage_leaves_the_cpu(error: Exception) -> None:
    found = memory_error(error, "cuda")
    assert isinstance(found, DeviceMemoryError)
    assert not isinstance(found, ComputerMemoryError)
    assert "choose the CPU" in str(found)


def test_other_errors_stay_what_they_are() -> None:
    for error in (
        RuntimeError("shape '[2]' is invalid for input of size 3"),
        RuntimeError("DataLoader worker ran out of memory cards"),
        ValueError("DefaultCPUAllocator"),
    ):
        assert memory_error(error) is None


@both
def test_training_works_in_smaller_parts_on_a_cpu(
    asked: TrainRequest, monkeypatch: pytest.MonkeyPatch, too_much: Asks
) -> None:
    whole = UNet.encode

    def encode(network: UNet, x: torch.Tensor) -> Any:
        return whole(network, x) if len(x) == 1 else too_much()

    monkeypatch.setattr(UNet, "encode", encode)
    notes = [
        event.text for event in train(resolve_here(asked)) if isinstance(event, Note)
    ]
    assert any("parts from now on" in note for note in notes)


@both
def test_training_that_does_not_fit_says_so(
    asked: TrainRequest, monkeypatch: pytest.MonkeyPatch, too_much: Asks
) -> None:
    monkeypatch.setattr(UNet, "encode", too_much)
    with pytest.raises(ComputerMemoryError, match=f"{SAID} in stage"):
        list(train(resolve_here(asked)))


@both
def test_slices_are_read_once_more_without_those_kept(
    asked: TrainRequest, monkeypatch: pytest.MonkeyPatch, too_much: Asks
) -> None:
    whole, calls = Cohort._stacked, [0]

    def stacked(cohort: Cohort, *rest: Any) -> Any:
        calls[0] += 1
        return too_much() if calls[0] == 1 else whole(cohort, *rest)

    monkeypatch.setattr(Cohort, "_stacked", stacked)
    list(train(resolve_here(asked)))
    assert calls[0] == 3


@both
def test_prediction_and_its_weights_say_so(
    asked: TrainRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    too_much: Asks,
) -> None:
    trained = next(
        e for e in train(resolve_here(asked)) if isinstance(e, TrainingBegan)
    ).model
    request = PredictRequest(trained, (phantom(1).volume,), "cpu")
    save_model(tmp_path, trained)
    monkeypatch.setattr(UNet, "encode", too_much)
    with pytest.raises(ComputerMemoryError, match=SAID):
        list(predict(request))
    if too_much is torch_asks_for_too_much:
        monkeypatch.setattr(UNet, "load_state_dict", too_much)
        with pytest.raises(ComputerMemoryError, match=SAID):
            load_model(tmp_path)


@both
def test_a_task_that_runs_out_of_memory_is_no_fault_of_ours(too_much: Asks) -> None:
    def task() -> Any:
        yield too_much()

    outcome = drive(task(), lambda _: None, lambda: False)
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith(SAID)
    assert isinstance(outcome.error, ComputerMemoryError)


def test_what_was_learned_outlives_a_full_cpu(
    asked: TrainRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network of the slice axis stays, when another axis does not fit."""
    whole, calls = axes._along, [0]

    def along(*rest: Any) -> Any:
        calls[0] += 1
        if calls[0] > 1:
            torch_asks_for_too_much()
        return (yield from whole(*rest))

    monkeypatch.setattr(axes, "_along", along)
    run = resolve_here(asked)
    others = replace(run.axes[0], axis=1)
    run = replace(run, axes=(*run.axes, others))
    notes = [event.text for event in train(run) if isinstance(event, Note)]
    assert SAID in notes[-1]


def test_a_file_too_large_for_memory_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.nii", np.zeros((2, 2, 2), np.uint8), np.eye(4))
    large = replace(nifti.FORMAT, read=numpy_asks_for_too_much)
    monkeypatch.setattr(images, "format_of", lambda _, **_more: large)
    with pytest.raises(MemoryError):
        read_volume(tmp_path / "a.nii")


@both
def test_the_command_line_says_one_line(
    dataset: Path,
    model: Path,
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    too_much: Asks,
) -> None:
    train_it = ["train", dataset, "--recipe", "supervised", "--slices", 3, "--steps", 1]
    with monkeypatch.context() as patch:
        patch.setattr(UNet, "encode", too_much)
        assert SAID in refused(*train_it, "--out", tmp_path / "m")
        predict_one = ["predict", model, dataset, "--cases", "phantom_000"]
        assert SAID in refused(*predict_one, "--out", tmp_path / "p")
    monkeypatch.setattr(splits, "read_truth", too_much)
    assert SAID in refused(*train_it, "--out", tmp_path / "other")
