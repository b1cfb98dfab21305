"""The case that training throughput is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_contrastseg.learning.data.targets import TrainingVolume

#: Slices of the cohort; classes without background.
SLICES, CLASSES = 128, 2


@dataclass(frozen=True)
class ThroughputCase:
    """One way of training.

    Attributes
    ----------
    which : {"ours", "share", "monai"}
        ``share`` is ours with the parts of a step timed one by one.
    workers : int
        Of the peer's DataLoader.
    tuned : bool
        Give the peer what we give ourselves: channels last, a fused optimiser, bfloat16
        autocast on CUDA, copies that do not wait.
    """

    which: str
    batch: int
    size: int
    device: str
    seconds: float
    workers: int = 0
    tuned: bool = False


def made(size: int) -> TrainingVolume:
    """Make a volume with blobs of both classes, wholly labelled."""
    from napari_contrastseg.io.volume import Volume  # noqa: PLC0415
    from napari_contrastseg.learning.data.targets import TrainingVolume  # noqa: PLC0415

    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    radius = np.hypot(rows, columns)[None] * rng.uniform(0.7, 1.4, (SLICES, 1, 1))
    truth = (radius < 0.3).astype(np.int16) + (radius < 0.15)  # noqa: PLR2004
    image = 100 * truth + rng.normal(0, 30, truth.shape)
    return TrainingVolume(
        Volume("made", (image.astype(np.float32),), np.eye(4)), truth.astype(np.int16)
    )
