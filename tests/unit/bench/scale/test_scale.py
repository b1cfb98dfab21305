"""`bench scale` says what it needs, measures each step, and leaves nothing behind."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.bench.scale import scale as module
from napari_contrastseg.bench.scale.inputs import (
    truth_of,
    volume_shape,
    write_picture,
    write_volume,
)
from napari_contrastseg.bench.scale.scale import Scale, scale
from napari_contrastseg.bench.scale.table import lines
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE
from napari_contrastseg.tasks.events import Note

if TYPE_CHECKING:
    from pathlib import Path

TINY = Scale((0.001, 0.002), 0, steps=1, memory="16 MB", window=False, slices=1)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(SCRATCH_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_synthetic_volume_has_the_size_and_the_structure(tmp_path: Path) -> None:
    shape = volume_shape(2**21)
    assert np.prod(shape) * 2 == pytest.approx(2**21, rel=0.3)
    write_volume(tmp_path / "one.ome.zarr", shape)
    volume = read_volume(tmp_path / "one.ome.zarr")
    assert volume.shape == shape
    middle = shape[0] // 2
    values, inside = np.asarray(volume.part(0, middle)), truth_of(middle, shape)
    assert values[inside].min() > values[~inside].max()


def test_a_synthetic_picture_is_read_as_one(tmp_path: Path) -> None:
    write_picture(tmp_path / "one.tif", 600)
    volume = read_volume(tmp_path / "one.tif")
    assert volume.shape == (1, 600, 600)
    assert volume.part(0)[0, 300, 300] > volume.part(0)[0, 0, 0]


def test_a_disk_without_room_is_refused_before_anything_is_written(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(own_folder)._replace(free=2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(InputError, match="bench scale needs up to"):
        next(iter(scale(TINY)))
    assert not list(own_folder.iterdir())


def test_its_files_go_when_it_is_interrupted(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> dict[str, Any]:
        assert list(own_folder.rglob("*.zarr"))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(scale(TINY))
    assert not list(own_folder.iterdir())


def test_it_goes_on_after_what_was_measured_before(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    steps = {"add": {"peak_mb": 1.0}}

    def run(name: str, *_: Any) -> dict[str, Any]:
        if len(ran) == 1:
            raise KeyboardInterrupt
        ran.append(name)
        return {"steps": steps}

    keep = own_folder / "kept.json"
    asked = replace(TINY, keep=keep)
    monkeypatch.setattr(module, "_run", run)
    with pytest.raises(KeyboardInterrupt):
        list(scale(asked))
    ran.append("go on")
    *_, report = scale(asked)
    assert isinstance(report, dict)
    assert [one["steps"] for one in report["volumes"]] == [steps, steps]
    assert len(ran) == 3, "each volume once"
    with pytest.raises(InputError, match="was measured with other settings"):
        list(scale(replace(asked, steps=2)))


@pytest.mark.slow
def test_every_step_is_measured_with_two_sizes(own_folder: Path) -> None:
    first, *_, report = scale(TINY)
    assert isinstance(first, Note)
    assert isinstance(report, dict)
    for one in report["volumes"]:
        assert not [step for step in one["steps"].values() if "failed" in step]
        assert one["steps"]["reopen"]["same_ink"]
        assert one["steps"]["predict"]["extrapolated"]
    assert report["growth_mb_per_gb"].keys() == report["volumes"][0]["steps"].keys()
    assert any("reopen" in line for line in lines(report))
    assert not list(own_folder.iterdir())
