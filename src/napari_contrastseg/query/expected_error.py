"""Expected error: slices where many voxels are likely to be wrong, spread evenly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.query.spread import spread
from napari_contrastseg.query.strategy import Strategy, Suggestion

if TYPE_CHECKING:
    from napari_contrastseg.query.strategy import Pool


def query(pool: Pool) -> list[Suggestion]:
    """Rank by the wrong voxels to expect times the square of the gap around a slice.

    Where nothing is in doubt, slices come from every volume, evenly spaced; doubt
    bends that.
    """
    wrong = {name: s.wrong(pool.right) for name, (_, s) in pool.scored.items()}
    dice = {name: s.dice(pool.right) for name, (_, s) in pool.scored.items()}
    return [
        Suggestion(
            name,
            index,
            worth,
            pool.scored[name][1].most_doubted(index),
            "unsure" if wrong[name][index] else "sure",
            float(dice[name][index]),
        )
        for name, index, worth in spread(pool, wrong)
    ]


STRATEGY = Strategy(
    name="expected_error",
    title="expected error",
    summary="Prefers slices where many voxels are likely to be wrong, spread evenly.",
    query=query,
    needs_scores=True,
    aliases=("queue",),
)
