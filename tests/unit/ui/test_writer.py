"""napari's Save of labels: where they lie, by nibabel and SimpleITK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from napari.components import ViewerModel
from napari.layers import Labels
from napari.plugins import _initialize_plugins

from napari_contrastseg.session import painting
from napari_contrastseg.session.classes import BACKGROUND
from napari_contrastseg.tasks.exports import Output, export_named
from napari_contrastseg.tasks.exports.masks import MaskOptions
from napari_contrastseg.ui.plugin import writer
from napari_contrastseg.ui.plugin.writer import WriteError, write_labels
from napari_contrastseg.ui.viewer.layer_registry import LayerRegistry
from tests.kit.nifti import load
from tests.kit.placed import (
    PLACES,
    corners_by_itk,
    corners_by_nibabel,
    placed,
    values_by_itk,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kit.placed import Placed

    Shown = Callable[[Placed], LayerRegistry]

MASK = np.zeros((4, 5, 6), np.uint8)
MASK[1:3, 2:4, 1:3] = 1


@pytest.fixture(autouse=True)
def _plugins() -> None:
    """As napari does when it starts."""
    _initialize_plugins()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Show a session in a viewer that the writer finds."""

    def show(made: Placed) -> LayerRegistry:
        viewer = ViewerModel()
        registry = LayerRegistry(viewer, made.session)
        registry.show_volume(made.session.records["case"])
        monkeypatch.setattr(writer, "_open_layers", lambda: list(viewer.layers))
        return registry

    return show


def saved(layer: Labels, path: Path) -> Path:
    data, attributes, kind = layer.as_layer_data_tuple()
    assert kind == "labels"
    assert write_labels(str(path), data, attributes) == [str(path)]
    return path


@pytest.mark.parametrize("place", ["permuted", "oblique", "oblique and permuted"])
def test_a_saved_ink_layer_is_what_export_gives(
    place: str, shown: Shown, tmp_path: Path
) -> None:
    made = placed(tmp_path, PLACES[place])
    record = made.session.records["case"]
    painted = np.zeros(record.volume.shape, bool)
    painted[0, 0, :2] = True
    painting.paint(made.session, "case", painted, BACKGROUND)
    ink = shown(made).layer("case", "ink")
    assert isinstance(ink, Labels)
    ours = load(saved(ink, tmp_path / "ours.nii.gz"))
    options = MaskOptions(".nii.gz", complete=False)
    (path,) = export_named("masks").write(made.session, options, Output(tmp_path / "x"))
    theirs = load(path)
    assert np.array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))
    assert np.allclose(ours.affine, theirs.affine)
    by_itk = sitk.ReadImage(str(tmp_path / "ours.nii.gz"))
    wanted = corners_by_nibabel(made.labels.shape, made.affine)
    assert np.allclose(corners_by_itk(by_itk), wanted, atol=1e-4)


def test_a_persons_own_labels_keep_their_values(shown: Shown, tmp_path: Path) -> None:
    """255 means background in our ink alone; numbers below 0 and above 65535 fit."""
    made = placed(tmp_path, PLACES["oblique"])
    registry = shown(made)
    registry.viewer._new_labels()
    layer = registry.viewer.layers[-1]
    values = np.zeros(layer.data.shape, np.int32)
    for number, extreme in enumerate((0, -3, 70_000)):
        values[0, 0, :3] = (255, 1, extreme)
        layer.data = values.copy()
        found = sitk.ReadImage(str(saved(layer, tmp_path / f"{number}.nii.gz")))
        held = set(np.unique(sitk.GetArrayFromImage(found)).tolist())
        assert held == {0, 1, 255, extreme}


