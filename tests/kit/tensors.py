"""Seeded generators, and masks of pairs written out by a rule."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_rule(count: int, rule: Any) -> Tensor:
    """Ask a rule of two numbers for every pair."""
    pairs = [[bool(rule(i, j)) for j in range(count)] for i in range(count)]
    return torch.tensor(pairs)
