"""`bench scale` says what it needs, measures each step, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_contrastseg.bench.measure.subprocess_runner import EndedError
from napari_contrastseg.bench.scale import scale as module
from napari_contrastseg.bench.scale.inputs import (
    truth_of,
    volume_shape,
    write_picture,
    write_volume,
)
from napari_contrastseg.bench.scale.one_case import Case, go_through, steps_of
from napari_contrastseg.bench.scale.scale import Scale, scale
from napari_contrastseg.bench.scale.table import lines
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.images import read_volume
from napari_contrastseg.io.scratch import SCRATCH_VARIABLE
from napari_contrastseg.tasks.events import Note
from tests.kit.command_line import here

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = Scale((0.001, 0.002), (), steps=1, memory="16 MB", window=False, slices=1)


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
    def interrupted(*_: Any) -> Iterator[dict[str, Any]]:
        assert list(own_folder.rglob("*.zarr"))
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(scale(TINY))
    assert not list(own_folder.iterdir())


class Steps:
    """Stands for the process of the steps; it is stopped after some."""

    def __init__(self, stops_after: str | None = None) -> None:
        self.stops_after = stops_after
        self.ran: list[str] = []

    def run(
        self, _module: str, arguments: list[str], _asked: Scale, folder: Path
    ) -> Iterator[dict[str, Any]]:
        case = json.loads(arguments[0])
        assert Path(case["path"]).exists()
        (folder / "so-far").mkdir(exist_ok=True)  # the session
        for step in steps_of(case["kind"]):
            if step in case["done"]:
                continue
            self.ran.append(step)
            yield {"step": step, "found": {"peak_mb": 1.0, "seconds": 2.0}}
            if step == self.stops_after:
                raise KeyboardInterrupt


def test_it_goes_on_after_the_last_step_that_was_kept(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(TINY, sizes=(0.001,), keep=own_folder / "kept.json")
    first, then = Steps("predict"), Steps()
    monkeypatch.setattr(module, "_run", first.run)
    with pytest.raises(KeyboardInterrupt):
        list(scale(asked))
    (folder,) = own_folder.glob("*.work")
    assert (folder / "volume.ome.zarr").exists(), "for the run that goes on"
    monkeypatch.setattr(module, "_run", then.run)
    *events, report = scale(asked)
    assert [*first.ran, *then.ran] == list(steps_of("volume")), "each step once"
    assert isinstance(report, dict)
    assert report["failed"] == []
    assert list(report["sizes"][0]["steps"]) == list(steps_of("volume"))
    assert all("commit" in found for found in report["sizes"][0]["steps"].values())
    notes = [event.text for event in events if isinstance(event, Note)]
    assert all(any(step in note for note in notes) for step in then.ran)
    assert not list(own_folder.glob("*.work")), "all is done"
    folder.mkdir()  # as where it is stopped before it has tidied up
    assert list(scale(asked))[-1] == report
    assert not list(own_folder.glob("*.work"))
    with pytest.raises(InputError, match="was measured with other settings"):
        list(scale(replace(asked, steps=2)))


def test_a_step_that_failed_is_reported_and_tried_again(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(TINY, sizes=(0.001,), keep=own_folder / "kept.json")

    def fails(*_: Any) -> Iterator[dict[str, Any]]:
        for folder in own_folder.glob("*.work"):
            (folder / "so-far").mkdir(exist_ok=True)  # the session
        yield {"step": "add", "found": {"peak_mb": 1.0}}
        yield {"step": "paint", "found": {"peak_mb": 1.0, "failed": "no room"}}

    def dies(*_: Any) -> Iterator[dict[str, Any]]:
        yield {"step": "paint", "found": {"failed": "no room"}}
        raise EndedError("exit status -9: no reason given")

    for run in (fails, dies):
        monkeypatch.setattr(module, "_run", run)
        *_, report = scale(asked)
        assert isinstance(report, dict)
        failed = [f for f in report["sizes"][0]["steps"].values() if "failed" in f]
        assert failed
        assert any(failed[0]["failed"] in line for line in lines(report))
        assert report["failed"][0] == "0.001 GB, steps, paint"
        words = ("--sizes", "0.001", "--pictures", 0, "--no-window", "--steps", 1)
        said = here("bench", "scale", *words)
        assert said.status != 0
        assert "0.001 GB, steps, paint" in said.err
    then = Steps()
    monkeypatch.setattr(module, "_run", then.run)
    *_, report = scale(asked)
    assert then.ran == list(steps_of("volume"))[1:]
    assert isinstance(report, dict)
    assert list(report["sizes"][0]["steps"]) == list(steps_of("volume"))


def test_steps_whose_session_was_removed_are_not_gone_on_from(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(TINY, sizes=(0.001,), keep=own_folder / "kept.json")
    monkeypatch.setattr(module, "_run", Steps("paint").run)
    with pytest.raises(KeyboardInterrupt):
        list(scale(asked))
    shutil.rmtree(next(own_folder.glob("*.work")))
    then = Steps()
    monkeypatch.setattr(module, "_run", then.run)
    with pytest.raises(InputError, match="add, paint, but the session that they made"):
        list(scale(asked))
    assert not then.ran


@pytest.mark.slow
def test_a_process_that_goes_on_ends_as_one_that_was_not_stopped(
    own_folder: Path,
) -> None:
    path = own_folder / "one.ome.zarr"
    write_volume(path, volume_shape(2**20))
    whole, pieces = own_folder / "whole", own_folder / "pieces"
    for folder in (whole, pieces):
        folder.mkdir()
    case = Case("volume", str(path), str(whole), 1, 4, keeps=True)
    at_once = dict(go_through(case))
    done: tuple[str, ...] = ()
    for step in steps_of("volume"):
        going_on = go_through(replace(case, folder=str(pieces), done=done))
        name, found = next(going_on)
        going_on.close()
        assert name == step
        assert "failed" not in found
        for key in ("voxels", "suggested", "slices", "same_ink"):
            assert found.get(key) == at_once[name].get(key)
        done += (name,)
    masks = [folder / "masks" / "one.nii.gz" for folder in (whole, pieces)]
    first, second = (np.asarray(read_volume(mask).part(0)) for mask in masks)
    assert np.array_equal(first, second)


def test_the_report_has_the_keys_that_scripts_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {
        "add": {"seconds": 1.0, "peak_mb": 3.0},
        "paint": {"stroke_ms": 2.0, "peak_mb": 9.0},
        "predict": {"voxels_per_s": 7, "peak_mb": 5.0},
    }
    shown = {
        "add": {"seconds": 4.0, "longest_stop_ms": 6.0},
        "paint": {"stroke_ms": 8.0, "longest_stop_ms": 5.0},
        "look": {"scroll_ms": 10.0},
    }

    def run(kind: str, *_: Any) -> Iterator[dict[str, Any]]:
        steps = shown if "window" in kind else found
        yield from ({"step": step, "found": of} for step, of in steps.items())

    monkeypatch.setattr(module, "_run", run)
    *_, alone = scale(replace(TINY, sizes=(0.001,), pictures=(64, 96)))
    *_, window = scale(replace(TINY, sizes=(), pictures=(64,), window=True))
    assert isinstance(alone, dict)
    assert isinstance(window, dict)
    (one,) = alone["sizes"]
    assert (one["gb"], one["add_s"], one["stroke_ms"], one["peak_mb"]) == (
        0.001,
        1,
        2,
        9,
    )
    assert (one["predict_voxels_s"], one["slice_ms"], one["longest_stop_ms"]) == (
        7, None, None,
    )  # fmt: skip
    assert [picture["side"] for picture in alone["pictures"]] == [64, 96]
    (one,) = window["pictures"]
    assert (one["add_s"], one["stroke_ms"], one["slice_ms"]) == (4, 8, 10)
    assert one["longest_stop_ms"] == 6


@pytest.mark.parametrize("sizes", [(0.0,), (-1.0,), (float("nan"),), (1, 1e-5)])
def test_sizes_that_are_none_are_refused(sizes: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"--sizes: give numbers from 0\.0001 on"):
        next(iter(scale(replace(TINY, sizes=sizes))))


def test_pictures_with_no_room_for_labels_and_nothing_to_measure_are_refused() -> None:
    with pytest.raises(InputError, match="--pictures: give numbers from 64 on, or 0"):
        next(iter(scale(replace(TINY, pictures=(10,)))))
    with pytest.raises(InputError, match="give --sizes or --pictures above 0"):
        next(iter(scale(replace(TINY, sizes=()))))


@pytest.mark.parametrize("text", ["# Notes", "[1, 2]", "{}", '{"asked": {}}'])
def test_another_file_is_no_file_of_steps(own_folder: Path, text: str) -> None:
    path = own_folder / "other.json"
    path.write_text(text)
    with pytest.raises(InputError, match="holds no finished steps"):
        next(iter(scale(replace(TINY, keep=path))))
    assert path.read_text() == text


@pytest.mark.slow
def test_every_step_is_measured_with_two_sizes(own_folder: Path) -> None:
    first, *_, report = scale(TINY)
    assert isinstance(first, Note)
    assert isinstance(report, dict)
    for one in report["sizes"]:
        assert not [step for step in one["steps"].values() if "failed" in step]
        assert one["steps"]["reopen"]["same_ink"]
        assert one["steps"]["predict"]["slices"] > 0
    assert report["growth_mb_per_gb"].keys() == report["sizes"][0]["steps"].keys()
    assert any("reopen" in line for line in lines(report))
    assert not list(own_folder.iterdir())
