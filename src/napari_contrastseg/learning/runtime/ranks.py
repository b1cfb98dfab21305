"""Ranks: processes that share every step of a training run, one device each.

Every rank draws the same batch. A network works through a part of the slices on each;
their maps are then put together, so that all ranks compute the losses of the whole
batch from the same numbers, and the ranks' gradients are averaged. Every exchange is a
sum over the ranks, so that parts may differ in size.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, distributed, nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class RankLostError(RuntimeError):
    """Another rank of the run does not answer any more."""


@dataclass(frozen=True)
class Ranks:
    """Which of the ranks this process is, and how many there are.

    Attributes
    ----------
    rank : int
        0 leads: it keeps the time, reports and writes checkpoints.
    count : int
    """

    rank: int = 0
    count: int = 1

    def rows(self, n: int) -> slice:
        """Rows of n that this rank works through; the first ranks have one more."""
        each, more = divmod(n, self.count)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def share(self, n: int) -> Share | None:
        """Part of a batch of n; None where it isn't shared: alone, or too small."""
        return Share(self, n) if 1 < self.count <= n else None

    def add_up(self, tensor: Tensor) -> Tensor:
        """Add up a dense tensor over the ranks, in place.

        Raises
        ------
        RankLostError
        """
        if self.count > 1:
            with _answered():
                distributed.all_reduce(tensor)
        return tensor

    def meet(self) -> None:
        """Wait until every rank is here."""
        self.add_up(torch.zeros(1))

    def agreed(self, value: float) -> float:
        """Give the number of rank 0 to every rank.

        Raises
        ------
        RankLostError
        """
        if self.count == 1:
            return value
        given = torch.tensor([value], dtype=torch.float64)
        with _answered():
            distributed.broadcast(given, 0)
        return given.item()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Put the mean of the ranks' gradients in the place of each one's own."""
        if self.count == 1:
            return
        found = [p.grad for p in parameters if p.grad is not None]
        for kind in {grad.dtype for grad in found}:
            grads = [grad for grad in found if grad.dtype == kind]
            mean = self.add_up(torch.cat([grad.reshape(-1) for grad in grads]))
            mean /= self.count
            parts = mean.split([grad.numel() for grad in grads])
            for grad, part in zip(grads, parts, strict=True):
                grad.copy_(part.view(grad.shape))


#: One process with one device.
ALONE: Final = Ranks()


@dataclass(frozen=True)
class Share:
    """A rank's part of a batch of n slices."""

    ranks: Ranks
    n: int

    @property
    def rows(self) -> slice:
        """Which slices these are."""
        return self.ranks.rows(self.n)

    def whole(self, own: Tensor) -> Tensor:
        """Put the parts of all ranks together, (own, ...) to (n, ...), with gradient.

        Every rank computes the same loss from it, of which each has the whole gradient;
        as gradients are averaged over the ranks, that of its own part counts for all.
        """
        apply: Any = _Whole.apply
        joined: Tensor = apply(own, self)
        return joined


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, share: Share) -> Tensor:
        ctx.share = share
        last = own.ndim > 1 and own.is_contiguous(memory_format=torch.channels_last)
        inner = own.movedim(1, -1) if last else own
        joined = inner.new_zeros(share.n, *inner.shape[1:])
        joined[share.rows] = inner
        share.ranks.add_up(joined)
        return joined.movedim(-1, 1) if last else joined

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        share: Share = ctx.share
        return grad[share.rows] * share.ranks.count, None


@contextmanager
def _answered() -> Iterator[None]:
    """Say what an error in an exchange means: the library has no type for it."""
    try:
        yield
    except RuntimeError as error:
        raise RankLostError(str(error)) from error
