"""A U-Net of torch's own layers alone, for other programs; gives probabilities."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.networks.norm import InstanceBatchNorm, InstanceNorm

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet


class PortableNetwork(nn.Module):
    """A copy of a network: images (n, planes, h, w) to probabilities (n, k, h, w).

    Rows and columns are multiples of `UNet.divisor`.

    Raises
    ------
    InputError
        The network looks through a vision transformer, whose map has another size for
        each size of a slice, which traced networks do not follow.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        if network.frozen is not None:
            raise InputError(
                f"This model looks through a vision transformer ({network.spec.encoder}"
                "), which its formats for other programs do not hold; save the model "
                "itself, or train one with another encoder."
            )
        self.network = deepcopy(network).cpu().float().eval()
        _replace_norms(self.network)

    def forward(self, image: Tensor) -> Tensor:
        """Give the probabilities of background and of each class."""
        logits: Tensor = self.network(image)
        return logits.softmax(dim=1)


class _TwoNorms(nn.Module):
    """What `InstanceBatchNorm` computes, by two layers of torch."""

    def __init__(self, norm: InstanceBatchNorm) -> None:
        super().__init__()
        self.split = norm.split
        self.instance, self.batch = _plain(norm.instance), norm.batch

    def forward(self, x: Tensor) -> Tensor:
        """Normalise both parts."""
        parts = self.instance(x[:, : self.split]), self.batch(x[:, self.split :])
        return torch.cat(parts, dim=1)


def _plain(norm: InstanceNorm) -> nn.InstanceNorm2d:
    plain = nn.InstanceNorm2d(norm.num_features, eps=norm.eps, affine=True)
    plain.load_state_dict(norm.state_dict())
    return plain.eval()


def _replace_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, InstanceBatchNorm):
            setattr(module, name, _TwoNorms(child))
        elif isinstance(child, InstanceNorm):
            setattr(module, name, _plain(child))
        else:
            _replace_norms(child)
