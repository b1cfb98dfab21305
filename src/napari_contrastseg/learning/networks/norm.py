"""Instance and instance-batch normalisation layers, fast on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Part of the channels that is normalised slice by slice.
INSTANCE_SHARE = 0.25


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm that takes maps of a single pixel, too, and leaves their bias.

    Those are what many levels make of small slices; torch refuses them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each slice; (n, c, h, w)."""
        if x.shape[-2:].numel() == 1:
            return 0 * x + self.bias[:, None, None]
        normalised: Tensor = super().forward(x)
        return normalised


class InstanceBatchNorm(nn.Module):
    """Instance norm for some channels, batch norm for the others (Pan et al. 2018).

    Instance norm alone makes a slice of mere noise look like any other, so that a
    network paints tissue into empty slices; batch norm keeps the absolute scale, and
    the instance part what is invariant to contrast. Shapes as `nn.BatchNorm2d`.

    On a CPU both parts are worked through together: torch's own kernels want copies of
    the channels, and more passes over them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = max(1, int(INSTANCE_SHARE * channels))
        self.instance = InstanceNorm(self.split)
        self.batch = nn.BatchNorm2d(channels - self.split)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise both parts."""
        if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
            parts = self.instance(x[:, : self.split]), self.batch(x[:, self.split :])
            return torch.cat(parts, dim=1).contiguous(memory_format=_format(x))
        instance, batch = self.instance, self.batch
        weight = torch.cat([instance.weight, batch.weight])
        bias = torch.cat([instance.bias, batch.bias])
        known = None if batch.training else (batch.running_mean, batch.running_var)
        apply: Any = _Normalise.apply
        x = x.contiguous(memory_format=_format(x))
        y, mean, variance = apply(x, weight, bias, self.split, batch.eps, known)
        if known is None:
            self._remember(mean, variance, x.numel() // x.shape[1])
        normalised: Tensor = y
        return normalised

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        batch = self.batch
        assert batch.momentum is not None
        unbiased = variance * (count / max(count - 1, 1))
        batch.get_buffer("num_batches_tracked").add_(1)
        batch.get_buffer("running_mean").lerp_(mean, batch.momentum)
        batch.get_buffer("running_var").lerp_(unbiased, batch.momentum)


class _Normalise(torch.autograd.Function):
    """y = weight (x - mean) / std + bias, with the statistics of each part."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        split: int,
        eps: float,
        known: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        flat, along = _flat(x)
        n, size = len(flat), flat.shape[along]
        mean = flat.mean(along)
        # sums of squares and products are taken around the mean: they would cancel
        centred = flat - mean.unsqueeze(along)
        variance = torch.linalg.vecdot(centred, centred, dim=along) / size
        ctx.of_batch, ctx.along, ctx.order = known is None, along, _format(x)
        if known is None:
            own = mean[:, split:]
            spread = own.var(0, correction=0) if n > 1 else torch.zeros_like(own[0])
            known = own.mean(0), variance[:, split:].mean(0) + spread
        apart = torch.cat(
            [torch.zeros_like(mean[:, :split]), mean[:, split:] - known[0]], 1
        )
        variance = torch.cat([variance[:, :split], known[1].expand(n, -1)], dim=1)
        scale = (variance + eps).rsqrt()
        gain = scale * weight
        level = (bias + apart * gain).unsqueeze(along)
        y = torch.empty_like(x)
        torch.addcmul(level, centred, gain.unsqueeze(along), out=_flat(y)[0])
        ctx.save_for_backward(centred, apart, scale, weight)
        ctx.split = split
        ctx.mark_non_differentiable(*known)
        return y, *known

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        centred, apart, scale, weight = ctx.saved_tensors
        along = ctx.along
        size = centred.shape[along]
        grad = grad.contiguous(memory_format=ctx.order)
        found = torch.empty_like(grad)
        g = _flat(grad)[0]
        total = g.sum(along)
        turned = (torch.linalg.vecdot(g, centred, dim=along) + apart * total) * scale
        # what the statistics carry back: of each slice, of the batch, or nothing
        own, shared = slice(None, ctx.split), slice(ctx.split, None)
        level, tilt = torch.zeros_like(total), torch.zeros_like(total)
        level[:, own], tilt[:, own] = total[:, own] / size, turned[:, own] / size
        if ctx.of_batch:
            level[:, shared] = total[:, shared].mean(0) / size
            tilt[:, shared] = turned[:, shared].mean(0) / size
        gain = weight * scale
        slope = -gain * scale * tilt
        rest = (slope * apart - gain * level).unsqueeze(along)
        out = torch.addcmul(rest, centred, slope.unsqueeze(along), out=_flat(found)[0])
        out.addcmul_(g, gain.unsqueeze(along))
        return found, turned.sum(0), total.sum(0), None, None, None


def _format(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _flat(x: Tensor) -> tuple[Tensor, int]:
    """View pixels as one axis, in the order of memory, and which axis that is."""
    n, c = x.shape[:2]
    if _format(x) == torch.channels_last:
        return x.permute(0, 2, 3, 1).view(n, -1, c), 1
    return x.view(n, c, -1), 2
