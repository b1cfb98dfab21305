"""`annotate-sim --out` keeps the report that is there."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg import __version__, cli
from napari_contrastseg.bench.compare import random_forest
from napari_contrastseg.bench.simulate import annotate
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.samples.samples import phantom

if TYPE_CHECKING:
    from pathlib import Path

NAME = "random_forest-sound-even-fold0-seed0"


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four small phantoms, for a small forest."""
    monkeypatch.setattr(random_forest, "TREES", 4)
    monkeypatch.setattr(random_forest, "MOST_PIXELS", 500)
    monkeypatch.setattr(random_forest, "SIGMAS", (0.5, 1.0))
    entries = [
        LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i, (8, 24, 24)) for i in range(4))
    ]
    write_dataset(tmp_path / "set", entries, {1: "core", 2: "shell"})
    return tmp_path / "set"


def contrastseg(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_report_says_what_it_was_made_with_and_is_made_once(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["annotate-sim", dataset, "--recipe", "random_forest", "--slices"]
    out = ("--out", tmp_path / "out")
    assert contrastseg(monkeypatch, *words, "3", *out) == 0
    path = tmp_path / "out" / f"{NAME}.json"
    written = path.read_bytes()
    report = json.loads(written)
    assert report["version"] == __version__
    assert "commit" in report
    assert report["request"]["settings"]["trees"] == 4
    assert report["request"]["slices"] == [3]
    assert report["request"]["time"]["accept"] == 3.0

    def trains(_: object) -> None:
        raise AssertionError("it was there already")

    monkeypatch.setattr(annotate, "annotate", trains)
    capsys.readouterr()
    again = tmp_path / "again.json"
    assert contrastseg(monkeypatch, *words, "3", *out, "--json", again) == 0
    assert "is there already" in capsys.readouterr().err
    assert json.loads(again.read_text()) == report
    assert path.read_bytes() == written

    assert contrastseg(monkeypatch, *words, "4", *out) == 2
    assert "other settings (slices: [3], now [4])" in capsys.readouterr().err
    assert path.read_bytes() == written

    del report["request"]
    path.write_text(json.dumps(report))
    assert contrastseg(monkeypatch, *words, "3", *out) == 2
    assert "with which settings it was run" in capsys.readouterr().err
    assert json.loads(path.read_text()) == report
