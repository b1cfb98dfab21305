"""Images that are read piece by piece, from a drive that goes away in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest

from napari_contrastseg.insight.slice_features import slice_features
from napari_contrastseg.io.array_order import in_order_of
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.intensities import fill_note, intensity_range
from napari_contrastseg.io.volume import Source, Volume, array_affine
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.tasks.drive import Failed, drive
from napari_contrastseg.tasks.predict import Predicted, PredictRequest, predict
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.train import train
from tests.kit.rounds import a_model
from tests.kit.training import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

GREY = np.random.default_rng(0).normal(100, 20, (8, 20, 24)).astype(np.float32)
TRUTH = np.zeros(GREY.shape, np.int16)
TRUTH[2:6, 4:12, 4:16] = 1
SAID = (
    "scan: a part of its image could not be read ({}); see that the file or drive it "
    "comes from is there, and try again."
)


class Drive:
    """An array of slices that are read one by one, until the drive is gone."""

    def __init__(self, error: Exception, holds: int = 10**6) -> None:
        self.error, self.left = error, holds
        self.shape, self.dtype, self.ndim = GREY.shape, GREY.dtype, GREY.ndim

    def __getitem__(self, key: Any) -> NDArray[np.float32]:
        if self.left <= 0:
            raise self.error
        self.left -= 1
        return np.asarray(GREY[key])

    def volume(self, affine: NDArray[np.float64] | None = None) -> Volume:
        chunks = (1, *GREY.shape[1:])
        data = dask.array.from_array(self, chunks)  # type: ignore[no-untyped-call]
        if affine is None:
            return Volume("scan", (data,), array_affine(np.array([3.0, 1, 1])))
        source = Source(orientation=((0, 1), (1, 1), (2, 1)))
        return Volume("scan", (data,), affine, source=source)


ERRORS: list[tuple[Exception, str]] = [
    (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
    (RuntimeError("chunk 3 of a.zarr is corrupt"), "chunk 3 of a.zarr is corrupt"),
    (KeyError("0/3"), "'0/3'"),
    (ValueError("too small\nfor this"), "too small for this"),
    (StopAsyncIteration(), "StopAsyncIteration"),
]


@pytest.mark.parametrize(("error", "cause"), ERRORS)
@pytest.mark.parametrize("holds", [0, 5])
def test_a_training_says_what_happened(
    error: Exception, cause: str, holds: int
) -> None:
    behind = Drive(error)
    volumes = (TrainingVolume(behind.volume(), TRUTH),)
    run = resolve_here(request(volumes=volumes))
    behind.left = holds
    outcome = drive(train(run), lambda _: None, lambda: False)
    assert isinstance(outcome, Failed)
    assert outcome.message == SAID.format(cause)


@pytest.mark.parametrize(("error", "cause"), ERRORS[:2])
@pytest.mark.parametrize("holds", [0, 5, 10])
def test_a_prediction_says_what_happened(
    error: Exception, cause: str, holds: int
) -> None:
    asked = PredictRequest(a_model(), (Drive(error, holds).volume(),), "cpu")
    outcome = drive(predict(asked), lambda _: None, lambda: False)
    assert isinstance(outcome, Failed)
    assert outcome.message == SAID.format(cause)


READ: dict[str, Callable[[Volume, Path], object]] = {
    "intensities": lambda volume, _: intensity_range(volume, 0),
    "fill values": lambda volume, _: fill_note(volume, 0),
    "features": lambda volume, _: slice_features(volume, 0),
    "a data set": lambda volume, folder: write_dataset(
        folder / "d", [LabelledVolume(volume, TRUTH)], {1: "core"}
    ),
    "another order": lambda volume, _: in_order_of(
        Drive(ERRORS[0][0], 5).volume(np.diag([1.0, 2, 3, 1])[[2, 1, 0, 3]]),
        Volume(
            "other",
            (GREY,),
            np.diag([-1.0, 2, 3, 1])[[2, 1, 0, 3]],
            source=Source(orientation=((0, 1), (1, 1), (2, 1))),
        ),
    ),
}


@pytest.mark.parametrize("what", READ)
def test_whatever_reads_an_image_says_what_happened(what: str, tmp_path: Path) -> None:
    error, cause = ERRORS[0]
    with pytest.raises(InputError) as caught:
        READ[what](Drive(error, 5).volume(), tmp_path)
    assert str(caught.value) == SAID.format(cause)


def test_memory_that_runs_out_meanwhile_is_not_called_a_drive() -> None:
    behind = Drive(MemoryError("too much"))
    behind.left = 0
    with pytest.raises(MemoryError):
        behind.volume().slice(0, 0)


def test_a_memory_map_is_predicted_as_the_same_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GREY)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    model, said = a_model(), []
    for data in (GREY, mapped):
        volume = Volume("scan", (data,), array_affine(np.array([3.0, 1, 1])))
        events = predict(PredictRequest(model, (volume,), "cpu"))
        said += [e.prediction for e in events if isinstance(e, Predicted)]
    assert np.array_equal(said[0].labels, said[1].labels)
    assert np.array_equal(said[0].confidence, said[1].confidence)
