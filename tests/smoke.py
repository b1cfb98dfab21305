"""Smoke test of an installed package: from a file to a mask in a real viewer.

Run by ``nox -s build`` in an environment that has the wheel and nothing of the clone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
import nibabel as nib
import numpy as np
from qtpy import QtTest

import napari_contrastseg

if TYPE_CHECKING:
    from collections.abc import Callable

#: PyQt's stubs take QTest's static methods for bound ones.
QTest: Any = QtTest.QTest
CLASS, DONE_SLICES = 1, (1, 4, 6, 8, 11)
#: Seconds after which something never comes, on a machine that does much else.
PATIENCE = 600


def ball() -> np.ndarray:
    """Return a ball in thick slices, (z, y, x)."""
    z, y, x = np.mgrid[:13, :48, :40]
    distance = (z - 6) ** 2 * 9 + (y - 24) ** 2 + (x - 20) ** 2
    return np.asarray(distance < 14**2)


def label(widget: Any, truth: np.ndarray) -> None:
    """Fill in some slices and mark them done, as many strokes would."""
    workspace = widget.workspace
    ink = workspace.registry.layer(workspace.active, "ink")
    for index in DONE_SLICES:
        where = np.zeros(truth.shape, bool)
        where[index] = truth[index]
        ink.data_setitem(np.nonzero(where), CLASS)
        workspace.go_to(index)
        widget.data_controller.toggle_done()


def wait_for(what: str, there: Callable[[], bool]) -> None:
    """Let the window work until something is there; ends the process otherwise."""
    end = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > end:
            sys.exit(f"{what} did not come within {PATIENCE} s.")
        QTest.qWait(100)


def main() -> None:
    """Open a file, label, wait for the proposal, export, and compare."""
    truth = ball()
    noisy = truth + np.random.default_rng(0).normal(0, 0.1, truth.shape)
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    with tempfile.TemporaryDirectory() as folder:
        image, out = Path(folder) / "ball.nii.gz", Path(folder) / "out"
        nib.save(nib.Nifti1Image(noisy.T.astype(np.float32), affine), image)
        viewer = napari.Viewer()
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-contrastseg", "Annotate"
        )
        viewer.open(image, plugin="napari-contrastseg")
        widget.data_controller.add_image(0)
        session = widget.workspace.session
        session.add_class()
        (record,) = session.records.values()
        # the reader may turn the array; this ball is alike from all sides
        label(widget, truth)
        wait_for("The proposal", lambda: bool(record.prediction[5:6].any()))
        step = widget.further["Export"]
        step.panel.folder.value = out
        step.panel.run.click()
        wait_for("The exported mask", (out / image.name).exists)
        written: Any = nib.load(out / image.name)
        mask = np.asarray(written.dataobj).T
        widget.shut_down()
        viewer.close()
    overlap = (
        2 * (mask.astype(bool) & truth).sum() / (mask.astype(bool).sum() + truth.sum())
    )
    print(napari_contrastseg.__version__, napari_contrastseg.__file__)
    print(f"Dice of labels and what was interpolated between them: {overlap:.3f}")
    if overlap < 0.88:
        sys.exit("The mask is not the ball.")


if __name__ == "__main__":
    main()
