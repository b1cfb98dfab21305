"""Prediction of a large picture: by tiles, whole, and by MONAI's sliding window.

Each way runs in a process of its own: voxels a second, memory, and how many labels are
those of the whole picture.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import numpy as np

from napari_contrastseg.bench.measure.subprocess_runner import in_a_fresh_process
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model

MODULE: Final = "napari_contrastseg.bench.measure.prediction"
WAYS: Final = ("tiles", "whole", "sliding_window")
#: Pixels of the window's sides, and the part that neighbours share.
WINDOW, OVERLAP = 512, 0.25
CLASSES: Final = 2


def prediction(
    side: int, device: str, ways: tuple[str, ...] = WAYS
) -> Iterator[Progress | dict[str, Any]]:
    """Predict a square picture in each way; yields progress and the report.

    Parameters
    ----------
    side : int
        Pixels.
    ways : tuple of str
        Without ``whole`` nothing is said of how many labels agree with it.
    """
    report: dict[str, Any] = {"side": side, "device": device}
    with tempfile.TemporaryDirectory() as folder:
        for number, way in enumerate(ways):
            yield Progress(way.replace("_", " "), number / len(ways))
            file = str(Path(folder) / f"{way}.npy")
            report[way] = in_a_fresh_process(MODULE, way, way, str(side), device, file)
        if "whole" in ways:
            whole = np.load(Path(folder) / "whole.npy")
            for way in ways:
                alike = np.load(Path(folder) / f"{way}.npy") == whole
                report[way]["agreement"] = float(alike.mean())
    yield report


def measure(way: str, side: int, device: str, file: Path) -> dict[str, float]:
    """Predict here; the labels are written to a file."""
    from napari_contrastseg.bench.measure.memory import memory, settle  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import pick_device, prepare  # noqa: PLC0415

    where = pick_device(device)
    model, volume = _model(), picture(side)
    prepare(model.network, where)
    answer = _sliding_window if way == "sliding_window" else _ours
    answer(model, picture(min(side, 256)), str(where), way)  # libraries load
    before, begun = settle(where), time.perf_counter()
    labels = answer(model, volume, str(where), way)
    seconds = time.perf_counter() - begun
    np.save(file, labels)
    return {
        "voxels_per_s": side**2 / seconds,
        "seconds": seconds,
        "peak_mb": (memory(where) - before) / 2**20,
    }


def picture(side: int) -> Volume:
    """Make a picture of discs on an uneven ground."""
    from napari_contrastseg.io.volume import Volume  # noqa: PLC0415

    rng = np.random.default_rng(0)
    ground = np.linspace(0, 120, side)[None, :] + np.zeros((side, 1))
    image = (ground + rng.normal(0, 12, (side, side))).clip(0, 255).astype(np.uint8)
    y, x = np.mgrid[-32:32, -32:32]
    disc = (y**2 + x**2) < 24**2
    for row, column in rng.integers(0, max(1, side - 64), (side**2 // 2**15, 2)):
        image[row : row + 64, column : column + 64][disc[:side, :side]] = 220
    return Volume("picture", (image[None],), np.diag([2.0, 1, 1, 1]), ("image",))


def _model() -> Model:
    """Make the default network with random weights."""
    from napari_contrastseg.learning.data.input_spec import InputSpec  # noqa: PLC0415
    from napari_contrastseg.learning.models.card import ModelCard, ModelClass  # noqa: PLC0415
    from napari_contrastseg.learning.models.model import Model, build_network  # noqa: PLC0415
    from napari_contrastseg.learning.networks.spec import NetworkSpec  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.rng import Randomness  # noqa: PLC0415

    inputs, spec = InputSpec(("image",), 0, 0, (1.0, 1.0), ()), NetworkSpec()
    classes = tuple(ModelClass(n, f"class {n}") for n in range(1, CLASSES + 1))
    card = ModelCard("supervised", "sound", {}, classes, inputs, spec, False, 0)
    with Randomness(0).scope():
        return Model(card, build_network(spec, inputs, CLASSES))


def _ours(model: Model, volume: Volume, device: str, way: str) -> NDArray[np.uint8]:
    """Predict by tiles, or whole whatever memory that takes."""
    import torch

    from napari_contrastseg.learning.models.predict import (  # noqa: PLC0415
        Prediction,
        predict_volume,
    )
    from napari_contrastseg.learning.runtime.pass_size import PassSize  # noqa: PLC0415

    with patch.object(PassSize, "slices", lambda *_: int(way == "whole")):
        *_, last = predict_volume(model, volume, torch.device(device))
    assert isinstance(last, Prediction)
    return np.asarray(last.labels[0])


def _sliding_window(
    model: Model, volume: Volume, device: str, _: str
) -> NDArray[np.uint8]:
    """Predict as a MONAI user would; each window goes by its own statistics."""
    import torch
    from monai.inferers.inferer import SlidingWindowInferer

    from napari_contrastseg.learning.data.slice_reader import SliceReader  # noqa: PLC0415

    window: Any = SlidingWindowInferer(
        (WINDOW, WINDOW), sw_batch_size=1, overlap=OVERLAP, mode="gaussian"
    )
    with torch.inference_mode():
        image = SliceReader(volume, model.card.input).image(0)[None]
        found = window(image.to(device), model.network.eval()).softmax(dim=1)
        labels: NDArray[np.uint8] = found.argmax(dim=1)[0].to(torch.uint8).cpu().numpy()
    return labels


if __name__ == "__main__":
    way, side, device, file = sys.argv[1:]
    sys.stdout.write(json.dumps(measure(way, int(side), device, Path(file))))
