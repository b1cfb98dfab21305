"""Global contrast between two views of each slice: SimCLR's NT-Xent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.learning.losses.contrast import nt_xent
from napari_contrastseg.learning.networks.heads import FixedGlobalHead, GlobalHead
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from torch import Tensor

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


class GlobalContrast(StepLoss):
    """NT-Xent at the bottleneck (Chen et al. 2020; Hu et al. 2021, eq. 1).

    Parameters
    ----------
    network : UNet
    temperature : float
    dim : int
        Length of the projected vectors.
    trained_head : bool
        False: a fixed random projection, as in HU's released code.
    """

    def __init__(
        self,
        network: UNet,
        *,
        temperature: float,
        dim: int = 128,
        trained_head: bool = True,
    ) -> None:
        super().__init__(network)
        self.temperature = temperature
        kind = GlobalHead if trained_head else FixedGlobalHead
        self.head = kind(network.taps["bottleneck"], dim)

    def forward(self, step: Step) -> Tensor:
        """Contrast the two copies of the step's slices."""
        first, second = self.head(step.map("bottleneck")).chunk(2)
        return nt_xent(first, second, self.temperature)
