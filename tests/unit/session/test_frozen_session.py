"""A copy to export from: what happens to either is not seen by the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.session import painting, review
from napari_contrastseg.session.frozen_session import frozen_session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import WORK, mask_of
from napari_contrastseg.tasks.derive import derive_missing
from tests.kit.sessions import NAME, add_round, box

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


def label(session: Session, sample: Sample, *slices: int) -> None:
    for index in slices:
        here = np.zeros(sample.truth.shape, bool)
        here[index] = sample.truth[index] > 0
        painting.paint(session, NAME, here, sample.truth[here])
        painting.mark(session, NAME, index, Status.DONE)


def test_it_does_not_follow_the_session(session: Session, sample: Sample) -> None:
    label(session, sample, 4, 8)
    add_round(session, sample.truth)
    twin, record = frozen_session(session), session.records[NAME]
    before = {name: record.array(name).copy() for name in (*WORK, "prediction")}
    review.reject_slice(session, NAME, 6)
    painting.paint(session, NAME, box(session, 10), 2)
    painting.mark(session, NAME, 10, Status.DONE)
    session.add_class("third")
    for name, values in before.items():
        assert np.array_equal(twin.records[NAME].array(name), values), name
    assert [c.name for c in twin.classes] == ["core", "shell"]


def test_what_is_derived_in_it_stays_there(session: Session, sample: Sample) -> None:
    label(session, sample, 4, 8)
    heard: list[object] = []
    session.derived_changed.connect(heard.append)
    session.work_changed.connect(heard.append)
    twin = frozen_session(session)
    derive_missing(twin)
    assert mask_of(twin.records[NAME], complete=True)[6].any()
    assert session.records[NAME].proposal is None
    assert not heard
    derive_missing(session)
    again = frozen_session(session).records[NAME]
    known, proposal = mask_of(again, complete=True), again.proposal
    assert np.array_equal(known, mask_of(twin.records[NAME], complete=True))
    assert proposal is not None
    session.records[NAME].proposal.prediction[...] = 0  # type: ignore[union-attr]
    assert proposal.prediction[6].any()


def test_without_labels_nothing_of_the_volumes_is_copied(session: Session) -> None:
    twin = frozen_session(session, labels=False)
    assert not twin.records
    assert twin.classes == session.classes


def test_closed_cases_are_exported_too(session: Session, sample: Sample) -> None:
    label(session, sample, 4)
    session.close_volume(NAME)
    twin = frozen_session(session)
    session.open_volume(NAME)
    painting.paint(session, NAME, box(session, 10), 2)
    assert list(twin.all_records) == [NAME]
    assert mask_of(twin.all_records[NAME], complete=False)[4].any()
    assert not mask_of(twin.all_records[NAME], complete=False)[10].any()
