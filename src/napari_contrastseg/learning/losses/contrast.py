"""Contrastive loss of all five papers, computed by one of three engines.

For anchors A, positives P_i, negatives N_i and s_ij = z_i . z_j / tau::

    L = (1/|A'|) sum_{i in A'} (1/|P_i|) sum_{p in P_i} [LSE(D_ip) - s_ip],
    A' = {i in A : |P_i| > 0}

``denominator="all"``: D_ip are all positives and negatives of i (SimCLR, Chen et al.
2020; SupCon "out", Khosla et al. 2020, eq. 2; Hu et al. 2021). ``"single"``: the one
positive and the negatives (Chaitanya et al. 2020; CSSL; CLCC; IDEAL).

`dense` writes every pair down; `streaming` works tile by tile on any device; `fused` is
a Triton kernel for CUDA. For ``"all"`` the positives need no pairs: their sum over p is
z_i . (S_c - w_i z_i) / tau, with S_c the weighted sum of the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.losses import fused, streaming
from napari_contrastseg.learning.losses.dense import dense_losses
from napari_contrastseg.learning.losses.pairs import (
    Arranged,
    HardNegatives,
    PairMasks,
    SameLabel,
    arrange,
    same_label_masks,
    summed,
)
from napari_contrastseg.learning.losses.precision import wide
from napari_contrastseg.learning.runtime.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from collections.abc import Callable

Denominator = Literal["all", "single"]
Engine = Literal["auto", "dense", "streaming", "fused"]
Precision = Literal["float32", "tf32", "bf16"]
#: In place of a precision: the tiles of `streaming`.
TILES = "tiles"
NORM_EPS = 1e-6
#: Below this a sum of exp(1 / tau) no longer fits float32.
LEAST_TEMPERATURE = 0.015
#: Below this it does not fit float64 either.
COLDEST = 0.002


def unit(features: Tensor) -> Tensor:
    """Scale rows to length 1, in float32 (float64 stays)."""
    return functional.normalize(wide(features), dim=-1, eps=NORM_EPS)


def contrast(
    features: Tensor,
    pairs: SameLabel | PairMasks,
    *,
    temperature: float,
    denominator: Denominator = "all",
    engine: Engine = "auto",
    precision: Precision = "float32",
    ranks: Ranks = ALONE,
) -> Tensor:
    """Contrast features by a pair rule.

    Parameters
    ----------
    features : (n, d) float
        Scaled to length 1 here; autocast around the call does not change the sums.
    pairs : SameLabel or PairMasks
        Masks and hard negatives as printed are always worked through by ``dense``.
    temperature : float
        `COLDEST` and above; below `LEAST_TEMPERATURE` the tiles are float64.
    denominator : {"all", "single"}
    engine : {"auto", "dense", "streaming", "fused"}
        ``auto``: the Triton kernel on CUDA where Triton is there, else the tiles. The
        kernel leaves hard negatives, float64 and more than 128 dimensions to them.
    precision : {"float32", "tf32", "bf16"}
        Of the kernel's products; sums are float32 always. Other engines ignore it.
    ranks : Ranks
        Processes that share the pairs; all call this with the same features and rule,
        and get the same value and gradient. ``dense`` is worked through by each.

    Returns
    -------
    scalar Tensor, float32 or float64
        Zero, connected to the graph, when no anchor has a positive.

    Raises
    ------
    ValueError
        Shapes do not match, the temperature is too low, or a choice is unknown.

    Examples
    --------
    >>> z = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    >>> value = contrast(z, SameLabel(torch.tensor([1, 1, 0])), temperature=0.5)
    >>> round(value.item(), 4)
    0.1431
    """
    for name, given, choices in (
        ("denominator", denominator, get_args(Denominator)),
        ("engine", engine, get_args(Engine)),
        ("precision", precision, get_args(Precision)),
    ):
        if given not in choices:
            raise ValueError(f"{name} {given!r}: choose one of {', '.join(choices)}")
    _check(features, pairs, temperature)
    single = denominator == "single"
    with torch.autocast(features.device.type, enabled=False):
        z = unit(features)
        if isinstance(pairs, PairMasks):
            return _mean(*dense_losses(z, pairs, temperature, single=single))
        if engine == "dense" or (pairs.hard is not None and pairs.hard.printed):
            return _dense(z, pairs, temperature, single=single)
        tiles = z.double() if temperature < LEAST_TEMPERATURE else z
        rows = arrange(pairs, tiles.dtype)
        use_kernel = engine in ("auto", "fused") and fused.can(tiles, rows)
        hard = rows.hard
        value, _, _ = _tiled(
            tiles.index_select(0, rows.order),
            rows.ranges,
            rows.weights,
            rows.shares,
            rows.others,
            None if hard is None else hard.rows,
            None if hard is None else hard.columns,
            0.0 if hard is None else hard.most,
            float(temperature),
            single,
            precision if use_kernel else TILES,
            ranks.rank,
            ranks.count,
        )
        found: Tensor = value.to(z.dtype)
        return found


def nt_xent(
    first: Tensor,
    second: Tensor,
    temperature: float,
    *,
    engine: Engine = "auto",
    ranks: Ranks = ALONE,
) -> Tensor:
    """NT-Xent over two views of n slices (Chen et al. 2020; Hu et al. 2021, eq. 1).

    Parameters
    ----------
    first, second : (n, d) float
        Row i of both comes from slice i, which is a class of two.

    Examples
    --------
    >>> views = torch.eye(2)  # of each anchor: one positive, two orthogonal negatives
    >>> round(nt_xent(views, views, temperature=1.0).item(), 4)  # ln(e + 2) - 1
    0.5514
    """
    which = torch.arange(len(first), device=first.device).repeat(2)
    return contrast(
        torch.cat([first, second]),
        SameLabel(which),
        temperature=temperature,
        engine=engine,
        ranks=ranks,
    )


def _check(features: Tensor, pairs: SameLabel | PairMasks, temperature: float) -> None:
    if not temperature >= COLDEST:
        raise ValueError(f"temperature {temperature}: must be at least {COLDEST}")
    if features.ndim != 2:  # noqa: PLR2004
        raise ValueError(f"features must be (n, d), not {tuple(features.shape)}")
    n = len(features)
    if isinstance(pairs, PairMasks):
        given = {"positives": pairs.positives, "negatives": pairs.negatives}
        wanted: tuple[int, ...] = (n, n)
    else:
        names = ("labels", "anchors", "weights", "segments")
        given = {k: v for k in names if (v := getattr(pairs, k)) is not None}
        if pairs.hard is not None:
            given |= {"hard.rows": pairs.hard.rows, "hard.columns": pairs.hard.columns}
        wanted = (n,)
    for name, tensor in given.items():
        if tuple(tensor.shape) != wanted:
            raise ValueError(f"{name} {tuple(tensor.shape)} must be {wanted}")


# -- dense ---------------------------------------------------------------------


def _mean(anchors: Tensor, losses: Tensor) -> Tensor:
    return losses.mean() if len(anchors) else losses.sum()


def _dense(z: Tensor, rule: SameLabel, temperature: float, *, single: bool) -> Tensor:
    anchors, losses = dense_losses(
        z,
        same_label_masks(rule),
        temperature,
        single=single,
        weights=rule.weights,
        hard=rule.hard,
    )
    if not len(anchors):
        return z.sum() * 0.0
    weights = torch.ones_like(z[:, 0])
    if rule.weights is not None:
        weights = rule.weights.to(z.dtype)
    segments = torch.zeros_like(rule.labels) if rule.segments is None else rule.segments
    w, labels, segments = weights[anchors], rule.labels[anchors], segments[anchors]
    means = []
    for segment in segments.unique():
        inside = segments == segment
        groups = [inside]
        if rule.balanced:
            groups = [inside & (labels == kind) for kind in labels[inside].unique()]
        parts = [(w[g] * losses[g]).sum() / w[g].sum() for g in groups]
        means.append(torch.stack(parts).mean())
    return torch.stack(means).mean()


# -- tiles, as one operator that torch.compile passes over ---------------------


def _values(  # noqa: PLR0913, PLR0917  operators take tensors
    z: Tensor,
    ranges: Tensor,
    weights: Tensor,
    shares: Tensor,
    others: Tensor,
    hard_rows: Tensor | None,
    hard_columns: Tensor | None,
    most: float,
    temperature: float,
    single: bool,
    precision: str,
    rank: int,
    count: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, and of each row the log-sum-exp and the pull on it (see `streaming`)."""
    rows = _rows(ranges, weights, shares, others, hard_rows, hard_columns, most)
    ranks = Ranks(rank, count)
    with torch.autocast(z.device.type, enabled=False):
        if precision == TILES:
            found = streaming.row_sums(z, rows, temperature, single=single, ranks=ranks)
        else:
            found = fused.row_sums(
                z, rows, temperature, precision, single=single, ranks=ranks
            )
        logs, excess, pull = found
        if single:
            losses = excess / others
        else:
            rest = _class_rest(z, rows, weights)
            losses = logs - (z * rest).sum(1) / others / temperature
        value = torch.where(shares > 0, shares * losses, 0.0).sum()
    return value, logs, pull


