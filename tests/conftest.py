"""Fixtures: phantoms, a session, the real data where there is some."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from napari_contrastseg.samples.samples import Sample, phantom
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.locations import HOME_VARIABLE


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Small networks are quicker on one thread, and the same on every machine."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep sessions of tests out of the person's own folder."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))


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
