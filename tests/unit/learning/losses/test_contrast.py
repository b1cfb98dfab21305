"""The contrastive loss: oracle values of methods.md, slow loops, engine by engine."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from napari_contrastseg.learning.losses import contrast as c
from napari_contrastseg.learning.losses import streaming
from napari_contrastseg.learning.losses.dense import hu_literal
from napari_contrastseg.learning.losses.pairs import (
    LEAST_WEIGHT,
    HardNegatives,
    PairMasks,
    SameLabel,
    same_label_masks,
)
from tests.kit.circles import ANGLES, LABELS, circle
from tests.kit.tensors import seeded

EVERY = torch.ones(5, dtype=torch.bool)
WAYS: list[dict[str, Any]] = [
    {"engine": engine, "denominator": denominator}
    for engine in ("dense", "streaming")
    for denominator in ("all", "single")
]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))
denominators = pytest.mark.parametrize("denominator", ["all", "single"])
hard_or_not = pytest.mark.parametrize("hard", [False, True])


def random_case(n: int, d: int, classes: int) -> tuple[Tensor, Tensor]:
    generator = seeded(n)
    z = torch.randn(n, d, dtype=torch.float64, generator=generator)
    return z, torch.randint(0, classes, (n,), generator=generator)


def full_rule(n: int, dtype: torch.dtype = torch.float64) -> SameLabel:
    """Give every part of a rule but hard negatives; some rows are unknown."""
    generator = seeded(n + 1)
    labels = torch.randint(-1, 4, (n,), generator=generator)
    weights = torch.rand(n, dtype=torch.float64, generator=generator)
    weights[::7] = 0
    anchors = (labels > 0) & (torch.rand(n, generator=generator) < 0.8)
    segments = torch.randint(0, 3, (n,), generator=generator)
    return SameLabel(labels, anchors, weights.to(dtype), segments, balanced=True)


def draws(n: int, most: float = 0.4) -> HardNegatives:
    generator = seeded(n + 2)
    rows, columns = torch.rand(2, n, dtype=torch.float64, generator=generator)
    return HardNegatives(rows, columns, most)


def taken(rule: SameLabel, rows: Tensor) -> SameLabel:
    """Return the rule of some rows, or of rows in another order."""
    names = ("labels", "anchors", "weights", "segments")
    parts = {k: v[rows] for k in names if (v := getattr(rule, k)) is not None}
    hard = None if rule.hard is None else rule.hard.taken(rows)
    return replace(rule, hard=hard, **parts)


def both(
    features: Tensor, rule: SameLabel | PairMasks, tau: float, **way: Any
) -> list[Tensor]:
    """Value and gradient."""
    leaf = features.detach().clone().requires_grad_()
    value = c.contrast(leaf, rule, temperature=tau, **way)
    return [value.detach(), *torch.autograd.grad(value, leaf)]


#: By temperature, denominator and whether class 2 is background, which is no anchor.
ORACLES = {
    (0.5, "all", False): 1.421790,
    (0.5, "single", False): 1.086434,
    (0.1, "all", False): 5.053021,
    (0.1, "single", False): 3.604659,
    (0.5, "all", True): 1.302971,
    (0.5, "single", True): 0.744044,
}


@pytest.mark.parametrize("engine", ["dense", "streaming"])
@pytest.mark.parametrize(("tau", "denominator", "background"), ORACLES)
def test_oracle(
    *, engine: c.Engine, tau: float, denominator: c.Denominator, background: bool
) -> None:
    rule = SameLabel(LABELS, LABELS == 1 if background else EVERY)
    wanted = pytest.approx(ORACLES[tau, denominator, background], abs=1e-6)
    for length in (1, 7):
        z = length * circle(ANGLES)
        value, _ = both(z, rule, tau, denominator=denominator, engine=engine)
        assert value.item() == wanted


@pytest.mark.parametrize(("tau", "value"), [(0.5, 0.110679), (0.1, 0.015227)])
def test_hu_literal_oracle(tau: float, value: float) -> None:
    z = circle(ANGLES).requires_grad_()
    assert hu_literal(z, LABELS, EVERY, tau).item() == pytest.approx(value, abs=1e-6)
    without = hu_literal(z, LABELS, ~EVERY, tau)
    assert without.item() == 0
    assert torch.autograd.grad(without, z)[0].count_nonzero() == 0


@pytest.mark.parametrize("engine", ["dense", "streaming"])
def test_nt_xent_oracle(engine: c.Engine) -> None:
    first = circle(torch.tensor([0.0, 90.0], dtype=torch.float64))
    second = circle(torch.tensor([20.0, 70.0], dtype=torch.float64))
    got = c.nt_xent(first, second, 0.5, engine=engine)
    assert got.item() == pytest.approx(0.496494, abs=1e-6)


def slow(z: Tensor, rule: SameLabel, tau: float, *, single: bool) -> float:
    """Write the formula of the module's head as a loop."""
    assert rule.weights is not None
    total, share, every = 0.0, 0.0, slice(None)
    alpha = None if rule.hard is None else rule.hard.alpha(every, every)
    same = (rule.labels[:, None] == rule.labels).tolist()
    w = rule.weights.tolist()
    for i in range(len(z)):
        positives = [j for j in range(len(z)) if j != i and same[i][j]]
        negatives = [j for j in range(len(z)) if not same[i][j]]
        if not positives or rule.labels[i] == 0:
            continue
        e = [math.exp(float(z[i] @ other) / tau) for other in z]
        below = sum(w[j] * e[j] for j in negatives)
        if alpha is not None:
            for j in negatives:
                mix = c.unit(alpha[i, j] * z[i] + (1 - alpha[i, j]) * z[j])
                below += w[j] * math.exp(float(z[i] @ mix) / tau)
        if not single:
            below += sum(w[p] * e[p] for p in positives)
        logs = [math.log((below + single * e[p]) / e[p]) for p in positives]
        heavy = [w[p] for p in positives]
        loss = sum(a * b for a, b in zip(heavy, logs, strict=True)) / sum(heavy)
        total, share = total + w[i] * loss, share + w[i]
    return total / share


