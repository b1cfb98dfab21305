"""The norm of instances and batches, against torch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from napari_contrastseg.learning.networks.norm import InstanceBatchNorm, InstanceNorm
from tests.kit.tensors import seeded


def torchs_own(norm: InstanceBatchNorm, x: Tensor) -> Tensor:
    parts = norm.instance(x[:, : norm.split]), norm.batch(x[:, norm.split :])
    return torch.cat(parts, dim=1)


def random_norm(dtype: torch.dtype, *, training: bool) -> InstanceBatchNorm:
    norm = InstanceBatchNorm(8).to(dtype).train(training)
    generator = seeded(1)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=generator)
    for name, buffer in norm.named_buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2, generator=generator)
            assert name in ("batch.running_mean", "batch.running_var")
    return norm


@pytest.mark.parametrize("shape", [(4, 8, 6, 5), (1, 8, 6, 5), (3, 8, 1, 7)])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-4)]
)
def test_the_norm_is_torchs_own(
    *,
    shape: tuple[int, ...],
    order: torch.memory_format,
    training: bool,
    dtype: torch.dtype,
    close: float,
) -> None:
    ours = random_norm(dtype, training=training)
    theirs = copy.deepcopy(ours)
    x = 2 * torch.randn(*shape, dtype=dtype, generator=seeded(2)) + 0.7
    pull = torch.randn(*shape, dtype=dtype, generator=seeded(3))
    found = []
    for norm, forward in ((ours, ours), (theirs, lambda x: torchs_own(theirs, x))):
        leaf = x.clone(memory_format=order).requires_grad_()
        for _ in range(2):  # statistics build on those of the step before
            y = forward(leaf)
        grads = torch.autograd.grad((y * pull).sum(), [leaf, *norm.parameters()])
        found.append([y.detach(), *grads, *norm.buffers()])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=close, atol=close)
    assert not any(buffer.requires_grad for buffer in ours.buffers())


def test_a_norm_without_momentum_keeps_its_statistics() -> None:
    norm = random_norm(torch.float32, training=True)
    before = [b.clone() for b in norm.buffers() if b.is_floating_point()]
    norm.batch.momentum = 0.0
    norm(torch.randn(2, 8, 6, 6, generator=seeded(0)))
    after = [b for b in norm.buffers() if b.is_floating_point()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_a_norm_takes_a_single_pixel() -> None:
    """Many levels make one of a small slice; only the bias is left, and a gradient."""
    for norm in (InstanceNorm(4), InstanceBatchNorm(4)):
        x = torch.randn(3, 4, 1, 1, requires_grad=True)
        norm(x).sum().backward()
        assert x.grad is not None
    assert InstanceNorm(4)(torch.ones(2, 4, 1, 1)).tolist() == [[[[0.0]]] * 4] * 2


def test_the_norm_keeps_the_scale_of_some_channels() -> None:
    norm = InstanceBatchNorm(8)
    for seed in range(50):
        made = torch.Generator().manual_seed(seed)
        norm(torch.randn(4, 8, 6, 6, generator=made))
    norm.eval()
    x = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(99))
    loud, faint = norm(x), norm(0.1 * x)
    assert torch.allclose(loud[:, :2], faint[:, :2], atol=0.02), "instance part"
    assert faint[:, 2:].std() < 0.2 * loud[:, 2:].std(), "batch part"
