"""Live answers in the session: which volumes are answered live."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.derive import derive_request
from napari_contrastseg.tasks.live_answers import live_request
from tests.kit.sessions import NAME, SHAPE

if TYPE_CHECKING:
    from napari_contrastseg.io.volume import VolumeKind


def with_two_slices_done(kind: VolumeKind) -> Session:
    session = Session(axis=0)
    session.add_volume(replace(phantom(0, SHAPE).volume, kind=kind))
    session.add_class()
    for index in (2, 5):
        where = np.zeros(SHAPE, bool)
        where[index, :, :7] = True
        painting.paint(session, NAME, where, 1)
        painting.mark(session, NAME, index, Status.DONE)
    return session


@pytest.mark.parametrize(
    ("kind", "live"), [("volume", False), ("stack", True)], ids=str
)
def test_pictures_of_a_stack_are_answered_live_for_nothing_lies_between_them(
    kind: VolumeKind, live: bool
) -> None:
    session = with_two_slices_done(kind)
    assert (live_request(session, NAME) is not None) is live
    assert (derive_request(session, NAME) is not None) is not live
