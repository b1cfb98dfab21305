"""Parts of large planes on coarser pixels, as the whole plane would have them.

torch's `interpolate` wants all of a plane and doubles beside it: too much for pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Resampling:
    """A side of a plane, `size` pixels, on `count` others.

    Parts are slices of the others. Weights, (part, source), are those of torch's
    `interpolate`: `linear` with bilinear weights and antialiasing, `area` with means.
    """

    size: int
    count: int

    @property
    def _scale(self) -> float:
        return self.size / self.count

    @property
    def _reach(self) -> float:
        """Pixels on either side that a linear weight reaches to."""
        return max(self._scale, 1.0)

    def source(self, part: slice) -> slice:
        """Pixels that a part needs, for both kinds of weights."""
        first = self._scale * (part.start + 0.5) - self._reach
        last = self._scale * (part.stop - 0.5) + self._reach
        return slice(max(0, int(first)), min(self.size, int(last) + 1))

    def linear(self, part: slice) -> Tensor:
        """Weights by distance, down to none at the reach."""
        source = self.source(part)
        centres = self._scale * (torch.arange(part.start, part.stop).double() + 0.5)
        pixels = torch.arange(source.start, source.stop).double() + 0.5
        away = (pixels - centres[:, None]).abs() / self._reach
        weights = (1 - away).clamp(min=0)
        return (weights / weights.sum(dim=1, keepdim=True)).float()

    def area(self, part: slice) -> Tensor:
        """Weights of means over the pixels that are touched."""
        source = self.source(part)
        numbers = torch.arange(part.start, part.stop)[:, None]
        first = numbers * self.size // self.count
        last = -(-(numbers + 1) * self.size // self.count)
        pixels = torch.arange(source.start, source.stop)
        inside = ((pixels >= first) & (pixels < last)).float()
        return inside / inside.sum(dim=1, keepdim=True)
