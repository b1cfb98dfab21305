"""The contrastive loss against the oracle values of methods.md and slow loops."""

from __future__ import annotations

import math

import pytest
import torch

from napari_contrastseg.learning.losses import contrast as c

ANGLES = torch.tensor([0.0, 10.0, 80.0, 100.0, 200.0], dtype=torch.float64)
LABELS = torch.tensor([1, 1, 1, 2, 2])
EVERY = torch.ones(5, dtype=torch.bool)


def circle(degrees: torch.Tensor) -> torch.Tensor:
    radians = degrees * math.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


@pytest.mark.parametrize(
    ("tau", "denominator", "value"),
    [
        (0.5, "all", 1.421790),
        (0.5, "single", 1.086434),
        (0.1, "all", 5.053021),
        (0.1, "single", 3.604659),
    ],
)
def test_dense_oracle(tau: float, denominator: c.Denominator, value: float) -> None:
    pairs = c.label_masks(LABELS, EVERY)
    got = c.dense_contrast(
        circle(ANGLES), *pairs, temperature=tau, denominator=denominator
    )
    assert got.item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("denominator", "value"), [("all", 1.302971), ("single", 0.744044)]
)
def test_background_is_no_anchor(denominator: c.Denominator, value: float) -> None:
    pairs = c.label_masks(LABELS, LABELS == 1)
    got = c.dense_contrast(
        circle(ANGLES), *pairs, temperature=0.5, denominator=denominator
    )
    assert got.item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("tau", "value"), [(0.5, 0.110679), (0.1, 0.015227)])
def test_hu_literal_oracle(tau: float, value: float) -> None:
    got = c.hu_literal(circle(ANGLES), LABELS, EVERY, tau)
    assert got.item() == pytest.approx(value, abs=1e-6)


def test_nt_xent_oracle() -> None:
    first = circle(torch.tensor([0.0, 90.0], dtype=torch.float64))
    second = circle(torch.tensor([20.0, 70.0], dtype=torch.float64))
    assert c.nt_xent(first, second, 0.5).item() == pytest.approx(0.496494, abs=1e-6)


@pytest.mark.parametrize(("tau", "value"), [(0.5, 1.421790), (0.1, 5.053021)])
def test_exact_oracle(tau: float, value: float) -> None:
    got = c.exact_contrast(circle(ANGLES), LABELS, EVERY, temperature=tau)
    assert got.item() == pytest.approx(value, abs=1e-6)


def random_case(n: int, d: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    z = torch.randn(n, d, dtype=torch.float64, generator=generator)
    return z, torch.randint(0, classes, (n,), generator=generator)


def test_exact_equals_dense_in_value_and_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(c, "TILE", 500)  # several tiles
    z, labels = random_case(83, 7, 4)
    labels[3] = 9  # a class of one: no anchor, still a negative
    grads = []
    values = []
    for engine in ("dense", "exact"):
        leaf = z.clone().requires_grad_()
        if engine == "dense":
            pairs = c.label_masks(labels, labels > 0)
            value = c.dense_contrast(c.unit(leaf), *pairs, temperature=0.1)
        else:
            value = c.exact_contrast(c.unit(leaf), labels, labels > 0, temperature=0.1)
        (grad,) = torch.autograd.grad(value, leaf)
        values.append(value.item())
        grads.append(grad)
    assert values[0] == pytest.approx(values[1], abs=1e-12)
    torch.testing.assert_close(grads[0], grads[1], atol=1e-12, rtol=1e-9)


def test_exact_gradcheck_balanced() -> None:
    z, labels = random_case(12, 3, 3)
    assert torch.autograd.gradcheck(
        lambda x: c.exact_contrast(
            x, labels, labels > 0, temperature=0.5, balanced=True
        ),
        c.unit(z).requires_grad_(),
    )


def test_dense_against_the_formula_as_a_loop() -> None:
    z, labels = random_case(14, 3, 3)
    z = c.unit(z)
    total, anchors = 0.0, 0
    for i in range(14):
        same = [j for j in range(14) if j != i and labels[j] == labels[i]]
        if not same or labels[i] == 0:
            continue
        s = [float(z[i] @ z[j]) / 0.2 for j in range(14)]
        negatives = [math.exp(s[j]) for j in range(14) if labels[j] != labels[i]]
        logs = [math.log(math.exp(s[p]) + sum(negatives)) - s[p] for p in same]
        total += sum(logs) / len(same)
        anchors += 1
    pairs = c.label_masks(labels, labels > 0)
    got = c.dense_contrast(z, *pairs, temperature=0.2, denominator="single")
    assert got.item() == pytest.approx(total / anchors, abs=1e-12)


def test_without_anchors_the_loss_is_zero_and_connected() -> None:
    z = circle(ANGLES).requires_grad_()
    none = torch.zeros(5, dtype=torch.bool)
    for value in (
        c.exact_contrast(z, LABELS, none, temperature=0.1),
        c.dense_contrast(z, *c.label_masks(LABELS, none), temperature=0.1),
        c.hu_literal(z, LABELS, none, 0.1),
    ):
        assert value.item() == 0
        (grad,) = torch.autograd.grad(value, z)
        assert grad.abs().sum() == 0
