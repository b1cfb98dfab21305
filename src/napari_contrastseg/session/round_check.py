"""Keep a round that fits the labels worse than the one before from being shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.session.targets import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.session import Session
    from napari_contrastseg.session.volume_record import Proposal, VolumeRecord

#: Dice by which a round must be worse, as a mean over classes.
MARGIN: Final = 0.02


@dataclass(frozen=True)
class WorseRound:
    """A round that fits the labels worse than the one before it.

    Attributes
    ----------
    number, earlier : int
        Of the round, and of the one that stays shown.
    dice, earlier_dice : float
        Of their predictions on slices that are done, mean over classes.
    """

    number: int
    earlier: int
    dice: float
    earlier_dice: float

    def __str__(self) -> str:
        dices = f"Dice {self.dice:.2f} after {self.earlier_dice:.2f}"
        return (
            f"Round {self.number} fits the slices that are done worse than round "
            f"{self.earlier} did ({dices}), so round {self.earlier} stays shown; "
            f"choose round {self.number} in step Review to see it, or give the next "
            "round more time."
        )


def add_unless_worse(session: Session, finished: Round) -> WorseRound | None:
    """Take up a finished round; show the one before it where that is better.

    On slices that are done a network's own answer is kept. The new one has learned from
    more of them than the one before; if it still fits them worse, it is worse. Bringing
    back the one before is a step of the undo history.
    """
    before = session.rounds.current
    session.add_round(finished)
    if before is None:
        return None
    known = [c.id for c in before.model.card.classes]
    old, new = (
        fit(session.records, one, known, both=(before.proposals, finished.proposals))
        for one in (before.proposals, finished.proposals)
    )
    if old is None or new is None or new >= old - MARGIN:
        return None
    session.bring_back(before.info.number)
    return WorseRound(finished.info.number, before.info.number, new, old)


def fit(
    records: Mapping[str, VolumeRecord],
    proposals: Mapping[str, Proposal],
    classes: list[int],
    *,
    both: tuple[Mapping[str, Proposal], ...] = (),
) -> float | None:
    """Mean Dice over classes on slices that are done; None where there is nothing.

    Only volumes that `both` rounds predicted count.
    """
    right, sizes = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for name, record in records.items():
        if not all(name in found for found in (proposals, *both)):
            continue
        prediction = proposals[name].prediction
        for key in record.blocks(np.flatnonzero(record.status == Status.DONE)):
            guess, ink = prediction[key], record.ink[key]
            ink = np.where(ink == BACKGROUND, 0, ink)
            for values in (guess, ink):
                sizes += np.bincount(values.reshape(-1), minlength=256)
            right += np.bincount(guess[guess == ink], minlength=256)
    dices = [2 * right[k] / sizes[k] for k in classes if sizes[k]]
    return float(np.mean(dices)) if dices else None
