"""Contrast with a memory: InfoNCE against a queue, pixels against a bank of classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_contrastseg.learning.losses.contrast import unit


def info_nce(query: Tensor, key: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Contrast each query with its key and a queue of older keys (He et al. 2020).

    ::

        L = -1/n sum over i of log( exp(q_i k_i / tau)
                / ( exp(q_i k_i / tau) + sum over m of exp(q_i m / tau) ) )

    Parameters
    ----------
    query, key : (n, d) float
    queue : (k, d) float

    Examples
    --------
    >>> one = torch.tensor([[1.0, 0.0]])
    >>> other = torch.tensor([[0.0, 1.0]])
    >>> round(info_nce(one, one, other, 1.0).item(), 4)  # ln(1 + 1/e)
    0.3133
    """
    q, k, old = unit(query), unit(key), unit(queue)
    own = (q * k).sum(dim=1, keepdim=True)
    scores = torch.cat([own, q @ old.T], dim=1) / temperature
    return (scores.logsumexp(dim=1) - scores[:, 0]).mean()


def bank_contrast(
    anchors: Tensor,
    labels: Tensor,
    bank: Tensor,
    bank_labels: Tensor,
    *,
    temperature: float,
    part: float = 1.0,
    most_positives: int | None = None,
    most_negatives: int | None = None,
) -> Tensor:
    """Contrast pixels with remembered ones by class (Wang et al. 2021).

    Of each anchor, with s = z_i z_j / tau, the remembered P_i of its class and N_i of
    others::

        1/|P_i| sum over p in P_i of -log( exp(s_ip)
                / ( exp(s_ip) + sum over n in N_i of exp(s_in) ) )

    Parameters
    ----------
    anchors : (a, d) float
    labels : (a,) int
    bank : (b, d) float
    bank_labels : (b,) int
    part : float
        Only the least similar positives and the most similar negatives take part, this
        part of them.
    most_positives, most_negatives : int, optional
        So many of these, drawn at random.

    Returns
    -------
    scalar Tensor
        Mean over the anchors that have both; zero, connected to the graph, without.
    """
    z, old = unit(anchors), unit(bank)
    scores = z @ old.T / temperature
    same = labels[:, None] == bank_labels[None]
    positives = semi_hard(-scores, same, part, most_positives)
    negatives = semi_hard(scores, ~same, part, most_negatives)
    rows = (positives.any(dim=1) & negatives.any(dim=1)).nonzero().squeeze(1)
    if not len(rows):
        return scores.sum() * 0.0
    scores, positives, negatives = scores[rows], positives[rows], negatives[rows]
    below = scores.masked_fill(~negatives, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = torch.logaddexp(scores, below) - scores
    return ((losses * positives).sum(dim=1) / positives.sum(dim=1)).mean()


@torch.no_grad()
def semi_hard(scores: Tensor, mask: Tensor, part: float, most: int | None) -> Tensor:
    """Keep, of each row, the highest `part` of the scores in a mask, `most` at random.

    All (rows, columns); at least one of a row that has any.
    """
    kept = mask
    if part < 1:
        count = (mask.sum(dim=1, keepdim=True) * part).ceil().clamp_min(1)
        kept = mask & (_ranks(scores.masked_fill(~mask, -torch.inf)) < count)
    if most is not None:
        chance = torch.rand_like(scores).masked_fill(~kept, -1.0)
        kept = kept & (_ranks(chance) < most)
    return kept


def _ranks(scores: Tensor) -> Tensor:
    """Place of each score within its row, the highest first."""
    return scores.argsort(dim=1, descending=True).argsort(dim=1)


class Queue(nn.Module):
    """The latest vectors, in a ring; it begins with random ones (He et al. 2020).

    Parameters
    ----------
    size, dim : int
    """

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.rows: Tensor
        self.place: Tensor
        self.register_buffer("rows", unit(torch.randn(size, dim)))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def add(self, vectors: Tensor) -> None:
        """Put vectors (n, dim) in place of the oldest."""
        size = len(self.rows)
        new = vectors[-size:].to(self.rows.dtype)
        where = (self.place + torch.arange(len(new), device=new.device)) % size
        self.rows[where] = new
        self.place.copy_((self.place + len(new)) % size)


class ClassBank(nn.Module):
    """The latest vectors of every class, each in a ring of its own.

    Parameters
    ----------
    classes, size, dim : int
    """

    def __init__(self, classes: int, size: int, dim: int) -> None:
        super().__init__()
        self.rows: Tensor
        self.count: Tensor
        self.register_buffer("rows", torch.zeros(classes, size, dim))
        self.register_buffer("count", torch.zeros(classes, dtype=torch.int64))

    @torch.no_grad()
    def add(self, kind: int, vectors: Tensor) -> None:
        """Put vectors (n, dim) of a class in place of its oldest."""
        size = self.rows.shape[1]
        new = vectors[-size:].to(self.rows.dtype)
        where = (self.count[kind] + torch.arange(len(new), device=new.device)) % size
        self.rows[kind, where] = new
        self.count[kind] += len(new)

    def content(self) -> tuple[Tensor, Tensor]:
        """Return all vectors that there are, (n, dim), and their classes, (n,)."""
        classes, size, _ = self.rows.shape
        place = torch.arange(size, device=self.rows.device)
        filled = place[None] < self.count[:, None]
        kinds = torch.arange(classes, device=self.rows.device)[:, None]
        return self.rows[filled], kinds.expand(classes, size)[filled]
