"""A network's pass over a slice of any size, one map after the other.

What a norm sees of the whole slice is known once the map before it is there for the
whole slice. So every convolution is worked out for all of it, strip by strip, and kept
as it is (in memory within the bound, else on the disk: `io.scratch`); whoever reads the
map normalises it by the statistics that were gathered meanwhile. No pixel is worked out
twice, but for a row beside each strip.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.learning.networks.slice_statistics import FixedNorm

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_contrastseg.learning.networks.unet import UNet

    #: Gives the rows from one to another of a map, (1, channels, rows, columns).
    Rows = Callable[[int, int], Tensor]

#: Pixels of a strip, and its rows at least.
STRIP_PIXELS: Final = 2**16
FEWEST_ROWS: Final = 16


def goes_map_by_map(network: UNet) -> bool:
    """Whether a network is made of the layers that are known here."""
    spec = network.spec
    return spec.encoder == "plain" and not spec.attention and network.peer is None


def kept_bytes(network: UNet, pixels: int) -> int:
    """Bytes of the maps of a slice that are kept at once, at most."""
    finest, next_ = network.spec.widths[:2]
    return 4 * pixels * (3 * finest + next_)


def work_of(network: UNet, rows: int, columns: int) -> int:
    """Pixels of all maps, as `logits` counts them."""
    levels = len(network.spec.widths)
    each = [2 * (rows >> level) * (columns >> level) for level in range(levels)]
    return 2 * sum(each) - each[-1] + rows * columns


def logits(
    network: UNet, image: Rows, rows: int, columns: int
) -> Iterator[tuple[int, int, Tensor | None]]:
    """Let a slice through; its sides are multiples of the network's divisor.

    Parameters
    ----------
    network : UNet
        At rest, its norms replaced (`slice_statistics.TileNetwork`).
    image : callable
        Gives rows of the slice.

    Yields
    ------
    A row, the pixels that were worked out, and the logits, (1, classes, n, columns), of
    the rows from that one on; None while these are not known yet.
    """
    source, skips = image, []
    for level, block in enumerate(network.encoder):
        if level:
            skips.append((source, rows, columns))
            source = _halved(source)
            rows, columns = rows // 2, columns // 2
        source = yield from _block(block, source, rows, columns)
    doubled: Any
    for doubled in network.decoder:
        skip, rows, columns = skips.pop()
        source = _joined(doubled.up, source, skip)
        source = yield from _block(doubled.block, source, rows, columns)
    for top, bottom in _strips(rows, columns):
        pixels = (bottom - top) * columns
        yield top, pixels, network.classifier(source(top, bottom))


def _block(
    block: Any, source: Rows, rows: int, columns: int
) -> Generator[tuple[int, int, None], None, Rows]:
    """Let a map through both halves of a `ConvBlock`."""
    conv, norm, rectify, _, *second = block
    source = yield from _layer(conv, norm, rectify, source, rows, columns)
    conv, norm, rectify = second
    found = yield from _layer(conv, norm, rectify, source, rows, columns)
    return found


def _layer(
    conv: nn.Conv2d,
    norm: nn.Module,
    rectify: nn.Module,
    source: Rows,
    rows: int,
    columns: int,
) -> Generator[tuple[int, int, None], None, Rows]:
    """Convolve a map; gives what reads it, normalised and rectified."""
    kept = zeros((conv.out_channels, rows, columns), np.float32)
    if isinstance(norm, FixedNorm):
        norm.forget()
    for top, bottom in _strips(rows, columns):
        above, below = max(top - 1, 0), min(bottom + 1, rows)
        beside = (1, 1, above - top + 1, bottom + 1 - below)
        strip = functional.pad(source(above, below), beside)
        found = functional.conv2d(strip, conv.weight, conv.bias)
        if isinstance(norm, FixedNorm):
            norm.count(found)
        kept[:, top:bottom] = found[0].numpy()
        yield top, (bottom - top) * columns, None

    def read(top: int, bottom: int) -> Tensor:
        raw = torch.from_numpy(kept[:, top:bottom].copy())[None]
        rectified: Tensor = rectify(norm(raw))
        return rectified

    return read


def _halved(source: Rows) -> Rows:
    def read(top: int, bottom: int) -> Tensor:
        return functional.max_pool2d(source(2 * top, 2 * bottom), 2)

    return read


def _joined(up: Any, deep: Rows, skip: Rows) -> Rows:
    """Read a map at twice its resolution beside the one that skipped it."""

    def read(top: int, bottom: int) -> Tensor:
        first = top // 2
        both = up(deep(first, (bottom + 1) // 2))
        wanted = both[..., top - 2 * first : bottom - 2 * first, :]
        return torch.cat([wanted, skip(top, bottom)], dim=1)

    return read


def _strips(rows: int, columns: int) -> list[tuple[int, int]]:
    """Part rows into strips of about equal height."""
    height = max(FEWEST_ROWS, STRIP_PIXELS // columns)
    ends = np.linspace(0, rows, -(-rows // height) + 1).astype(int).tolist()
    return list(pairwise(ends))
