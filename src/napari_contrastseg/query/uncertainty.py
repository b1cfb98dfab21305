"""Uncertainty sampling: slices whose voxels are least confident on average."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.query.strategy import Strategy, Suggestion

if TYPE_CHECKING:
    from napari_contrastseg.query.strategy import Pool


def query(pool: Pool) -> list[Suggestion]:
    """Rank by the mean of 1 - confidence (least confidence, Lewis and Gale 1994).

    Neighbouring slices are alike, so the first of the list often are neighbours.
    """
    found = []
    for name, (volume, scores) in pool.scored.items():
        doubt, dice = scores.mean_doubt(pool.right), scores.dice(pool.right)
        found += [
            Suggestion(
                name,
                int(index),
                float(doubt[index]),
                scores.most_doubted(int(index)),
                "unsure" if doubt[index] else "sure",
                float(dice[index]),
            )
            for index in volume.open
        ]
    return sorted(found, key=lambda s: -s.score)[: pool.most]


STRATEGY = Strategy(
    name="uncertainty",
    title="uncertainty",
    summary="Prefers slices whose voxels are least confident on average.",
    query=query,
    needs_scores=True,
)
