"""Ctrl+C and signals to end: what is kept is said, and how to go on."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.cli import learning
from tests.kit.command_line import Said, here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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

    def follow(events: Iterable[object]) -> object:
        for _ in events:
            os.kill(os.getpid(), number)
        return None

    monkeypatch.setattr(learning, "follow", follow)
    return number


def _refused(said: Said, number: signal.Signals) -> str:
    assert said.status == 128 + number
    assert said.out == ""
    assert "Traceback" not in said.err
    (line,) = said.err.split("\n")[1:-1]  # click begins a line of its own after ^C
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
