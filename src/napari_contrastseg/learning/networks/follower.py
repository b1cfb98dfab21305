"""Running average of a projection head: the key's head of MoCo and PixPro."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class Follower(nn.Module):
    """A copy of a head whose weights follow it slowly; no optimiser trains them.

    They are buffers, so that a step that has to be repeated finds them as they were.

    Parameters
    ----------
    head : nn.Module
    decay : float
        Part of the old weights that is left after an update.
    """

    def __init__(self, head: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self._names = [name for name, _ in head.named_parameters()]
        self.module = copy.deepcopy(head)
        for part in self.module.modules():
            for name, value in list(part.named_parameters(recurse=False)):
                delattr(part, name)
                part.register_buffer(name, value.detach().clone())

    @torch.no_grad()
    def follow(self, head: nn.Module) -> None:
        """Blend the head's weights in."""
        for name in self._names:
            mine = self.module.get_buffer(name)
            mine.lerp_(head.get_parameter(name), 1 - self.decay)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Project, without gradient."""
        projected: Tensor = self.module(x)
        return projected
