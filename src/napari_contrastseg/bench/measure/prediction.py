"""Prediction of a large picture: map by map, by tiles, whole, by MONAI's window.

``parts`` goes by tiles with the statistics of some parts, as a huge picture does.

Each way runs in a process of its own: voxels a second, the processor's seconds, memory,
how many labels are those of the whole picture, and how far the confidence in them is
from that one's.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
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

    #: Labels and confidence.
    Answer = tuple[NDArray[np.uint8], NDArray[np.floating[Any]]]

MODULE: Final = "napari_contrastseg.bench.measure.prediction"
WAYS: Final = ("maps", "tiles", "parts", "whole", "sliding_window")
#: A picture's side, in those of the parts that are looked at: eight along each.
SPARSE: Final = 32
#: Pixels of the window's sides, and the part that neighbours share.
WINDOW, OVERLAP = 512, 0.25
CLASSES: Final = 2


def prediction(
    side: int,
    device: str,
    ways: tuple[str, ...] = WAYS,
    *,
    model: Path | None = None,
    image: Path | None = None,
) -> Iterator[Progress | dict[str, Any]]:
    """Predict a square picture in each way; yields progress and the report.

    Parameters
    ----------
    side : int
        Pixels.
    ways : tuple of str
        Without ``whole`` nothing is said of how many labels agree with it.
    model : Path, optional
        Folder of a model; the default network with random weights otherwise.
    image : Path, optional
        An image whose slices, side by side, make the picture; discs otherwise.
    """
    report: dict[str, Any] = {
        "side": side,
        "device": device,
        "model": "random weights" if model is None else model.name,
        "image": "discs" if image is None else image.name,
    }
    files = [str(path or "") for path in (model, image)]
    with tempfile.TemporaryDirectory() as folder:
        for number, way in enumerate(ways):
            yield Progress(way.replace("_", " "), number / len(ways))
            file = str(Path(folder) / f"{way}.npz")
            report[way] = in_a_fresh_process(
                MODULE, way, way, str(side), device, file, *files
            )
        if "whole" in ways:
            whole = dict(np.load(Path(folder) / "whole.npz"))
            for way in ways:
                report[way] |= _held_against(
                    np.load(Path(folder) / f"{way}.npz"), whole
                )
    yield report


def _held_against(found: Any, whole: Any) -> dict[str, float]:
    """Say how many labels agree, and how far the confidence in them is apart."""
    alike = found["labels"] == whole["labels"]
    apart = np.abs(found["confidence"] - whole["confidence"])[alike]
    return {
        "agreement": float(alike.mean()),
        "confidence_apart_mean": float(apart.mean()),
        "confidence_apart_p99": float(np.percentile(apart, 99)),
    }


def measure(
    way: str, side: int, device: str, file: Path, model_folder: str, image: str
) -> dict[str, float]:
    """Predict here; labels and confidence are written to a file."""
    from napari_contrastseg.bench.measure.memory import memory, settle  # noqa: PLC0415
    from napari_contrastseg.learning.models.model import load_model  # noqa: PLC0415
    from napari_contrastseg.learning.runtime.device import pick_device, prepare  # noqa: PLC0415

    where = pick_device(device)
    model = load_model(Path(model_folder)) if model_folder else untrained_model()
    pixel = model.card.input.pixel
    volume = mosaic(Path(image), side, pixel) if image else picture(side)
    few = replace(volume, data=tuple(c[:, :256, :256] for c in volume.data))
    prepare(model.network, where)
    answer = _sliding_window if way == "sliding_window" else _ours
    answer(model, few, str(where), way)  # libraries load
    before, begun, cpu = settle(where), time.perf_counter(), time.process_time()
    labels, confidence = answer(model, volume, str(where), way)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    np.savez(file, labels=labels, confidence=confidence.astype(np.float32))
    return {
        "voxels_per_s": side**2 / seconds,
        "seconds": seconds,
        "cpu_seconds": cpu,
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


def mosaic(path: Path, side: int, pixel: tuple[float, float]) -> Volume:
    """Put an image's slices side by side, again and again, until they fill a square.

    Its pixels get the size, `pixel`, at which a network works.
    """
    from napari_contrastseg.io.images import read_volume  # noqa: PLC0415

    volume = read_volume(path)
    axis = volume.axis_of(0)
    channels = []
    for channel in volume.data:
        slices = np.moveaxis(np.asarray(channel), axis, 0)
        count, rows, columns = slices.shape
        down, across = -(-side // rows), -(-side // columns)
        every = [slices[n % count] for n in range(down * across)]
        lines = [
            np.concatenate(every[n : n + across], axis=1)
            for n in range(0, len(every), across)
        ]
        channels.append(np.concatenate(lines)[None, :side, :side])
    affine = np.diag([max(pixel), *pixel, 1.0])
    return replace(volume, data=tuple(channels), affine=affine, kind="stack")


def untrained_model() -> Model:
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


def _ours(model: Model, volume: Volume, device: str, way: str) -> Answer:
    """Predict map by map, by tiles, or whole whatever memory that takes."""
    import torch

    from napari_contrastseg.learning.models import slice_tiles  # noqa: PLC0415
    from napari_contrastseg.learning.models.predict import (  # noqa: PLC0415
        Prediction,
        predict_volume,
    )
    from napari_contrastseg.learning.runtime.pass_size import PassSize  # noqa: PLC0415

    kept = 0 if way in {"tiles", "parts"} else slice_tiles.MOST_KEPT
    side = volume.shape[-1] // SPARSE if way == "parts" else slice_tiles.PART_SIDE
    with (
        patch.object(PassSize, "slices", lambda *_: int(way == "whole")),
        patch.object(slice_tiles, "MOST_KEPT", kept),
        patch.object(slice_tiles, "HUGE", 0 if way == "parts" else slice_tiles.HUGE),
        patch.object(slice_tiles, "PART_SIDE", side),
    ):
        *_, last = predict_volume(model, volume, torch.device(device))
    assert isinstance(last, Prediction)
    return np.asarray(last.labels[0]), np.asarray(last.confidence[0])


def _sliding_window(model: Model, volume: Volume, device: str, _: str) -> Answer:
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
        sure, outputs = found.max(dim=1)
    ids = np.array([0, *(c.id for c in model.card.classes)], np.uint8)
    return ids[outputs[0].cpu().numpy()], sure[0].cpu().numpy()


if __name__ == "__main__":
    way, side, device, file, folder, image = sys.argv[1:]
    report = measure(way, int(side), device, Path(file), folder, image)
    sys.stdout.write(json.dumps(report))
