"""An existing mask becomes ink, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.session.mask_ink import take_ink
from napari_contrastseg.session.targets import Status
from tests.kit.sessions import NAME

if TYPE_CHECKING:
    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.session import Session


def test_existing_masks_become_ink(session: Session, sample: Sample) -> None:
    take_ink(session, NAME, sample.truth, done="labelled")
    record = session.records[NAME]
    assert np.array_equal(record.ink, sample.truth)
    with_labels = sample.truth.any(axis=(1, 2))
    assert np.array_equal(record.status == Status.DONE, with_labels)
    with pytest.raises(InputError, match="shape"):
        take_ink(session, NAME, sample.truth[:3], done="all")
    with pytest.raises(InputError, match=r"values \[9\]"):
        take_ink(session, NAME, sample.truth * 0 + 9, done="all")