def _values_fake(
    z: Tensor, ranges: Tensor, weights: Tensor, *_: Any
) -> tuple[Tensor, ...]:
    return z.new_empty(()), torch.empty_like(weights), torch.empty_like(weights)


def _gradient(  # noqa: PLR0913, PLR0917
    z: Tensor,
    ranges: Tensor,
    weights: Tensor,
    shares: Tensor,
    others: Tensor,
    hard_rows: Tensor | None,
    hard_columns: Tensor | None,
    most: float,
    logs: Tensor,
    pull: Tensor,
    temperature: float,
    single: bool,
    precision: str,
    rank: int,
    count: int,
) -> Tensor:
    """Gradient of the loss with respect to z, (n, d)."""
    rows = _rows(ranges, weights, shares, others, hard_rows, hard_columns, most)
    ranks = Ranks(rank, count)
    with torch.autocast(z.device.type, enabled=False):
        if precision == TILES:
            grad = streaming.gradient(
                z, rows, logs, pull, temperature, single=single, ranks=ranks
            )
        else:
            grad = fused.gradient(
                z, rows, logs, pull, temperature, precision, single=single, ranks=ranks
            )
        if not single:
            part = shares / others
            grad -= part[:, None] * _class_rest(z, rows, weights)
            grad -= weights[:, None] * _class_rest(z, rows, part)
    return grad.div_(temperature)


