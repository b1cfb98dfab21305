"""What joins the map and the session: voxels described, painted, compared, queued."""

from __future__ import annotations

import numpy as np
import pytest

from napari_contrastseg.insight.feature_table import FeatureTable, LabelKind
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Origin, Status
from napari_contrastseg.tasks.voxels import PROVENANCE, describe
from tests.kit.sessions import SHAPE, a_round, a_session


def test_voxels_are_described_as_the_session_is_now() -> None:
    session = a_session(0)
    (name,) = session.records
    record = session.records[name]
    record.ink[2, 3, 4], record.origin[2, 3, 4] = 2, Origin.CORRECTED
    record.ink[2, 3, 5], record.origin[2, 3, 5] = 255, Origin.PAINTED
    record.status[2] = Status.SPARSE
    record.status[5] = Status.DONE
    places = [(2, 3, 4), (2, 3, 5), (5, 0, 0), (7, 1, 1), (7, 2, 2)]
    table = FeatureTable(
        (name, "gone"),
        np.array([0] * 5 + [1]),
        np.array([*places, (0, 0, 0)]),
        np.array([1, 0, 0, 2, -1, 1]),
        np.array(
            [LabelKind.TRUTH] * 3
            + [LabelKind.PSEUDO, LabelKind.UNLABELLED, LabelKind.UNLABELLED]
        ),
        np.zeros((6, 2), np.float32),
    )
    about = describe(session, table)
    assert about.label.tolist() == [2, 0, 0, 2, -1, 1]
    words = [PROVENANCE[p] for p in about.provenance.tolist()]
    assert words == [
        "corrected",
        "painted",
        "slice done",
        "pseudo-label",
        "unlabelled",
        "unlabelled",
    ]
    assert np.isnan(about.confidence).all()
    assert not about.round.any()
    a_round(session, np.ones(SHAPE, int), 0.75, settled=[5])
    after = describe(session, table)
    assert after.label.tolist() == [2, 0, 0, 2, 1, 1], "predicted where unknown"
    assert after.confidence[:5].tolist() == [0.75] * 5
    assert np.isnan(after.confidence[5])
    assert after.round.tolist() == [0, 0, 1, 0, 0, 0]
    session.delete_class(1)
    gone = describe(session, table)
    assert gone.label.tolist() == [2, 0, 0, 2, 0, 0], "other values are background"


def test_voxels_of_several_volumes_are_painted_as_one_action() -> None:
    session = a_session(0, 1)
    one, two = session.records
    places = {one: np.array([(1, 2, 3)]), two: np.array([(4, 5, 6), (4, 5, 7)])}
    painting.paint_voxels(session, places, 2, "class from map")
    assert session.records[one].ink[1, 2, 3] == 2
    assert session.records[two].ink[4, 5, 6:8].tolist() == [2, 2]
    assert session.records[two].status[4] == Status.SPARSE
    assert session.undo() == "class from map"
    assert not any(r.ink.any() or r.status.any() for r in session.records.values())
    painting.lock_slice(session, two, 4, locked=True)
    with pytest.raises(InputError, match="Slice 4 is locked"):
        painting.paint_voxels(session, places, 2, "class from map")
    assert not session.records[one].ink.any(), "all of it or nothing"
    with pytest.raises(InputError, match="is not a class"):
        painting.paint_voxels(session, places, 7, "class from map")
