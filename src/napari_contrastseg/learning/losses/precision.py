"""The precision that losses are computed in."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(values: Tensor) -> Tensor:
    """Give values in float32; float64 stays, so that tests can ask for it."""
    return values if values.dtype == torch.float64 else values.float()
