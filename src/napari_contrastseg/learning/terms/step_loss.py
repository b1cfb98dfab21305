"""Base class of the loss terms: a module that maps a training step to a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


class StepLoss(nn.Module):
    """A loss of one training step, with the head that it needs.

    Parameters
    ----------
    network : UNet
        The network that is trained; a head is made to fit it.

    Attributes
    ----------
    head : nn.Module
        Projection, confidence thresholds or second network: trained with the stage,
        stored in its checkpoints and dropped after it. Empty where none is needed.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.head: nn.Module = nn.Identity()

    def forward(self, step: Step) -> Tensor:
        """Loss of a step, a scalar."""
        raise NotImplementedError
