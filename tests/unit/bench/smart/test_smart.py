"""bench smart: the report of a small data set, and of times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from tests.kit.command_line import here

if TYPE_CHECKING:
    from pathlib import Path

from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.volume import Volume, array_affine


def made(folder: Path, hole: int = -1) -> Path:
    """One bright ball in noise, or a pipe, in nnU-Net's layout."""
    places = np.indices((40, 48, 9)) - np.array([20, 24, 4])[:, None, None, None]
    far = (places[:2] ** 2).sum(0)
    ball = ((far <= 9**2) & (far > hole * abs(hole))).astype(np.uint8)
    image = 100 * ball + np.random.default_rng(0).normal(0, 10, ball.shape)
    affine = array_affine(np.ones(3))
    for where, data in (("imagesTr", image), ("labelsTr", ball)):
        (folder / where).mkdir(parents=True)
        name = "one_0000.nii.gz" if where == "imagesTr" else "one.nii.gz"
        volume = Volume("one", (data.astype(np.uint8),), affine)
        write_mask(folder / where / name, np.asarray(volume.data[0]), volume)
    about = {
        "channel_names": {"0": "made"},
        "labels": {"background": 0, "ball": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def test_every_way_is_tried_beside_the_plain_ones(tmp_path: Path) -> None:
    dataset = made(tmp_path / "made")
    done = here("bench", "smart", dataset, "--slices", 1, "--sizes", "", "--json", "-")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    ways = report["quality"]["ball"]
    assert set(ways) == {
        "stroke within",
        "stroke off",
        "stroke over",
        "box",
        "1 click",
        "3 clicks",
        "5 clicks",
    }
    for way in ("stroke within", "stroke off", "stroke over", "box", "1 click"):
        assert ways[way]["ours"] > max(ways[way]["plain"], 0.88), way
    assert report["times"] == {}


def test_a_ring_is_tried_with_its_hole_known(tmp_path: Path) -> None:
    dataset = made(tmp_path / "made", hole=6)
    done = here("bench", "smart", dataset, "--slices", 1, "--sizes", "", "--json", "-")
    assert done.status == 0, done.err
    ways = json.loads(done.out)["quality"]["ball"]
    for way in ("box, hole painted", "box, hole clicked away"):
        assert ways[way]["ours"] > ways["box"]["plain"], way


def test_times_of_each_tool_on_each_size() -> None:
    done = here("bench", "smart", "--sizes", "128", "--json", "-")
    assert done.status == 0, done.err
    report = json.loads(done.out)
    assert "quality" not in report
    assert set(report["times"]["128"]) == {"smart brush", "box", "click", "two clicks"}
    for taken in report["times"]["128"].values():
        assert taken["wall_median_ms"] <= taken["wall_p95_ms"] <= taken["wall_max_ms"]
        assert taken["count"] > 3


def test_a_case_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = here("bench", "smart", made(tmp_path / "made"), "--cases", "two")
    assert done.status == 2
    assert "two" in done.err
