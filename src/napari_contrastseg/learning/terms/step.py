"""Training step as loss terms see it: slices, feature maps, logits, teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.data.batch import pasted
from napari_contrastseg.learning.losses.precision import wide
from napari_contrastseg.learning.networks.feature_maps import LOGITS, ForwardPass
from napari_contrastseg.learning.networks.shared_norms import shared_norms
from napari_contrastseg.learning.runtime.device import autocast
from napari_contrastseg.learning.runtime.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from napari_contrastseg.learning.data.batch import Batch
    from napari_contrastseg.learning.networks.unet import UNet


class Step:
    """One step; each map is computed once.

    Parameters
    ----------
    network : UNet
    views : sequence of Batch
        The copies of the stage's own slices.
    rng : numpy Generator
    parts : int
        Microbatches that a network works through; 1: the whole batch at once.
    unlabelled : sequence of Batch
        The copies of the slices of `Stage.unlabelled_view`.
    teacher : UNet, optional
    fraction : float
        Part of the stage that is done.
    labelled_slices : int
        Number of labelled slices in the cohort.
    ranks : Ranks
        Processes that share the network's passes; each has the whole step.

    Attributes
    ----------
    image : (n, channels, h, w) float
        The views stand one after the other, those of `unlabelled` last.
    plain : (n, channels, h, w) float
        The same slices, moved alike, with their intensities as they were.
    target, weight : (n, h, w)
    grid : (n, h, w, 2) or None
        Where each pixel came from in its slice (see `Batch`); None: from its own place.
    volume : (n,) int64
    position : (n,) float
        Place of a slice in its volume along the slice axis, 0 to 1; not a number where
        neighbouring slices are not related.
    own : int
        How many of n are the stage's own; the others are those of `unlabelled`.
    """

    def __init__(
        self,
        network: UNet,
        views: Sequence[Batch],
        rng: np.random.Generator,
        parts: int = 1,
        *,
        unlabelled: Sequence[Batch] = (),
        teacher: UNet | None = None,
        fraction: float = 0.0,
        labelled_slices: int = 0,
        ranks: Ranks = ALONE,
    ) -> None:
        every = [*views, *unlabelled]
        self._views, self._copies = every, len(views)
        self.own = sum(len(view.image) for view in views)
        self.image = torch.cat([view.image for view in every])
        self.target = torch.cat([view.target for view in every])
        self.weight = torch.cat([view.weight for view in every])
        grids = [view.grid for view in every if view.grid is not None]
        self.grid = torch.cat(grids) if len(grids) == len(every) else None
        self.rng, self.teacher, self.fraction = rng, teacher, fraction
        self.labelled_slices = labelled_slices
        self._parts, self.ranks = parts, ranks
        self._passes = [ForwardPass(network, self.image, parts, ranks=ranks)]

    @property
    def network(self) -> UNet:
        """The network that learns."""
        return self._passes[0].network

    @property
    def logits(self) -> Tensor:
        """Class logits, (n, classes, h, w)."""
        return self.map(LOGITS)

    @property
    def has_logits(self) -> bool:
        """Whether some term asked for the logits."""
        return self._passes[0].has(LOGITS)

    @property
    def plain(self) -> Tensor:
        """The slices with their intensities as they were."""
        parts = [v.image if v.plain is None else v.plain for v in self._views]
        return torch.cat(parts)

    @property
    def seen(self) -> Tensor:
        """Pixels of `plain` that show some place of their slice, (n, h, w) bool."""
        parts = [
            torch.ones_like(v.target, dtype=torch.bool) if v.seen is None else v.seen
            for v in self._views
        ]
        return torch.cat(parts)

    @property
    def inside(self) -> Tensor:
        """Pixels of `image` that show their own slice, (n, h, w) bool."""
        if self.grid is None:
            return torch.ones_like(self.target, dtype=torch.bool)
        return self.grid[..., 0].abs() <= 1

    @property
    def source(self) -> Tensor:
        """The slices as they were, where `grid` refers to."""
        parts = [v.image if v.source is None else v.source for v in self._views]
        return torch.cat(parts)

    @property
    def volume(self) -> Tensor:
        """Number of the volume of every slice."""
        return torch.cat([view.volume for view in self._views])  # type: ignore[misc]

    @property
    def position(self) -> Tensor:
        """Place of every slice in its volume."""
        return torch.cat([view.position for view in self._views])  # type: ignore[misc]

    def mixed(self, values: Tensor) -> Tensor:
        """Mix values of the unlabelled slices as their images were mixed.

        Parameters
        ----------
        values : (n - own, ..., h, w)
            Of the slices before boxes were cut into them, for instance from `plain`.
        """
        views = self._views[self._copies :]
        parts = values.split([len(view.image) for view in views])
        return torch.cat(
            [
                part if view.box is None else pasted(part, view.box)
                for part, view in zip(parts, views, strict=True)
            ]
        )

    def map(self, tap: str) -> Tensor:
        """Return the network's map called `tap` (see `FeatureMaps.get`)."""
        return self._passes[0].map(tap)

    @property
    def pyramid(self) -> list[Tensor]:
        """Encoder maps of the network from fine to coarse."""
        return self._passes[0].pyramid

    def through(
        self, network: UNet, image: Tensor, *, still: bool = False
    ) -> ForwardPass:
        """Pass other images through a network, this one or another, in the same step.

        With `still` its batch norms do not remember them.
        """
        self._passes.append(
            ForwardPass(network, image, self._parts, still=still, ranks=self.ranks)
        )
        return self._passes[-1]

    @torch.no_grad()
    def taught(self, image: Tensor, *, dropout: bool = False) -> Tensor:
        """Return the teacher's class probabilities, (n, classes, h, w), detached.

        With `dropout` the teacher drops features at random, where it has such layers.
        """
        assert self.teacher is not None
        self.teacher.eval()
        for module in self.teacher.modules():
            if isinstance(module, nn.Dropout2d):
                module.train(dropout)
        with autocast(image.device):
            logits = self._logits(self.teacher, image)
        return wide(logits).softmax(dim=1)

    @torch.no_grad()
    def taught_map(self, image: Tensor, tap: str) -> Tensor:
        """Return the teacher's map called `tap` for images, detached."""
        assert self.teacher is not None
        self.teacher.eval()
        with autocast(image.device):
            maps = [self.teacher.tap(part, tap) for part in image.chunk(self._parts)]
        return torch.cat(maps).float()

    def _logits(self, teacher: UNet, image: Tensor) -> Tensor:
        share = self.ranks.share(len(image)) if self._parts == 1 else None
        if share is None:
            return torch.cat([teacher(part) for part in image.chunk(self._parts)])
        with shared_norms(teacher, share):
            return share.whole(teacher(image[share.rows]))

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradients to the parameters'."""
        if loss.requires_grad:
            loss.backward()
        for one in self._passes:
            one.backward()
