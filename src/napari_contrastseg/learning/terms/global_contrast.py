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
    dim : int, optional
        Length of the projected vectors; by default the head's own: 128, and 256 for
        the fixed one.
    trained_head : bool
        False: a fixed random projection, as in the released code of Hu et al. 2021.
    """

    def __init__(
        self,
        network: UNet,
        *,
        temperature: float,
        dim: int | None = None,
        trained_head: bool = True,
    ) -> None:
        super().__init__(network)
        self.temperature = temperature
        kind = GlobalHead if trained_head else FixedGlobalHead
        sizes = {} if dim is None else {"dim": dim}
        self.head = kind(network.taps["bottleneck"], **sizes)

    def forward(self, step: Step) -> Tensor:
        """Contrast the two copies of the step's slices."""
        first, second = self.head(step.map("bottleneck")).chunk(2)
        return nt_xent(first, second, self.temperature)
