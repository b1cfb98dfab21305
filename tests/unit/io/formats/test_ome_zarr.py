"""OME-Zarr against zarr (values) and ome-zarr-models (scale and translation)."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from ome_zarr_models import v04, v05

from napari_contrastseg.io import images
from napari_contrastseg.io.choice import Choice, SeveralPartsError
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.inputs import find_inputs
from tests.kit.ome_zarr import STACK, write

if TYPE_CHECKING:
    from pathlib import Path


def as_others_read(path: Path, version: str) -> tuple[Any, dict[str, Any]]:
    """First level by zarr, its checked transformations by ome-zarr-models."""
    group: Any = zarr.open_group(path, mode="r")
    kind: Any = v05.image.ImageAttrs if version == "0.5" else v04.image.ImageAttrs
    said = group.attrs["ome"] if version == "0.5" else dict(group.attrs)
    about = kind.model_validate(said).model_dump(by_alias=True)
    first = about["multiscales"][0]["datasets"][0]
    steps = first["coordinateTransformations"]
    return (
        np.asarray(group[first["path"]][...]),
        {step["type"]: step[step["type"]] for step in steps},
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["czyx", "zyx", "yx", "cyx", "tczyx"])
def test_values_sizes_and_places_are_those_that_others_read(
    axes: str, version: str, tmp_path: Path
) -> None:
    where = tuple(slice(None) if a in axes else 0 for a in "czyx")
    data = STACK[where][None] if "t" in axes else STACK[where]
    path = write(tmp_path / "a.ome.zarr", axes, data, version)
    volume = images.read_volume(path)
    theirs, steps = as_others_read(path, version)
    assert np.array_equal(np.stack(volume.data).reshape(theirs.shape), theirs)
    scale = dict(zip(axes, steps["scale"], strict=True))
    shift = dict(zip(axes, steps["translation"], strict=True))
    ours = [scale.get(a, scale["x"]) * 1e-3 for a in "zyx"]
    assert np.allclose(volume.spacing, ours)
    first = volume.affine @ [0, 0, 0, 1]
    assert np.isclose(first[2], shift.get("z", 0) * 1e-3)
    assert volume.source.unit == "mm"
    assert volume.id == "a"
    assert volume.channels == (("DAPI", "GFP") if "c" in axes else ("image",))


def test_a_level_is_chosen_and_lies_in_the_same_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr")
    assert [p.key for p in images.parts_of(path)] == ["level 0", "level 1"]
    fine, coarse = (
        images.read_volume(path),
        images.read_volume(path, choice=Choice("level 1")),
    )
    assert coarse.shape == (4, 10, 12)
    assert np.allclose(coarse.spacing, fine.spacing * (1, 2, 2))
    for corner in ((0, -0.5, -0.5), (3, 19.5, 23.5)):
        z, y, x = corner
        half = (z, (y - 0.5) / 2, (x - 0.5) / 2)
        assert np.allclose(fine.affine @ [*corner, 1], coarse.affine @ [*half, 1])
    with pytest.raises(InputError, match="has no level 7; it has level 0 to 1"):
        images.read_volume(path, choice=Choice("level 7"))


def test_times_are_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", "tzyx")
    with pytest.raises(SeveralPartsError, match="holds 2 time points"):
        images.read_volume(path)
    volume = images.read_volume(path, choice=Choice("level 1, time 1"))
    assert np.array_equal(volume.data[0], STACK[1, :, ::2, ::2])


def test_without_a_unit_the_ratio_survives(tmp_path: Path) -> None:
    volume = images.read_volume(write(tmp_path / "a.zarr", unit=None))
    assert volume.source.unit == "pixel"
    assert np.allclose(volume.spacing, [2, 0.5, 0.25])


def test_labels_and_images_within_a_group_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr")
    labels = path / "labels" / "nuclei"
    mask = (STACK[0] > 2000).astype(np.uint8)
    write(labels, "zyx", mask)
    assert np.array_equal(images.read_labels(labels).data[0], mask)
    assert len(images.read_volume(path).data) == 2
    zarr.open_group(tmp_path / "two.zarr", mode="w", zarr_format=3)
    for name in "01":
        write(tmp_path / "two.zarr" / name)
    with pytest.raises(SeveralPartsError, match="holds 2 images"):
        images.read_volume(tmp_path / "two.zarr")
    volume = images.read_volume(
        tmp_path / "two.zarr", choice=Choice("image 1, level 1")
    )
    assert volume.shape == (4, 10, 12)


def test_shards_are_read_and_images_are_inputs(tmp_path: Path) -> None:
    group = tmp_path / "in"
    path = write(group / "a.zarr", "zyx", STACK[0], shards=(4, 32, 32))
    assert np.array_equal(images.read_volume(path).data[0], STACK[0])
    write(group / "b.ome.zarr", "zyx", STACK[1])
    assert sorted(find_inputs(group, 1)) == ["a", "b"]


def spoil_array(about: dict[str, Any], kind: str, *, second: bool) -> None:
    if kind == "shape":
        about["shape"] = [2, 10**5, 10**5, 10**5]
    elif kind == "chunks" and second:
        about["chunks"] = [10**4] * 4
    elif kind == "chunks":
        about["chunk_grid"]["configuration"]["chunk_shape"] = [10**4] * 4
    elif kind == "codec" and second:
        about["filters"] = [{"id": "pickle"}]
    elif kind == "codec":
        about["codecs"].append({"name": "numcodecs.pickle"})
    elif kind == "dtype":
        about["dtype" if second else "data_type"] = "|O" if second else "string"


def spoil_image(ome: dict[str, Any], path: Path, kind: str) -> None:
    if kind == "path":
        shutil.copytree(path / "0", path.parent / "outside")
        ome["multiscales"][0]["datasets"][0]["path"] = "../outside"
    elif kind == "link":
        chunk = max(path.joinpath("0").rglob("*0"), key=lambda p: len(p.parts))
        chunk.unlink()
        chunk.symlink_to("/etc/passwd")
    elif kind == "axes":
        ome["multiscales"][0]["axes"] = [{"name": "q"}] * 4
    elif kind == "scale":
        first = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"]
        first[0]["scale"] = [1, 2]
    elif kind == "none":
        del ome["multiscales"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    "kind",
    ["shape", "chunks", "codec", "dtype", "path", "link", "axes", "scale", "none"],
)
def test_hostile_images_are_refused(kind: str, version: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", version=version)
    second = version == "0.4"
    file = path / "0" / (".zarray" if second else "zarr.json")
    about = json.loads(file.read_text())
    spoil_array(about, kind, second=second)
    file.write_text(json.dumps(about))
    group = path / (".zattrs" if second else "zarr.json")
    outer = json.loads(group.read_text())
    spoil_image(outer if second else outer["attributes"]["ome"], path, kind)
    group.write_text(json.dumps(outer))
    with pytest.raises(InputError) as caught:
        images.read_volume(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "step",
    [
        {"type": "affine", "affine": [[1, 0, 0, 0]] * 3},
        {"type": "rotation", "rotation": np.eye(3).tolist()},
        {"type": "scale", "path": "elsewhere"},
        {},
    ],
)
@pytest.mark.parametrize("overall", [True, False])
def test_what_is_not_upright_is_said(
    step: dict[str, Any], overall: bool, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.zarr", "zyx", STACK[0])
    group = path / "zarr.json"
    about = json.loads(group.read_text())
    first = about["attributes"]["ome"]["multiscales"][0]
    place = first if overall else first["datasets"][0]
    place["coordinateTransformations"] = [
        *place.get("coordinateTransformations", []),
        step,
    ]
    group.write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"save it upright|save the numbers"):
        images.read_volume(path)


def test_an_axis_that_runs_backwards_keeps_its_direction(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", "zyx", STACK[0])
    group = path / "zarr.json"
    about = json.loads(group.read_text())
    first = about["attributes"]["ome"]["multiscales"][0]["datasets"][0]
    first["coordinateTransformations"][0]["scale"][1] *= -1
    group.write_text(json.dumps(about))
    volume = images.read_volume(path)
    down = volume.affine @ [0, 1, 0, 1] - volume.affine @ [0, 0, 0, 1]
    assert np.allclose(down[:3], [0, 0.5e-3, 0])
    assert np.allclose(volume.spacing, [2e-3, 0.5e-3, 0.25e-3])
