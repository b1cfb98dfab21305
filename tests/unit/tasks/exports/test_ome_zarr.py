"""OME-Zarr: metadata as ome-zarr-models reads and checks them, values as zarr does."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from ome_zarr_models import v04, v05

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.volume import Source, Volume, array_affine
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.tasks.exports import Output, export_named
from tests.kit.placed import PLACES, corners_by_nibabel, placed

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ["0.4", "0.5"]


def exported(session: Session, folder: Path, **options: Any) -> Path:
    export = export_named("ome_zarr")
    chosen = replace(export.options, **options)
    written = list(export.write(session, chosen, Output(folder)))
    (root,) = folder.iterdir()
    assert set(written) == {p for p in root.rglob("*") if p.is_file()}
    return root


class Opened:
    """An image or labels: its levels, and its metadata, checked."""

    def __init__(self, folder: Path, version: str = "0.4") -> None:
        group = zarr.open_group(folder, mode="r")
        assert group.metadata.zarr_format == {"0.4": 2, "0.5": 3}[version]
        self.about: Any = group.attrs.asdict()
        if version == "0.5":
            self.about = self.about["ome"]
            assert self.about["version"] == version
        kinds: Any = {
            ("0.4", False): v04.image.ImageAttrs,
            ("0.4", True): v04.image_label.ImageLabelAttrs,
            ("0.5", False): v05.image.ImageAttrs,
            ("0.5", True): v05.image_label.ImageLabelAttrs,
        }
        kind = kinds[version, folder.name == "mask"]
        (self.multiscale,) = kind.model_validate(self.about).multiscales
        paths = [dataset.path for dataset in self.multiscale.datasets]
        self.levels = [np.asarray(group[path]) for path in paths]

    @property
    def axes(self) -> list[str]:
        return [axis.name for axis in self.multiscale.axes]

    @property
    def units(self) -> set[str | None]:
        return {axis.unit for axis in self.multiscale.axes if axis.name != "c"}

    def place(self, level: int = 0) -> tuple[list[float], list[float]]:
        """Scale and translation along z, y, x."""
        scale, shift = self.multiscale.datasets[level].coordinateTransformations
        return list(scale.scale)[-3:], list(shift.translation)[-3:]


def session_of(
    shape: tuple[int, ...], spacing: tuple[float, ...], channels: int = 1, **source: Any
) -> tuple[Session, np.ndarray]:
    rng = np.random.default_rng(0)
    affine = array_affine(np.array(spacing), np.array([5.0, -3.0, 2.0]))
    names = tuple(f"stain {i}" for i in range(channels))
    data = tuple(rng.integers(0, 999, shape).astype(np.uint16) for _ in names)
    session = Session()
    session.add_volume(Volume("a", data, affine, names, Source(**source)))
    session.add_class("nucleus")
    mask = np.zeros(shape, bool)
    mask[1:3, 5:20, 3:30] = True
    painting.paint(session, "a", mask, 1)
    return session, mask


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_lie_on_the_levels_of_the_image(version: str, tmp_path: Path) -> None:
    session, mask = session_of((4, 700, 600), (3e-3, 1e-4, 2e-4), channels=2)
    root = exported(session, tmp_path, version=version)
    image = Opened(root, version)
    labels = Opened(root / "labels" / "mask", version)
    stored = np.stack(session.records["a"].volume.data)
    assert np.array_equal(image.levels[0], stored)
    assert np.array_equal(labels.levels[0], mask)
    assert np.array_equal(labels.levels[1], mask[:, ::2, ::2])
    assert len(image.levels) == len(labels.levels) == 2
    for level, sides in enumerate(((3.0, 0.1, 0.2), (3.0, 0.2, 0.4))):
        scale, shift = labels.place(level)
        assert scale == pytest.approx(sides)
        assert shift == pytest.approx([5e3, -3e3, 2e3])
        assert image.place(level) == (scale, shift)
    assert image.axes == list("czyx")
    assert labels.axes == list("zyx")
    assert image.units == labels.units == {"micrometer"}
    channels = image.about["omero"]["channels"]
    assert [channel["label"] for channel in channels] == ["stain 0", "stain 1"]
    about = labels.about["image-label"]
    assert about["properties"] == [{"label-value": 1, "class": "nucleus"}]
    assert about["colors"] == [{"label-value": 1, "rgba": [230, 159, 0, 255]}]
    assert (root / "labels" / "mask" / about["source"]["image"]).resolve() == root


@pytest.mark.parametrize("place", ["anisotropic", "flipped", "permuted"])
def test_corners_of_a_scan_lie_where_nibabel_has_them(
    place: str, tmp_path: Path
) -> None:
    made = placed(tmp_path, PLACES[place])
    root = exported(made.session, tmp_path / "out")
    labels = Opened(root / "labels" / "mask")
    scale, shift = map(np.array, labels.place())
    shape = labels.levels[0].shape
    found = [
        np.array(c) * scale + shift for c in product(*((-0.5, n - 0.5) for n in shape))
    ]
    ras = np.array([(-x, -y, z) for z, y, x in found])
    wanted = corners_by_nibabel(made.labels.shape, made.affine)
    apart = np.linalg.norm(ras[:, None] - wanted[None], axis=-1)
    assert apart.min(axis=0).max() < 1e-4
    assert apart.min(axis=1).max() < 1e-4
    assert np.bincount(labels.levels[0].ravel()).tolist() == (
        np.bincount(made.labels.ravel()).tolist()
    )


def test_what_lies_oblique_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    made = placed(tmp_path, PLACES["oblique"])
    with pytest.raises(InputError, match=r"^case: lies oblique .* NIfTI"):
        exported(made.session, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_may_come_alone_and_without_a_unit(version: str, tmp_path: Path) -> None:
    session, mask = session_of((4, 40, 50), (3.0, 1.0, 1.0), unit="pixel")
    root = exported(session, tmp_path, version=version, image=False)
    labels = Opened(root / "labels" / "mask", version)
    assert np.array_equal(labels.levels[0], mask)
    assert labels.place()[0] == [3, 1, 1]
    assert labels.units == {None}


def test_a_folder_that_is_replaced_keeps_nothing_of_before(tmp_path: Path) -> None:
    session, _ = session_of((4, 700, 600), (3.0, 1.0, 1.0))
    export = export_named("ome_zarr")
    list(export.write(session, export.options, Output(tmp_path)))
    small, _ = session_of((4, 40, 50), (3.0, 1.0, 1.0))
    written = list(export.write(small, export.options, Output(tmp_path, True)))
    assert set(written) == {p for p in tmp_path.rglob("*") if p.is_file()}
