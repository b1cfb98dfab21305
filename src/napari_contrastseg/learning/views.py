"""Which slices a stage sees next, and how they are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.augment import Augment
from napari_contrastseg.learning.device import to_device
from napari_contrastseg.learning.slices import Batch

if TYPE_CHECKING:
    import torch

    from napari_contrastseg.learning.randomness import Randomness
    from napari_contrastseg.learning.slices import Cohort
    from napari_contrastseg.learning.stage import Stage


class Views:
    """Endless shuffled passes over the stage's slices, augmented `copies` times.

    A slice of pseudo-labels alone joins a pass with a probability: its weight.
    """

    def __init__(
        self,
        stage: Stage,
        cohort: Cohort,
        randomness: Randomness,
        device: torch.device,
    ) -> None:
        self._view, self._cohort = stage.view, cohort
        self._rng, self._device = randomness.numpy, device
        every = stage.view.slices == "all"
        self._places = cohort.all if every else cohort.labelled
        self._chance = (
            np.ones(len(self._places)) if every else np.asarray(cohort.earned)
        )
        if not self._places:
            raise InputError(
                "No slice has labels yet; paint at least two classes on a slice first."
            )
        self._augment = Augment(
            stage.view.augmentation, cohort.size, cohort.spec.mirror, device
        )
        self._size = stage.view.batch_for(*cohort.size)
        self.queue: list[int] = []

    def draw(self) -> Batch:
        """Read the next slices."""
        while len(self.queue) < self._size:
            order = self._rng.permutation(len(self._places))
            joins = self._rng.random(len(self._places)) < self._chance
            self.queue.extend(int(i) for i in order if joins[i])
        picks, self.queue = self.queue[: self._size], self.queue[self._size :]
        batch = self._cohort.batch([self._places[i] for i in picks], self._rng)
        self._cohort.read_ahead([self._places[i] for i in self.queue[: self._size]])
        return batch

    def leave_device(self, raw: Batch) -> Batch:
        """Bring a batch that was drawn, and all slices, back into memory."""
        self._cohort.leave_device()
        return Batch(raw.image.cpu(), raw.target.cpu(), raw.weight.cpu())

    def augmented(self, raw: Batch) -> list[Batch]:
        """Make the views of slices that were drawn, on the device."""
        parts = (raw.image, raw.target, raw.weight)
        batch = Batch(*(to_device(part, self._device) for part in parts))
        return [self._augment(batch) for _ in range(self._view.copies)]
