"""Sampler: endless shuffled, augmented batches of a stage's slices."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.data.augment import Augment
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.runtime.device import to_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import NDArray

    from napari_contrastseg.learning.data.cohort import Cohort
    from napari_contrastseg.learning.data.view import View
    from napari_contrastseg.learning.runtime.rng import Randomness


class Views:
    """Endless shuffled passes over a view's slices, augmented `copies` times.

    A slice of pseudo-labels alone joins a pass with a probability: its weight.
    """

    def __init__(
        self, view: View, cohort: Cohort, randomness: Randomness, device: torch.device
    ) -> None:
        self._view, self._cohort = view, cohort
        self._rng, self._device = randomness.numpy, device
        self._places, chances = _places(view, cohort)
        self._chance = np.asarray(chances)
        if not self._places:
            raise InputError(
                "No slice has labels yet; paint at least two classes on a slice first."
            )
        self._augment = Augment(
            view.augmentation,
            cohort.size,
            cohort.spec.mirror,
            device,
            2 * cohort.spec.neighbours + 1,
            cohort.with_truth,
        )
        self._size = view.batch_for(*cohort.size)
        self._parts: list[list[list[int]]] = []
        if view.partitions:
            self._parts = _partitions(self._places, cohort, view.partitions)
        self.queue: list[int] = []

    def go_on(self, queue: Sequence[int]) -> None:
        """Restore the queue of a checkpoint.

        Labels that were completed on another device may differ a little: a slice
        without any label now is left out.
        """
        self.queue = [index for index in queue if index < len(self._places)]

    def draw(self) -> Batch:
        """Read the next slices."""
        while len(self.queue) < self._size:
            self.queue.extend(self._pass())
        picks, self.queue = self.queue[: self._size], self.queue[self._size :]
        batch = self._cohort.batch([self._places[i] for i in picks], self._rng)
        self._cohort.read_ahead([self._places[i] for i in self.queue[: self._size]])
        return batch

    def _pass(self) -> list[int]:
        """Shuffle the slices once; parted volumes give one slice of each part."""
        if not self._parts:
            order = self._rng.permutation(len(self._places))
            joins = self._rng.random(len(self._places)) < self._chance
            return [int(i) for i in order if joins[i]]
        order = self._rng.permutation(len(self._parts))
        parts = [part for volume in order for part in self._parts[volume]]
        return [part[int(self._rng.integers(len(part)))] for part in parts]

    def leave_device(self, raw: Batch) -> Batch:
        """Bring a batch that was drawn, and all slices, back into memory."""
        self._cohort.leave_device()
        return Batch(
            raw.image.cpu(),
            raw.target.cpu(),
            raw.weight.cpu(),
            volume=raw.volume,
            position=raw.position,
        )

    def augmented(self, raw: Batch) -> list[Batch]:
        """Make the views of slices that were drawn, on the device."""
        there = {
            entry.name: to_device(tensor, self._device)
            for entry in fields(raw)
            if (tensor := getattr(raw, entry.name)) is not None
        }
        batch = Batch(**there)
        return [self._augment(batch) for _ in range(self._view.copies)]


def _places(
    view: View, cohort: Cohort
) -> tuple[Sequence[tuple[int, int]], Sequence[float] | NDArray[np.float64]]:
    """Slices of a view, and how likely each joins a pass."""
    if view.slices == "labelled":
        return cohort.labelled, cohort.earned
    places = cohort.all
    if view.slices == "unlabelled" and cohort.unlabelled:
        places = cohort.unlabelled
    return places, np.ones(len(places))


def _partitions(
    places: Sequence[tuple[int, int]], cohort: Cohort, parts: int
) -> list[list[list[int]]]:
    """Numbers of the slices of each volume, in equal parts along the slice axis."""
    found: dict[int, list[list[int]]] = {}
    for number, place in enumerate(places):
        several = found.setdefault(place[0], [[] for _ in range(parts)])
        several[partition(cohort.position(place), parts)].append(number)
    return [[part for part in volume if part] for volume in found.values()]


def partition(position: float, parts: int) -> int:
    """Which of `parts` equal parts a position, 0 to 1, lies in; 0 where it has none."""
    if math.isnan(position):
        return 0
    return min(int(position * parts), parts - 1)
