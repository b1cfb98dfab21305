"""Dense contrast: places attract themselves in the other view."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.data.augment import OUTSIDE
from napari_contrastseg.learning.terms import dense_contrast
from tests.kit.steps import Spy
from tests.kit.tensors import by_rule, seeded


def identity(size: int) -> Tensor:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    return torch.stack([x, y], dim=-1)


def dense_masks(
    monkeypatch: pytest.MonkeyPatch,
    grid: Tensor | None,
    cells: int,
    slices_of: int,
    *,
    one_view: bool = False,
) -> Any:
    spy = Spy(monkeypatch, dense_contrast)
    network: Any = SimpleNamespace(taps={"bottleneck": 3})
    term = dense_contrast.DenseContrast(
        network, temperature=0.2, dim=4, one_view=one_view
    )
    maps = torch.randn(2 * slices_of, 3, cells, cells)
    given: Any = SimpleNamespace(map=lambda _: maps, image=maps, grid=grid)
    term(given)
    return spy


@pytest.mark.parametrize("change", ["none", "mirror", "turn", "shift"])
def test_a_place_attracts_itself_in_the_other_view(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, cells = 16, 4
    first = identity(size)
    second, partner = first, {(r, c): (r, c) for r, c in np.ndindex(4, 4)}
    if change == "mirror":
        second, partner = first.flip(1), {(r, c): (r, 3 - c) for r, c in partner}
    elif change == "turn":
        second = first.rot90(2, (0, 1))
        partner = {(r, c): (3 - r, 3 - c) for r, c in partner}
    elif change == "shift":  # the second view begins a cell further right
        second = torch.full_like(first, OUTSIDE)
        second[:, :-4] = first[:, 4:]
        partner = {(r, c): (r, c - 1) for r, c in partner if c > 0}
    grid = torch.stack([first, first, second, second])
    spy = dense_masks(monkeypatch, None if change == "none" else grid, cells, 2)
    rows = [(view, k, r, c) for view, k, r, c in np.ndindex(2, 2, 4, 4)]

    def attract(i: int, j: int) -> bool:
        (v, k, *here), (w, m, *there) = rows[i], rows[j]
        if k != m or v == w:
            return False
        one, other = (here, there) if v == 0 else (there, here)
        return partner.get((one[0], one[1])) == tuple(other)

    assert torch.equal(spy.pairs.positives, by_rule(64, attract))
    assert spy.given == {"temperature": 0.2, "denominator": "single"}


def test_only_other_slices_repel_and_at_most_64_places_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    negatives = dense_masks(monkeypatch, None, 9, 3).pairs.negatives
    blocks = negatives.view(2, 3, 81, 2, 3, 81)
    for k in range(3):
        assert not blocks[:, k, :, :, k].any(), "neither view of the same slice"
        for m in {0, 1, 2} - {k}:
            assert (blocks[:, k, :, :, m].sum(dim=-1) == 64).all()


def test_one_view_alone_repels_as_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eq. 2: the negatives are of "a view of different images", as the positive is."""
    pairs = dense_masks(monkeypatch, None, 3, 3, one_view=True).pairs
    negatives = pairs.negatives.view(2, 3, 9, 2, 3, 9)
    for view, k in np.ndindex(2, 3):
        assert not negatives[view, k, :, view].any(), "none of its own view"
        for m in {0, 1, 2} - {k}:
            assert negatives[view, k, :, 1 - view, m].all()
        assert not negatives[view, k, :, 1 - view, k].any()


@pytest.mark.parametrize("one_view", [True, False])
def test_equation_2(*, one_view: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Printed: places of the other view of other slices repel; ours: of both views."""
    network: Any = SimpleNamespace(taps={"bottleneck": 3})
    term = dense_contrast.DenseContrast(network, temperature=0.2, one_view=one_view)
    maps = torch.randn(6, 4, 3, 3, dtype=torch.float64, generator=seeded(0))
    monkeypatch.setattr(term.head, "forward", lambda _: maps)
    given: Any = SimpleNamespace(map=lambda _: maps, image=maps.float(), grid=None)
    found = term(given).item()
    z = maps / maps.norm(dim=1, keepdim=True)

    def similar(view: int, k: int, place: Any, w: int, m: int, there: Any) -> float:
        one, other = z[3 * view + k, :, *place], z[3 * w + m, :, *there]
        return math.exp(float(one @ other) / 0.2)

    losses = []
    for view, k, *place in np.ndindex(2, 3, 3, 3):
        above = similar(view, k, place, 1 - view, k, place)
        views = (1 - view,) if one_view else (0, 1)
        below = above + sum(
            similar(view, k, place, w, m, there)
            for w in views
            for m in {0, 1, 2} - {k}
            for there in np.ndindex(3, 3)
        )
        losses.append(-math.log(above / below))
    assert found == pytest.approx(sum(losses) / len(losses), abs=1e-10)
