"""Ctrl+C and signals to end: what is kept is said, and how to go on."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from napari_contrastseg.cli import learning
from napari_contrastseg.io.images import write_mask
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.tasks.events import Progress
from tests.kit.command_line import Said, here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Ctrl+C, and what kill and batch systems send.
SIGNALS = ["SIGINT", "SIGTERM"] if sys.platform != "win32" else ["SIGINT"]


@pytest.fixture(params=SIGNALS)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """Give a signal; Ctrl+C is answered, which what runs in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.Signals[request.param]
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def cut_short(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> signal.Signals:
    """Interrupt what is followed, once it has begun."""

    def stop(*_args: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr("napari_contrastseg.cli.options.tqdm.update", stop)
    return number


def _refused(said: Said, number: signal.Signals) -> str:
    assert said.status == 128 + number
    assert said.out == ""
    assert "Traceback" not in said.err
    *_, line, end = said.err.split("\n")
    assert not end
    return line


def test_a_training_says_that_it_goes_on(
    dataset: Path, tmp_path: Path, cut_short: signal.Signals
) -> None:
    words = ("train", dataset, "--recipe", "supervised", "--steps", 9, "--json", "-")
    before = signal.getsignal(signal.SIGTERM)
    line = _refused(here(*words, "--out", tmp_path / "m"), cut_short)
    assert f"checkpoint is kept in {tmp_path / 'm'}; give the same command" in line
    assert (tmp_path / "m" / "checkpoint").is_dir()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_training_that_kept_nothing_says_so(
    dataset: Path,
    tmp_path: Path,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning, "follow", lambda _: os.kill(os.getpid(), number))
    words = ("train", dataset, "--recipe", "supervised", "--out", tmp_path / "m")
    assert "nothing is kept" in _refused(here(*words), number)


def test_a_prediction_says_where_its_masks_are(
    dataset: Path, model: Path, tmp_path: Path, cut_short: signal.Signals
) -> None:
    said = here("predict", model, dataset, "--out", tmp_path / "p", "--json", "-")
    line = _refused(said, cut_short)
    assert f"finished masks are kept in {tmp_path / 'p'}" in line
    assert "--cases" in line


@pytest.mark.parametrize(
    "command",
    [
        "bench methods DATASET --recipes supervised --steps 1",
        "bench within DATASET --slices 3 --methods interpolation",
        "annotate-sim DATASET --within --recipe supervised --slices 3",
    ],
)
def test_what_keeps_one_file_a_cell_says_that_it_goes_on(
    dataset: Path,
    tmp_path: Path,
    cut_short: signal.Signals,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = "napari_contrastseg.bench.compare.methods.methods"  # they begin slowly
    monkeypatch.setattr(cells, lambda _: (one for one in [Progress("cells", 0.5)]))
    words = (str(dataset) if w == "DATASET" else w for w in command.split())
    line = _refused(here(*words, "--out", tmp_path / "cells"), cut_short)
    kept = f"finished cells are kept in {tmp_path / 'cells'}; give the same command"
    assert kept in line


def test_a_measurement_says_that_nothing_is_kept(cut_short: signal.Signals) -> None:
    said = here("bench", "contrast", "--n", 4, "--dim", 2, "--device", "cpu")
    assert "nothing is kept" in _refused(said, cut_short)
    said = here("bench", "scale", "--sizes", "0.001", "--pictures", 0, "--no-window")
    assert "no --keep" in _refused(said, cut_short)


def test_a_simulation_that_writes_at_its_end_says_so(
    dataset: Path, tmp_path: Path, cut_short: signal.Signals
) -> None:
    words = ("annotate-sim", dataset, "--recipe", "supervised", "--slices", 3)
    said = here(*words, "--steps", 1, "--out", tmp_path / "curves")
    assert "nothing is kept" in _refused(said, cut_short)
    assert not list((tmp_path / "curves").glob("*.json"))


def test_an_export_says_which_files_are_there(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session()
    for sample in map(phantom, range(2)):
        session.add_volume(sample.volume)
    save_session(session, tmp_path / "session")
    masks = tmp_path / "masks"

    def once(*words: Any) -> None:
        if masks.exists():
            os.kill(os.getpid(), number)
        write_mask(*words)

    monkeypatch.setattr("napari_contrastseg.tasks.exports.masks.write_mask", once)
    words = ("export", tmp_path / "session", "--as", "masks", "--out")
    line = _refused(here(*words, masks), number)
    assert f"1 finished file kept in {masks}; give the same" in line
    assert "--overwrite" in line
    assert len(list(masks.iterdir())) == 1
    line = _refused(here(*words, tmp_path / "others"), number)
    assert "nothing finished is kept" in line
