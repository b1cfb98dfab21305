"""Triton kernels of the fused contrastive loss; importing this needs Triton.

All read rows that are padded, so that no load needs a mask: `scaled` (n, DIM), rows
times log2(e) / tau, and `z` (n, DIM); n is a multiple of every tile. Ranges are those
of `pairs.Arranged`, empty where nothing is wanted.
"""

# mypy: ignore-errors
# Triton reads these functions as its own language: names and calls are the compiler's.
# ruff: noqa: ANN001, ANN202, N803, PLR0913, PLR0917, PLR2004

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import triton
import triton.language as tl

if TYPE_CHECKING:
    Shape = tuple[int, int, int, int]


LOG2E = tl.constexpr(math.log2(math.e))
LN2 = tl.constexpr(math.log(2))
FAR = tl.constexpr(2**30)


@triton.jit
def _parts(start, stop, top, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Split the columns of a tile of rows: edge, solid, diagonal, solid, edge.

    In solid parts every row that wants anything meets every column. Rows that want
    nothing have empty ranges; what they collect there is not used.
    """
    wanted = stop > start
    low = tl.min(tl.where(wanted, start, FAR), 0) // WIDTH * WIDTH
    high = tl.max(stop, 0)
    inner = (tl.max(tl.where(wanted, start, 0), 0) + WIDTH - 1) // WIDTH * WIDTH
    outer = tl.min(tl.where(wanted, stop, FAR), 0) // WIDTH * WIDTH
    near = tl.minimum(tl.maximum(top // WIDTH * WIDTH, low), tl.maximum(outer, low))
    past = tl.minimum((top + HEIGHT + WIDTH - 1) // WIDTH * WIDTH, high)
    a = tl.minimum(tl.maximum(inner, low), near)
    c = tl.maximum(tl.minimum(outer, high), past)
    return low, a, near, past, c, high


@triton.jit
def _sum_tiles(
    acc, rows, z, weights, i, start, stop, first, last, begin, end,
    MASKED: tl.constexpr, SINGLE: tl.constexpr, PRODUCT: tl.constexpr,
    WIDTH: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """Add w_j exp(s_ij) over the columns [begin, end)."""
    k = tl.arange(0, DIM)
    for j0 in range(begin, end, WIDTH):
        j = j0 + tl.arange(0, WIDTH)
        columns = tl.load(z + j[:, None] * DIM + k[None, :])
        s = tl.dot(rows, tl.trans(columns), input_precision=PRODUCT)
        e = tl.exp2(s) * tl.load(weights + j)[None, :]
        if MASKED:
            meets = (j[None, :] >= start[:, None]) & (j[None, :] < stop[:, None])
            meets = meets & (i[:, None] != j[None, :])
            if SINGLE:
                same = (j[None, :] >= first[:, None]) & (j[None, :] < last[:, None])
                meets = meets & (same == 0)
            e = tl.where(meets, e, 0.0)
        acc += tl.sum(e, 1)
    return acc


@triton.jit
def _row_sums(
    scaled, z, weights, starts, stops, firsts, lasts, sums,
    SINGLE: tl.constexpr, PRODUCT: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    top = tl.program_id(0) * HEIGHT
    i = top + tl.arange(0, HEIGHT)
    start, stop = tl.load(starts + i), tl.load(stops + i)
    first, last = tl.load(firsts + i), tl.load(lasts + i)
    low, a, near, past, c, high = _parts(start, stop, top, HEIGHT, WIDTH)
    rows = tl.load(scaled + i[:, None] * DIM + tl.arange(0, DIM)[None, :])
    acc = tl.zeros([HEIGHT], tl.float32)
    if SINGLE:
        acc = _sum_tiles(
            acc, rows, z, weights, i, start, stop, first, last, low, high,
            True, SINGLE, PRODUCT, WIDTH, DIM,
        )  # fmt: skip
    else:
        for part in tl.static_range(5):
            begin = (low, a, near, past, c)
            end = (a, near, past, c, high)
            acc = _sum_tiles(
                acc, rows, z, weights, i, start, stop, first, last, begin[part],
                end[part], part % 2 == 0, SINGLE, PRODUCT, WIDTH, DIM,
            )  # fmt: skip
    tl.store(sums + i, acc)


@triton.jit
def _positives(
    scaled, z, weights, logs, starts, stops, firsts, lasts, excess, pull,
    PRODUCT: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * HEIGHT + tl.arange(0, HEIGHT)
    k = tl.arange(0, DIM)
    wanted = tl.load(stops + i) > tl.load(starts + i)
    first, last = tl.load(firsts + i), tl.load(lasts + i)
    low = tl.min(tl.where(wanted, first, 2147483647 - WIDTH), 0) // WIDTH * WIDTH
    high = tl.max(tl.where(wanted, last, 0), 0)
    rows = tl.load(scaled + i[:, None] * DIM + k[None, :])
    log = tl.load(logs + i) * LOG2E
    over = tl.zeros([HEIGHT], tl.float32)
    pulled = tl.zeros([HEIGHT], tl.float32)
    for j0 in range(low, high, WIDTH):
        j = j0 + tl.arange(0, WIDTH)
        columns = tl.load(z + j[:, None] * DIM + k[None, :])
        x = log[:, None] - tl.dot(rows, tl.trans(columns), input_precision=PRODUCT)
        w = tl.load(weights + j)[None, :]
        same = (j[None, :] >= first[:, None]) & (j[None, :] < last[:, None])
        same = same & (i[:, None] != j[None, :])
        softplus = (tl.maximum(x, 0.0) + tl.log2(1 + tl.exp2(-tl.abs(x)))) * LN2
        over += tl.sum(tl.where(same, softplus * w, 0.0), 1)
        pulled += tl.sum(tl.where(same, w / (1 + tl.exp2(-x)), 0.0), 1)
    tl.store(excess + i, over)
    tl.store(pull + i, pulled)


@triton.jit
def _pull_tiles(
    acc, rows, z, weights, b, bw, logs, push, i, mine, own, log, start, reach,
    first, last, begin, end,
    MASKED: tl.constexpr, SINGLE: tl.constexpr, PRODUCT: tl.constexpr,
    WIDTH: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """Add what the columns [begin, end) pull at the rows."""
    k = tl.arange(0, DIM)
    for j0 in range(begin, end, WIDTH):
        j = j0 + tl.arange(0, WIDTH)
        columns = tl.load(z + j[:, None] * DIM + k[None, :])
        s = tl.dot(rows, tl.trans(columns), input_precision=PRODUCT)
        w = tl.load(weights + j)[None, :]
        h = tl.exp2(s) * (mine[:, None] * w + tl.load(bw + j)[None, :])
        if MASKED:
            if SINGLE:
                there = tl.load(logs + j)[None, :] * LOG2E
                toward = own[:, None] / (1 + tl.exp2(s - log[:, None]))
                toward += tl.load(push + j)[None, :] / (1 + tl.exp2(s - there))
                same = (j[None, :] >= first[:, None]) & (j[None, :] < last[:, None])
                h = tl.where(same, -toward * w, h)
            meets = (j[None, :] >= start[:, None]) & (j[None, :] < reach[:, None])
            h = tl.where(meets & (i[:, None] != j[None, :]), h, 0.0)
        acc = tl.dot(h.to(columns.dtype), columns, acc, input_precision=PRODUCT)
    return acc


@triton.jit
def _gradient(
    scaled, z, weights, b, bw, logs, push, starts, reaches, firsts, lasts, grad,
    SINGLE: tl.constexpr, PRODUCT: tl.constexpr,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    top = tl.program_id(0) * HEIGHT
    i = top + tl.arange(0, HEIGHT)
    k = tl.arange(0, DIM)
    start, reach = tl.load(starts + i), tl.load(reaches + i)
    first, last = tl.load(firsts + i), tl.load(lasts + i)
    mine, own = tl.load(b + i), tl.load(push + i)
    log = tl.load(logs + i) * LOG2E
    low, a, near, past, c, high = _parts(start, reach, top, HEIGHT, WIDTH)
    rows = tl.load(scaled + i[:, None] * DIM + k[None, :])
    acc = tl.zeros([HEIGHT, DIM], tl.float32)
    if SINGLE:
        acc = _pull_tiles(
            acc, rows, z, weights, b, bw, logs, push, i, mine, own, log, start, reach,
            first, last, low, high, True, SINGLE, PRODUCT, WIDTH, DIM,
        )  # fmt: skip
    else:
        for part in tl.static_range(5):
            begin = (low, a, near, past, c)
            end = (a, near, past, c, high)
            acc = _pull_tiles(
                acc, rows, z, weights, b, bw, logs, push, i, mine, own, log, start,
                reach, first, last, begin[part], end[part], part % 2 == 0, SINGLE,
                PRODUCT, WIDTH, DIM,
            )  # fmt: skip
    out = grad + i[:, None] * DIM + k[None, :]
    tl.store(out, acc * tl.load(weights + i)[:, None])


@dataclass(frozen=True)
class Kernel:
    """A kernel and the shapes of its tiles.

    Attributes
    ----------
    half, full : Shape
        For bfloat16 and float32 rows where a block may use `ROOMY` bytes.
    small_half, small_full : Shape
        Elsewhere; these fit into 99 KB.
    """

    jit: Any
    half: Shape = (128, 64, 8, 3)
    full: Shape = (128, 32, 8, 2)
    small_half: Shape = (128, 64, 8, 2)
    small_full: Shape = (32, 32, 4, 2)

    def shape(self, *, half: bool, roomy: bool) -> Shape:
        """Height, width, warps, pipeline stages."""
        if roomy:
            return self.half if half else self.full
        return self.small_half if half else self.small_full

    def __call__(
        self, count: int, *arguments: Any, roomy: bool, **constants: Any
    ) -> None:
        """Run one program for each tile of `count` rows."""
        half = arguments[0].element_size() < 4
        height, width, warps, stages = self.shape(half=half, roomy=roomy)
        self.jit[(count // height,)](
            *arguments,
            **constants,
            HEIGHT=height,
            WIDTH=width,
            num_warps=warps,
            num_stages=stages,
        )


#: Shared memory that the larger tiles want: Hopper and after, in data centres.
ROOMY = 200 * 2**10

# Chosen by the compiler's report for sm_90 and sm_86; not yet tuned on a device.
row_sums = Kernel(_row_sums, half=(128, 128, 8, 3))
positives = Kernel(_positives)
gradient_all = Kernel(_gradient, half=(128, 128, 8, 3))
gradient_single = Kernel(_gradient)
