"""How well classes are separated in features: CSSL's omega, in three forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.losses.contrast import unit

if TYPE_CHECKING:
    from collections.abc import Callable

#: Classes that can lie apart.
_FEWEST: Final = 2


def silhouette(features: Tensor, classes: Tensor) -> Tensor:
    """Class-balanced cosine silhouette, -1 to 1 (Rousseeuw 1987; CSSL's omega).

    Mean distance to one's own class, oneself left out, against that to the nearest
    other class; lone samples count 0. A scalar; -1 with fewer than two classes, which
    leaves the least noise.

    Parameters
    ----------
    features : (n, d) float
    classes : (n,) int64
    """
    z = unit(features)
    index, member, sizes = _clusters(classes, z.dtype)
    if len(sizes) < _FEWEST:
        return features.new_tensor(-1.0)
    sums = (1 - z @ z.T) @ member
    own = sums.gather(1, index[:, None])[:, 0]
    size = sizes[index]
    within = own / (size - 1).clamp_min(1)
    across = (sums / sizes).masked_fill(member > 0, torch.inf).min(dim=1).values
    values = (across - within) / torch.maximum(across, within).clamp_min(1e-6)
    values = torch.where(size > 1, values, 0.0)
    per_class: Tensor = (values @ member) / sizes
    return per_class.mean()


def separation_as_released(features: Tensor, classes: Tensor) -> Tensor:
    """Give CSSL's omega as its code has it, -1 to 1; -1 with fewer than two classes.

    (b - a) / max(a, b), where a is the mean cosine distance of all pairs of one class,
    of each sample with itself too, and b that of all pairs of two classes.

    Parameters
    ----------
    features : (n, d) float
    classes : (n,) int64
    """
    same = classes[:, None] == classes[None]
    if bool(same.all()):
        return features.new_tensor(-1.0)
    z = unit(features)
    distance = 1 - z @ z.T
    within, across = distance[same].mean(), distance[~same].mean()
    return (across - within) / torch.maximum(across, within).clamp_min(1e-6)


def separation_as_printed(features: Tensor, classes: Tensor) -> Tensor:
    """Give CSSL's omega as the paper prints it, 0 to 1; -1 with fewer than two classes.

    abs(b - a) / max(a, b), where a is the variance of the clusters, the mean over them
    of the mean squared distance from their centre, and b the mean distance between two
    centres, of unit vectors. It never falls below 0, so that clusters which overlap
    wholly get the most noise; `silhouette` is what seems meant.

    Parameters
    ----------
    features : (n, d) float
    classes : (n,) int64
    """
    z = unit(features)
    index, member, sizes = _clusters(classes, z.dtype)
    if len(sizes) < _FEWEST:
        return features.new_tensor(-1.0)
    centres = (member.T @ z) / sizes[:, None]
    spread = (z - centres[index]).square().sum(dim=1)
    variance = ((spread @ member) / sizes).mean()
    distance = torch.pdist(centres).mean()
    larger = torch.maximum(distance, variance).clamp_min(1e-6)
    return (distance - variance).abs() / larger


def _clusters(classes: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Give the class of each sample as 0 to k - 1, (n, k) marks of it, sizes (k)."""
    kinds, index = classes.unique(return_inverse=True)
    member = functional.one_hot(index, max(1, len(kinds))).to(dtype)
    return index, member, member.sum(dim=0)


#: By the setting's value.
SEPARATIONS: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "silhouette": silhouette,
    "released": separation_as_released,
    "printed": separation_as_printed,
}
