"""MoCo: contrast with a queue of keys that an averaged encoder has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from napari_contrastseg.learning.losses.contrast import unit
from napari_contrastseg.learning.losses.memory import Queue, info_nce
from napari_contrastseg.learning.networks.follower import Follower
from napari_contrastseg.learning.networks.heads import GlobalHead
from napari_contrastseg.learning.terms.step_loss import StepLoss

if TYPE_CHECKING:
    from torch import Tensor

    from napari_contrastseg.learning.networks.unet import UNet
    from napari_contrastseg.learning.terms.step import Step


class QueueHead(nn.Module):
    """A head for queries, one for keys that follows it, and the queue of keys."""

    def __init__(self, channels: int, dim: int, decay: float, size: int) -> None:
        super().__init__()
        self.query = GlobalHead(channels, dim)
        self.key = Follower(self.query, decay)
        self.queue = Queue(size, dim)


class MomentumContrast(StepLoss):
    """InfoNCE of one view's queries with the other's keys (He et al. 2020).

    The teacher of the stage is the averaged encoder. It normalises by running
    statistics, so that a batch cannot give itself away and need not be shuffled.

    Parameters
    ----------
    network : UNet
    temperature : float
    size : int
        Keys in the queue.
    decay : float
        Of the averaged head; that of the encoder is the stage's.
    dim : int
        Length of the projected vectors.
    """

    head: QueueHead

    def __init__(
        self,
        network: UNet,
        *,
        temperature: float,
        size: int,
        decay: float,
        dim: int = 128,
    ) -> None:
        super().__init__(network)
        self.temperature = temperature
        self.head = QueueHead(network.taps["bottleneck"], dim, decay, size)

    def forward(self, step: Step) -> Tensor:
        """Contrast the two copies of the step's slices, and remember the keys."""
        first, second = step.image.chunk(2)
        maps = step.through(step.network, first).map("bottleneck")
        self.head.key.follow(self.head.query)
        key = unit(self.head.key(step.taught_map(second, "bottleneck")))
        old = self.head.queue.rows.clone()
        loss = info_nce(self.head.query(maps), key, old, self.temperature)
        self.head.queue.add(key)
        return loss
