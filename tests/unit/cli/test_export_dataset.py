"""export-dataset on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.targets import Status
from tests.kit.command_line import here

if TYPE_CHECKING:
    from pathlib import Path


def test_export_dataset(tmp_path: Path) -> None:
    sample = phantom(0)
    session = Session()
    session.add_volume(sample.volume)
    session.add_class("core")
    session.add_class("shell")
    where = np.zeros(sample.truth.shape, bool)
    where[8] = sample.truth[8] > 0
    painting.paint(session, sample.volume.id, where, sample.truth[where])
    painting.mark(session, sample.volume.id, 8, Status.DONE)
    save_session(session, tmp_path / "session")
    done = here(
        "export-dataset", tmp_path / "session", "--out", tmp_path / "set", "--json", "-"
    )
    assert done.status == 0, done.err
    written = read_dataset(tmp_path / "set")
    assert written.ignore == 3
    label: Any = nib.load(written.cases[0].label or "")
    values = np.asarray(label.dataobj)
    assert np.array_equal(values[8], sample.truth[8])
    assert (np.delete(values, 8, axis=0) == 3).all()
