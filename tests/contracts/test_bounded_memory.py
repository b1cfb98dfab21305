"""Arrays of large volumes take no anonymous memory in proportion to the volume."""

from __future__ import annotations

import sys

import pytest

from tests.kit.memory import anonymous_growth

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_BEFORE = """
import numpy as np, tempfile
from dataclasses import replace
from pathlib import Path
from napari_contrastseg.io.scratch import zeros
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.freeze import FrozenVolumes
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.volume_record import Proposal, mask_of
import zarr
shape = ({planes}, 512, 512)
image = np.broadcast_to(np.zeros(1, np.uint8), shape)
volume = replace(phantom(0, (8, 12, 14)).volume, data=(image,))
made = []
"""
_ADD = """
session = Session()
record = session.add_volume(volume)
session.add_class()
for array in (record.ink, record.origin, record.rejected):
    array[:] = 1
proposal = Proposal(1, zeros(shape, np.uint8), zeros(shape, np.float16))
proposal.prediction[:], proposal.confidence[:] = 1, 0.5
record.propose(proposal)
record.refresh(session.all_thresholds())
"""
_STEPS = {
    "add and propose": ("", _ADD),
    "freeze": (_ADD, "made.append(FrozenVolumes(session)[0].target)"),
    "mask": (_ADD, "made.append(mask_of(record, complete=False))"),
    "save": (_ADD, "save_session(session, Path(tempfile.mkdtemp()) / 's')"),
    "load": (
        _ADD
        + "\nrecord.rejected[:] = 0\nfolder = Path(tempfile.mkdtemp()) / 's'"
        + "\nsave_session(session, folder)",
        "made.append(load_session(folder))",
    ),
}


@pytest.mark.parametrize("step", _STEPS)
def test_what_a_step_takes_does_not_grow_with_the_volume(step: str) -> None:
    """At 16 and 64 million voxels, each with some nine bytes of arrays."""
    before, measured = _STEPS[step]
    small, large = (
        anonymous_growth(
            _BEFORE.format(planes=planes) + before, measured, memory="8 MB"
        )
        for planes in (64, 256)
    )
    assert large - small < 48 * 2**20, (small, large)
