"""What proposals show, voxel by voxel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.slice_axis import SliceAxis
from napari_contrastseg.session.targets import Status, pseudo_labels
from tests.kit.sessions import NAME, add_round

if TYPE_CHECKING:
    from napari_contrastseg.session.session import Session


@pytest.mark.parametrize("axis", [0, 2])
def test_what_proposals_show_is_that_of_the_definition(
    session: Session, axis: int
) -> None:
    """Voxel by voxel, at every threshold; the whole volume and slice by slice."""
    session.set_slices(SliceAxis("file", axis))
    record = session.records[NAME]
    rng = np.random.default_rng(0)
    add_round(session, rng.integers(0, 4, record.volume.shape))  # 3 is not a class
    proposal = record.proposal
    assert proposal is not None
    proposal.confidence[:] = rng.random(record.volume.shape)
    proposal.confidence[0, 0, :2] = 0, 1
    record.ink[:] = rng.choice([0, 0, 0, 1, 255], record.volume.shape)
    record.rejected[:] = rng.choice([0, 0, 1, 7], record.volume.shape)
    record.status[3] = Status.DONE
    done = np.zeros(record.volume.shape, bool)
    done[record.window(3)] = True
    for thresholds in ({0: 0.0, 1: 0.9, 2: 0.5}, {0: 1.0, 1: 0.0, 2: 0.25}):
        guess = np.where(proposal.prediction > 2, 0, proposal.prediction)
        sure = pseudo_labels(guess, proposal.confidence, thresholds)
        pseudo = np.where(sure == 0, 255, np.maximum(sure, 0))
        pseudo[record.rejected > 0] = 0
        full = np.where(record.rejected == 1, 0, guess)
        human = (record.ink > 0) | done
        pseudo = np.where(human, record.ink, pseudo)
        full = np.where(human, np.where(record.ink == 255, 0, record.ink), full)
        for slices in (None, range(len(record.status))):
            record.refresh(thresholds, slices)
            assert np.array_equal(record.pseudo, pseudo)
            assert np.array_equal(record.prediction, full)
            record.pseudo[:], record.prediction[:] = 9, 9
