"""A whole model for TorchScript: a volume in, probabilities out, all of its axes."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.data.input_spec import SLICE_AXIS_FLIP

#: Among the axes of mirrored copies: the image itself.
_AS_IT_IS: Final = -1


class SlicesNetwork(nn.Module):
    """One network, slice by slice along its axis.

    What `learning.models.predict` does, in the part of Python that TorchScript knows.

    Parameters
    ----------
    network : nn.Module
        (n, planes, h, w) images to (n, classes, h, w) probabilities; h and w are
        multiples of `divisor`.
    axis, neighbours, mirror
        As of `InputSpec`; mirrored copies are averaged.
    classes : int
        Background included.
    """

    def __init__(
        self,
        network: nn.Module,
        axis: int,
        neighbours: int,
        mirror: list[int],
        divisor: int,
        classes: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.axis, self.neighbours = axis, neighbours
        self.upright: int = _AS_IT_IS
        self.copies = [_AS_IT_IS, *mirror]  # TorchScript knows no type of an empty list
        self.divisor, self.classes = divisor, classes
        self.turned: int = SLICE_AXIS_FLIP

    def forward(self, volume: Tensor) -> Tensor:
        """Shapes (n, channels, s0, s1, s2) to (n, classes, s0, s1, s2)."""
        slices = volume.movedim(2 + self.axis, 1)
        found: list[Tensor] = []
        count = slices.shape[1]
        for index in range(count):
            planes: list[Tensor] = []
            for step in range(-self.neighbours, self.neighbours + 1):
                planes.append(slices[:, min(max(index + step, 0), count - 1)])  # noqa: PERF401
            found.append(self.one(torch.cat(planes, 1)))
        return torch.stack(found, 2).movedim(2, 2 + self.axis)

    def one(self, image: Tensor) -> Tensor:
        """Predict slices with their neighbours, averaged over mirrored copies."""
        found: list[Tensor] = []
        for axis in self.copies:
            if axis == self.upright:
                found.append(self.padded(image))
            elif axis == self.turned:
                around = 2 * self.neighbours + 1
                n, planes, h, w = image.shape
                apart = image.view(n, around, planes // around, h, w)
                found.append(self.padded(apart.flip(1).reshape(n, planes, h, w)))
            else:
                found.append(self.padded(image.flip(axis + 2)).flip(axis + 2))
        return torch.stack(found).mean(0)

    def padded(self, image: Tensor) -> Tensor:
        """Predict images of any size, continued by reflection."""
        h, w = image.shape[2], image.shape[3]
        rows, columns = -h % self.divisor, -w % self.divisor
        top, left = rows // 2, columns // 2
        if rows + columns > 0:
            fits = rows - top < h and columns - left < w
            around = [left, columns - left, top, rows - top]
            image = functional.pad(image, around, "reflect" if fits else "replicate")
        found: Tensor = self.network(image)
        return found[:, :, top : top + h, left : left + w]


class VolumeNetwork(nn.Module):
    """The networks of all axes, their probabilities averaged."""

    def __init__(self, networks: list[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, volume: Tensor) -> Tensor:
        """Shapes (n, channels, s0, s1, s2) to (n, classes, s0, s1, s2)."""
        found: list[Tensor] = []
        for network in self.networks:
            found.append(network(volume))  # noqa: PERF401
        return torch.stack(found).mean(0)