def _operator(name: str, run: Callable[..., Any], fake: Callable[..., Any]) -> Any:
    """Register an operator; `custom_op` would load the compiler at its first call."""
    full = f"napari_contrastseg::{name}"
    torch.library.define(full, torch.library.infer_schema(run, mutates_args=()))
    torch.library.impl(full, "CompositeExplicitAutograd", run)
    torch.library.register_fake(full, fake)
    return getattr(torch.ops.napari_contrastseg, name)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _, logs, pull = output
    ctx.save_for_backward(*inputs[:7], logs, pull)
    ctx.rest = inputs[7:]


def _backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, logs, pull = ctx.saved_tensors
    most, *rest = ctx.rest
    found = _tiled_gradient(*tensors, most, logs, pull, *rest)
    return (grad * found, *[None] * 12)


_tiled = _operator("contrast", _values, _values_fake)
_tiled_gradient = _operator(
    "contrast_gradient", _gradient, lambda z, *_: torch.empty_like(z)
)
torch.library.register_autograd(
    "napari_contrastseg::contrast", _backward, setup_context=_setup
)


def _rows(
    ranges: Tensor,
    weights: Tensor,
    shares: Tensor,
    others: Tensor,
    hard_rows: Tensor | None,
    hard_columns: Tensor | None,
    most: float,
) -> Arranged:
    hard = None
    if hard_rows is not None and hard_columns is not None:
        hard = HardNegatives(hard_rows, hard_columns, most)
    return Arranged(ranges[0], ranges, weights, shares, others, hard)


def _class_rest(z: Tensor, rows: Arranged, scale: Tensor) -> Tensor:
    """Sum of the scaled rows of each row's class, without the row itself."""
    heavy = z * scale[:, None]
    return (summed(heavy, rows.ranges[2].long()) - heavy).to(z.dtype)
