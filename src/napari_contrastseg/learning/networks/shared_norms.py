"""Layers that see the whole batch while each rank passes its own slices on.

Batch norms take mean and variance over the slices of all ranks, as torch's
`SyncBatchNorm` does on GPUs alone; dropout draws for all of them, so that a slice loses
the same channels as on one device. Instance and group norms see one slice at a time.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.learning.networks.norm import InstanceBatchNorm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_contrastseg.learning.runtime.ranks import Share


@contextmanager
def shared_norms(network: nn.Module, share: Share) -> Iterator[None]:
    """Let layers that train see the batch of all ranks; images hold the share alone."""
    changed = []
    for module in network.modules():
        forward = _forward(module, share) if module.training else None
        if forward is not None:
            vars(module)["forward"] = forward
            changed.append(module)
    try:
        yield
    finally:
        for module in changed:
            del vars(module)["forward"]


def _forward(module: nn.Module, share: Share) -> partial[Tensor] | None:
    """Find what a layer does instead, if anything."""
    if isinstance(module, InstanceBatchNorm):
        return partial(_one_after_the_other, module)
    if isinstance(module, nn.BatchNorm2d):
        return partial(_batch_norm, module, share)
    if isinstance(module, nn.Dropout2d):
        return partial(_dropout, module, share)
    return None


def _one_after_the_other(norm: InstanceBatchNorm, x: Tensor) -> Tensor:
    parts = norm.instance(x[:, : norm.split]), norm.batch(x[:, norm.split :])
    last = x.is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if last else torch.contiguous_format
    return torch.cat(parts, dim=1).contiguous(memory_format=order)


def _dropout(module: nn.Dropout2d, share: Share, x: Tensor) -> Tensor:
    """Drop the channels that these slices would lose within the whole batch."""
    kept = functional.dropout2d(x.new_ones(share.n, x.shape[1], 1, 1), module.p)
    return x * kept[share.rows]


def _batch_norm(norm: nn.BatchNorm2d, share: Share, x: Tensor) -> Tensor:
    """Normalise by the statistics of all ranks' slices, and remember those."""
    count = share.n * x.shape[-2:].numel()
    with torch.autocast(x.device.type, enabled=False):
        apply: Any = _BatchNorm.apply
        y, mean, variance = apply(x, norm.weight, norm.bias, norm.eps, share)
    assert norm.momentum is not None
    norm.get_buffer("num_batches_tracked").add_(1)
    norm.get_buffer("running_mean").lerp_(mean, norm.momentum)
    unbiased = variance * (count / max(count - 1, 1))
    norm.get_buffer("running_var").lerp_(unbiased, norm.momentum)
    normalised: Tensor = y
    return normalised


class _BatchNorm(torch.autograd.Function):
    """y = weight (x - mean) / std + bias, sums being those of all ranks."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, share: Share
    ) -> tuple[Tensor, Tensor, Tensor]:
        wide = x.to(weight.dtype)
        count = share.n * x.shape[-2:].numel()
        mean = share.ranks.add_up(wide.sum(_PIXELS)) / count
        # squares are taken around the mean: they would cancel
        squares = (wide - _spread(mean)).square().sum(_PIXELS)
        variance = share.ranks.add_up(squares) / count
        scale = (variance + eps).rsqrt()
        gain = scale * weight
        y = (wide - _spread(mean)) * _spread(gain) + _spread(bias)
        ctx.save_for_backward(x, mean, scale, weight)
        ctx.share, ctx.count = share, count
        ctx.mark_non_differentiable(mean, variance)
        return y.to(x.dtype), mean, variance

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, scale, weight = ctx.saved_tensors
        g = grad.to(weight.dtype)
        normal = (x.to(weight.dtype) - _spread(mean)) * _spread(scale)
        total, turned = g.sum(_PIXELS), (g * normal).sum(_PIXELS)
        level, tilt = ctx.share.ranks.add_up(torch.stack([total, turned])) / ctx.count
        rest = g - _spread(level) - normal * _spread(tilt)
        found = (rest * _spread(weight * scale)).to(x.dtype)
        return found, turned, total, None, None


_PIXELS = (0, 2, 3)


def _spread(values: Tensor) -> Tensor:
    """Values of channels over slices and pixels, (c,) to (c, 1, 1)."""
    return values[:, None, None]
