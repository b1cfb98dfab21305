"""Contrastive loss by label, exact, as Triton kernels for CUDA.

The arithmetic of `streaming`, fused: similarities never leave the chip. One program
takes a tile of rows over all their columns, so that nothing is added atomically and a
run is repeatable. Tiles whose rows all meet all columns need no masks; columns that no
row of a tile needs are not visited: rows without anchors meet anchored classes alone.
Sums are float32 whatever the precision of the products.
"""

from __future__ import annotations

import logging
import math
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from napari_contrastseg.learning.losses.pairs import Arranged, SameLabel, arrange
from napari_contrastseg.learning.losses.streaming import strength
from napari_contrastseg.learning.runtime.ranks import ALONE, Ranks

#: Tiles are at most this high and wide; rows are padded to a multiple of it.
PADDED = 128
MOST_DIMENSIONS = 128
#: How Triton multiplies: three tf32 products carry the digits of float32.
PRODUCTS = {"float32": "tf32x3", "tf32": "tf32", "bf16": "ieee"}


#: Tensor cores with tf32 and bfloat16 came with this.
CAPABILITY = (8, 0)
HAS_TRITON = find_spec("triton") is not None
_works: dict[str, bool] = {}


def can(z: Tensor, rows: Arranged) -> bool:
    """Whether the kernels can do it: float32 on CUDA, without hard negatives."""
    fits = z.dtype == torch.float32 and z.shape[1] <= MOST_DIMENSIONS
    return fits and rows.hard is None and z.is_cuda and _works_on(z.device)


def _works_on(device: torch.device) -> bool:
    """Whether kernels can be compiled for and run on a device; tried once."""
    name = str(device)
    if name not in _works:
        _works[name] = False
        able = HAS_TRITON and torch.version.cuda is not None
        if able and torch.cuda.get_device_capability(device) >= CAPABILITY:
            _works[name] = _tried(device)
    return _works[name]


def _tried(device: torch.device) -> bool:
    z = torch.eye(16, device=device)
    rows = arrange(
        SameLabel(torch.zeros(16, dtype=torch.int64, device=device)), z.dtype
    )
    try:
        row_sums(z, rows, 1.0, "bf16", single=False)
    except Exception:
        # Triton compiles when it runs: without a C compiler, say, it cannot
        logging.getLogger(__name__).warning(
            "Triton's kernels do not run", exc_info=True
        )
        return False
    return True


def row_sums(
    z: Tensor,
    rows: Arranged,
    temperature: float,
    precision: str,
    *,
    single: bool,
    ranks: Ranks = ALONE,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `streaming.row_sums`; what is not an anchor gets 0, 0 and 1."""
    from napari_contrastseg.learning.losses import kernels  # noqa: PLC0415  Triton

    given = _Operands(z, rows, temperature, precision)
    able = given.pad(rows.shares) > 0
    start, stop, first, last, _ = given.ranges
    wanted = able & given.rows_of(ranks)
    ranges = [torch.where(wanted, r, 0) for r in (start, stop, first, last)]
    sums = torch.zeros_like(given.weights)
    given.launch(
        kernels.row_sums, *given.rows, given.weights, *ranges, sums, SINGLE=single
    )
    logs = torch.where(able, ranks.add_up(sums).log(), 0.0)
    excess, pull = torch.zeros_like(sums), torch.ones_like(sums)
    if single:
        given.launch(
            kernels.positives, *given.rows, given.weights, logs, *ranges, excess, pull
        )
        ranks.add_up(excess)
        ranks.add_up(pull).div_(given.pad(rows.others, 1.0))
    n = len(z)
    return logs[:n], excess[:n], pull[:n]


def gradient(
    z: Tensor,
    rows: Arranged,
    logs: Tensor,
    pull: Tensor,
    temperature: float,
    precision: str,
    *,
    single: bool,
    ranks: Ranks = ALONE,
) -> Tensor:
    """See `streaming.gradient`."""
    from napari_contrastseg.learning.losses import kernels  # noqa: PLC0415  Triton

    given = _Operands(z, rows, temperature, precision)
    start, stop, first, last, ends = given.ranges
    reach = torch.where(last <= ends, stop, ends)  # without anchors: to anchors alone
    mine = given.rows_of(ranks)
    start, reach = torch.where(mine, start, 0), torch.where(mine, reach, 0)
    b = given.pad(strength(rows, logs, pull))
    push = given.pad(rows.shares / rows.others) / given.weights.clamp_min(1e-30)
    grad = torch.zeros_like(given.rows[1], dtype=torch.float32)
    given.launch(
        kernels.gradient_single if single else kernels.gradient_all,
        *given.rows,
        given.weights,
        b,
        b * given.weights,
        given.pad(logs),
        push,
        start,
        reach,
        first,
        last,
        grad,
        SINGLE=single,
    )
    return ranks.add_up(grad[: len(z), : z.shape[1]].contiguous())


class _Operands:
    """Padded copies of what the kernels read, so that no load needs a mask."""

    def __init__(
        self, z: Tensor, rows: Arranged, temperature: float, precision: str
    ) -> None:
        from napari_contrastseg.learning.losses import kernels  # noqa: PLC0415

        n, d = z.shape
        self.more = -n % PADDED
        self.wide = max(16, 2 ** math.ceil(math.log2(d)))
        self.precision = precision
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        scaled = z * (math.log2(math.e) / temperature)
        self.rows = [
            functional.pad(x, (0, self.wide - d, 0, self.more)).to(kind)
            for x in (scaled, z)
        ]
        self.roomy = z.is_cuda and _shared_memory(z.device) >= kernels.ROOMY
        self.weights = self.pad(rows.weights)
        self.ranges = [self.pad(line) for line in rows.ranges]

    def pad(self, values: Tensor, value: float = 0.0) -> Tensor:
        """Continue a vector to the padded number of rows."""
        return functional.pad(values, (0, self.more), value=value).contiguous()

    def rows_of(self, ranks: Ranks) -> Tensor:
        """Whether a rank works a row out, (padded n,) bool: tiles are dealt in turn."""
        tiles = torch.arange(len(self.weights), device=self.weights.device) // PADDED
        return tiles % ranks.count == ranks.rank

    def launch(self, kernel: Any, *arguments: Tensor, **constants: Any) -> None:
        """Run one program for each tile of rows."""
        given = {"PRODUCT": PRODUCTS[self.precision], "DIM": self.wide, **constants}
        with torch.cuda.device_of(self.weights):
            kernel(len(self.weights), *arguments, roomy=self.roomy, **given)


def _shared_memory(device: torch.device) -> int:
    """Bytes that one block may use."""
    about: Any = torch.cuda.get_device_properties(device)
    return int(about.shared_memory_per_block_optin)
