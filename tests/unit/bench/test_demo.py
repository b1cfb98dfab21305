"""The demo does not replace an edited session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg.bench.demo import DemoRequest, _refuse_strange, demo
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.samples.samples import phantom
from napari_contrastseg.session import painting
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.snapshot import save_session

if TYPE_CHECKING:
    from pathlib import Path


def test_a_demo_does_not_replace_an_edited_session(tmp_path: Path) -> None:
    session = Session()
    sample = phantom(0)
    session.add_volume(sample.volume)
    session.add_class()
    save_session(session, tmp_path / "session")
    report = tmp_path / "demo.json"
    report.write_text(json.dumps({"session": session.fingerprint}))
    _refuse_strange(tmp_path)  # nobody worked in it
    painting.paint(session, sample.volume.id, sample.truth == 1, 1)
    save_session(session, tmp_path / "session")
    with pytest.raises(InputError, match="was changed since the last demo"):
        next(demo(DemoRequest(tmp_path)))
    report.unlink()
    with pytest.raises(InputError, match="holds other files"):
        next(demo(DemoRequest(tmp_path)))
    with pytest.raises(InputError, match="no recipe 'none'"):
        next(demo(DemoRequest(tmp_path / "new", "none")))
