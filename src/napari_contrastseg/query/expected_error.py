"""Expected error: slices where many voxels are likely to be wrong, spread evenly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_contrastseg.query.removed_error import by_removed_error
from napari_contrastseg.query.spread import spread
from napari_contrastseg.query.strategy import Strategy, Suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_contrastseg.query.strategy import Pool


def query(pool: Pool) -> list[Suggestion]:
    """Rank by the wrong voxels to expect.

    Within one volume by how many go when a slice is settled, its neighbours' among
    them. In several by those of the slice times the square of the gap around it. Where
    nothing is in doubt, slices come from every volume, evenly spaced; doubt bends that.
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
        for name, index, worth in _ranked(pool, wrong)
    ]


def _ranked(
    pool: Pool, wrong: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[str, int, float]]:
    if len(pool.volumes) > 1 or not all(v.related for v in pool.volumes.values()):
        yield from spread(pool, wrong)
        return
    for name, errors in wrong.items():
        for index, worth in by_removed_error(pool.volumes[name], errors, pool.most):
            yield name, index, worth


STRATEGY = Strategy(
    name="expected_error",
    title="expected error",
    summary="Prefers slices where many voxels are likely to be wrong, spread evenly.",
    query=query,
    needs_scores=True,
    aliases=("queue",),
)
