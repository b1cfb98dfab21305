"""Structure of volumes: partitions, regions and positions that attract and repel."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import position_contrast as structure
from tests.kit.networks import a_network
from tests.kit.steps import Spy, a_step, slices
from tests.kit.tensors import by_rule

#: Volume and position of four slices; the parts of four are 0, 3, 0, 3.
PLACES = [(0, 0.0), (0, 0.9), (1, 0.2), (1, 1.0)]


def placed(places: list[tuple[int, float]], size: int = 16) -> Batch:
    made = slices(len(places), size)
    return Batch(
        made.image,
        made.target,
        made.weight,
        source=made.image - 1,
        volume=torch.tensor([volume for volume, _ in places]),
        position=torch.tensor([position for _, position in places]),
    )


@pytest.mark.parametrize("strategy", ["GR", "GD-", "GD"])
def test_partitions_attract_and_repel(
    strategy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch, structure)
    network, batch = a_network(), placed(PLACES)
    term = structure.PartitionContrast(network, strategy=strategy, partitions=4)
    step = a_step(network, batch, batch)
    assert term(step).item() > 0
    assert torch.equal(step._passes[1].image[8:], batch.image - 1), "the slices"
    items = [(version, k) for version in range(3) for k in range(4)]
    part = [min(int(position * 4), 3) for _, position in PLACES]

    def attract(i: int, j: int) -> bool:
        (v, k), (w, m) = items[i], items[j]
        if i == j:
            return False
        across = v == w and part[k] == part[m] and PLACES[k][0] != PLACES[m][0]
        return k == m or (strategy == "GD" and across)

    def repel(i: int, j: int) -> bool:
        k, m = items[i][1], items[j][1]
        return k != m if strategy == "GR" else part[k] != part[m]

    assert torch.equal(spy.pairs.positives, by_rule(12, attract))
    assert torch.equal(spy.pairs.negatives, by_rule(12, repel))
    assert spy.given == {"temperature": 0.1, "denominator": "single"}


def test_both_sides_agree_on_the_part_of_a_slice() -> None:
    from napari_contrastseg.learning.data.sampler import partition

    for parts, count in itertools.product((2, 3, 4, 5, 7), range(1, 60)):
        position = [i / max(count - 1, 1) for i in range(count)]
        wanted = [partition(p, parts) for p in position]
        assert structure.parts_of(torch.tensor(position), parts).tolist() == wanted


@pytest.mark.parametrize("preset", [True, False])
@pytest.mark.parametrize("strategy", ["LR", "LD"])
def test_regions_attract_and_repel(
    strategy: Any, *, preset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch, structure)
    places = [(0, 0.1), (1, 0.1), (2, 0.2), (3, 0.1), (0, 0.9)]
    found: list[Tensor] = []
    make = structure.lattice if preset else structure.scattered

    def corners(maps: Tensor) -> Tensor:
        found.append(make(maps))
        return found[-1]

    monkeypatch.setattr(structure, make.__name__, corners)
    network, batch = a_network(), placed(places, 24)
    term = structure.RegionContrast(
        network, tap="dec1", strategy=strategy, preset=preset
    )
    term(a_step(network, batch, batch))
    (at,) = found
    regions = len(at)
    assert regions == 13
    items = [
        (view, k, r) for view in range(2) for k in range(5) for r in range(regions)
    ]
    #: The first two slices of other volumes in the same part.
    others = {0: [1, 2], 1: [0, 2], 2: [0, 1], 3: [0, 1], 4: []}

    def attract(i: int, j: int) -> bool:
        (_, k, r), (_, m, s) = items[i], items[j]
        own = k == m or (strategy == "LD" and m in others[k])
        return i != j and r == s and own

    assert torch.equal(spy.pairs.positives, by_rule(len(items), attract))
    distance = [[math.dist(a, b) for b in at.tolist()] for a in at.tolist()]
    near = (5 if strategy == "LR" else 4) if preset else regions - 1
    negatives = spy.pairs.negatives
    for i, (_, k, r) in enumerate(items):
        mine = [items[j] for j in negatives[i].nonzero().flatten().tolist()]
        assert len(mine) == 2 * near, "as many in each of the two maps"
        assert {m for _, m, _ in mine} == {k}, "of the same slice"
        chosen = {s for _, _, s in mine}
        assert r not in chosen
        rest = [distance[r][s] for s in range(regions) if s not in chosen | {r}]
        assert max(distance[r][s] for s in chosen) <= min(rest, default=math.inf)


def test_scattered_regions_do_not_overlap() -> None:
    with Randomness(0).scope():
        for size in ((3, 3), (4, 7), (12, 13)):
            corners = structure.scattered(torch.zeros(1, 1, *size))
            assert len(corners) == min(13, (size[0] // 3) * (size[1] // 3))
            assert (corners >= 0).all()
            assert (corners + 3 <= torch.tensor(size)).all()
            for one, other in itertools.combinations(corners.tolist(), 2):
                assert max(abs(a - b) for a, b in zip(one, other, strict=True)) >= 3


def test_like_positions_attract(monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy(monkeypatch, structure)
    positions = [0.0, 0.34, 0.36, 0.7, 1.0]
    network = a_network()
    term = structure.PositionContrast(network, near=0.35)
    batch = placed([(k, p) for k, p in enumerate(positions)])
    term(a_step(network, batch, batch))
    twice = positions * 2

    def close(i: int, j: int) -> bool:
        return abs(twice[i] - twice[j]) < 0.35

    assert torch.equal(
        spy.pairs.positives, by_rule(10, lambda i, j: i != j and close(i, j))
    )
    assert torch.equal(spy.pairs.negatives, by_rule(10, lambda i, j: not close(i, j)))
    assert spy.given == {"temperature": 0.1}, "PCL: all positives compete"
