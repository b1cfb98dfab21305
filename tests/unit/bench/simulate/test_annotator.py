"""The simulated annotator."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.bench.simulate.annotator import Annotator, agreement
from napari_contrastseg.io.volume import Volume
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal


def test_unknown_voxels_stay_unknown_to_the_annotator() -> None:
    sample = phantom(0)
    session = Session()
    record = session.add_volume(sample.volume)
    session.add_class("core")
    session.add_class("shell")
    truth = sample.truth.astype(np.int16)
    truth[8, :20] = -1
    Annotator(session, {sample.volume.id: truth}).label(sample.volume.id, [7, 8])
    assert record.status[[7, 8]].tolist() == [Status.DONE, Status.SPARSE]
    assert np.array_equal(record.truth[7:9], truth[7:9])


def a_proposed_slice(proposed: np.ndarray, wanted: np.ndarray) -> tuple[Session, str]:
    """A session with a slice, what is proposed on it, and what is true."""
    volume = Volume("v", (np.zeros((2, *wanted.shape), np.float32),), np.eye(4))
    session = Session()
    record = session.add_volume(volume)
    session.add_class()
    labels = np.stack([proposed, proposed]).astype(np.uint8)
    record.propose(Proposal(1, labels, np.ones(labels.shape, np.float16)))
    record.refresh(session.all_thresholds())
    return session, volume.id


@pytest.mark.parametrize(
    ("grown", "accept_from", "what", "seconds"),
    [
        (0, 1.0, "accepted", 3.0),
        (1, 0.8, "accepted", 3.0),
        (1, 1.0, "corrected", 5 + 0.15 * 8),
        (12, 0.8, "labelled", 10 + 0.15 * 28),
    ],
)
def test_a_slice_is_settled_in_the_quickest_way(
    grown: int, accept_from: float, what: str, seconds: float
) -> None:
    wanted = np.zeros((20, 40), np.int16)
    wanted[6:14, 6:14] = 1  # 28 voxels on its boundary
    proposed = wanted.copy()
    proposed[6:14, 14 : 14 + grown] = 1  # a column more: 8 changed boundary voxels
    if grown > 1:
        proposed[::2, 20:] = 1
    session, name = a_proposed_slice(proposed, wanted)
    truth = np.stack([wanted, wanted])
    annotator = Annotator(session, {name: truth})
    assert annotator.settle(name, 1, accept_from) == what
    assert annotator.seconds == pytest.approx(seconds)
    record = session.records[name]
    assert record.status.tolist() == [Status.UNTOUCHED, Status.DONE]
    assert np.array_equal(record.truth[1], proposed if what == "accepted" else wanted)


def test_empty_slices_agree() -> None:
    empty, full = np.zeros((3, 3)), np.ones((3, 3))
    assert agreement(empty, empty) == 1
    assert agreement(full, empty) == 0
    assert agreement(2 * full, full) == 0
