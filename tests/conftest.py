"""Fixtures: phantoms, a session, the real data where there is some."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

#: Napari reads it when it is loaded: the preferences of a person stay as they are.
os.environ["NAPARI_CONFIG"] = f"{tempfile.mkdtemp(prefix='preferences-')}/napari.yaml"

from napari_contrastseg import cli
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.learning.plan.pace import GUESS_FOR_CPU
from napari_contrastseg.recipes import recipe_named
from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.locations import HOME_VARIABLE
from napari_contrastseg.tasks.executors import process as process_module
from napari_contrastseg.tasks.executors.choice import ROUNDS_VARIABLE, THREAD
from napari_contrastseg.tasks.pace import PACES
from napari_contrastseg.ui.tour.memory import remember
from tests.kit.command_line import Refused, here

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Small networks are quicker on one thread, and the same on every machine. Torch reads
#: this when it is loaded, which most tests need not do.
os.environ["OMP_NUM_THREADS"] = "1"
#: No test asserts how long something takes: other programs share the machine. The
#: slow run tries more examples: --hypothesis-profile=long.
hypothesis.settings.register_profile("short", deadline=None, max_examples=25)
hypothesis.settings.register_profile("long", deadline=None, max_examples=200)
hypothesis.settings.load_profile("short")


#: Python's own 700, 10, 10 let the collector take a tenth of the tests' time.
gc.set_threshold(20_000, 20, 20)
#: While tests are collected nothing becomes garbage.
gc.disable()

#: So many modules more, and what was imported is worth passing over again.
_MANY_MODULES = 50
_frozen = 0


def pytest_collection_finish() -> None:
    """Collect garbage from here on."""
    gc.enable()


def pytest_runtest_setup() -> None:
    """Let go of closed viewers, and let the collector pass over all that is left.

    What was imported never becomes garbage, and napari collects whenever layers are
    removed or a viewer closes. No event loop runs between tests, which would delete
    the widgets of the viewers before.
    """
    global _frozen  # noqa: PLW0603  one collector in a process
    if _widgets_are_left() or len(sys.modules) >= _frozen + _MANY_MODULES:
        gc.collect()
        gc.freeze()
        _frozen = len(sys.modules)


def pytest_unconfigure() -> None:
    """Delete the preferences of these tests."""
    shutil.rmtree(Path(os.environ["NAPARI_CONFIG"]).parent, ignore_errors=True)


def _widgets_are_left() -> bool:
    widgets, core = sys.modules.get("qtpy.QtWidgets"), sys.modules.get("qtpy.QtCore")
    if core is None or widgets is None or widgets.QApplication.instance() is None:
        return False
    core.QCoreApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete.value)
    return bool(widgets.QApplication.topLevelWidgets())


@pytest.fixture(autouse=True)
def _same_pace_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan minutes as on a computer that is neither slow nor busy."""
    monkeypatch.setattr(PACES, "_measure", lambda *_: GUESS_FOR_CPU)
    monkeypatch.setattr(PACES, "_known", {})


@pytest.fixture(autouse=True)
def _nobody_pulls_the_plug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: files outlive processes without, and no test more."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names for thousands of folders: pytest looks at all to find a free one."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, _homes: Iterator[Path]) -> None:
    """Keep sessions of tests out of the person's own folder."""
    home = next(_homes)
    home.mkdir()
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    remember()  # the tour is not offered in tests of something else


@pytest.fixture(autouse=True)
def _rounds_run_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no process where a test does not ask for one: that takes seconds."""
    monkeypatch.setenv(ROUNDS_VARIABLE, THREAD)


@pytest.fixture
def small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train small ones: how well a network learns is shown elsewhere."""
    from tests.kit.golden import small

    for name in ("hu2021", "recommended", "supervised"):
        presets = recipe_named(name).presets
        monkeypatch.setitem(presets, "sound", small(presets["sound"]))


@pytest.fixture
def short_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the map in most tests; to lay it out takes seconds."""
    from napari_contrastseg.insight import tsne

    monkeypatch.setattr(tsne, "EXAGGERATED", tsne.EVERY)
    monkeypatch.setattr(tsne, "FREE", 2 * tsne.EVERY)


@pytest.fixture(scope="module")
def light_children() -> Iterator[None]:
    """Processes for rounds load torch once a job asks for it, not ahead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process_module, "AHEAD", ())
        yield


@pytest.fixture
def data_root() -> Path:
    """Folder with the real data; skips without it."""
    root = os.environ.get("CONTRASTSEG_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("CONTRASTSEG_DATA names no folder with real data")
    return Path(root)


@pytest.fixture
def sample() -> Sample:
    """One phantom."""
    return phantom(0)


@pytest.fixture
def session(sample: Sample) -> Session:
    """A session with one phantom and its two classes."""
    made = Session()
    made.add_volume(sample.volume)
    made.add_class("core")
    made.add_class("shell")
    return made


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refused:
    """Run a command that must fail with one line, and return the line."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["contrastseg", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert ended.value.code == 2, printed.err
        assert printed.err.count("\n") == 1, printed.err
        assert printed.err.startswith("contrastseg: ")
        assert printed.out == ""
        return printed.err

    return run


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight phantoms as a data set."""
    root = tmp_path_factory.mktemp("data") / "set"
    entries = [
        LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i) for i in range(8))
    ]
    write_dataset(root, entries, {1: "core", 2: "shell"})
    return root


@pytest.fixture(scope="module")
def model(dataset: Path) -> Path:
    """A model that was trained for a moment."""
    out = dataset.parent / "model"
    done = here(
        "train", dataset, "--recipe", "supervised", "--slices", 6, "--fold", 0,
        "--steps", 2, "--set", 'network={"widths": [4, 8, 8]}', "--out", out,
        "--json", out.parent / "train.json",
    )  # fmt: skip
    assert done.status == 0, done.err
    return out


@pytest.fixture(scope="module")
def cube() -> Sample:
    """A phantom of cubic voxels."""
    made = phantom(0)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])[[2, 1, 0, 3]].T
    volume = replace(made.volume, affine=affine)
    return replace(made, volume=volume)
