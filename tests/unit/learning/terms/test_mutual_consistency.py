"""Cycled pseudo-labels of two decoders, held against a loop."""

from __future__ import annotations

import pytest
import torch

from napari_contrastseg.learning.terms.mutual_consistency import (
    cycled_labels,
    sharpened,
)


def test_cycled_labels_are_those_of_a_loop() -> None:
    """Wu et al. 2021, with p^(1/T) over its sum over the classes."""
    rng = torch.Generator().manual_seed(0)
    shape = (2, 3, 4, 5)
    first, second = (
        torch.randn(shape, dtype=torch.float64, generator=rng) for _ in range(2)
    )
    mask = torch.rand(2, 4, 5, generator=rng) < 0.6
    heat, total, pixels = 0.5, 0.0, mask.nonzero().tolist()
    for student, teacher in ((first, second), (second, first)):
        for n, y, x in pixels:
            p, q = (
                m[n, :, y, x].exp() / m[n, :, y, x].exp().sum()
                for m in (student, teacher)
            )
            powers = [float(v) ** (1 / heat) for v in q]
            label = [v / sum(powers) for v in powers]
            squares = [(float(a) - b) ** 2 for a, b in zip(p, label, strict=True)]
            total += sum(squares) / 3 / len(pixels)
    found = cycled_labels(first, second, mask, heat)
    assert found.item() == pytest.approx(total, abs=1e-10)


def test_sharpening_of_two_classes_is_as_printed() -> None:
    p = torch.tensor([0.2, 0.5, 0.7], dtype=torch.float64)
    logits = torch.stack([(1 - p).log(), p.log()])[None, :, None]
    wanted = p**10 / (p**10 + (1 - p) ** 10)
    assert torch.allclose(sharpened(logits, 0.1)[0, 1, 0], wanted, atol=1e-10, rtol=0)


def test_sharpened_labels_carry_no_gradient() -> None:
    one = torch.randn(1, 2, 2, 2).requires_grad_()
    mask = torch.ones(1, 2, 2, dtype=torch.bool)
    fixed = torch.randn(1, 2, 2, 2)
    found = torch.autograd.grad(cycled_labels(one, fixed, mask, 0.1), one)[0]
    alone = (one.softmax(1) - sharpened(fixed, 0.1)).square().mean()
    assert torch.allclose(found, torch.autograd.grad(alone, one)[0], atol=1e-6)
