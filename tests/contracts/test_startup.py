"""The dock is built without the libraries that only later steps need."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

#: Slow to load, and needed by nobody who has not added an image or begun to train.
LATER = (
    *("torch", "monai", "kornia", "sklearn", "openTSNE", "matplotlib", "dask"),
    *("nibabel", "pydicom", "zarr", "distributed", "onnx", "bioimageio"),
    *("scipy.ndimage", "scipy.special", "scipy.interpolate", "scipy.optimize"),
    *("scipy.sparse", "skimage.segmentation", "skimage.registration"),
)
#: napari's own imports come first: what it loads by itself is not ours to save.
_DOCK = """
import json, sys
import napari.layers, napari._qt.qt_main_window
before = set(sys.modules)
import napari_contrastseg.ui.dock
from napari_contrastseg import query, recipes
from napari_contrastseg.io import formats
from napari_contrastseg.tasks import exports
from napari_contrastseg.learning.plan.setting import setting_fields
for kind in (query, recipes, formats, exports):
    kind.catalogue()
for export in exports.catalogue().values():
    setting_fields(type(export.options))
built = sorted(set(sys.modules) - before)

from napari.components import ViewerModel
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.ui.learn import forecast
from napari_contrastseg.ui.viewer.image_layers import layer_for
forecast.WAIT_MS = forecast.FIRST_MS = 0
app = QApplication([])
viewer = ViewerModel()
dock = napari_contrastseg.ui.dock.ContrastSegWidget(viewer)
image, about, _ = layer_for(phantom(0).volume)
viewer.add_image(image, **about)
dock.data.add.click()
dock.learn.minutes.setValue(5)
loop = QEventLoop()
QTimer.singleShot(200, loop.quit)
loop.exec()
dock.shut_down()
print(json.dumps([built, sorted({"torch", "pyqtgraph"} & set(sys.modules))]))
"""
_PACKAGE = """
import json, sys
import napari_contrastseg
print(json.dumps(sorted(sys.modules)))
"""


def printed(code: str) -> Any:
    """Run code in a process of its own; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_the_dock_is_built_without_what_later_steps_need() -> None:
    """Without labels it loads no torch either, and nothing to draw plots with."""
    built, later = printed(_DOCK)
    found = set(built)
    assert not later
    assert "napari_contrastseg.ui.dock" in found
    assert "napari_contrastseg.io.formats.nifti" in found
    assert not found & set(LATER)


def test_importing_the_package_loads_neither_numpy_nor_napari() -> None:
    """So that ``import napari_contrastseg as cs`` takes no time."""
    assert not set(printed(_PACKAGE)) & {"numpy", "napari", "pydantic", "qtpy", *LATER}
