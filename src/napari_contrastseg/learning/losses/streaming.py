"""Contrastive loss by label, exact, tile by tile in linear memory, on any device.

Similarities of unit rows lie within 1 / tau, so that exp(s), for temperatures from
`LEAST_TEMPERATURE` on, fits float32 as it is: no running maximum is needed. A tile is
the same for the pair (i, j) as for (j, i), so each is made once, on and above the
diagonal, and serves both::

    sum_j w_j e_ij                                row sums and column sums of one tile
    dL/dz = w_i sum_j w_j e_ij (b_i + b_j) z_j    b = share * pull * exp(-lse) / w
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.losses.pairs import spans_of
from napari_contrastseg.learning.runtime.ranks import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from napari_contrastseg.learning.losses.pairs import Arranged, HardNegatives
    from napari_contrastseg.learning.runtime.ranks import Ranks

#: Rows and columns of a tile: 1 MB of float32, what a core's cache holds; more on GPUs.
CPU_TILE, GPU_TILE = (512, 512), (4096, 8192)
#: Threads that share the tiles of a CPU; each has sums of its own, (n, d).
MOST_WORKERS = 8
LOG2E = math.log2(math.e)

#: Rows [a, b) against columns [c, d); where c is a, on and above the diagonal alone.
Span = tuple[int, int, int, int]
Blocks = list[tuple[slice, slice]]


def row_sums(
    z: Tensor,
    rows: Arranged,
    temperature: float,
    *,
    single: bool,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the log of each anchor's denominator, and how strongly it is pulled.

    Parameters
    ----------
    z : (n, d) float, unit rows, in the order of `rows`
    single : bool
        Leave the positives out.
    ranks : Ranks
        Processes that share the tiles; each has all of `z` and gets all of the sums.

    Returns
    -------
    logs : (n,) float
        LSE over j of s_ij + log w_j; -inf where there is none. Of anchors alone.
    excess : (n,) float
        For `single`: sum_p w_p softplus(logs_i - s_ip); else zero.
    pull : (n,) float
        Derivative of the anchor's loss with respect to `logs`: 1, or for `single`
        sum_p w_p sigmoid(logs_i - s_ip) / others_i.
    """
    w = rows.weights

    def denominators(blocks: Blocks) -> Tensor:
        sums = torch.zeros_like(w)
        for i, j, tile in _tiles(z, blocks, temperature):
            sums[i] += tile @ w[j]
            below = _below(i, j)
            sums[j][below:] += w[i] @ tile[:, below:]
        return sums

    spans = _denominator(rows, single=single)
    sums = _in_parts(denominators, _blocks(spans, z), z, ranks)
    if rows.hard is not None:
        sums += _hard_sums(z, rows, rows.hard, temperature, ranks)
    logs = sums.log()
    if not single:
        return logs, torch.zeros_like(w), torch.ones_like(w)

    def positives(blocks: Blocks) -> Tensor:
        found = w.new_zeros(2, len(w))
        excess, pull = found
        for i, j in blocks:
            s = _positives(z, i, j, temperature)
            above, below = logs[i, None] - s, _below(i, j)
            excess[i] += functional.softplus(above) @ w[j]
            pull[i] += above.sigmoid() @ w[j]
            turned = logs[j][below:] - s[:, below:]
            excess[j][below:] += w[i] @ functional.softplus(turned)
            pull[j][below:] += w[i] @ turned.sigmoid()
        return found

    excess, pull = _in_parts(positives, _blocks(_classes(rows), z), z, ranks)
    return logs, excess, pull / rows.others