@ways
@hard_or_not
def test_the_formula_as_a_loop(*, way: dict[str, Any], hard: bool) -> None:
    z, labels = random_case(14, 3, 3)
    z, w = c.unit(z), torch.rand(14, dtype=torch.float64, generator=seeded(5)) + 0.1
    rule = SameLabel(labels, labels > 0, w, hard=draws(14) if hard else None)
    wanted = slow(z, rule, 0.2, single=way["denominator"] == "single")
    got, _ = both(z, rule, 0.2, **way)
    assert got.item() == pytest.approx(wanted, abs=1e-12)


@denominators
@pytest.mark.parametrize("full", [False, True])
def test_gradcheck(*, denominator: c.Denominator, full: bool) -> None:
    z, labels = random_case(24, 3, 3)
    rule = full_rule(24) if full else SameLabel(labels, labels > 0)
    way: dict[str, Any] = {"denominator": denominator, "engine": "streaming"}
    assert both(z, rule, 0.5, **way)[1].norm() > 0.01
    with mock.patch.object(streaming, "CPU_TILE", (4, 3)):
        assert torch.autograd.gradcheck(
            lambda x: c.contrast(x, rule, temperature=0.5, **way), z.requires_grad_()
        )


@denominators
def test_masks_are_the_rule_written_out(denominator: c.Denominator) -> None:
    z, labels = random_case(30, 4, 4)
    rule = SameLabel(labels - 1, labels > 1)
    wanted = both(z, rule, 0.2, denominator=denominator, engine="streaming")
    got = both(z, same_label_masks(rule), 0.2, denominator=denominator)
    torch.testing.assert_close(got, wanted)


