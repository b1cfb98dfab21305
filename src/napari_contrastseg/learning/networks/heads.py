"""Projection heads: trained with a stage, dropped after it."""

from __future__ import annotations

from torch import Tensor, nn


class GlobalHead(nn.Module):
    """Global average pooling, then a multi-layer perceptron: one vector a slice.

    Maps (n, channels, h, w) to (n, dim).
    """

    def __init__(self, channels: int, dim: int = 128, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Pool and project."""
        projected: Tensor = self.layers(x.mean(dim=(2, 3)))
        return projected


class FixedGlobalHead(nn.Module):
    """HU's released global head: two linear layers, no ReLU, never trained.

    Its parameters do not reach the optimiser in the authors' code, so it is a fixed
    random projection.
    """

    def __init__(self, channels: int, dim: int = 256, hidden: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, hidden), nn.Linear(hidden, dim))
        self.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pool and project."""
        projected: Tensor = self.layers(x.mean(dim=(2, 3)))
        return projected


class PointwiseHead(nn.Sequential):
    """Two 1x1 convolutions: one vector a pixel, (n, channels, h, w) to (n, dim, h, w).

    Without `relu` it is the head of HU's released code; with it, the usual one.

    Examples
    --------
    >>> import torch
    >>> PointwiseHead(16, dim=8)(torch.zeros(2, 16, 5, 5)).shape
    torch.Size([2, 8, 5, 5])
    """

    def __init__(
        self, channels: int, dim: int = 128, hidden: int = 256, *, relu: bool = True
    ) -> None:
        middle = nn.ReLU(inplace=True) if relu else nn.Identity()
        super().__init__(
            nn.Conv2d(channels, hidden, 1), middle, nn.Conv2d(hidden, dim, 1)
        )
