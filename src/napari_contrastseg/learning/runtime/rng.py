"""Seeded randomness for code that draws from torch's global generator."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Randomness:
    """All the randomness of one run, from one seed.

    `numpy` is the generator that our own code draws from. Libraries that read
    torch's global generator (kornia, dropout, initialisation) run inside `scope`,
    which lends them this run's state and puts the global one back.
    """

    def __init__(self, seed: int, device: torch.device | None = None) -> None:
        self.numpy = np.random.default_rng(seed)
        self._device = device or torch.device("cpu")
        with torch.random.fork_rng(devices=self._cuda()):
            torch.manual_seed(seed)  # noqa: TID251  the forked, seeded scope itself
            self._keep()

    def _cuda(self) -> list[torch.device]:
        return [self._device] if self._device.type == "cuda" else []

    def _keep(self) -> None:
        self._cpu_state = torch.get_rng_state()
        if self._cuda():
            self._cuda_state = torch.cuda.get_rng_state(self._device)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Lend this run's state to torch's global generators."""
        with torch.random.fork_rng(devices=self._cuda()):
            torch.set_rng_state(self._cpu_state)
            if self._cuda():
                torch.cuda.set_rng_state(self._cuda_state, self._device)
            yield
            self._keep()

    def states(self) -> dict[str, torch.Tensor]:
        """State of torch's generators, to be written down."""
        found = {"cpu": self._cpu_state}
        return found | ({"cuda": self._cuda_state} if self._cuda() else {})

    def set_states(self, states: dict[str, torch.Tensor]) -> None:
        """Go on from states that were written down, as far as they are for here."""
        self._cpu_state = states.get("cpu", self._cpu_state)
        if self._cuda() and "cuda" in states:
            self._cuda_state = states["cuda"]
