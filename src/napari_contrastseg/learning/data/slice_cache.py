"""Slice cache: on the training device when all slices fit, else read ahead.

::

    volumes --SliceReader--> normalised, padded slices --> SliceCache --> batches
                                                            |
                    resident: each read once, kept on the device
                    else: the latest kept in memory, the next ones read by a thread
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import torch
from torch import Tensor

from napari_contrastseg.io.memory_bound import memory_bound
from napari_contrastseg.learning.runtime.device import to_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Part of a GPU's free memory, or of the bound of memory, that all slices may fill.
SHARE_OF_GPU, SHARE_OF_BOUND = 0.4, 1 / 4
#: Bytes kept where not all slices fit, and part of the bound that they are at most.
KEPT_BYTES, KEPT_SHARE = 512 * 2**20, 1 / 8

Place = tuple[int, int]
Labels = tuple[Tensor, Tensor]


def memory_budget(device: torch.device) -> int:
    """Bytes of slices that a device may keep."""
    if device.type == "cuda":
        return int(SHARE_OF_GPU * torch.cuda.mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    return int(SHARE_OF_BOUND * min(memory_bound(), free))


class SliceCache:
    """Keeps images, and labels with weights, by (volume, slice).

    Parameters
    ----------
    read_image, read_labels : callable of a place to tensors on the CPU
    needed : int
        Bytes that all slices take.
    device : torch.device
        Where batches are wanted.

    Attributes
    ----------
    resident : bool
        Whether everything fits, and stays on `device`.
    """

    def __init__(
        self,
        read_image: Callable[[Place], Tensor],
        read_labels: Callable[[Place], Labels],
        needed: int,
        device: torch.device,
    ) -> None:
        self.resident = needed <= memory_budget(device)
        self.device = device if self.resident else torch.device("cpu")
        self._read_image, self._read_labels = read_image, read_labels
        self._images: OrderedDict[Place, Tensor] = OrderedDict()
        self._labels: dict[Place, Labels] = {}
        self._lock = threading.Lock()
        self._ahead: ThreadPoolExecutor | None = None
        self._coming: dict[Place, Future[Tensor]] = {}

    def image(self, place: Place) -> Tensor:
        """One slice, (channels, h, w)."""
        with self._lock:
            if place in self._images:
                self._images.move_to_end(place)
                return self._images[place]
            coming = self._coming.pop(place, None)
        if coming is not None and not coming.cancel():
            with suppress(Exception):  # it is read again below, and the error met there
                coming.result()
        with self._lock:
            if place in self._images:
                return self._images[place]
        return self._fetch(place)

    def _fetch(self, place: Place) -> Tensor:
        image = to_device(self._read_image(place), self.device)
        with self._lock:
            self._images[place] = image
            kept = min(KEPT_BYTES, int(KEPT_SHARE * memory_bound()))
            most = max(1, kept // (image.numel() * image.element_size()))
            while not self.resident and len(self._images) > most:
                self._images.popitem(last=False)
        return image

    def labels(self, place: Place) -> Labels:
        """Target and weight of one slice, (h, w) each."""
        if place in self._labels:
            return self._labels[place]
        target, weight = self._read_labels(place)
        found = to_device(target, self.device), to_device(weight, self.device)
        if self.resident:
            self._labels[place] = found
        return found

    def read_ahead(self, places: Sequence[Place]) -> None:
        """Read the next slices in a thread, where not all are kept."""
        if self.resident or not places:
            return
        if self._ahead is None:
            self._ahead = ThreadPoolExecutor(1, "contrastseg-read-ahead")
        with self._lock:
            for place in set(self._coming) - set(places):
                self._coming.pop(place).cancel()
            for place in dict.fromkeys(places):
                if place not in self._images and place not in self._coming:
                    self._coming[place] = self._ahead.submit(self._fetch, place)

    def leave_device(self) -> None:
        """Keep slices in memory from now on: the device's own has run short."""
        self.resident, self.device = False, torch.device("cpu")
        self._drop()

    def close(self) -> None:
        """Drop everything and end the thread."""
        if self._ahead is not None:
            self._ahead.shutdown(cancel_futures=True)
            self._ahead = None
        self._coming.clear()
        self._drop()

    def _drop(self) -> None:
        with self._lock:
            self._images.clear()
        self._labels.clear()
