"""The contrasts of the papers: who attracts and who repels, worked out by hand."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.io.volume import Volume, array_affine
from napari_contrastseg.learning.data.augment import OUTSIDE
from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.data.cohort import Cohort
from napari_contrastseg.learning.data.sampler import Views
from napari_contrastseg.learning.data.slice_axes import input_spec
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.data.view import View
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import (
    dense_contrast,
    structure,
    tiles,
)
from tests.kit.steps import CLASSES, Spy, a_step, slices

CPU = torch.device("cpu")
SMALL = NetworkSpec((4, 8), "instance", "instance")


def a_network(spec: NetworkSpec = SMALL) -> UNet:
    with Randomness(0).scope():
        return UNet(1, CLASSES, spec)


def by_rule(count: int, rule: Any) -> Tensor:
    """Ask a rule of two numbers for every pair."""
    pairs = [[bool(rule(i, j)) for j in range(count)] for i in range(count)]
    return torch.tensor(pairs)


# -- structure of volumes ------------------------------------------------------

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


def a_cohort(*counts: int) -> Cohort:
    rng = np.random.default_rng(0)
    volumes = [
        Volume(f"v{k}", (rng.random((n, 8, 8)),), array_affine(np.ones(3)))
        for k, n in enumerate(counts)
    ]
    training = [
        TrainingVolume(v, np.zeros(v.shape, np.int16) if k == 0 else None)
        for k, v in enumerate(volumes)
    ]
    spec = input_spec(volumes, 0, 0)
    return Cohort(training, [1], spec, divisor=4, largest=8)


def test_a_batch_holds_every_part_of_its_volumes() -> None:
    views = Views(
        View("all", 8, 2, partitions=4), a_cohort(8, 9, 5), Randomness(0), CPU
    )
    seen = set()
    for _ in range(12):
        raw = views.draw()
        assert raw.volume is not None
        assert raw.position is not None
        parts = structure.parts_of(raw.position, 4)
        assert parts.tolist() == [0, 1, 2, 3] * 2
        assert all(len(set(v)) == 1 for v in raw.volume.view(2, 4).tolist())
        seen |= set(zip(raw.volume.tolist(), raw.position.tolist(), strict=True))
        assert len(views.augmented(raw)) == 2
    assert len(seen) == 8 + 9 + 5, "all slices come"


def test_thin_volumes_give_the_parts_they_have() -> None:
    views = Views(View("all", 4, partitions=4), a_cohort(2, 1), Randomness(0), CPU)
    thick, thin = set(), []
    for _ in range(6):
        raw = views.draw()
        assert raw.position is not None
        assert raw.volume is not None
        assert len(raw.image) == 4
        parts = structure.parts_of(raw.position, 4)
        thick |= set(parts[raw.volume == 0].tolist())
        thin += parts[raw.volume == 1].tolist()
    assert thick == {0, 3}
    assert min(thin) >= 4, "a slice without a position is a part of its own"


def test_slices_without_labels_or_all() -> None:
    cohort = a_cohort(3, 4)
    assert len(cohort.labelled) == 3
    for slices_of, volumes in (("unlabelled", {1}), ("labelled", {0}), ("all", {0, 1})):
        views = Views(View(slices_of, 12), cohort, Randomness(0), CPU)  # type: ignore[arg-type]
        raw = views.draw()
        assert raw.volume is not None
        assert set(raw.volume.tolist()) == volumes
    complete = Views(View("unlabelled", 2), a_cohort(3), Randomness(0), CPU)
    assert len(complete.draw().image) == 2, "where all are labelled: all"


# -- tiles ---------------------------------------------------------------------


def test_tiles_are_cut_row_by_row() -> None:
    image = torch.arange(2 * 3 * 12 * 8).view(2, 3, 12, 8)
    cut = tiles.cut_up(image, 2)
    assert cut.shape == (8, 3, 6, 4)
    for k, row, column in itertools.product(range(2), range(2), range(2)):
        rows, columns = slice(6 * row, 6 * row + 6), slice(4 * column, 4 * column + 4)
        assert torch.equal(cut[4 * k + 2 * row + column], image[k, :, rows, columns])


def test_tiles_attract_their_place_and_repel_others_of_their_slice() -> None:
    blank = torch.tensor([0, 1, 1, 0, 0, 0, 0, 1], dtype=torch.bool)
    found = tiles._pairs(2, 4, blank)
    items = [(level, k, t) for level in range(2) for k in range(2) for t in range(4)]

    def repel(i: int, j: int) -> bool:
        (_, k, t), (_, m, s) = items[i], items[j]
        both_blank = bool(blank[4 * k + t] and blank[4 * m + s])
        return k == m and t != s and not both_blank

    def attract(i: int, j: int) -> bool:
        return items[i][1:] == items[j][1:] and i != j

    assert torch.equal(found.positives, by_rule(16, attract))
    assert torch.equal(found.negatives, by_rule(16, repel))


def test_the_released_loss_and_how_flat_it_is() -> None:
    """Section 3: near ln 25 whatever the features, 2.98 for identical views."""
    generator = torch.Generator().manual_seed(0)
    whole = torch.rand(2, 25, 128, generator=generator)
    parts = torch.rand(2, 25, 128, generator=generator)

    def released(one: Tensor, other: Tensor) -> float:
        scaled = [
            functional.normalize(x.flatten(0, 1), p=1, dim=1) for x in (one, other)
        ]
        return float(tiles._by_products(torch.cat(scaled), 25, 0.07))

    by_hand = []
    for k, i in itertools.product(range(2), range(25)):
        query = whole[k, i] / whole[k, i].sum()
        keys = parts[k] / parts[k].sum(dim=1, keepdim=True)
        logits = keys @ query / 0.07
        by_hand.append(float(logits.logsumexp(0) - logits[i]))
    assert released(whole, parts) == pytest.approx(np.mean(by_hand), abs=1e-5)
    assert released(whole, parts) == pytest.approx(math.log(25), abs=0.02)
    rectified = torch.randn(2, 25, 128, generator=generator).relu()
    assert released(rectified, rectified) > 2.9, "identical views are not near 0"


@pytest.mark.parametrize("released", [True, False])
def test_who_learns_from_tiles(*, released: bool) -> None:
    network = a_network(NetworkSpec((4, 8), "none", "none"))
    term = tiles.TileContrast(network, count=2, layers=1, released=released)
    step = a_step(network, slices(2), parts=2)
    term(step).backward()
    whole, parts = (one.map("dec1").grad for one in step._passes)
    assert whole is not None
    assert whole.abs().sum() > 0
    assert (parts is None or parts.abs().sum() == 0) == released, "constants there"


def test_the_slice_teaches_its_tiles() -> None:
    network = a_network(NetworkSpec((4, 8), "none", "none"))
    batch = slices(2)
    loss = tiles.TileConsistency(network, count=2)(a_step(network, batch))
    with torch.no_grad():
        guess = network(batch.image).softmax(1)
    summed = torch.zeros(())
    for rows, columns in itertools.product((slice(8), slice(8, 16)), repeat=2):
        mine = network(batch.image[..., rows, columns]).softmax(1)
        summed = summed + (mine - guess[..., rows, columns]).square().mean()
    assert loss.item() == pytest.approx(summed.item(), abs=1e-6)
    parameters = list(network.parameters())
    one, other = (torch.autograd.grad(x, parameters) for x in (loss, summed))
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


# -- places --------------------------------------------------------------------


def identity(size: int) -> Tensor:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    return torch.stack([x, y], dim=-1)


def dense_masks(
    monkeypatch: pytest.MonkeyPatch, grid: Tensor | None, cells: int, slices_of: int
) -> Any:
    spy = Spy(monkeypatch, dense_contrast)
    network: Any = SimpleNamespace(taps={"bottleneck": 3})
    term = dense_contrast.DenseContrast(network, temperature=0.2, dim=4)
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


def test_large_slices_come_in_fewer_volumes_but_two() -> None:
    view = View("all", 16, 2, pixels=24 * 64 * 64, partitions=4)
    assert [view.batch_for(n, n) for n in (40, 64, 96, 256)] == [16, 16, 8, 8]