#: Arguments of `both`, and the shape of the tiles.
Case = tuple[tuple[Tensor, SameLabel, float], c.Denominator, tuple[int, int]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n, d = draw(st.integers(1, 60)), draw(st.integers(1, 9))
    generator = seeded(draw(st.integers(0, 10_000)))

    def rand() -> Tensor:
        return torch.rand(n, dtype=torch.float64, generator=generator)

    features = torch.randn(n, d, dtype=torch.float64, generator=generator)
    if draw(st.booleans()):  # duplicate rows
        features = features[torch.randint(0, n, (n,), generator=generator)]
    labels = (rand() * (draw(st.integers(1, 7)) + 1)).long() - draw(st.integers(0, 1))
    pattern = draw(st.sampled_from(["", "", "", "apart", "lonely", "background"]))
    if pattern == "apart":  # no class has two members
        labels = torch.arange(n)
    elif pattern == "lonely":  # one class has but one
        labels[n // 2] = 99
    elif pattern == "background":
        labels = torch.zeros(n, dtype=torch.long)
    anchors = {"every": None, "foreground": labels > 0, "some": rand() < 0.6}
    weights = rand()
    weights[rand() < 0.2] = 0
    weights[rand() < 0.1] = LEAST_WEIGHT / 2
    segments = (rand() * 3).long()
    hard = HardNegatives(rand(), rand(), draw(st.floats(0.05, 0.45)))
    rule = SameLabel(
        labels,
        anchors=anchors[draw(st.sampled_from(sorted(anchors)))],
        weights=weights if draw(st.booleans()) else None,
        segments=segments if draw(st.booleans()) else None,
        balanced=draw(st.booleans()),
        hard=hard if draw(st.booleans()) else None,
    )
    given = (features, rule, draw(st.floats(0.05, 1)))
    denominator: c.Denominator = "single" if draw(st.booleans()) else "all"
    return given, denominator, draw(st.sampled_from([(8, 4), (4, 8)]))


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_streaming_equals_dense(case: Case) -> None:
    given, denominator, tile = case
    wanted = both(*given, denominator=denominator, engine="dense")
    with mock.patch.object(streaming, "CPU_TILE", tile):
        got = both(*given, denominator=denominator, engine="streaming")
    torch.testing.assert_close(got, wanted, atol=1e-9, rtol=1e-9)


@ways
@hard_or_not
def test_order_names_and_unknown_rows_do_not_matter(
    *, way: dict[str, Any], hard: bool
) -> None:
    z, _ = random_case(70, 5, 1)
    rule = replace(full_rule(70), hard=draws(70) if hard else None)
    value, grad = both(z, rule, 0.2, **way)

    order = torch.randperm(70, generator=seeded(3))
    turned = both(z[order], taken(rule, order), 0.2, **way)
    torch.testing.assert_close(turned, [value, grad[order]])

    assert rule.segments is not None
    names = torch.tensor([2**31 - 1, 0, 12, 5, -7])  # the last: of the label -1
    segments = torch.tensor([9, 4, 2**20])[rule.segments]
    renamed = replace(rule, labels=names[rule.labels], segments=segments)
    torch.testing.assert_close(both(z, renamed, 0.2, **way), [value, grad])

    known = rule.labels >= 0
    assert 2 < known.sum() < 70
    less = both(z[known], taken(rule, known), 0.2, **way)
    torch.testing.assert_close(less, [value, grad[known]])
    assert grad[~known].count_nonzero() == 0


@ways
def test_segments_are_separate_losses(way: dict[str, Any]) -> None:
    z, labels = random_case(60, 5, 4)
    segments = torch.arange(60) % 4
    anchors = (labels > 0) & (segments != 2)  # segment 2 has none: not in the mean
    rule = SameLabel(labels, anchors)
    parts = [
        both(z[rows], taken(rule, rows), 0.2, **way)[0]
        for rows in (segments == 0, segments == 1, segments == 3)
    ]
    got, _ = both(z, replace(rule, segments=segments), 0.2, **way)
    torch.testing.assert_close(got, torch.stack(parts).mean())


WITHOUT_ANCHORS: dict[str, SameLabel | PairMasks] = {
    "no anchors": SameLabel(LABELS, ~EVERY),
    "all unknown": SameLabel(torch.full((5,), -1)),
    "no weight": SameLabel(LABELS, weights=torch.zeros(5)),
    "classes of one": SameLabel(torch.arange(5), balanced=True),
    "segments of one": SameLabel(LABELS, segments=torch.arange(5)),
    "masks": same_label_masks(SameLabel(LABELS, ~EVERY)),
}


@ways
@pytest.mark.parametrize("name", WITHOUT_ANCHORS)
def test_without_anchors_the_loss_is_zero_and_connected(
    way: dict[str, Any], name: str
) -> None:
    value, grad = both(circle(ANGLES), WITHOUT_ANCHORS[name], 0.1, **way)
    assert value.item() == 0
    assert grad.count_nonzero() == 0


@denominators
@pytest.mark.parametrize("tau", [0.07, 0.02, 0.005])
def test_float32_is_near_float64(denominator: c.Denominator, tau: float) -> None:
    features = random_case(300, 20, 4)[0].float()
    rule = full_rule(300)
    way = {"denominator": denominator}
    value, grad = both(features, rule, tau, engine="streaming", **way)
    exact, exact_grad = both(features.double(), rule, tau, engine="dense", **way)
    assert value.dtype == grad.dtype == torch.float32
    assert abs(value.item() - exact.item()) < 1e-5 * abs(exact.item())
    assert (grad - exact_grad).norm() < 1e-4 * exact_grad.norm()


@ways
def test_autocast_around_it_and_a_second_run_change_no_bit(way: dict[str, Any]) -> None:
    features, rule = random_case(90, 8, 1)[0].float(), full_rule(90, torch.float32)
    wanted = both(features, rule, 0.1, **way)
    leaf = features.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = c.contrast(leaf, rule, temperature=0.1, **way)
    within = [value, *torch.autograd.grad(value, leaf)]
    for got in (within, both(features, rule, 0.1, **way)):
        assert got[0].dtype == torch.float32
        assert torch.equal(got[0], wanted[0])
        assert torch.equal(got[1], wanted[1])


def test_narrow_features_are_widened() -> None:
    features, labels = random_case(40, 8, 3)
    value, grad = both(features.bfloat16(), SameLabel(labels), 0.1)
    wide = both(features.bfloat16().float(), SameLabel(labels), 0.1)
    assert torch.equal(value, wide[0])
    assert torch.equal(grad, wide[1].bfloat16())


@pytest.mark.parametrize(
    ("denominator", "backend"),
    [
        pytest.param("all", "aot_eager", marks=pytest.mark.slow),
        pytest.param("single", "aot_eager", marks=pytest.mark.slow),
        ("single", "eager"),
    ],
)
def test_compiled_in_one_graph(denominator: c.Denominator, backend: str) -> None:
    features, rule, hard = random_case(60, 8, 1)[0], full_rule(60), draws(60)

    def loss(x: Tensor, labels: Tensor, anchors: Tensor, weights: Tensor) -> Tensor:
        made = SameLabel(labels, anchors, weights, rule.segments, hard=hard)
        return c.contrast(x, made, temperature=0.1, denominator=denominator)

    given: Any = (rule.labels, rule.anchors, rule.weights)
    found = []
    for run in (loss, torch.compile(loss, fullgraph=True, backend=backend)):
        leaf = features.clone().requires_grad_()
        value = run(leaf, *given)
        found.append([value.detach(), *torch.autograd.grad(value, leaf)])
    torch.testing.assert_close(found[1], found[0])


def largest_tensor(n: int, **way: Any) -> float:
    """Numbers (float32) in the largest one made on the way to value and gradient."""
    features, labels = random_case(n, 16, 4)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as seen:
        both(features.float(), SameLabel(labels, labels > 0), 0.1, **way)
    return float(max(event.self_cpu_memory_usage for event in seen.events())) / 4


@denominators
def test_no_matrix_of_all_pairs(denominator: c.Denominator) -> None:
    way = {"denominator": denominator}
    assert largest_tensor(6000, engine="streaming", **way) < 6000**2 / 10
    assert largest_tensor(300, engine="dense", **way) > 300**2 / 2  # it is seen


@pytest.mark.parametrize("tau", [0.0, -0.1, math.nan])
def test_temperature_must_be_above_0(tau: float) -> None:
    with pytest.raises(ValueError, match=r"temperature .*: must be at least"):
        both(circle(ANGLES), SameLabel(LABELS), tau)


BAD: list[tuple[Tensor, SameLabel | PairMasks, str]] = [
    (ANGLES, SameLabel(LABELS), "features must be (n, d), not (5,)"),
    (circle(ANGLES), SameLabel(LABELS[:4]), "labels (4,) must be (5,)"),
    (circle(ANGLES), SameLabel(LABELS[:, None]), "labels (5, 1) must be (5,)"),
    (circle(ANGLES), SameLabel(LABELS, EVERY[:4]), "anchors (4,) must be (5,)"),
    (circle(ANGLES), SameLabel(LABELS, None, ANGLES[1:]), "weights (4,) must be (5,)"),
    (circle(ANGLES), SameLabel(LABELS, segments=LABELS[:1]), "segments (1,) must be"),
    (circle(ANGLES), PairMasks(EVERY, EVERY), "positives (5,) must be (5, 5)"),
]


@pytest.mark.parametrize(("features", "rule", "message"), BAD)
def test_shapes_must_match(
    features: Tensor, rule: SameLabel | PairMasks, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        both(features, rule, 0.1)


def test_hard_negatives_as_printed() -> None:
    """CSSL, section 3: alpha z_i + (1 - alpha) z_n, not scaled, and it learns."""
    labels = torch.tensor([0, 0, 1, 1, 2])
    features = torch.randn(5, 4, dtype=torch.float64, generator=seeded(3))
    features.requires_grad_()
    rows, columns = torch.rand(2, 5, dtype=torch.float64, generator=seeded(4))
    hard = HardNegatives(rows, columns, 0.4, printed=True)
    rule = SameLabel(labels, hard=hard)
    found = c.contrast(features, rule, temperature=0.2, denominator="single")
    z = features / features.norm(dim=1, keepdim=True)
    losses = []
    for i in range(4):
        (j,) = [j for j in range(5) if labels[j] == labels[i] and j != i]
        above = torch.exp(z[i] @ z[j] / 0.2)
        below = above
        for n in range(5):
            if labels[n] != labels[i]:
                alpha = 0.4 * ((hard.rows[i] + hard.columns[n]) % 1)
                mix = alpha * z[i] + (1 - alpha) * z[n]
                below = below + torch.exp(z[i] @ z[n] / 0.2)
                below = below + torch.exp(z[i] @ mix / 0.2)
        losses.append(-torch.log(above / below))
    wanted = torch.stack(losses).mean()
    assert found.item() == pytest.approx(wanted.item(), abs=1e-10)
    one, other = (torch.autograd.grad(x, features)[0] for x in (found, wanted))
    assert torch.allclose(one, other, atol=1e-10), "gradients pass through the mix"
