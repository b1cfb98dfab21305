"""The simulated annotator."""

from __future__ import annotations

import numpy as np

from napari_contrastseg.bench.simulate.annotator import Annotator
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status


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
