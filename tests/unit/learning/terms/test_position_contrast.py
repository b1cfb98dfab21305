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
from tests.kit.tensors import by_rule, seeded

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


@pytest.mark.parametrize(
    ("strategy", "across"), [("GD-", "alike"), ("GD", "alike"), ("GD", "printed")]
)
def test_partitions_attract_and_repel(
    strategy: Any, across: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch, structure)
    network, batch = a_network(), placed(PLACES)
    term = structure.PartitionContrast(
        network, strategy=strategy, partitions=4, across=across
    )
    step = a_step(network, batch, batch)
    assert term(step).item() > 0
    assert torch.equal(step._passes[1].image[8:], batch.image - 1), "the slices"
    items = [(version, k) for version in range(3) for k in range(4)]
    part = [min(int(position * 4), 3) for _, position in PLACES]
    #: Two changed versions and the slice itself: which of two volumes meet.
    meets = {
        "alike": {(0, 0), (1, 1), (2, 2)},
        "printed": {(0, 1), (1, 0), (2, 2)},
    }[across]

    def attract(i: int, j: int) -> bool:
        (v, k), (w, m) = items[i], items[j]
        if i == j:
            return False
        other = part[k] == part[m] and PLACES[k][0] != PLACES[m][0]
        return k == m or (strategy == "GD" and other and (v, w) in meets)

    def repel(i: int, j: int) -> bool:
        return part[items[i][1]] != part[items[j][1]]

    assert torch.equal(spy.pairs.positives, by_rule(12, attract))
    assert torch.equal(spy.pairs.negatives, by_rule(12, repel))
    assert spy.given == {"temperature": 0.1, "denominator": "single"}


def test_random_slices_are_contrasted_as_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eq. 1 (GR): two changed versions of each slice; 2N - 2 others repel."""
    network, batch = a_network(), placed(PLACES)
    term = structure.PartitionContrast(network, strategy="GR", temperature=0.3)
    vectors = torch.randn(8, 5, dtype=torch.float64, generator=seeded(1))
    monkeypatch.setattr(term.head, "forward", lambda _: vectors)
    found = term(a_step(network, batch, batch)).item()
    z = vectors / vectors.norm(dim=1, keepdim=True)
    losses = []
    for i in range(8):
        partner = (i + 4) % 8
        s = [float(z[i] @ z[k]) / 0.3 for k in range(8)]
        below = sum(math.exp(s[k]) for k in range(8) if k != i)
        losses.append(-math.log(math.exp(s[partner]) / below))
    assert found == pytest.approx(sum(losses) / 8, abs=1e-10)


def test_both_sides_agree_on_the_part_of_a_slice() -> None:
    from napari_contrastseg.learning.data.sampler import partition

    for parts, count in itertools.product((2, 3, 4, 5, 7), range(1, 60)):
        position = [i / max(count - 1, 1) for i in range(count)]
        wanted = [partition(p, parts) for p in position]
        assert structure.parts_of(torch.tensor(position), parts).tolist() == wanted


@pytest.mark.parametrize("preset", [True, False])
@pytest.mark.parametrize("strategy", ["LR", "LD"])
def test_regions_attract_and_repel_as_printed(
    strategy: Any, *, preset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eq. 3 and 4: of a pair of regions the others of *its* two maps repel."""
    places = [(0, 0.1), (1, 0.1), (2, 0.2), (3, 0.1), (0, 0.9)]
    found: list[Tensor] = []
    make = structure.lattice if preset else structure.scattered

    def corners(maps: Tensor, *sizes: int) -> Tensor:
        found.append(make(maps, *sizes))
        return found[-1]

    monkeypatch.setattr(structure, make.__name__, corners)
    network, batch = a_network(), placed(places, 24)
    term = structure.RegionContrast(
        network, tap="dec1", strategy=strategy, preset=preset, temperature=0.2
    )
    versions = 3 if strategy == "LD" else 2
    maps = [(version, k) for version in range(versions) for k in range(5)]
    vectors = torch.randn(len(maps), 13, 6, dtype=torch.float64, generator=seeded(0))
    monkeypatch.setattr(term.head, "forward", lambda *_: vectors)
    value = term(a_step(network, batch, batch)).item()
    (at,) = found
    distance = [[math.dist(a, b) for b in at.tolist()] for a in at.tolist()]
    kept = (5 if strategy == "LR" else 4) if preset else 12
    near = term._near(at)
    for r in range(13):
        chosen = set(near[r].nonzero().flatten().tolist())
        assert len(chosen) == kept
        assert r not in chosen
        rest = [distance[r][s] for s in range(13) if s not in chosen | {r}]
        assert max(distance[r][s] for s in chosen) <= min(rest, default=math.inf)
    #: The first two slices of other volumes in the same part.
    others = {0: [1, 2], 1: [0, 2], 2: [0, 1], 3: [0, 1], 4: []}
    z = vectors / vectors.norm(dim=2, keepdim=True)

    def s(a: int, r: int, b: int, q: int) -> float:
        return float(z[a, r] @ z[b, q]) / 0.2

    losses = []
    for a, (v, k) in enumerate(maps):
        partners = []
        for b, (w, m) in enumerate(maps):
            own = k == m and {v, w} == {0, 1}
            crossed = (v, w) in {(0, 1), (1, 0), (2, 2)}
            if own or (strategy == "LD" and m in others[k] and crossed):
                partners.append(b)
        for r in range(13) if partners else ():
            repel = near[r].nonzero().flatten().tolist()
            pairs = []
            for b in partners:
                below = math.exp(s(a, r, b, r))
                below += sum(math.exp(s(a, r, c, q)) for c in (a, b) for q in repel)
                pairs.append(-math.log(math.exp(s(a, r, b, r)) / below))
            losses.append(sum(pairs) / len(pairs))
    assert value == pytest.approx(sum(losses) / len(losses), abs=1e-10)


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


@pytest.mark.parametrize(
    ("strategy", "across"), [("GD-", "alike"), ("GD", "alike"), ("GD", "printed")]
)
def test_equation_2_of_versions_and_parts(
    strategy: Any, across: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eq. 2 and what GD adds, as a mean over ordered pairs: printed and released."""
    network, batch = a_network(), placed(PLACES)
    term = structure.PartitionContrast(
        network, strategy=strategy, partitions=4, across=across, temperature=0.3
    )
    vectors = torch.randn(12, 5, dtype=torch.float64, generator=seeded(2))
    monkeypatch.setattr(term.head, "forward", lambda _: vectors)
    found = term(a_step(network, batch, batch)).item()
    z = vectors / vectors.norm(dim=1, keepdim=True)
    part, volume = [0, 3, 0, 3], [0, 0, 1, 1]
    #: Versions 0 and 1 are changed, 2 is the slice: which meet across volumes.
    meet = {"alike": [(0, 0), (1, 1), (2, 2)], "printed": [(0, 1), (1, 0), (2, 2)]}
    losses = []
    for i, j in itertools.product(range(12), repeat=2):
        (v, k), (w, m) = divmod(i, 4), divmod(j, 4)
        other = volume[k] != volume[m] and (v, w) in meet[across]
        if i == j or part[k] != part[m]:
            continue
        if k != m and not (strategy == "GD" and other):
            continue
        above = math.exp(float(z[i] @ z[j]) / 0.3)
        below = above + sum(
            math.exp(float(z[i] @ z[n]) / 0.3)
            for n in range(12)
            if part[n % 4] != part[k]
        )
        losses.append(-math.log(above / below))
    assert found == pytest.approx(sum(losses) / len(losses), abs=1e-10)
