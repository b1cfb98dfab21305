"""A random forest on filters of each slice, as ilastik's pixel classification."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from skimage.feature import multiscale_basic_features

from napari_contrastseg.learning.data.targets import check_labels
from napari_contrastseg.tasks.events import Progress, StageReport

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.data.input_spec import InputSpec
    from napari_contrastseg.learning.data.slice_reader import SliceReader
    from napari_contrastseg.learning.models.predict import Prediction
    from napari_contrastseg.tasks.requests import TrainRequest

TREES: Final = 100
#: Pixels learned from, the same number of each class where there are as many.
MOST_PIXELS: Final = 100_000
#: Finest and coarsest Gaussian of the filters, pixels.
SIGMAS: Final = (0.5, 16.0)


def check(_device: str) -> None:
    """Nothing is missing: scikit-learn and scikit-image are always there."""


def settings() -> dict[str, Any]:
    """Give what decides the forest."""
    return {"trees": TREES, "pixels": MOST_PIXELS, "sigmas": list(SIGMAS)}


def learn(
    request: TrainRequest,
) -> Generator[Progress | StageReport, None, Forest]:
    """Grow a forest on the labelled pixels.

    Raises
    ------
    InputError
        Nothing or a single class is labelled, or an image cannot be used.
    """
    from sklearn.ensemble import RandomForestClassifier

    from napari_contrastseg.learning.data.slice_axes import input_spec  # noqa: PLC0415
    from napari_contrastseg.learning.data.slice_reader import SliceReader  # noqa: PLC0415

    check_labels(request.volumes)
    start = time.perf_counter()
    spec = input_spec([v.volume for v in request.volumes], 0, 0)
    slices: list[tuple[SliceReader, int, NDArray[np.int16]]] = []
    for entry in request.volumes:
        if entry.target is None:
            continue
        reader = SliceReader(entry.volume, spec, kept=0)
        for index, plane in enumerate(np.moveaxis(entry.target, reader.axis, 0)):
            if (plane >= 0).any():
                known, _ = reader.to_network_grid(plane)
                truth = known.numpy().astype(np.int16).ravel()
                slices.append((reader, index, truth))
    picked = balanced([truth for _, _, truth in slices], request.seed)
    rows, answers = [], []
    for number, ((reader, index, truth), where) in enumerate(
        zip(slices, picked, strict=True)
    ):
        if len(where):
            rows.append(features(reader.one(index).numpy())[where])
            answers.append(truth[where])
        yield Progress("features", (number + 1) / (len(slices) + 1))
    forest = RandomForestClassifier(TREES, n_jobs=-1, random_state=request.seed)
    with warnings.catch_warnings():  # scikit-learn's threads lose its filters
        forest.fit(np.concatenate(rows), np.concatenate(answers))
    yield StageReport("forest", 0, time.perf_counter() - start, ())
    return Forest(forest, spec)


def balanced(truths: list[NDArray[np.int16]], seed: int) -> list[NDArray[np.int64]]:
    """Draw known pixels of each slice, as many of each class as there are.

    Parameters
    ----------
    truths : list of (pixels,) int
        -1 unknown, else a class.

    Returns
    -------
    list of (n,) int, sorted places in each slice
    """
    rng = np.random.default_rng(seed)
    present = np.unique(np.concatenate(truths))
    present = present[present >= 0]
    picked: list[list[NDArray[np.int64]]] = [[] for _ in truths]
    for value in present:
        places = [np.flatnonzero(truth == value) for truth in truths]
        ends = np.cumsum([len(p) for p in places])
        total = int(ends[-1])
        wanted = min(total, MOST_PIXELS // len(present))
        drawn = np.sort(rng.choice(total, wanted, replace=False))
        parts = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        begins = np.concatenate([[0], ends[:-1]])
        for slot, where, part, begin in zip(picked, places, parts, begins, strict=True):
            slot.append(where[part - begin])
    return [np.sort(np.concatenate(parts)) for parts in picked]


def features(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Filter a slice, (channels, h, w), at several scales; (h * w, features)."""
    low, high = SIGMAS
    found = multiscale_basic_features(
        image, sigma_min=low, sigma_max=high, channel_axis=0
    )
    return np.asarray(found.reshape(-1, found.shape[-1]), np.float32)


@dataclass(frozen=True, eq=False)
class Forest:
    """A grown forest, and what its input looks like."""

    forest: Any
    spec: InputSpec

    def predict(self, volumes: Iterable[Volume]) -> Iterator[tuple[Volume, Prediction]]:
        """Predict volumes slice by slice."""
        for volume in volumes:
            yield volume, self._volume(volume)

    def _volume(self, volume: Volume) -> Prediction:
        import torch

        from napari_contrastseg.learning.data.slice_reader import SliceReader  # noqa: PLC0415
        from napari_contrastseg.learning.models.predict import Prediction  # noqa: PLC0415

        reader = SliceReader(volume, self.spec, kept=0)
        labels = np.zeros(volume.shape, np.uint8)
        confidence = np.zeros(volume.shape, np.float16)
        seen, sure = (np.moveaxis(a, reader.axis, 0) for a in (labels, confidence))
        known = np.asarray(self.forest.classes_, np.uint8)
        for index in range(reader.count):
            found = features(reader.one(index).numpy())
            with warnings.catch_warnings():
                chances = self.forest.predict_proba(found)
            maps = torch.from_numpy(chances.T.reshape(1, -1, *reader.shape)).float()
            best, which = reader.to_native_grid(maps)[0].max(dim=0)
            seen[index] = known[which.numpy()]
            sure[index] = best.numpy()
        return Prediction(labels, confidence)