def test_napari_itself_saves_ink_without_255(shown: Shown, tmp_path: Path) -> None:
    """By its own writers, of TIFF for instance; napari asks the layer alone."""
    made = placed(tmp_path, PLACES["anisotropic"])
    record = made.session.records["case"]
    where = np.zeros(record.volume.shape, bool)
    where[0, 0, :2] = True
    painting.paint(made.session, "case", where, BACKGROUND)
    ink = shown(made).layer("case", "ink")
    assert ink is not None
    assert (np.asarray(ink.data) == BACKGROUND).any()
    assert ink.save(str(tmp_path / "ink.tif")) == [str(tmp_path / "ink.tif")]
    found = tifffile.imread(tmp_path / "ink.tif")
    assert np.array_equal(found, np.maximum(record.truth, 0))
    assert set(np.unique(found)) == {0, 1, 2}


@pytest.mark.parametrize("place", ["oblique", "as ITK stores axial scans"])
def test_a_new_labels_layer_over_an_image_lies_where_the_image_does(
    place: str, shown: Shown, tmp_path: Path
) -> None:
    made = placed(tmp_path, PLACES[place])
    registry = shown(made)
    registry.viewer._new_labels()
    layer = registry.viewer.layers[-1]
    volume = made.session.records["case"].volume
    assert layer.data.shape == volume.shape
    layer.data = np.asarray(volume.source.to_volume_order(made.labels)).copy()
    found = sitk.ReadImage(str(saved(layer, tmp_path / "new.nii.gz")))
    assert np.array_equal(values_by_itk(found), made.labels)
    wanted = corners_by_nibabel(made.labels.shape, made.affine)
    assert np.allclose(corners_by_itk(found), wanted, atol=1e-4)


def test_a_layer_on_no_grid_beside_an_oblique_image_is_refused(
    shown: Shown, tmp_path: Path
) -> None:
    shown(placed(tmp_path, PLACES["oblique"]))
    path = tmp_path / "out.nii.gz"
    with pytest.raises(
        WriteError, match=r"mine: .*case is shown upright .* close case"
    ):
        saved(Labels(MASK, name="mine"), path)
    assert not path.exists()


@pytest.mark.parametrize(
    "where",
    [
        {"scale": (3, 0.5, 1), "translate": (4, 5, 6), "rotate": 20},
        {"scale": (3, 1, 1), "affine": np.array(
            [[1, 0, 0, 9], [0, 0.8, -0.6, 1], [0, 0.6, 0.8, 2], [0, 0, 0, 1.0]]
        )},
        {"scale": (0.3, 0.1, 0.1), "units": ("um", "um", "um")},
    ],
    ids=["rotate", "affine", "units"],
)  # fmt: skip
def test_placement_of_any_layer_is_kept(where: dict[str, Any], tmp_path: Path) -> None:
    """napari's world is mm along z, y, x; y goes to the back, x to the left."""
    layer = Labels(MASK, **where)
    found = sitk.ReadImage(str(saved(layer, tmp_path / "a.nii.gz")))
    mm = 1e-3 if "units" in where else 1.0
    itk_index = [(-0.5, -0.5, -0.5), (5.5, 4.5, 3.5), (5.5, -0.5, 3.5)]
    for index in itk_index:
        z, y, x = np.asarray(layer.data_to_world(index[::-1])) * mm
        at = found.TransformContinuousIndexToPhysicalPoint(index)
        in_itk_order = corner_near(found, (x, y, z))
        assert at is not None
        assert in_itk_order < 1e-3 * mm


def corner_near(image: sitk.Image, wanted: tuple[float, ...]) -> float:
    """Distance of the nearest corner."""
    lps = corners_by_itk(image) * (-1, -1, 1)
    return float(np.linalg.norm(lps - wanted, axis=1).min())


def test_what_cannot_be_written_reaches_the_person(tmp_path: Path) -> None:
    """napari swallows a ValueError and says that there is no writer."""
    sheared = Labels(MASK, shear=(0.5, 0, 0))
    with pytest.raises(WriteError, match="sheared") as caught:
        saved(sheared, tmp_path / "a.nii.gz")
    assert not isinstance(caught.value, ValueError)
    with pytest.raises(WriteError, match="sheared"):
        sheared.save(str(tmp_path / "a.nii.gz"))