def gradient(
    z: Tensor,
    rows: Arranged,
    logs: Tensor,
    pull: Tensor,
    temperature: float,
    *,
    single: bool,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Gradient of the loss's tiled part with respect to z / temperature, (n, d).

    For `all` that is the denominators alone; what pulls positives together has a
    closed form. For `single` it is everything.
    """
    w = rows.weights
    pulled = strength(rows, logs, pull)
    heavy = z * w[:, None]

    def denominators(blocks: Blocks) -> Tensor:
        grad, room = torch.zeros_like(z), _room(z)
        for i, j, tile in _tiles(z, blocks, temperature):
            scratch = room[: tile.numel()].view_as(tile)
            tile.mul_(torch.add(pulled[i, None], pulled[j], out=scratch))
            _add(grad, tile, heavy, i, j)
        return grad

    push = rows.shares / rows.others / w.clamp_min(torch.finfo(w.dtype).tiny)

    def positives(blocks: Blocks) -> Tensor:
        grad = torch.zeros_like(z)
        for i, j in blocks:
            s = _positives(z, i, j, temperature)
            tile = (logs[i, None] - s).sigmoid_().mul_(-push[i, None])
            tile -= (logs[j] - s).sigmoid_().mul_(push[j])
            _add(grad, tile, heavy, i, j)
        return grad

    spans = _denominator(rows, single=single)
    grad = _in_parts(denominators, _blocks(spans, z), z, ranks)
    if single:
        grad += _in_parts(positives, _blocks(_classes(rows), z), z, ranks)
    grad *= w[:, None]
    if rows.hard is not None:
        _add_hard(grad, z, rows, rows.hard, pulled * w, temperature)
    return grad


def strength(rows: Arranged, logs: Tensor, pull: Tensor) -> Tensor:
    """Weigh each anchor in the gradient: b in the module's head."""
    able = (rows.shares > 0) & (pull > 0) & logs.isfinite()
    logs = torch.where(able, logs, 0.0)
    scaled = rows.shares * pull * (-logs).exp()
    return torch.where(able, scaled / torch.where(able, rows.weights, 1.0), 0.0)


# -- which tiles ---------------------------------------------------------------


def _denominator(rows: Arranged, *, single: bool) -> list[Span]:
    """Pairs of the denominators, each once: anchors against all that come later."""
    found: list[Span] = []
    for start, stop, first, last, anchored in spans_of(rows.ranges):
        if single:
            found.append((first, last, last, stop))
        elif first == start:
            found.append((start, anchored, start, stop))
    return found


def _classes(rows: Arranged) -> list[Span]:
    return [
        (first, last, first, last) for _, _, first, last, _ in spans_of(rows.ranges)
    ]


def _opposed(rows: Arranged) -> list[Span]:
    """Anchors against their negatives on both sides of their class."""
    found: list[Span] = []
    for start, stop, first, last, _ in spans_of(rows.ranges):
        found += [(first, last, start, first), (first, last, last, stop)]
    return found


def _blocks(spans: Iterable[Span], z: Tensor) -> Blocks:
    """Rows and columns of each tile."""
    height, width = _shape(z)
    return [
        (slice(i, min(i + height, last)), slice(j, min(j + width, stop)))
        for first, last, start, stop in spans
        for i in range(first, last, height)
        for j in range(i if start == first else start, stop, width)
    ]


def _in_parts(
    work: Callable[[Blocks], Tensor], blocks: Blocks, z: Tensor, ranks: Ranks
) -> Tensor:
    """Share tiles among ranks and threads, whose sums are then added up."""
    return ranks.add_up(_by_threads(work, blocks[ranks.rank :: ranks.count], z))


def _by_threads(work: Callable[[Blocks], Tensor], blocks: Blocks, z: Tensor) -> Tensor:
    """Share tiles among threads, each with sums of its own, which are then added.

    On a CPU that is faster than letting every operation share its own tile: a thread's
    tile stays in its core's cache, and nobody waits at the end of each operation. Who
    does what depends on the number of threads alone, so that a run is repeatable.
    """
    threads = torch.get_num_threads()
    count = min(threads, MOST_WORKERS, len(blocks) // 2)
    if z.device.type != "cpu" or count <= 1:
        return work(blocks)

    def alone(share: Blocks) -> Tensor:
        torch.set_num_threads(threads // count)
        with torch.no_grad():
            return work(share)

    try:
        with ThreadPoolExecutor(count) as pool:
            found = list(pool.map(alone, [blocks[k::count] for k in range(count)]))
    finally:
        torch.set_num_threads(threads)  # new threads take over what was said last
    total = found[0]
    for other in found[1:]:
        total += other
    return total


def _shape(z: Tensor) -> tuple[int, int]:
    return CPU_TILE if z.device.type == "cpu" else GPU_TILE


def _room(z: Tensor) -> Tensor:
    """Memory for a tile, used again and again."""
    height, width = _shape(z)
    return z.new_empty(min(height, len(z)) * min(width, len(z)))


def _below(i: slice, j: slice) -> int:
    """First column of a tile that is no row of it."""
    return min(max(i.stop - j.start, 0), j.stop - j.start) if j.start >= i.start else 0


def _tiles(
    z: Tensor, blocks: Blocks, temperature: float
) -> Iterator[tuple[slice, slice, Tensor]]:
    """exp(s) of each block, without the pair of a row and itself."""
    scaled = z * (LOG2E / temperature)  # exp2 is the faster one
    room = _room(z)
    for i, j in blocks:
        shape = (i.stop - i.start, j.stop - j.start)
        tile = room[: shape[0] * shape[1]].view(shape)
        torch.mm(scaled[i], z[j].T, out=tile).exp2_()
        if i.start <= j.start < i.stop:
            tile.diagonal(i.start - j.start).zero_()
        yield i, j, tile


def _positives(z: Tensor, i: slice, j: slice, temperature: float) -> Tensor:
    """Similarities; a row and itself are infinitely alike, which counts nothing."""
    s = (z[i] @ z[j].T).div_(temperature)
    if i.start <= j.start < i.stop:
        s.diagonal(i.start - j.start).fill_(torch.inf)
    return s


def _add(grad: Tensor, tile: Tensor, heavy: Tensor, i: slice, j: slice) -> None:
    """Let a symmetric tile pull its rows and, where they are others, its columns."""
    grad[i].addmm_(tile, heavy[j])
    below = _below(i, j)
    grad[j][below:].addmm_(tile[:, below:].T, heavy[i])


# -- hard negatives ------------------------------------------------------------


def _mixed(
    z: Tensor, hard: HardNegatives, i: slice, j: slice, temperature: float
) -> tuple[Tensor, Tensor]:
    """exp(z_i . mix / tau) of a block, and the part of z_j in each mix."""
    s, alpha = z[i] @ z[j].T, hard.alpha(i, j).to(z.dtype)
    rest = 1 - alpha
    size = (alpha * alpha + rest * rest + 2 * alpha * rest * s).clamp_min(1e-6).sqrt()
    score = (alpha + rest * s) / size
    return (score / temperature).exp(), rest / size


def _hard_sums(
    z: Tensor, rows: Arranged, hard: HardNegatives, temperature: float, ranks: Ranks
) -> Tensor:
    """Sum of the mixed negatives in each row's denominator, (n,)."""

    def mixes(blocks: Blocks) -> Tensor:
        sums = torch.zeros_like(rows.weights)
        for i, j in blocks:
            mixed, _ = _mixed(z, hard, i, j, temperature)
            sums[i] += mixed @ rows.weights[j]
        return sums

    return _in_parts(mixes, _blocks(_opposed(rows), z), z, ranks)


def _add_hard(
    grad: Tensor,
    z: Tensor,
    rows: Arranged,
    hard: HardNegatives,
    strength: Tensor,
    temperature: float,
) -> None:
    """Add the mixed negatives' part of the gradient."""
    for i, j in _blocks(_opposed(rows), z):
        mixed, other = _mixed(z, hard, i, j, temperature)
        mixed.mul_(strength[i, None]).mul_(rows.weights[j])
        grad[i].addmm_(mixed * other, z[j])
        # the part along z_i itself is left out: scaling to length 1 takes it away
