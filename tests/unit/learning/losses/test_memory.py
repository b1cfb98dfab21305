"""Contrast with a queue and with a bank of classes, held against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.losses.memory import (
    ClassBank,
    Queue,
    bank_contrast,
    info_nce,
    semi_hard,
)


def vectors(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def cosine(a: Tensor, b: Tensor) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    lengths = [math.sqrt(sum(float(x) ** 2 for x in v)) for v in (a, b)]
    return dot / (lengths[0] * lengths[1])


@pytest.mark.parametrize("tau", [0.07, 0.2, 1.0])
def test_info_nce_is_that_of_a_loop(tau: float) -> None:
    """He et al. 2020, eq. 1."""
    query, key, queue = (
        vectors(5, 8, seed=0),
        vectors(5, 8, seed=1),
        vectors(7, 8, seed=2),
    )
    total = 0.0
    for q, k in zip(query, key, strict=True):
        own = math.exp(cosine(q, k) / tau)
        others = sum(math.exp(cosine(q, m) / tau) for m in queue)
        total -= math.log(own / (own + others))
    assert info_nce(query, key, queue, tau).item() == pytest.approx(
        total / 5, abs=1e-10
    )


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_the_contrast_with_a_bank_is_that_of_a_loop(tau: float) -> None:
    """Wang et al. 2021: other positives do not compete."""
    anchors, bank = vectors(6, 8, seed=0), vectors(9, 8, seed=1)
    labels = torch.tensor([0, 0, 1, 1, 2, 3])
    kinds = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    losses = []
    for z, label in zip(anchors, labels.tolist(), strict=True):
        sums = [math.exp(cosine(z, b) / tau) for b in bank]
        pairs = list(zip(sums, kinds.tolist(), strict=True))
        below = sum(s for s, kind in pairs if kind != label)
        own = [-math.log(s / (s + below)) for s, kind in pairs if kind == label]
        if own:
            losses.append(sum(own) / len(own))
    found = bank_contrast(anchors, labels, bank, kinds, temperature=tau)
    assert len(losses) == 5, "class 3 is not remembered"
    assert found.item() == pytest.approx(sum(losses) / 5, abs=1e-10)


def test_only_hard_pairs_of_a_bank_take_part() -> None:
    """The most similar tenth of the negatives, and the least similar positives."""
    anchors, bank = vectors(4, 8, seed=0), vectors(60, 8, seed=1)
    labels, kinds = torch.tensor([0, 0, 1, 1]), torch.arange(60) % 2
    losses = []
    for z, label in zip(anchors, labels.tolist(), strict=True):
        scores = [
            (cosine(z, b) / 0.1, kind)
            for b, kind in zip(bank, kinds.tolist(), strict=True)
        ]
        far = sorted(s for s, kind in scores if kind == label)[:3]
        near = sorted((s for s, kind in scores if kind != label), reverse=True)[:3]
        below = sum(math.exp(s) for s in near)
        losses.append(
            sum(-math.log(math.exp(s) / (math.exp(s) + below)) for s in far) / 3
        )
    found = bank_contrast(anchors, labels, bank, kinds, temperature=0.1, part=0.1)
    assert found.item() == pytest.approx(sum(losses) / 4, abs=1e-10)


def test_of_hard_pairs_so_many_are_drawn() -> None:
    scores, mask = vectors(5, 40, seed=0), vectors(5, 40, seed=1) > 0
    kept = semi_hard(scores, mask, 0.5, 3)
    assert (kept.sum(dim=1) == 3).all()
    for row in range(5):
        own = scores[row][mask[row]].sort(descending=True).values
        least = own[math.ceil(len(own) / 2) - 1]
        assert (scores[row][kept[row]] >= least).all()


def test_without_pairs_the_loss_is_zero_and_connected() -> None:
    anchors = vectors(3, 4, seed=0).requires_grad_()
    none = torch.empty(0, 4, dtype=torch.float64), torch.empty(0, dtype=torch.int64)
    loss = bank_contrast(
        anchors, torch.zeros(3, dtype=torch.int64), *none, temperature=0.1
    )
    loss.backward()
    assert loss.item() == 0
    assert anchors.grad is not None
    assert not anchors.grad.any()


def test_a_queue_keeps_the_latest() -> None:
    queue = Queue(5, 2)
    for number in range(4):
        queue.add(torch.full((3, 2), float(number)))
    assert sorted(queue.rows[:, 0].tolist()) == [2, 2, 3, 3, 3]
    queue.add(torch.arange(14.0).reshape(7, 2))
    assert sorted(queue.rows[:, 0].tolist()) == [4, 6, 8, 10, 12]


def test_a_bank_keeps_the_latest_of_each_class() -> None:
    bank = ClassBank(3, 2, 1)
    assert len(bank.content()[0]) == 0
    for number in range(3):
        bank.add(1, torch.full((1, 1), float(number)))
    bank.add(2, torch.full((1, 1), 9.0))
    rows, kinds = bank.content()
    found = sorted(zip(kinds.tolist(), rows[:, 0].tolist(), strict=True))
    assert found == [(1, 1.0), (1, 2.0), (2, 9.0)]
