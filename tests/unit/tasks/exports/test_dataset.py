"""A data set is exported from a session, in the window or by the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_contrastseg.io.dataset import read_dataset, read_truth
from napari_contrastseg.session import painting
from napari_contrastseg.session.targets import Status
from napari_contrastseg.tasks.exports import Output
from napari_contrastseg.tasks.exports.dataset import EXPORT, DatasetOptions

if TYPE_CHECKING:
    from pathlib import Path

    from napari_contrastseg.session.session import Session


def test_a_data_set_holds_the_truth_and_lies_in_a_folder_of_its_own(
    session: Session, tmp_path: Path
) -> None:
    ((name, record),) = session.records.items()
    where = np.zeros(record.volume.shape, bool)
    where[3, 4:9, 5:12] = True
    painting.paint(session, name, where, 2)
    painting.mark(session, name, 3, Status.DONE)
    options = DatasetOptions("Dataset007_Phan/tom")
    written = list(EXPORT.write(session, options, Output(tmp_path)))
    root = tmp_path / "Dataset007_Phan_tom"
    assert {path.relative_to(root).parts[0] for path in written} == {
        "imagesTr",
        "labelsTr",
        "dataset.json",
        "exported.json",
    }
    found = read_dataset(root)
    (case,) = found.cases
    assert list(found.classes.values()) == ["core", "shell"]
    volume = found.read(case)
    assert np.allclose(volume.data[0], record.volume.data[0])
    assert np.array_equal(read_truth(found, case, volume), record.truth)
